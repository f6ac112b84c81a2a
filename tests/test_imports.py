"""Which way imports point: each layer may know those before it, never one after it.

That goes for the package, and for the folders beside it that are made of its catalogue.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import inferometer

PACKAGE = Path(inferometer.__file__).parent
LAYERS = (
    {"", "catalogue", "config", "counters", "exposition", "families", "guard", "logs", "protobuf",
     "rendered", "roles", "threads", "values"},
    {"collector"},
    {"serve"},
    {"gpu", "engines", "cost"},
    {"home"},
    {"alert_log"},
    {"app"},
    {"cli"},
    {"__main__"},
)
ROOT = PACKAGE.parents[1]
FOLDERS = ("recording_rules", "alerts", "dashboards", "deploy")  # each may know those before it
BESIDE = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))
}
FOREIGN = {
    "vllm": "vllm:", "tgi": "tgi_", "sglang": "sglang:", "llama_cpp": "llamacpp:",
    "tensorrt_llm": "trtllm_", "triton": "nv_inference", "lmdeploy": "lmdeploy:",
    "nim": "num_request_max", "kserve": "request_postprocess_seconds",
    "dynamo": "dynamo_frontend_", "dynamo_worker": "dynamo_component_", "sglang_router": "smg_",
}
MODULES = {
    ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip("."):
    file for file in sorted(PACKAGE.rglob("*.py"))
}


def part(module: str) -> str:
    return module.split(".")[0]


def layer(module: str) -> int:
    return next(i for i, names in enumerate(LAYERS) if part(module) in names)


def imported(file: Path) -> Iterator[str]:
    """Whole names of what a file imports, at its top or anywhere else."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(file: Path) -> set[str]:
    """Modules of this package that a file imports."""
    names = {name.removeprefix("inferometer.") for name in imported(file)
             if name.startswith("inferometer.")}
    return {name if name in MODULES else name.rpartition(".")[0] for name in names}


def test_every_module_has_its_layer() -> None:
    parts = {part(module) for module in MODULES}
    assert parts == set().union(*LAYERS)


@pytest.mark.parametrize("module", MODULES)
def test_no_module_imports_one_of_a_later_layer(module: str) -> None:
    later = {name for name in ours(MODULES[module]) if layer(name) > layer(module)}
    assert later == set()


def test_engines_gpu_and_cost_do_not_know_each_other() -> None:
    for module, file in MODULES.items():
        known = {part(name) for name in ours(file)}
        if part(module) in ("engines", "gpu", "cost"):
            assert known & {"engines", "gpu", "cost"} <= {part(module)}, module


def test_only_one_module_imports_pynvml() -> None:
    assert [module for module, file in MODULES.items()
            if any(part(name) == "pynvml" for name in imported(file))] == ["gpu.nvml"]


def test_only_one_module_imports_grpc_and_none_at_its_top() -> None:
    """It is large, and an extra."""
    importing = {module: file for module, file in MODULES.items()
                 if any(part(name) == "grpc" for name in imported(file))}
    assert [*importing] == ["gpu.kubelet"]
    top = ast.parse(importing["gpu.kubelet"].read_text(encoding="utf-8")).body
    assert not any(isinstance(node, ast.Import) and node.names[0].name == "grpc" for node in top)


@pytest.mark.parametrize("module", MODULES)
def test_an_engines_own_names_stand_in_its_table_only(module: str) -> None:
    text = MODULES[module].read_text(encoding="utf-8")
    for table, prefix in FOREIGN.items():
        if module != f"engines.tables.{table}":
            assert prefix not in text


def test_the_foreign_names_are_looked_for_where_they_are() -> None:
    """Else the test above could not fail."""
    for table, prefix in FOREIGN.items():
        assert prefix in MODULES[f"engines.tables.{table}"].read_text(encoding="utf-8")


@pytest.mark.parametrize("module", MODULES)
def test_the_package_knows_nothing_of_the_folders_beside_it(module: str) -> None:
    assert {part(name) for name in imported(MODULES[module])} & {*FOLDERS} == set()


@pytest.mark.parametrize("module", BESIDE)
def test_no_folder_imports_one_of_a_later_layer(module: str) -> None:
    later = FOLDERS[FOLDERS.index(part(module)) + 1:]
    assert {part(name) for name in imported(BESIDE[module])} & {*later, "tests", "bench"} == set()


@pytest.mark.parametrize("module", [name for name in BESIDE if part(name) != "deploy"])
def test_definitions_know_the_catalogue_alone_of_the_package(module: str) -> None:
    known = {name.split(".")[1] for name in imported(BESIDE[module])
             if part(name) == "inferometer"}
    assert known <= {"catalogue"}


def test_only_one_module_imports_grafanalib() -> None:
    assert [module for module, file in BESIDE.items()
            if any(part(name) == "grafanalib" for name in imported(file))] == ["dashboards.panels"]


@pytest.mark.parametrize("module", BESIDE)
def test_an_engines_own_names_stand_in_no_definition(module: str) -> None:
    text = BESIDE[module].read_text(encoding="utf-8")
    assert [prefix for prefix in FOREIGN.values() if prefix in text] == []

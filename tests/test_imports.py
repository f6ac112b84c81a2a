"""Which way imports point: each layer may know those before it, never one after it.

That goes for the package, and for the folders beside it that are made of its catalogue.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import inferometer
from inferometer.catalogue import ENGINE_NAMES
from inferometer.engines.tables import TABLES
from tests.exporter.engines.pages import ENGINES

PACKAGE = Path(inferometer.__file__).parent
LAYERS = (
    {"", "catalogue", "config", "counters", "exposition", "families", "guard", "logs", "rendered",
     "roles", "threads", "values"},
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
MODULES = {
    ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip("."):
    file for file in sorted(PACKAGE.rglob("*.py"))
}


def foreign_names() -> dict[str, str]:
    """The prefix of each engine's families, or their names where they have none, by engine."""
    return {name: engine.name for engine in TABLES
            for name in ([engine.spelling.prefix] if engine.spelling.prefix else engine.marks)}


FOREIGN = foreign_names()
# At the beginning of a word, the longest first: one prefix may begin another.
ANY_FOREIGN = re.compile(r"(?<![\w:])(?:{})".format("|".join(
    name if name.endswith((":", "_")) else rf"{name}\b"
    for name in sorted(FOREIGN, key=len, reverse=True))))
OUR_NAMES = re.compile(r"\b(?:{})\b(?!:)".format("|".join(
    sorted(ENGINE_NAMES, key=len, reverse=True))))


def foreign_in(file: Path) -> set[str]:
    """The engines whose families a file names; our own name of an engine is none of them."""
    text = OUR_NAMES.sub("", file.read_text(encoding="utf-8"))
    return {FOREIGN[name] for name in ANY_FOREIGN.findall(text)}


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
    tables, _, name = module.rpartition(".")
    own = {engine.name for engine in ENGINES[name]} if (
        tables == "engines.tables" and name in ENGINES) else set()
    assert foreign_in(MODULES[module]) <= own


def test_the_foreign_names_are_looked_for_where_they_are() -> None:
    """Else the test above could not fail."""
    tables = [file for module, file in MODULES.items() if module.startswith("engines.tables.")]
    assert set().union(*map(foreign_in, tables)) == {engine.name for engine in TABLES}


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
    assert foreign_in(BESIDE[module]) == set()

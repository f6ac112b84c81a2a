"""The documents say what is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_excerpt_in_the_readme_is_on_the_golden_page() -> None:
    readme = (ROOT / "README.md").read_text()
    excerpt = re.search(r"a test compares them -->\n```\n(.*?)```", readme, re.DOTALL)
    assert excerpt is not None
    golden = set((ROOT / "tests/golden/vllm.prom").read_text().splitlines())
    assert [line for line in excerpt[1].splitlines() if line not in golden] == []


def test_every_dependency_is_in_contributing_with_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    dependencies = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    table = (ROOT / "CONTRIBUTING.md").read_text()
    names = [re.split(r"[><=~[]", line)[0] for line in dependencies]
    assert [name for name in names if name not in table] == []


def test_every_file_the_documents_name_is_there() -> None:
    for document in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / document).read_text()
        for path in re.findall(r"\]\(([\w./-]+)\)", text):
            assert (ROOT / path).exists(), f"{document} names {path}"


def test_every_module_and_file_the_documents_name_is_there() -> None:
    """Named in backticks, as a path from the root or from a folder that the text is about."""
    folders = (ROOT, ROOT / "exporter/inferometer", *(ROOT / name for name in (
        "deploy", "deploy/chart", "dashboards", "tests", "examples")))
    for document in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / document).read_text()
        for path in re.findall(r"`([\w./-]+(?:\.py|\.yml|\.yaml|\.md|\.c|/))`", text):
            assert any((folder / path).exists() for folder in folders), (
                f"{document} names {path}, which is not there")

"""An engine is all there: its table, its name, its pages, where they come from, what they become.

Each test ends with what to do next, so that who adds an engine need only follow them.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from inferometer import catalogue as c
from inferometer.engines.table import EVIDENCE
from inferometer.engines.tables import TABLES
from tests.exporter.engines.pages import (
    ENGINES,
    FOLDER,
    GOLDEN_PAGES,
    ORIGINS,
    PAGES,
    evidence_of,
    origins,
    table_of,
)

TABLES_FOLDER = "exporter/inferometer/engines/tables"
LIST = f"{TABLES_FOLDER}/__init__.py"
NAMES = "exporter/inferometer/catalogue/engine.py"
FIXTURES = "tests/fixtures/engines"
ROWS = f"{FIXTURES}/README.md"
GOLDEN_FOLDER = Path(__file__).parents[2] / "golden"
NO_ENGINE = {"cost"}  # golden pages of the exporter's other parts
LICENCES = ("Apache-2.0", "BSD-3-Clause", "MIT")
ASK_FOR_COPYRIGHT = ("BSD-3-Clause", "MIT")


@pytest.mark.parametrize("module", ENGINES)
def test_every_table_is_in_the_list(module: str) -> None:
    assert ENGINES[module], f"{TABLES_FOLDER}/{module}.py has no Engine: define ENGINE there"
    missing = [engine for engine in ENGINES[module] if engine not in TABLES]
    assert not missing, f"{LIST}: import {module}, and add {module}.ENGINE to TABLES"


@pytest.mark.parametrize("engine", TABLES, ids=lambda engine: engine.title)
def test_every_tables_engine_is_a_value_of_the_label(engine: object) -> None:
    name = getattr(engine, "name", "")
    assert name in c.ENGINE_NAMES, (
        f"{NAMES}: add {name!r} to ENGINE_NAMES, before 'unknown', and to ROUTERS if other engines "
        "stand behind it; then run: make bundle; python -m deploy.contract")


@pytest.mark.parametrize("name", [name for name in c.ENGINE_NAMES if name != "unknown"])
def test_every_value_of_the_label_is_an_engine(name: str) -> None:
    assert name in {engine.name for engine in TABLES}, (
        f"{LIST}: no table in TABLES has name={name!r}; write one in {TABLES_FOLDER}/, or take "
        f"{name!r} out of ENGINE_NAMES in {NAMES}")


def test_what_stands_in_front_of_engines_is_an_engine_itself() -> None:
    assert set(c.ROUTERS) <= set(c.ENGINE_NAMES), f"{NAMES}: ROUTERS must be among ENGINE_NAMES"


@pytest.mark.parametrize("module", ENGINES)
def test_every_table_has_a_page(module: str) -> None:
    assert module in map(table_of, PAGES), (
        f"{FIXTURES}/{module}/ has no page: save one as "
        f"{FIXTURES}/{module}/<version or origin>/<name>.prom")


@pytest.mark.parametrize("page", PAGES)
def test_every_page_lies_in_the_folder_of_a_table(page: str) -> None:
    assert page.count("/") == 2, (
        f"{FIXTURES}/{page}: move it to {FIXTURES}/<table>/<version or origin>/<name>.prom")
    assert table_of(page) in ENGINES, (
        f"{FIXTURES}/{page}: its first folder must be a module of {TABLES_FOLDER}/, one of "
        f"{', '.join(ENGINES)}; move it there, or write {TABLES_FOLDER}/{table_of(page)}.py")


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_where_it_comes_from(page: str) -> None:
    folder = page.rpartition("/")[0]
    row = (f"| `{folder}` | {' or '.join(EVIDENCE)} | `{Path(page).stem}` as `{table_of(page)}` "
           "| where it comes from |")
    assert folder in ORIGINS, f"{ROWS}: add the row\n{row}"


@pytest.mark.parametrize("folder", ORIGINS)
def test_every_row_is_of_pages_that_are_there_and_says_how_they_are_known(folder: str) -> None:
    origin = ORIGINS[folder]
    assert any(page.startswith(f"{folder}/") for page in PAGES), (
        f"{ROWS}: no page lies in {FIXTURES}/{folder}; take the row out, or mend its first cell")
    assert origin.evidence in EVIDENCE, (
        f"{ROWS}: the second cell of `{folder}` must be {' or '.join(EVIDENCE)}")
    assert origin.text.strip(), f"{ROWS}: write where the pages of `{folder}` come from"
    licence = next((name for name in LICENCES if name in origin.text), "")
    assert origin.evidence != "captured" or licence, (
        f"{ROWS}: the pages in `{folder}` are of others: end their row with the licence, "
        f"{' or '.join(LICENCES)}")
    assert licence not in ASK_FOR_COPYRIGHT or "Copyright" in origin.text, (
        f"{ROWS}: {licence} asks for the copyright line: add it to the row of `{folder}`")


def test_no_folder_has_two_rows() -> None:
    rows = [origin.folder for origin in origins((FOLDER / "README.md").read_text())]
    twice = {folder for folder in rows if rows.count(folder) > 1}
    assert not twice, f"{ROWS}: one row a folder; make one of those of {', '.join(twice)}"


@pytest.mark.parametrize("module", ENGINES)
def test_a_table_claims_the_best_evidence_of_its_pages(module: str) -> None:
    words = {evidence_of(page) for page in PAGES if table_of(page) == module}
    best = next((word for word in EVIDENCE if word in words), "")
    for engine in ENGINES[module]:
        assert engine.evidence == best, (
            f"{TABLES_FOLDER}/{module}.py: write evidence={best!r}, as the rows of its pages in "
            f"{ROWS} have it, or mend the second cell there; then run: make golden")


@pytest.mark.parametrize("module", ENGINES)
def test_every_table_has_a_golden_page(module: str) -> None:
    pages = [page for page in PAGES if table_of(page) == module]
    assert module in map(table_of, GOLDEN_PAGES.values()), (
        f"{ROWS}: write `<page>` as `{module}` into the third cell of a row of "
        f"{', '.join(pages) or module}; then run: make golden")


@pytest.mark.parametrize("name", GOLDEN_PAGES)
def test_every_golden_page_is_made_of_a_page_that_is_there_and_was_recorded(name: str) -> None:
    page = GOLDEN_PAGES[name]
    assert page in PAGES, f"{ROWS}: the third cell of `{page.rpartition('/')[0]}` names no page"
    recorded = (GOLDEN_FOLDER / f"{name}.prom").exists() or os.environ.get("GOLDEN") == "record"
    assert recorded, f"tests/golden/{name}.prom is not there; run: make golden"


def test_no_golden_page_is_left_over() -> None:
    left = {file.stem for file in GOLDEN_FOLDER.glob("*.prom")} - {*GOLDEN_PAGES} - NO_ENGINE
    assert not left, (
        f"remove {', '.join(f'tests/golden/{name}.prom' for name in sorted(left))}, or name its "
        f"page in the third cell of a row of {ROWS}")


@pytest.mark.parametrize("engine", TABLES, ids=lambda engine: engine.title)
def test_what_a_table_leaves_out_is_names_and_beginnings_without_the_prefix(
        engine: object) -> None:
    unused: tuple[str, ...] = getattr(engine, "unused", ())
    for name in unused:
        assert name.rstrip("*").replace("_", "").isalnum(), (
            f"unused: {name!r} must be the name of a family, or its beginning and *")
        assert name.count("*") <= 1, f"unused: {name!r} may have one * at its end"
    twice = {name for name in unused if unused.count(name) > 1}
    assert not twice, f"unused: {twice} twice; leave one out"

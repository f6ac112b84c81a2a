"""An engine is all there: its table, its name, its pages, where they come from, what they become.

Each test fails with what to do next, so that whoever adds an engine need only follow them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from inferometer import catalogue as c
from inferometer.engines.requests import _BY_CLASS, _EXACT
from inferometer.engines.table import EVIDENCE, Engine
from inferometer.engines.tables import TABLES
from tests.exporter.engines.pages import (
    ENGINES,
    GOLDEN_PAGES,
    ORIGINS,
    PAGES,
    README,
    Origin,
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

every_module = pytest.mark.parametrize("module", ENGINES)
every_table = pytest.mark.parametrize("engine", TABLES, ids=lambda engine: engine.title)
every_page = pytest.mark.parametrize("page", PAGES)
every_row = pytest.mark.parametrize("row", ORIGINS.values(), ids=lambda row: row.folder)


def demand(condition: object, advice: str) -> None:
    """Fail with nothing but the advice."""
    if not condition:
        pytest.fail(advice, pytrace=False)


@every_module
def test_every_table_is_in_the_list(module: str) -> None:
    demand(ENGINES[module], f"{TABLES_FOLDER}/{module}.py has no Engine: define ENGINE there")
    missing = [engine for engine in ENGINES[module] if engine not in TABLES]
    demand(not missing, f"{LIST}: import {module}, and add {module}.ENGINE to TABLES")


@every_table
def test_every_tables_engine_is_a_value_of_the_label(engine: Engine) -> None:
    demand(engine.name in c.ENGINE_NAMES,
           f"{NAMES}: add {engine.name!r} to ENGINE_NAMES, before 'unknown', and to ROUTERS if "
           "other engines stand behind it; then run: make bundle; make contract")


@pytest.mark.parametrize("name", [name for name in c.ENGINE_NAMES if name != "unknown"])
def test_every_value_of_the_label_is_an_engine(name: str) -> None:
    demand(name in {engine.name for engine in TABLES},
           f"{LIST}: no table in TABLES has name={name!r}; write one in {TABLES_FOLDER}/, or "
           f"take {name!r} out of ENGINE_NAMES in {NAMES}")


@pytest.mark.parametrize("name", c.ROUTERS)
def test_every_router_is_an_engine(name: str) -> None:
    demand(name in c.ENGINE_NAMES, f"{NAMES}: add {name!r} of ROUTERS to ENGINE_NAMES too")


@every_table
def test_every_ending_of_a_table_is_one_of_the_catalogues(engine: Engine) -> None:
    counters = [ending for counter in engine.requests
                for ending in (counter.otherwise, *counter.meaning.values())]
    strange = {*counters, *(engine.http.endings if engine.http else ())} - {*c.ENDINGS}
    demand(not strange, f"{NAMES}: add {strange} of {engine.title} to _REASONS there, or take "
           "reasons that its outcome has; then run: make bundle; make contract")


def test_every_ending_by_status_is_one_of_the_catalogues() -> None:
    assert {*_EXACT.values(), *_BY_CLASS.values(), ("success", "finished")} - {None} <= {
        *c.ENDINGS}


@every_module
def test_every_table_has_a_page(module: str) -> None:
    demand(module in map(table_of, PAGES),
           f"save a page of {module} as {FIXTURES}/{module}/<version or origin>/<name>.prom")


@every_page
def test_every_page_lies_in_the_folder_of_a_table(page: str) -> None:
    demand(page.count("/") == 2, f"{FIXTURES}/{page}: move it to "
                                 f"{FIXTURES}/<table>/<version or origin>/<name>.prom")
    demand(table_of(page) in ENGINES,
           f"{FIXTURES}/{page}: move it to the folder of the table that reads it, one of "
           f"{', '.join(ENGINES)}; or write {TABLES_FOLDER}/{table_of(page)}.py")


@every_page
def test_every_page_has_a_row_with_its_origin(page: str) -> None:
    folder, table = page.rpartition("/")[0], table_of(page)
    golden = "" if table in map(table_of, GOLDEN_PAGES.values()) else (
        f" `{Path(page).stem}` as `{table}`")
    demand(folder in ORIGINS,
           f"{ROWS}: add a row of four cells, the second {' or '.join(EVIDENCE)}:\n"
           f"| `{folder}` | run |{golden} | captured from <which server, how it was started> |")


@every_row
def test_every_row_has_pages_and_evidence_and_an_origin_with_its_licence(row: Origin) -> None:
    demand(any(page.startswith(f"{row.folder}/") for page in PAGES),
           f"{ROWS}: no page lies in {FIXTURES}/{row.folder}; take its row out, or mend it")
    demand(row.evidence in EVIDENCE,
           f"{ROWS}: the second cell of `{row.folder}` must be {' or '.join(EVIDENCE)}")
    demand(row.text.strip() and "<which" not in row.text,
           f"{ROWS}: write into the fourth cell of `{row.folder}` where its pages come "
           "from")
    licence = next((name for name in LICENCES if name in row.text), "")
    demand(row.evidence != "captured" or licence,
           f"{ROWS}: the pages in `{row.folder}` are of others: end their row with the licence, "
           f"{' or '.join(LICENCES)}")
    demand(licence not in ASK_FOR_COPYRIGHT or "Copyright" in row.text,
           f"{ROWS}: {licence} asks for the copyright line: add it to the row of `{row.folder}`")


def test_no_folder_has_two_rows_and_no_golden_page_two_origins() -> None:
    rows = origins(README.read_text())
    for kind, names in (("folder", [row.folder for row in rows]),
                        ("golden page", [name for row in rows for name in row.golden])):
        twice = {name for name in names if names.count(name) > 1}
        demand(not twice, f"{ROWS}: one row for each {kind}, and not two for {', '.join(twice)}")


@every_module
def test_a_table_has_the_best_evidence_of_its_pages(module: str) -> None:
    words = {evidence_of(page) for page in PAGES if table_of(page) == module}
    best = next((word for word in EVIDENCE if word in words), "")
    for engine in ENGINES[module] if best else ():
        demand(engine.evidence == best,
               f"{TABLES_FOLDER}/{module}.py: write evidence={best!r}, as the rows of its pages "
               f"in {ROWS} have it, or mend the second cell there; then run: make golden")


@every_module
def test_every_table_has_a_golden_page(module: str) -> None:
    pages = [page for page in PAGES if table_of(page) == module and evidence_of(page)]
    for page in pages[:1]:
        demand(module in map(table_of, GOLDEN_PAGES.values()),
               f"{ROWS}: write `{Path(page).stem}` as `{module}` into the third cell of "
               f"`{page.rpartition('/')[0]}`, or choose another of its pages; "
               "then run: make golden")


@pytest.mark.parametrize("name", GOLDEN_PAGES)
def test_every_golden_page_is_made_of_a_page_that_is_there(name: str) -> None:
    page = GOLDEN_PAGES[name]
    demand(page in PAGES, f"{ROWS}: there is no {FIXTURES}/{page}, of which {name} is made; "
                          f"mend the third cell of `{page.rpartition('/')[0]}`")


def test_no_golden_page_is_left_over() -> None:
    left = {file.stem for file in GOLDEN_FOLDER.glob("*.prom")} - {*GOLDEN_PAGES} - NO_ENGINE
    demand(not left, f"remove {', '.join(f'tests/golden/{name}.prom' for name in sorted(left))}, "
                     f"or write its page into the third cell of a row of {ROWS}")


@every_table
def test_what_a_table_leaves_out_is_names_and_beginnings_without_the_prefix(
        engine: Engine) -> None:
    unused = [name for names in engine.unused.values() for name in names]
    for name in unused:
        demand(name.removesuffix("*").replace("_", "").isalnum(),
               f"{engine.title}: {name!r} in unused must be the name of a family without its "
               "prefix, or the beginning of one and *")
        demand(unused.count(name) == 1, f"{engine.title}: {name!r} is in unused twice")

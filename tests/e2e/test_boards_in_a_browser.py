"""Every board as a reader sees it: on the demo's data, by Grafana's own front-end packages."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import dashboards
from dashboards import panels
from dashboards.model import Board, Panel, PanelRow, Query
from dashboards.styles import Field
from tests.e2e.boardview import Boards, View, boards_in
from tests.e2e.browser import chromium
from tests.e2e.demonstration import demonstration

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

FASTER = 30
SPAN = "90s"  # of which each minute is half an hour
AN_ALERT, ALERT_SECONDS = "LLMFirstTokenSlow", 150.0  # by then every window has its data
# Boards' panels that may be empty, and why: six at most.
EMPTY = {
    "exporter / Mixed histogram bounds": "all replicas of a model have one version here",
    "throughput / Migrated requests": "Dynamo's frontend alone counts them, and none runs here",
    "throughput / Accepted of late": "no engine here that drafts tells its last steps by a gauge",
    "requests / Calls and their traces": "it is of one model, and none is chosen here",
    "throughput / Failed movements": "NIXL alone counts them, and nothing here moves by it",
}
BOARDS = dashboards.render_all()
LOOK = View(faster=FASTER, span=SPAN)


@pytest.fixture(scope="module")
def boards() -> Iterator[Boards]:
    """All boards and the broken ones, over the demo."""
    program = Path(os.environ["TOOLS"]) / "prometheus-3/prometheus"
    with demonstration(program, FASTER) as demo, chromium() as browser:
        demo.wait_for_alert(AN_ALERT, ALERT_SECONDS)
        with boards_in(browser, BOARDS | BROKEN | NOTHING, demo.prometheus) as shown:
            yield shown


@pytest.mark.parametrize("width", [1280, 1600])
@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("uid", BOARDS)
def test_every_panel_of_a_board_is_there_and_whole(
        boards: Boards, uid: str, theme: str, width: int) -> None:
    name = uid.removeprefix("inferometer-")
    seen = boards.seen(uid, View(theme, width, SPAN, faster=FASTER, expand=True))
    faults = [f"{panel.title} {fault}" for panel in seen for fault in panel.faults()]
    assert not faults, "\n".join(faults)
    empty = {f"{name} / {panel.title}" for panel in seen if panel.empty is not None}
    assert empty == {panel for panel in EMPTY if panel.startswith(f"{name} /")}
    assert len(seen) == sum(1 for _ in asked(BOARDS[uid]))


def test_few_panels_may_be_empty() -> None:
    assert len(EMPTY) <= 5


def asked(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The panels of a board, those of its closed rows too."""
    for panel in board["panels"]:
        yield from panel["panels"] if panel["type"] == "row" else (panel,)


def graph(*queries: Query, **drawn: Any) -> Panel:
    return panels.timeseries("Broken", "It is.", "short", *queries, **drawn)


def long_legends(count: int) -> list[Query]:
    return [Query("vector(1)", f"a line that is called number {number}") for number in range(count)]


def broken(panel: Panel, change: Callable[[dict[str, Any]], None] = lambda _: None) -> Any:
    """A board of that one panel, which is changed afterwards."""
    board = panels.render(Board("broken", "Broken", "It is.", (), (PanelRow("", (panel,)),)), ())
    change(board["panels"][1])
    return board


def misspelt(panel: dict[str, Any]) -> None:
    panel["fieldConfig"]["overrides"].append({
        "matcher": {"id": "byName", "options": "x"},
        "properties": [{"id": "custom.lineWidht", "value": 3}]})


A_LINE = Query("vector(1)", "line")
NOTHING = {"nothing": broken(graph(Query("vector(1) > 1", "line"), empty="There is none."))}
BROKEN = {
    "is error: Error: bad_data": broken(graph(Query("sum(", "line"))),
    "no panel of the kind gauge is known": broken(
        graph(A_LINE), lambda panel: panel.update(type="gauge")),
    "sets what Grafana does not know: custom.lineWidht": broken(graph(A_LINE), misspelt),
    "cuts its legend by": broken(graph(*long_legends(12), width=6)),
    "is a table of": broken(panels.table(
        "Broken", "It is.", {"model": "Model"},
        [Field(f"Figure {number}", "vector(1)", "short", width=150) for number in range(6)],
        empty="none", width=12)),
    "cuts 'A title that is longer": broken(panels.stat(
        "A title that is longer than its panel can ever show", "It is.", "short", "vector(1)",
        empty="none")),
    "has a legend and no line of its colours": broken(graph(Query("vector(0) / 0", "line"))),
    "has letters of": broken(panels.stat(
        "Broken", "It is.", "short", "vector(1)", empty="none"),
        lambda panel: panel["options"].update(text={"valueSize": 6})),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_panel_is_noticed(boards: Boards, fault: str) -> None:
    (seen,) = boards.seen(fault, LOOK)
    faults = list(seen.faults())
    assert any(fault in text for text in faults), (faults, seen)


def test_an_empty_panel_is_noticed(boards: Boards) -> None:
    (seen,) = boards.seen("nothing", LOOK)
    assert seen.empty == "There is none."


"""The exporter as a list of parts: what each brings, in which order they start and stop."""

from __future__ import annotations

import importlib
import pkgutil
import threading
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from pathlib import Path

import pytest

import inferometer
from inferometer import app
from inferometer import catalogue as c
from inferometer.app import App, make_parts
from inferometer.collector import Collector, Deadline
from inferometer.config import Config
from inferometer.documents.mistakes import Document
from inferometer.families import Family
from inferometer.home.part import HomePart
from inferometer.parts import Part, Row, Watch, Watched
from inferometer.roles import NO_ROLE, ROLES
from inferometer.serve.routes import Received, Response, Route, text_response
from inferometer.settings import Flags
from inferometer.sieve import Refusals
from tests.exporter.support import Page, get, in_thread, wait_for

pytestmark = pytest.mark.timeout(60)
ANYWHERE = Flags(listen="127.0.0.1:0")


class Meter:
    """A collector of a stranger's part; it borrows a name that the catalogue has."""

    name = "gpu"
    punctual = True

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        family = Family(c.BUDGET)
        family.add(7.0, period="day")
        return [family]


class Stranger(Part):
    """A part as somebody else would add one: a collector and a route, and it keeps a diary."""

    sections = ("cost",)
    title, noun, kind = "strangers", "stranger", "stranger"

    def __init__(self, diary: list[str]) -> None:
        self.diary = diary
        self.is_settled = False

    def check(self, config: Config, document: Document) -> None:
        self.diary.append("checked")
        if config.cost.gpu_hour_usd.get("bad"):
            document.report("cost.gpu_hour_usd.bad", "must not be")

    def collectors(self) -> Sequence[Collector]:
        return [Meter()]

    def routes(self) -> Sequence[Route]:
        return [Route("/v1/stranger", self._respond, ("POST",), body_bytes=5,
                      content_types=("text/plain",))]

    def start(self) -> None:
        self.diary.append("started")

    def configure(self, config: Config) -> None:
        self.diary.append("configured")

    def stop(self) -> None:
        self.diary.append("stopped")

    def is_ready(self) -> bool:
        return self.is_settled

    def greeting(self, seconds: float) -> Iterable[Row]:
        return [("stranger", "hello")]

    def watch(self) -> Watch:
        return Watch([Watched("a", "Alice", 1.79e9, details=[("Hat", "tall")]),
                      Watched("b", "Bob", failure="is <away>")], 1000)

    def _respond(self, received: Received) -> Response:
        return text_response(HTTPStatus.OK, received.body.decode())


@pytest.fixture
def diary(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happened to a stranger's part, which stands alone in the list of parts."""
    entries: list[str] = []
    monkeypatch.setattr(app, "make_parts", lambda *_: [Stranger(entries)])
    return entries


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "inferometer.yml"
    file.write_text("cost: {gpu_hour_usd: {L4: 1}}\n")
    return file


def test_a_part_brings_its_collector_and_its_route(diary: list[str], file: Path) -> None:
    running = App(file, ANYWHERE)
    with in_thread(running.start()) as port:
        page = Page(get(port).text)
        assert page.value("inferometer_budget_usd", period="day") == 7.0
        assert page.value("inferometer_collector_success", collector="gpu") == 1.0
        assert get(port, "/v1/stranger").status == 405
        assert get(port, "/v1/stranger", "POST").status == 415
        plain = {"Content-Type": "text/plain; charset=utf-8"}
        assert get(port, "/v1/stranger", "POST", plain).status == 200


def test_the_page_for_a_person_shows_what_a_part_watches(diary: list[str], file: Path) -> None:
    running = App(file, ANYWHERE)
    with in_thread(running.start()) as port:
        page = get(port, "/").text
    for text in ("Strangers", "Alice", "Hat", "tall", "Bob", "is &lt;away&gt;"):
        assert text in page


def test_a_part_starts_is_configured_anew_and_stops(diary: list[str], file: Path) -> None:
    running = App(file, ANYWHERE)
    with in_thread(running.start()):
        assert diary == ["checked", "configured", "started"]
        assert running.reload() == ""
        assert diary[3:] == ["checked", "configured"]
    running.stop()
    assert diary[-1] == "stopped"


def test_what_a_part_does_not_take_changes_nothing(diary: list[str], file: Path) -> None:
    running = App(file, ANYWHERE)
    file.write_text("cost: {gpu_hour_usd: {bad: 1}}\n")
    assert running.reload() == f"{file}:1: cost.gpu_hour_usd.bad: must not be"
    assert diary == ["checked", "configured", "checked"]


def test_the_exporter_is_ready_once_every_part_was_and_stays_so(diary: list[str],
                                                                file: Path) -> None:
    running = App(file, ANYWHERE)
    (part,) = running.parts
    assert isinstance(part, Stranger)
    assert not running.is_ready()
    part.is_settled = True
    assert running.is_ready()
    part.is_settled = False
    assert running.is_ready()


def test_in_another_role_a_part_does_nothing_and_says_so(diary: list[str]) -> None:
    running = App(None, Flags(listen="127.0.0.1:0", role="sidecar"))
    with in_thread(running.start()) as port:
        assert get(port, "/v1/stranger", "POST").status == 404
        assert Page(get(port).text).find("inferometer_budget_usd") == []
        assert [*running.greeting(0.0)] == [("strangers", "not read in this role")]
        assert running.is_ready()
        assert running.reload() == ""
    running.stop()
    assert diary == []


def test_every_section_of_the_configuration_is_some_parts() -> None:
    sections = {section for part in make_parts(Config(), Refusals()) for section in part.sections}
    assert sections == {*ROLES[NO_ROLE].sections}


def part_classes() -> list[type[Part]]:
    """All that the package defines, but for the page that is made of the others.

    Migrations of the ledger are scripts that only Alembic runs.
    """
    for module in pkgutil.walk_packages(inferometer.__path__, "inferometer."):
        if not module.name.endswith("__main__") and ".migrations." not in module.name:
            importlib.import_module(module.name)
    return [kind for kind in Part.__subclasses__()
            if kind.__module__.startswith("inferometer.") and kind is not HomePart]


def test_every_part_is_in_the_list_of_parts_and_runs_in_some_role() -> None:
    made = {type(part) for part in make_parts(Config(), Refusals())}
    advice = [f"add {kind.__name__} of {kind.__module__} to make_parts in app.py"
              for kind in part_classes() if kind not in made]
    advice += [f"{kind.__name__}: give it sections, or it never runs"
               for kind in part_classes() if not kind.sections]
    assert advice == []


def test_every_collector_has_a_name_of_the_catalogue_and_of_its_own() -> None:
    """A collector whose name the label `collector` lacks would be left out of the page."""
    parts = make_parts(Config(), Refusals())
    names = [collector.name for part in parts for collector in part.collectors()]
    assert len({*names}) == len(names)
    assert [f"add {name!r} to COLLECTOR in catalogue/exporter.py" for name in names
            if name not in c.COLLECTOR.values] == []


def test_no_two_routes_share_a_path(file: Path) -> None:
    file.write_text("web: {enable_reload: true, enable_alert_log: true}\n")
    paths = [route.path for route in App(file, ANYWHERE).routes()]
    assert sorted({*paths}) == sorted(paths)
    assert {"/", "/metrics", "/-/healthy", "/-/ready", "/-/reload", "/v1/alerts"} <= {*paths}


def test_no_thread_of_a_part_outlives_it_by_much(tmp_path: Path) -> None:
    file = tmp_path / "inferometer.yml"
    file.write_text("gpu: {retry_seconds: 0.1}\nengines: {discover_ports: [1]}\n")
    before = {*threading.enumerate()}
    running = App(file, ANYWHERE, history_step=0.1)
    with in_thread(running.start()):
        wait_for(running.is_ready)
    running.stop()
    wait_for(lambda: not any(
        thread.name in ("gpu-watch", "history", "engine-discovery")
        for thread in {*threading.enumerate()} - before))

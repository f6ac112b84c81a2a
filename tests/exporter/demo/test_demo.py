"""The demo as the real exporter has it; and nobody has it who did not ask for it."""

from __future__ import annotations

import ast
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferometer import __version__
from inferometer.demo.clock import StoryClock
from inferometer.demo.director import Director
from inferometer.demo.exporters import Exporters
from inferometer.demo.fleet import FLEET, GPUS
from inferometer.demo.story import STORY
from inferometer.demo.world import World
from tests.exporter.process import ANYWHERE, command, ready, started
from tests.exporter.support import Page, get, wait_for
from tests.test_imports import MODULES, imported

OTHERS = """
import sys
import inferometer.app, inferometer.cli
inferometer.cli.make_parser()
print([name for name in sys.modules if name.startswith("inferometer.demo")])
"""


class Clock:
    """The story's time, set by hand."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def world(clock: Clock) -> Iterator[World]:
    world = World(StoryClock(60, clock))
    world.start()
    yield world
    world.stop()


@pytest.fixture(scope="module")
def exporters(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporters]:
    exporters = Exporters(world, tmp_path_factory.mktemp("demo"), "127.0.0.1:0")
    with exporters.start() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        wait_for(exporters.app.is_ready)
        yield exporters
        server.shutdown()
        thread.join(10)
        exporters.stop()


def page(exporters: Exporters, job: str, number: int = 0) -> Page:
    port, _ = exporters.targets()[job][number]
    return Page(get(port).text)


def test_one_exporter_shows_gpus_engines_pods_and_money(exporters: Exporters) -> None:
    shown = page(exporters, "inferometer-node")
    assert shown.values("gpu_up") == [1.0] * GPUS
    assert {s.labels["target"] for s in shown.find("llm_server_up")} == {
        seat.name for seat in FLEET}
    assert set(shown.values("llm_server_up")) == {1.0}
    assert len(shown.find("gpu_pod_info", shared="false")) == sum(len(s.gpus) for s in FLEET)
    assert shown.value("inferometer_budget_usd", period="day", model="")
    assert {"gpu", "storage", "overhead"} <= {
        s.labels["category"] for s in shown.find("llm_cost_usd_total")}


def test_each_engine_has_an_exporter_in_its_pod_that_reads_it_alone(exporters: Exporters) -> None:
    for number, seat in enumerate(FLEET):
        _, labels = exporters.targets()["inferometer"][number]
        shown = page(exporters, "inferometer", number)
        assert labels["pod"] == seat.pod
        assert [s.labels["target"] for s in shown.find("llm_server_up")] == [seat.name]
        assert not shown.find("gpu_up")
        assert not shown.find("llm_cost_usd_total")


def test_every_page_of_metrics_says_that_it_is_a_demo(exporters: Exporters) -> None:
    for job, targets in exporters.targets().items():
        for number in range(len(targets)):
            (build,) = page(exporters, job, number).find("inferometer_build_info")
            assert build.labels["version"] == f"{__version__}+demo"


def test_the_story_is_played_to_its_end_and_all_is_well_after_it(
        exporters: Exporters, world: World, clock: Clock) -> None:
    lines: list[str] = []
    director = Director(world, exporters, None, lines.append, again=False)
    seen: set[str] = set()
    while not director.over:
        director.turn()
        clock.ahead += 2.0
        seen |= {f"{gpu.index} hot" for gpu in world.gpus if gpu.ailment.overheated}
        seen |= {f"{name} dead" for name, one in world.engines.items() if not one.alive}
    assert seen == {"2 hot", "3 hot", "summaries dead"}
    assert all(endpoint.alive for endpoint in world.engines.values())
    text = "\n".join(lines)
    for episode in STORY:
        assert episode.title in text
        assert all(expected.alert in text for expected in episode.expected)


def test_a_cut_budget_is_in_force_at_once_and_given_back(exporters: Exporters) -> None:
    for usd in (1.5, 600.0):
        exporters.set_day_budget(usd)
        shown = page(exporters, "inferometer-node")
        assert shown.value("inferometer_budget_usd", period="day", model="") == usd


def test_no_other_verb_has_it_within_reach() -> None:
    done = subprocess.run([sys.executable, "-c", OTHERS], capture_output=True, text=True,
                          check=True, timeout=30)
    assert done.stdout.strip() == "[]"
    importing = {module for module, file in MODULES.items() if not module.startswith("demo")
                 and any(name.startswith("inferometer.demo.") for name in imported(file))}
    assert importing == {"cli.demo"}


def test_only_the_demo_replaces_the_drivers_library() -> None:
    calling = {module for module, file in MODULES.items() for node in ast.walk(
        ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Name)
        and node.id == "replace_library"}
    assert calling == {"demo.exporters"}


def test_the_exporter_itself_is_no_demo() -> None:
    with started(*ANYWHERE) as running:
        shown = ready(running).scrape()
    assert shown.value("inferometer_build_info", version=__version__) == 1
    assert not shown.find("gpu_up")


@pytest.mark.parametrize(("arguments", "why"), [
    (("--faster", "7"), "'7' is none of 1, 2, 3"),
    (("--listen", "nowhere"), "'nowhere' is not"),
])
def test_a_wrong_argument_is_named(arguments: tuple[str, ...], why: str) -> None:
    done = command("demo", *arguments)
    assert done.returncode == 2
    assert why in done.stderr


def test_a_prometheus_that_is_none_is_named(tmp_path: Path) -> None:
    done = command("demo", *ANYWHERE, "--prometheus", tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"inferometer: {tmp_path} is no program, and no folder with prometheus\n"

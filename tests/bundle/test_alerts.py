"""All alerts together: each is shown both ways, and one outage pages once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

import alerts
from alerts import engines, signals
from alerts.degraded import COVERS
from alerts.exporter import ALWAYS
from inferometer import catalogue as c
from tests.bundle.alert_cases import Case, alert_documents, resting_on
from tests.bundle.alert_inputs import OTHER, emit, histogram, override, requests
from tests.bundle.promtool import SCRAPE, VERSIONS, Series, ask, documents, selector, series
from tests.bundle.virtual import PAGES, clusters

ALERTS = tuple(alert for group in alerts.ALERT_GROUPS for alert in group.alerts)
GROUPS = tuple(group for group in alerts.ALERT_GROUPS
               if {alert.subject.team for alert in group.alerts} == {"serving"})


def cases() -> Iterator[Case]:
    """Those of every table beside this file."""
    for file in sorted(Path(__file__).parent.glob("test_*_alerts.py")):
        yield from import_module(f"tests.bundle.{file.stem}").CASES


def test_every_alert_has_a_case_that_fires_and_one_that_is_silent() -> None:
    shown = {(case.alert, bool(case.expected)) for case in cases()}
    assert [f"{alert} {alert.severity}: none that {'fires' if fires else 'is silent'}"
            for alert in ALERTS for fires in (True, False)
            if (alert, fires) not in shown and not (alert is ALWAYS and not fires)] == []


@dataclass(frozen=True)
class Outage:
    """What becomes of two replicas after ten minutes, and which alerts that causes."""

    title: str
    fates: tuple[str, ...]
    pages: str
    others: tuple[str, ...] = ()
    configured: tuple[Series, ...] = ()

    def __str__(self) -> str:
        return self.title


def replica(fate: str, scrape: Mapping[str, str]) -> Iterator[Series]:
    """An engine under load, well for ten minutes."""
    def values(of: Callable[[int], float], *, frozen: bool = True, down: str = "_") -> str:
        def sample(minute: int) -> str:
            if minute > WELL and fate in (DOWN, VANISHED):
                return down if fate == DOWN else "_"
            if minute > WELL and fate == FLAPPING and (minute - WELL - 1) % 6 < 4:
                return "stale" if down == "_" else down
            return f"{of(min(minute, WELL) if frozen and fate == HUNG else minute):g}"
        return " ".join(map(sample, range(MINUTES)))

    def ill(minute: int) -> int:
        return max(0, minute - WELL) if fate == FAILING else 0

    say = partial(emit, scrape=scrape)
    always, clock = values(lambda _: 1), values(lambda minute: 60 * minute)
    yield {"series": selector("up", scrape), "values": values(lambda _: 1, down="1")}
    yield series(c.BUILD_INFO, values(lambda _: 1, down="1"), scrape=scrape, version="1")
    yield say(c.SERVER_UP, values(lambda _: 1, down="0"))
    yield say(c.SERVER_LAST_SCRAPE, values(lambda minute: 60 * minute, frozen=False))
    yield say(c.SERVER_LAST_PROGRESS, clock)
    yield say(c.SERVER_SIGNAL, always, signal="request_queue", source="native")
    for metric in (c.SERVER_RUNNING, c.SERVER_WAITING, c.SERVER_KV_USAGE, c.SERVER_START):
        yield say(metric, values(lambda _: 0.5))
    yield requests("success", values(lambda minute: 60 * minute - 6 * ill(minute)), scrape=scrape)
    yield requests("error", values(lambda minute: 6 * ill(minute)), scrape=scrape)
    quick = values(lambda minute: 60 * (minute - ill(minute)))
    for metric in (c.SERVER_DURATION, c.SERVER_TTFT):
        yield from histogram(metric, {"0.4": quick, "9.0": clock, "+Inf": clock}, scrape=scrape)


DOWN, VANISHED, FLAPPING = "down", "vanished", "away four of six minutes"
HUNG, FAILING, FINE = "hung", "slow and failing", "fine"
WELL, MINUTES = 10, 50
OUTAGES = (
    Outage("an engine of two dies", (DOWN, FINE), "", ("LLMEngineDown",)),
    Outage("a pod of two vanishes", (VANISHED, FINE), ""),
    Outage("all engines die", (DOWN, DOWN), "LLMModelDown", ("LLMEngineDown",)),
    Outage("all pods die", (VANISHED, VANISHED), "LLMModelDown"),
    Outage("all engines die, and some have to answer", (DOWN, DOWN), "LLMModelDown",
           ("LLMEngineDown", "LLMModelMissing", "LLMReplicasBelowLimit"),
           (override(c.LIMIT_REPLICAS, "least_replicas", "2x60"),)),
    Outage("an engine of two flaps", (FLAPPING, FINE), "", ("LLMEngineDown",)),
    Outage("both engines flap", (FLAPPING, FLAPPING), "LLMModelDown", ("LLMEngineDown",)),
    Outage("an engine of two hangs", (HUNG, FINE), "LLMEngineHung"),
    Outage("all requests are slow and many fail", (FAILING, FAILING), "LLMServiceDegraded",
           ("LLMFirstTokenSlow", "LLMRequestsFailing", "LLMRequestsSlow")),
    Outage("nothing happens", (FINE, FINE), ""),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("outage", OUTAGES, ids=str)
def test_an_outage_pages_once_whatever_else_it_causes(
        outage: Outage, version: str, tmp_path: Path) -> None:
    own = [alert for group in GROUPS for alert in group.alerts]
    rules = documents(resting_on(" ".join(alert.expr for alert in own)))
    inputs = [override(c.LIMIT_SECONDS, "request_duration_p95", f"2x{MINUTES}"),
              *(one for fate, scrape in zip(outage.fates, (SCRAPE, OTHER), strict=True)
                for one in replica(fate, scrape)), *outage.configured]
    query = 'ALERTS{alertstate="firing"}'
    answers = ask(version, tmp_path, (*rules, *alert_documents(GROUPS)), inputs, [query],
                  f"{MINUTES - 10}m")
    firing = {(labels["alertname"], labels["severity"]) for labels, _ in answers[query]}
    covered = {part.name for cover, parts in COVERS.items()
               if (cover.name, cover.severity) in firing for part in parts}
    pages = {name for name, severity in firing if severity == "critical"} - covered
    assert pages == ({outage.pages} if outage.pages else set())
    assert {name for name, _ in firing} == pages | set(outage.others)


@pytest.mark.heavy
@pytest.mark.timeout(400)
@pytest.mark.parametrize("version", VERSIONS)
def test_no_captured_engine_raises_an_alert_of_illness_or_lost_signals(
        version: str, tmp_path: Path) -> None:
    """Their load may be too much for the limits, but all of them were up and went on."""
    groups = (engines.GROUP, signals.GROUP)
    rules = resting_on(" ".join(alert.expr for group in groups for alert in group.alerts))
    inputs = [one.input(100) for cluster in clusters(tmp_path / "exporter", PAGES)
              for one in cluster.series]
    query = 'ALERTS{alertstate="firing"}'
    answers = ask(version, tmp_path, (*documents(rules), *alert_documents(groups)), inputs,
                  [query], "90m")
    assert answers[query] == []

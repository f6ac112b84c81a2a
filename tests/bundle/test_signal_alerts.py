"""Alerts about what engines no longer tell, each shown to fire and to be silent."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from alerts.signals import BOUNDS_MIXED, FAMILIES_UNKNOWN, SIGNAL_LOST
from inferometer import catalogue as c
from tests.bundle.alert_cases import Case, Firing, prove
from tests.bundle.alert_inputs import MODEL, OTHER, UP, emit, observed, requests
from tests.bundle.promtool import SCRAPE, VERSIONS, Series, series

info = partial(emit, c.SERVER_SIGNAL)
unknown = partial(series, c.UNKNOWN_FAMILIES, target="chat", engine="vllm")
finished = partial(requests, "success")
running = partial(emit, c.SERVER_RUNNING)
BUSY = finished("0+100x200")


def signal(before: str, after: str, name: str = "time_to_first_token", *, minute: int = 60,
           **scrape: str) -> tuple[Series, ...]:
    """What comes from one source for an hour, and then from another."""
    where = {**SCRAPE, **scrape}
    return (info(f"1x{minute} _x90", signal=name, source=before, scrape=where),
            info(f"_x{minute + 1} 1x90", signal=name, source=after, scrape=where))


def lost(replicas: int = 1, name: str = "time_to_first_token") -> Firing:
    return Firing({**MODEL, "signal": name},
                  f"{name} is missing on all replicas ({replicas}) of tiny in east/chat, and was "
                  "there 1h ago. Alerts and panels that use it are blind.")


def grown(families: int) -> Firing:
    return Firing({name: MODEL[name] for name in ("cluster", "namespace", "engine")},
                  f"A page of vllm in east/chat has {families} families that the exporter does "
                  "not know, more than on any page of the last day.")


def mixed(name: str) -> Firing:
    return Firing({**MODEL, "signal": name},
                  f"{name} of tiny in east/chat has different bounds on 2 replicas. It has no p50 "
                  "and p99. Each set of equal bounds has a p95 of its own, and the worst one is "
                  "judged.")


CASES = (
    Case("a histogram was renamed", SIGNAL_LOST, (
        UP, BUSY, *signal("native", "unavailable")), (lost(),), minute=80),
    Case("it was derived from what is gone", SIGNAL_LOST, (
        UP, BUSY, *signal("derived", "unavailable")), (lost(),), minute=80),
    Case("an update replaced the pod", SIGNAL_LOST, (
        UP, BUSY, signal("native", "unavailable")[0],
        signal("native", "unavailable", instance=OTHER["instance"], pod=OTHER["pod"])[1]),
        (lost(),), minute=80),
    Case("what counts requests and tokens was renamed", SIGNAL_LOST, (
        UP, finished("0+100x60 stale"), running("3x150"),
        *signal("native", "unavailable", "requests_success"),
        info("1x200", signal="requests_running", source="native")),
        (lost(name="requests_success"),), minute=80),
    Case("all families were renamed", SIGNAL_LOST, (
        UP, finished("0+100x60 stale"), running("3x60 stale"), unknown("2x60 4x100"),
        *(one for name in ("requests_running", "requests_success")
          for one in signal("native", "unavailable", name))),
        (lost(name="requests_running"), lost(name="requests_success")), minute=80),
    Case("an update that has reached one of two replicas", SIGNAL_LOST, (
        UP, BUSY, *signal("native", "unavailable"),
        info("1x200", signal="time_to_first_token", source="native", scrape=OTHER)), minute=80),
    Case("it is derived now", SIGNAL_LOST, (UP, BUSY, *signal("native", "derived")), minute=80),
    Case("it was never told", SIGNAL_LOST, (
        UP, BUSY, info("1x200", signal="preemptions", source="unavailable")), minute=80),
    Case("the engine has restarted and waits for its first request", SIGNAL_LOST, (
        UP, finished("0+100x60 0x90"), *signal("native", "unavailable")), minute=80),
    Case("the engine has restarted, and shows nothing before its first request", SIGNAL_LOST, (
        UP, finished("0+100x60 stale"), running("3x60 stale"), unknown("2x60 0x100"),
        *(one for name in ("requests_running", "requests_success")
          for one in signal("native", "unavailable", name))), minute=80),
    Case("the engine has restarted, and shows what counts from its first request on", SIGNAL_LOST, (
        UP, finished("0+100x60 stale"), running("3x60 0x90"),
        *signal("native", "unavailable", "requests_success"),
        info("1x200", signal="requests_running", source="native")), minute=80),
    Case("the engine is gone", SIGNAL_LOST, (
        finished("0+100x60 _x90"), signal("native", "unavailable")[0]), minute=80),
    Case("a model's first minutes", SIGNAL_LOST, (
        UP, BUSY, *signal("unavailable", "native", minute=3))),

    Case("a new version has new families", FAMILIES_UNKNOWN, (unknown("2x100 5x100"),),
         (grown(5),), minute=120),
    Case("on one of two replicas", FAMILIES_UNKNOWN, (
        unknown("2x200"), unknown("2x100 5x100", scrape=OTHER)), (grown(5),), minute=120),
    Case("as many as ever", FAMILIES_UNKNOWN, (unknown("2x200"),), minute=120),
    Case("families that come with the first requests after a restart", FAMILIES_UNKNOWN, (
        unknown("5x20 0x60 5x100"),), minute=120),
    Case("fewer than before", FAMILIES_UNKNOWN, (unknown("5x100 2x100"),), minute=120),
    Case("an engine's first minutes", FAMILIES_UNKNOWN, (unknown("5x100"),)),

    Case("two replicas have different bounds", BOUNDS_MIXED, (
        UP, *observed(c.SERVER_TTFT, 0.2), *observed(c.SERVER_TTFT, 0.3, scrape=OTHER)),
        (mixed("time_to_first_token"),)),
    Case("two histograms are mixed", BOUNDS_MIXED, tuple(
        one for metric in (c.SERVER_TTFT, c.SERVER_DURATION)
        for one in (*observed(metric, 0.2), *observed(metric, 0.3, scrape=OTHER))), (
            mixed("time_to_first_token"), mixed("request_duration"))),
    Case("the same bounds", BOUNDS_MIXED, (
        UP, *observed(c.SERVER_TTFT, 0.2), *observed(c.SERVER_TTFT, 0.2, scrape=OTHER))),
    Case("different bounds of different engines", BOUNDS_MIXED, (
        UP, *observed(c.SERVER_TTFT, 0.2), *observed(c.SERVER_TTFT, 0.3, engine="sglang"))),
    Case("a rollout of five minutes", BOUNDS_MIXED, (
        *observed(c.SERVER_TTFT, 0.2, values="0+60x10 _x60"),
        *observed(c.SERVER_TTFT, 0.3, values="_x6 0+60x60", scrape=OTHER)), minute=15),
    Case("no histograms", BOUNDS_MIXED, (UP,)),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_signal_alerts_fire_as_expected(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)

"""An engine turns slow, failing, hung, dead and well, a GPU is lost and returns: who is told what.

Every duration is a sixtieth of what is shipped, so that a minute is a second; figures are not.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bundle.promtool import VERSIONS
from tests.e2e.ailing import Health, Patient
from tests.e2e.alerting import Notice, Stack, stack
from tests.exporter.gpu.fake_nvml import FakeNvml
from tests.exporter.support import exporter, wait_for

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

FASTER = 60
SLACK = 15.0  # seconds, for a busy machine
CONFIG = """
web: {{enable_alert_log: true}}
gpu: {{interval_seconds: 0.5, time_to_live_seconds: 2, retry_seconds: 1}}
engines: {{discover_ports: [], targets: [{{url: "{url}", name: chat}}]}}
fleet:
  limits:
    request_duration_p95_seconds: 2
    time_to_first_token_p95_seconds: 0.5
    time_per_output_token_p95_seconds: 0.05
"""
GPU = ("gpus 1", "set * name NVIDIA H100 80GB HBM3", "set * utilization 60")
SLOW = ("LLMFirstTokenSlow", "LLMOutputTokensSlow", "LLMRequestsSlow")
Firing = tuple[str, str]  # alert, severity


@dataclass(frozen=True)
class Phase:
    """What happens, the notices of it within so many seconds, and what fires without a notice.

    Alertmanager may send those of `perhaps`, that an inhibited alert is over, or may not: it
    depends on whether it looks at the group before or after the inhibiting ones are over too.
    """

    name: str
    begin: Callable[[], None]
    seconds: float
    notices: set[Notice]
    silent: frozenset[Firing] = frozenset()
    perhaps: frozenset[Notice] = frozenset()


def paged(status: str, *alerts: str) -> set[Notice]:
    return {Notice("page", alert, "critical", status) for alert in alerts}


def mentioned(status: str, *alerts: str) -> set[Notice]:
    return {Notice("tell", alert, "warning", status) for alert in alerts}


def logged(status: str, alert: str) -> set[Notice]:
    return {Notice("log", alert, "info", status)}


def phases(patient: Patient, gpus: FakeNvml) -> Sequence[Phase]:
    """The windows look back 5 s, alerts hold 10 s, a group that exists tells again after 5 or 10 s.
    """

    def hang() -> None:
        patient.turn(Health(hung=True))
        gpus.write(*GPU, "lost 0")

    def die() -> None:
        patient.die()
        gpus.write(*GPU)

    return (
        Phase("well", lambda: None, 20,
              {Notice("dead-mans-switch", "Watchdog", "info", "firing")}
              | logged("firing", "GpusUnderused")),
        Phase("slow", lambda: patient.turn(Health(seconds=10)), 20,
              paged("firing", *SLOW) | logged("firing", "LLMOutputSpeedLow"),
              frozenset((alert, "warning") for alert in SLOW)),
        # Its parts fire as well; nobody is told of them.
        Phase("slow and failing", lambda: patient.turn(Health(seconds=10, failing=0.2)), 45,
              paged("firing", "LLMServiceDegraded"),
              frozenset({("LLMRequestsFailing", "warning"),
                         ("LLMErrorBudgetBurning", "critical")})),
        # No request ends any more, so that the hour is judged, in which many failed.
        Phase("hung", hang, 90,
              paged("resolved", "LLMServiceDegraded") | paged("firing", "LLMEngineHung")
              | mentioned("firing", "GpuLost", "LLMRequestsFailing")
              | logged("resolved", "GpusUnderused"),
              perhaps=frozenset(paged("resolved", *SLOW, "LLMErrorBudgetBurning")
                                | mentioned("resolved", *SLOW, "LLMRequestsFailing")
                                | logged("resolved", "LLMOutputSpeedLow"))),
        Phase("dead", die, 30,
              paged("resolved", "LLMEngineHung") | paged("firing", "LLMModelDown")
              | mentioned("resolved", "GpuLost") | logged("firing", "GpusUnderused"),
              frozenset({("LLMEngineDown", "warning")})),
        Phase("well again", patient.live, 20, paged("resolved", "LLMModelDown"),
              perhaps=frozenset(mentioned("resolved", "LLMEngineDown"))),
    )


def test_everybody_is_told_what_they_should_be_and_nothing_else(tmp_path: Path) -> None:
    patient, gpus, config = Patient(), FakeNvml(tmp_path / "nvml"), tmp_path / "inferometer.yml"
    gpus.write(*GPU)
    config.write_text(CONFIG.format(url=patient.url))
    with contextlib.ExitStack() as started:
        started.callback(patient.die)
        running = started.enter_context(exporter(config=config, env=gpus.env()))
        stacks = [started.enter_context(stack(version, tmp_path / version, running, FASTER))
                  for version in VERSIONS]
        expected: set[Notice] = set()
        perhaps: set[Notice] = set()
        for phase in phases(patient, gpus):
            phase.begin()
            expected |= phase.notices
            perhaps |= phase.perhaps
            lived_through(phase, stacks, expected, perhaps)
        time.sleep(SLACK)  # for notices that should not come, and would come late
        assert dict.fromkeys(VERSIONS, expected) == {
            watcher.version: watcher.notices() - perhaps for watcher in stacks}


def lived_through(phase: Phase, stacks: Sequence[Stack], expected: set[Notice],
                  perhaps: set[Notice]) -> None:
    """Wait until every expected notice has come and every alert without one fires."""
    began = time.monotonic()
    waiting: dict[str, object] = {}

    def over() -> bool:
        for watcher in stacks:
            notices = watcher.notices() - perhaps
            assert notices <= expected, f"{phase.name}, {watcher.version}: {notices - expected}"
            missing = expected - notices, phase.silent - watcher.firing()
            waiting[watcher.version] = missing
            if not any(missing):
                waiting.pop(watcher.version)
        return not waiting

    try:
        wait_for(over, phase.seconds + SLACK, every=0.3)
    except AssertionError as error:
        raise AssertionError(f"{phase.name}: {waiting or error}") from error
    print(f"{phase.name}: {time.monotonic() - began:.0f} s")

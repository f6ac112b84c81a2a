"""A model that is slow and fails is one alert, which covers what its parts say."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts.degraded import COVERS, SERVICE_DEGRADED
from alerts.exporter import GONE
from alerts.model import SIZE
from inferometer import catalogue as c
from tests.bundle.alert_cases import Case, Firing, prove
from tests.bundle.alert_inputs import MODEL, OTHER, UP, observed, override, requests
from tests.bundle.promtool import VERSIONS, Series


def load(failed: str = "0+5x60", seconds: float = 2.5, engine: str = "vllm") -> tuple[Series, ...]:
    """Five of a hundred requests fail, and all are slow."""
    return (UP, requests("success", "0+95x60"), requests("error", failed),
            *observed(c.SERVER_DURATION, seconds, engine=engine))


def degraded(ratio: str = "5%") -> Firing:
    return Firing(MODEL, f"tiny on vllm: {ratio} of requests failed in five minutes, and the "
                         "others are slow; both are over their limits.")


CASES = (
    Case("slow, and requests fail", SERVICE_DEGRADED, load(), (degraded(),)),
    Case("before the alerts whose place it takes", SERVICE_DEGRADED, load(), (degraded(),),
         minute=9),
    Case("the first token is late, and requests fail", SERVICE_DEGRADED, (
        *load(seconds=1.0), *observed(c.SERVER_TTFT, 0.6)), (degraded(),)),
    Case("slow only", SERVICE_DEGRADED, load("0x60")),
    Case("requests fail only", SERVICE_DEGRADED, load(seconds=1.0)),
    Case("idle", SERVICE_DEGRADED, (
        UP, requests("success", "95x60"), requests("error", "5x60"),
        *observed(c.SERVER_DURATION, 2.5, 0))),
    Case("a model's first minutes", SERVICE_DEGRADED, load(), minute=5),
    Case("the engine has no histograms", SERVICE_DEGRADED, (
        UP, requests("success", "0+95x60"), requests("error", "0+5x60"))),
    Case("another engine of the same model is slow", SERVICE_DEGRADED, load(engine="sglang")),
    Case("counters start again", SERVICE_DEGRADED, (
        UP, requests("success", "0+95x9 0+95x60"), requests("error", "0+5x9 0+5x60"),
        *observed(c.SERVER_DURATION, 2.5, values="0+60x9 0+60x60")), (degraded(),)),
    Case("the other replica is slow", SERVICE_DEGRADED, (
        UP, requests("success", "0+95x60"), requests("error", "0+5x60"),
        *observed(c.SERVER_DURATION, 2.5, 0),
        *observed(c.SERVER_DURATION, 2.5, scrape=OTHER)), (degraded(),)),
    Case("the model may fail more often", SERVICE_DEGRADED, (
        *load(), override(c.LIMIT_RATIO, "error", "0.1x60"))),
    Case("the model may take longer", SERVICE_DEGRADED, (
        *load(), override(c.LIMIT_SECONDS, "request_duration_p95", "5x60"))),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_degraded_alerts_fire_as_expected(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)


def test_what_covers_others_is_critical_and_names_their_model() -> None:
    """But for all exporters of a cluster being gone, which is about all of its models, and for a
    model of which nothing is left, not even its namespace."""
    for covering, covered in COVERS.items():
        assert covering.severity == "critical"
        assert covering.name not in {alert.name for alert in covered}
        for alert in (covering, *covered) if covering is not GONE else ():
            named = {*SIZE.scope} if alert.subject is SIZE else {*MODEL}
            assert named <= {*alert.subject.scope}, alert

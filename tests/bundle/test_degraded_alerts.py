"""A model that is slow and fails is one alert, which covers what its parts say, and no cause."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts.degraded import COVERS, SERVICE_DEGRADED
from alerts.engines import MODEL_DOWN
from alerts.errors import REQUESTS_INVALID
from alerts.exporter import GONE
from alerts.latency import QUEUE_LONG
from alerts.model import SEVERITIES, SIZE, Alert
from alerts.saturation import GROUP as SATURATION
from inferometer import catalogue as c
from tests.bundle.alert_cases import Case, Firing, prove
from tests.bundle.alert_inputs import MODEL, OTHER, UP, observed, override, requests
from tests.bundle.promtool import VERSIONS, Series

LIMIT = override(c.LIMIT_SECONDS, "request_duration_p95", "2x60")
FIRST_TOKEN_LIMIT = override(c.LIMIT_SECONDS, "time_to_first_token_p95", "0.5x60")


def load(failed: str = "0+5x60", seconds: float = 4, engine: str = "vllm",
         limits: tuple[Series, ...] = (LIMIT,)) -> tuple[Series, ...]:
    """Five of a hundred requests fail, and all are slower than a limit that somebody chose."""
    return (UP, requests("success", "0+95x60"), requests("error", failed), *limits,
            *observed(c.SERVER_DURATION, seconds, engine=engine))


def degraded(*slow: str, ratio: str = "5%") -> Firing:
    return Firing(MODEL, " ".join((
        f"{ratio} of requests to tiny in east/chat failed over 5m, limit 1%.", *slow)))


DURATION = "p95 request duration is 3.9s, limit 2s."
FIRST_TOKEN = "p95 time to first token is 780ms, limit 500ms."
CASES = (
    Case("slow, and requests fail", SERVICE_DEGRADED, load(), (degraded(DURATION),)),
    Case("before the alerts whose place it takes", SERVICE_DEGRADED, load(),
         (degraded(DURATION),), minute=9),
    Case("the first token is late, and requests fail", SERVICE_DEGRADED, (
        *load(seconds=1.0, limits=(FIRST_TOKEN_LIMIT,)), *observed(c.SERVER_TTFT, 0.8)),
        (degraded(FIRST_TOKEN),)),
    Case("both are late, and requests fail", SERVICE_DEGRADED, (
        *load(limits=(LIMIT, FIRST_TOKEN_LIMIT)), *observed(c.SERVER_TTFT, 0.8)),
        (degraded(DURATION, FIRST_TOKEN),)),
    Case("slow against the fleet's limit, and requests fail", SERVICE_DEGRADED, load(
        limits=(override(c.LIMIT_SECONDS, "request_duration_p95", "2x60", model=""),)),
        (degraded(DURATION),)),
    Case("nobody chose the limits", SERVICE_DEGRADED, (
        *load(limits=()), *observed(c.SERVER_TTFT, 0.8))),
    Case("slow only", SERVICE_DEGRADED, load("0x60")),
    Case("requests fail only", SERVICE_DEGRADED, load(seconds=1.0)),
    Case("idle", SERVICE_DEGRADED, (
        UP, LIMIT, requests("success", "95x60"), requests("error", "5x60"),
        *observed(c.SERVER_DURATION, 4, 0))),
    Case("a model's first minutes", SERVICE_DEGRADED, load(), minute=5),
    Case("the engine has no histograms", SERVICE_DEGRADED, (
        UP, LIMIT, requests("success", "0+95x60"), requests("error", "0+5x60"))),
    Case("another engine of the same model is slow", SERVICE_DEGRADED, load(engine="sglang")),
    Case("counters start again", SERVICE_DEGRADED, (
        UP, LIMIT, requests("success", "0+95x9 0+95x60"), requests("error", "0+5x9 0+5x60"),
        *observed(c.SERVER_DURATION, 4, values="0+60x9 0+60x60")), (degraded(DURATION),)),
    Case("the other replica is slow", SERVICE_DEGRADED, (
        UP, LIMIT, requests("success", "0+95x60"), requests("error", "0+5x60"),
        *observed(c.SERVER_DURATION, 4, 0),
        *observed(c.SERVER_DURATION, 4, scrape=OTHER)), (degraded(DURATION),)),
    Case("the model may fail more often", SERVICE_DEGRADED, (
        *load(), override(c.LIMIT_RATIO, "error", "0.1x60"))),
    Case("the model may take longer", SERVICE_DEGRADED, load(
        limits=(override(c.LIMIT_SECONDS, "request_duration_p95", "5x60"),))),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_degraded_alerts_fire_as_expected(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)


def test_what_covers_others_is_as_severe_and_names_their_model() -> None:
    """But for all exporters of a cluster being gone, which is about all of its models, and for a
    model of which nothing is left, not even its namespace. Money has its own subjects."""
    for covering, covered in COVERS.items():
        assert SEVERITIES.index(covering.severity) <= min(
            SEVERITIES.index(alert.severity) for alert in covered)
        assert covering.name not in {alert.name for alert in covered}
        of_models = covering is not GONE and covering.subject.team == "serving"
        for alert in (covering, *covered) if of_models else ():
            named = {*SIZE.scope} if alert.subject is SIZE else {*MODEL}
            assert named <= {*alert.subject.scope}, alert


@pytest.mark.parametrize("cover", [SERVICE_DEGRADED, MODEL_DOWN], ids=str)
def test_no_cause_is_covered_to_which_the_runbook_sends(cover: Alert) -> None:
    assert {QUEUE_LONG, REQUESTS_INVALID, *SATURATION.alerts} & {*COVERS[cover]} == set()


def test_no_alerts_cover_one_another() -> None:
    """Both would be silent."""
    for cover, parts in COVERS.items():
        for part in parts:
            assert cover not in COVERS.get(part, ()), f"{cover}, {part}"

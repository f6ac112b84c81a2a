"""The alert about goodput, shown to fire and to be silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts.goodput import GOODPUT_LOW
from inferometer import catalogue as c
from tests.bundle.alert_cases import Case, Firing, prove
from tests.bundle.alert_inputs import MODEL, OTHER, UP, emit, observed, override, requests
from tests.bundle.promtool import SCRAPE, VERSIONS, Series, growing

LIMIT = override(c.LIMIT_RATIO, "goodput", "0.95x240")
OVER = "Also over the limit: {}."
WITHIN = ("No p95 of request duration, time to first token or time per output token is known to be "
          "over its limit.")


def load(per_minute: float = 60, failed: str = "0x240", *, first_token: float = 0.4,
         per_token: float = 0.04, duration: float = 1.6, scrape: dict[str, str] = SCRAPE,
         values: str = "") -> tuple[Series, ...]:
    """Requests whose latencies lie between half of these seconds and all of them."""
    figures = ((c.SERVER_TTFT, first_token), (c.SERVER_TPOT, per_token),
               (c.SERVER_DURATION, duration))
    return (UP, emit(c.SERVER_RUNNING, "1x240", scrape=scrape),
            requests("success", values or growing(per_minute, 240), scrape=scrape),
            requests("error", failed, scrape=scrape), requests("abort", "0x240", scrape=scrape),
            *(series for metric, seconds in figures
              for series in observed(metric, seconds, per_minute, scrape=scrape, values=values)))


def low(ratio: str, text: str, window: str = "5m", limit: str = "95%") -> Firing:
    return Firing(MODEL, f"At most {ratio} of requests to tiny in east/chat met all latency limits "
                         f"at once over {window}, limit {limit}. {text}")


CASES = (
    Case("all answers take too long", GOODPUT_LOW, (LIMIT, *load(duration=8)),
         (low("0%", OVER.format("request duration")),)),
    Case("all requests meet their limits", GOODPUT_LOW, (LIMIT, *load())),
    Case("nobody configured a limit", GOODPUT_LOW, load(duration=8)),
    Case("a limit of the fleet", GOODPUT_LOW, (
        override(c.LIMIT_RATIO, "goodput", "0.9x60", model=""), *load(duration=8)),
        (low("0%", OVER.format("request duration"), limit="90%"),)),
    Case("one of ten fails", GOODPUT_LOW, (LIMIT, *load(54, "0+6x240")),
         (low("90%", f"10% of requests failed. {WITHIN}"),)),
    Case("one of fifty fails", GOODPUT_LOW, (LIMIT, *load(49, "0+1x240"))),
    Case("the band holds the limit", GOODPUT_LOW, (
        LIMIT, *load(), override(c.LIMIT_SECONDS, "request_duration_p95", "1.2x60"))),
    Case("the last bound is below the limit", GOODPUT_LOW, (
        LIMIT, *load(duration=8), override(c.LIMIT_SECONDS, "request_duration_p95", "10x60"))),
    Case("one of two replicas is slow", GOODPUT_LOW, (
        LIMIT, *load(duration=2.0), *load(duration=4.0, scrape=OTHER)),
        (low("50%", OVER.format("request duration")),)),
    Case("before 10 minutes", GOODPUT_LOW, (LIMIT, *load(duration=8)), minute=9),
    Case("it is over", GOODPUT_LOW, (
        LIMIT, *load(duration=8, values="0+60x20 1200x100")), minute=45),
    Case("idle", GOODPUT_LOW, (LIMIT, *load(duration=8, values="60x240"))),
    Case("3 requests a minute", GOODPUT_LOW, (LIMIT, *load(3, duration=8)),
         (low("2.191%", OVER.format("request duration"), "1h"),), minute=40),
    Case("one request in 5 minutes", GOODPUT_LOW, (LIMIT, *load(0.2, duration=8)), minute=90),
    Case("the engine has no histograms", GOODPUT_LOW, (
        LIMIT, UP, requests("success", "0+60x60"), requests("error", "0+60x60"))),
    Case("counters start again", GOODPUT_LOW, (
        LIMIT, *load(duration=8, values="0+60x14 0+60x60")),
        (low("0.02%", OVER.format("request duration")),)),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_goodput_alerts_fire_as_expected(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)

"""Alerts about requests that fail, each shown to fire and to be silent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alerts.errors import (
    BUDGET_BURNING,
    BUDGET_BURNING_FAST,
    REQUESTS_FAILING,
    REQUESTS_INVALID,
)
from inferometer import catalogue as c
from recording_rules.requests import FAILED_RATE, JUDGED_RATE
from tests.bundle.alert_cases import Case, Firing, prove
from tests.bundle.alert_inputs import BARE, MODEL, OTHER, UP, emit, override, requests
from tests.bundle.promtool import VERSIONS, Series, selector


def load(good: str, failed: str, outcome: str = "error") -> tuple[Series, ...]:
    """Requests that went well, and that did not."""
    return UP, requests("success", good), requests(outcome, failed)


def days(percent: str) -> tuple[Series, ...]:
    """A hundred requests a second, one value in half an hour: as recorded, and as counted."""
    judged = re.sub(r"[\d.]+x", "100x", percent)
    return (UP, {"series": selector(str(FAILED_RATE), MODEL), "values": percent},
            {"series": selector(str(JUDGED_RATE), MODEL), "values": judged},
            requests("error", "0+1800x150"))


def failing(ratio: str, limit: str = "1%") -> Firing:
    return Firing(MODEL, f"tiny on vllm: {ratio} of requests failed in five minutes, over the "
                         f"limit of {limit}.")


def burning(ratio: str, over: str, limit: str = "1%") -> Firing:
    return Firing(MODEL, f"tiny on vllm: {ratio} of requests failed over {over}; {limit} may.")


def invalid(ratio: str, limit: str = "20%") -> Firing:
    return Firing(MODEL, f"tiny on vllm: {ratio} of requests were the caller's mistake, over the "
                         f"limit of {limit}.")


FAST, SLOW = "an hour or six", "one day or three"
CASES = (
    Case("two of a hundred fail", REQUESTS_FAILING, load("0+98x60", "0+2x60"), (failing("2%"),)),
    Case("two of a hundred are turned away", REQUESTS_FAILING, (
        *load("0+98x60", "0+2x60", "rejected"), requests("error", "0x60")), (failing("2%"),)),
    Case("the engine counts only whom it turns away", REQUESTS_FAILING,
         load("0+98x60", "0+2x60", "rejected")),
    Case("one of a hundred fails", REQUESTS_FAILING, load("0+99x60", "0+1x60")),
    Case("callers leave and make mistakes", REQUESTS_FAILING, (
        *load("0+100x60", "0x60"), requests("abort", "0+50x60"), requests("invalid", "0+50x60"))),
    Case("idle", REQUESTS_FAILING, load("100x60", "50x60")),
    Case("two of three in the last hour fail", REQUESTS_FAILING, load("0x9 1x60", "0x9 1 2x60")),
    Case("one request a minute, and every one fails", REQUESTS_FAILING,
         load("0x60", "0+1x60"), (failing("100%"),)),
    Case("a burst of failures that is over", REQUESTS_FAILING,
         load("0+100x60", "0x15 0+50x2 100x60")),
    Case("the engine does not count failures", REQUESTS_FAILING,
         (UP, requests("success", "0+100x60"))),
    Case("the engine does not count successes", REQUESTS_FAILING,
         (UP, requests("error", "0+100x60"))),
    Case("counters start again", REQUESTS_FAILING,
         load("0+98x14 0+98x60", "0+2x14 0+2x60"), (failing("2%"),)),
    Case("a model's first minutes", REQUESTS_FAILING, load("0+9x60", "0+1x60"), minute=9),
    Case("two replicas, one of them fails", REQUESTS_FAILING, (
        *load("0+50x60", "0x60"), requests("success", "0+46x60", scrape=OTHER),
        requests("error", "0+4x60", scrape=OTHER)), (failing("4%"),)),
    Case("ranks", REQUESTS_FAILING, (
        UP, *(requests(outcome, values, rank=rank) for rank in ("0", "1")
              for outcome, values in (("success", "0+49x60"), ("error", "0+1x60")))),
        (failing("2%"),)),
    Case("the model may fail more often", REQUESTS_FAILING, (
        *load("0+98x60", "0+2x60"), override(c.LIMIT_RATIO, "error", "0.05x60"))),
    Case("the model may fail less often", REQUESTS_FAILING, (
        *load("0+199x60", "0+1x60"), override(c.LIMIT_RATIO, "error", "0.001x60")),
        (failing("0.5%", "0.1%"),)),
    Case("the override's exporter is gone", REQUESTS_FAILING, (
        *load("0+98x60", "0+2x60"), override(c.LIMIT_RATIO, "error", "0.05x9 _x60"))),
    Case("no labels of Kubernetes", REQUESTS_FAILING, (
        emit(c.SERVER_UP, "1x60", scrape=BARE),
        requests("success", "0+98x60", scrape=BARE), requests("error", "0+2x60", scrape=BARE)),
        (Firing({"engine": "vllm", "model": "tiny"}, failing("2%").description),)),

    Case("a fifth fails for an hour", BUDGET_BURNING_FAST,
         load("0+80x100", "0+20x100"), (burning("20%", FAST),), minute=63),
    Case("a fifth fails for half an hour", BUDGET_BURNING_FAST,
         load("0+100x60 6000+80x60", "0x60 0+20x60"), minute=90),
    Case("all fail when the morning comes", BUDGET_BURNING_FAST,
         load("9x100", "0x60 0+100x60"), (burning("100%", FAST),), minute=65),
    Case("a twelfth fails for an hour", BUDGET_BURNING_FAST,
         load("0+110x80", "0+10x80"), (burning("8.333%", FAST),), minute=70),
    Case("a twentieth fails for an hour", BUDGET_BURNING_FAST,
         load("0+95x80", "0+5x80"), minute=70),
    Case("a fifth failed for an hour, and it is over", BUDGET_BURNING_FAST,
         load("0+80x60 4800+100x60", "0+20x60 1200x60"), minute=75),
    Case("idle after a bad hour", BUDGET_BURNING_FAST,
         load("0+80x60 4800x60", "0+20x60 1200x60"), minute=110),
    Case("five of ten requests in an hour fail", BUDGET_BURNING_FAST,
         load("0x29 5x60", "0x55 1 2 3 4 5x60"), minute=63),
    Case("two of four requests in an hour fail", BUDGET_BURNING_FAST,
         load("0x39 1x19 2x60", "0x39 1x19 2x60"), minute=62),
    Case("one request a minute, and every one fails", BUDGET_BURNING_FAST,
         load("0x60", "0+1x60"), (burning("100%", FAST),), minute=30),
    Case("a model's first minutes, and four requests fail", BUDGET_BURNING_FAST,
         load("0+1x4 4x60", "0+1x4 4x60"), minute=8),
    Case("a model's first minutes, and half of its requests fail", BUDGET_BURNING_FAST,
         load("0+9x60", "0+9x60"), (burning("50%", FAST),), minute=8),
    Case("the engine does not count failures", BUDGET_BURNING_FAST,
         (UP, requests("success", "0+100x120")), minute=100),
    Case("counters start again in a bad hour", BUDGET_BURNING_FAST,
         load("0+80x50 0+80x60", "0+20x50 0+20x60"), (burning("20%", FAST),), minute=70),
    Case("a limit so lax that no ratio is a multiple of it", BUDGET_BURNING_FAST, (
        *load("0+5x120", "0+95x120"), override(c.LIMIT_RATIO, "error", "0.2x120")),
        (burning("95%", FAST, "20%"),), minute=70),
    Case("a lax limit that is kept", BUDGET_BURNING_FAST, (
        *load("0+70x120", "0+30x120"), override(c.LIMIT_RATIO, "error", "0.2x120")), minute=70),

    Case("a twenty-fifth fails for a day", BUDGET_BURNING, days("4x50"),
         (burning("4%", SLOW),), minute=1440, step=30),
    Case("two of a hundred fail for three days", BUDGET_BURNING, days("2x150"),
         (burning("2%", SLOW),), minute=4320, step=30),
    Case("one of two hundred fails for three days", BUDGET_BURNING, days("0.5x150"), minute=4320,
         step=30),
    Case("a bad day that is over", BUDGET_BURNING, days("4x48 0x20"), minute=1860, step=30),
    Case("idle since a bad day", BUDGET_BURNING, days("4x48 _x20"), minute=1860, step=30),

    Case("a third is invalid", REQUESTS_INVALID, load("0+20x60", "0+10x60", "invalid"),
         (invalid("33.33%"),)),
    Case("a tenth is invalid", REQUESTS_INVALID, load("0+90x60", "0+10x60", "invalid")),
    Case("two of three in five minutes are invalid", REQUESTS_INVALID,
         load("0+0.2x60", "0+0.4x60", "invalid")),
    Case("idle", REQUESTS_INVALID, load("10x60", "50x60", "invalid")),
    Case("the engine does not count them", REQUESTS_INVALID, (UP, requests("success", "0+9x60"))),
    Case("counters start again", REQUESTS_INVALID,
         load("0+20x14 0+20x60", "0+10x14 0+10x60", "invalid"), (invalid("33.33%"),)),
    Case("the model may get more of them", REQUESTS_INVALID, (
        *load("0+20x60", "0+10x60", "invalid"), override(c.LIMIT_RATIO, "invalid", "0.5x60"))),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_error_alerts_fire_as_expected(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)

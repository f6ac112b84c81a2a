"""Alerts about requests that fail, each shown to fire and to be silent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from alerts.errors import (
    BUDGET_BURNING_1D,
    BUDGET_BURNING_1H,
    BUDGET_BURNING_3D,
    BUDGET_BURNING_6H,
    GROUP,
    MANY_FAILING,
    OUTAGE_NOW,
    REQUESTS_FAILING,
    REQUESTS_INVALID,
    SELDOM_ASKED_FAILING,
    SELDOM_ASKED_OUTAGE,
)
from inferometer import catalogue as c
from recording_rules.requests import FAILED_RATE, JUDGED_RATE
from tests.bundle.alert_cases import Case, Firing, alert_documents, prove, resting_on
from tests.bundle.alert_inputs import BARE, MODEL, OTHER, UP, emit, override, requests
from tests.bundle.promtool import VERSIONS, Series, ask, documents, selector


def load(good: str, failed: str, outcome: str = "error") -> tuple[Series, ...]:
    """Requests that went well, and that did not."""
    return UP, requests("success", good), requests(outcome, failed)


def days(percent: str) -> tuple[Series, ...]:
    """A hundred requests a second, one value in ten minutes: as recorded, and as counted."""
    judged = re.sub(r"[\d.]+x", "100x", percent)
    return (UP, {"series": selector(str(FAILED_RATE), MODEL), "values": percent},
            {"series": selector(str(JUDGED_RATE), MODEL), "values": judged},
            requests("error", "0+600x900"))


def seldom(failed: float) -> tuple[Series, ...]:
    """A request each five minutes, of which a share fails after two hours."""
    good, bad = 0.2 * (1 - failed), 0.2 * failed
    return load(f"0+0.2x120 24+{good:g}x200", f"0x120 0+{bad:g}x200")


def failing(ratio: str, window: str, limit: str = "1%", rejected: str = "") -> Firing:
    remark = rejected and (f" {rejected} of the failures are rejections: the engine has no room.")
    return Firing(MODEL, f"{ratio} of requests to tiny in east/chat failed over {window}, limit "
                         f"{limit}.{remark}")


def burning(ratio: str, window: str, times: str, limit: str = "1%") -> Firing:
    return Firing(MODEL, f"{ratio} of requests to tiny in east/chat failed over {window}, limit "
                         f"{limit}. The error budget burns {times} times too fast.")


def invalid(ratio: str, limit: str = "20%") -> Firing:
    return Firing(MODEL, f"{ratio} of requests to tiny in east/chat were invalid over 5m, limit "
                         f"{limit}. The caller's request is the cause, not the engine.")


CASES = (
    Case("all fail", OUTAGE_NOW, load("0+100x30 3000x60", "0x30 0+100x60"),
         (failing("100%", "5m"),), minute=36),
    Case("all are turned away", OUTAGE_NOW, (
        *load("0+100x30 3000x60", "0x30 0+100x60", "rejected"), requests("error", "0x90")),
        (failing("100%", "5m", rejected="100%"),), minute=36),
    Case("half of the requests fail", OUTAGE_NOW, load("0+50x60", "0+50x60")),
    Case("all fail, of 3 requests a minute", OUTAGE_NOW, load("0+3x30 90x60", "0x30 0+3x60"),
         (failing("100%", "5m"),), minute=36),
    Case("all fail, of one request a minute", OUTAGE_NOW, load("0+1x30 30x60", "0x30 0+1x60"),
         minute=45),
    Case("idle after all failed", OUTAGE_NOW, load("0+100x30 3000x60", "0x30 0+100x10 1000x60"),
         minute=55),
    Case("the engine does not count failures", OUTAGE_NOW, (UP, requests("success", "0+100x60"))),
    Case("a lax limit of which nearly all is a multiple", OUTAGE_NOW, (
        *load("0+15x60", "0+85x60"), override(c.LIMIT_RATIO, "error", "0.3x60"))),
    Case("nearly all fail against a lax limit", OUTAGE_NOW, (
        *load("0+5x60", "0+95x60"), override(c.LIMIT_RATIO, "error", "0.3x60")),
        (failing("95%", "5m", "30%"),)),

    Case("three of ten fail", MANY_FAILING, load("0+100x30 3000+70x60", "0x30 0+30x60"),
         (failing("30%", "10m"),), minute=45),
    Case("some are turned away, others fail", MANY_FAILING, (
        *load("0+60x60", "0+30x60"), requests("rejected", "0+10x60")),
        (failing("40%", "10m", rejected="25%"),)),
    Case("a fifth fails", MANY_FAILING, load("0+80x60", "0+20x60")),
    Case("three of ten failed, and it is over", MANY_FAILING,
         load("0+70x60 4200+100x60", "0+30x60 1800x60"), minute=68),
    Case("more traffic than ever, and it fails at first", MANY_FAILING,
         load("0+5x30 150x2 150+100x60", "0x30 0+100x2 200x60"), minute=36),
    Case("three of ten fail against a limit that is not far below", MANY_FAILING, (
        *load("0+70x60", "0+30x60"), override(c.LIMIT_RATIO, "error", "0.07x60"))),
    Case("counters start again", MANY_FAILING, load("0+70x14 0+70x60", "0+30x14 0+30x60"),
         (failing("30%", "10m"),)),

    Case("one request in five minutes, and every one fails", SELDOM_ASKED_OUTAGE,
         seldom(1), (failing("100%", "2h"),), minute=260),
    Case("one request in five minutes, and every one has failed for an hour", SELDOM_ASKED_OUTAGE,
         seldom(1), minute=195),
    Case("one request in five minutes, and one of three fails", SELDOM_ASKED_OUTAGE,
         seldom(1 / 3), minute=300),
    Case("one request in half an hour, and every one fails", SELDOM_ASKED_OUTAGE,
         load("0x300", f"0+{1 / 30:g}x300"), minute=290),
    Case("the first requests in hours fail, and nobody asks again", SELDOM_ASKED_OUTAGE,
         load("0x400", "0x200 0 10x200"), minute=250),

    Case("two of a hundred fail", REQUESTS_FAILING, load("0+98x60", "0+2x60"),
         (failing("2%", "5m"),)),
    Case("two of a hundred are turned away", REQUESTS_FAILING, (
        *load("0+98x60", "0+2x60", "rejected"), requests("error", "0x60")),
        (failing("2%", "5m", rejected="100%"),)),
    Case("the engine counts only whom it turns away", REQUESTS_FAILING,
         load("0+98x60", "0+2x60", "rejected")),
    Case("one of a hundred fails", REQUESTS_FAILING, load("0+99x60", "0+1x60")),
    Case("callers leave and make mistakes", REQUESTS_FAILING, (
        *load("0+100x60", "0x60"), requests("abort", "0+50x60"), requests("invalid", "0+50x60"))),
    Case("idle", REQUESTS_FAILING, load("100x60", "50x60")),
    Case("two of three in the last hour fail", REQUESTS_FAILING, load("0x9 1x60", "0x9 1 2x60")),
    Case("one request a minute, and every one fails", REQUESTS_FAILING,
         load("0x60", "0+1x60"), (failing("100%", "5m"),)),
    Case("a burst of failures that is over", REQUESTS_FAILING,
         load("0+100x60", "0x15 0+50x2 100x60")),
    Case("the engine does not count failures", REQUESTS_FAILING,
         (UP, requests("success", "0+100x60"))),
    Case("the engine does not count successes", REQUESTS_FAILING,
         (UP, requests("error", "0+100x60"))),
    Case("counters start again", REQUESTS_FAILING,
         load("0+98x14 0+98x60", "0+2x14 0+2x60"), (failing("2%", "5m"),)),
    Case("a model's first minutes", REQUESTS_FAILING, load("0+9x60", "0+1x60"), minute=9),
    Case("two replicas, one of them fails", REQUESTS_FAILING, (
        *load("0+50x60", "0x60"), requests("success", "0+46x60", scrape=OTHER),
        requests("error", "0+4x60", scrape=OTHER)), (failing("4%", "5m"),)),
    Case("ranks", REQUESTS_FAILING, (
        UP, *(requests(outcome, values, rank=rank) for rank in ("0", "1")
              for outcome, values in (("success", "0+49x60"), ("error", "0+1x60")))),
        (failing("2%", "5m"),)),
    Case("the model may fail more often", REQUESTS_FAILING, (
        *load("0+98x60", "0+2x60"), override(c.LIMIT_RATIO, "error", "0.05x60"))),
    Case("the model may fail less often", REQUESTS_FAILING, (
        *load("0+199x60", "0+1x60"), override(c.LIMIT_RATIO, "error", "0.001x60")),
        (failing("0.5%", "5m", "0.1%"),)),
    Case("the override's exporter is gone", REQUESTS_FAILING, (
        *load("0+98x60", "0+2x60"), override(c.LIMIT_RATIO, "error", "0.05x9 _x60"))),
    Case("no labels of Kubernetes", REQUESTS_FAILING, (
        emit(c.SERVER_UP, "1x60", scrape=BARE),
        requests("success", "0+98x60", scrape=BARE), requests("error", "0+2x60", scrape=BARE)),
        (Firing({"engine": "vllm", "model": "tiny"},
                "2% of requests to tiny failed over 5m, limit 1%."),)),

    Case("one request in five minutes, and every one fails", SELDOM_ASKED_FAILING,
         seldom(1), (failing("100%", "1h"),), minute=190),
    Case("one request in five minutes, and three have failed", SELDOM_ASKED_FAILING,
         seldom(1), minute=140),
    Case("one request in five minutes, and the failures are over", SELDOM_ASKED_FAILING,
         load("0+0.2x120 24x30 24+0.2x60", "0x120 0+0.2x30 6x60"), minute=195),
    Case("many requests, and a burst of failures that is over", SELDOM_ASKED_FAILING,
         load("0+100x90", "0x50 0+50x2 100x60"), minute=75),

    Case("a fifth fails for an hour", BUDGET_BURNING_1H,
         load("0+80x100", "0+20x100"), (burning("20%", "1h", "20"),), minute=63),
    Case("a fifth fails for half an hour", BUDGET_BURNING_1H,
         load("0+100x60 6000+80x60", "0x60 0+20x60"), minute=90),
    Case("all fail when the morning comes", BUDGET_BURNING_1H,
         load("9x100", "0x60 0+100x60"), (burning("100%", "1h", "100"),), minute=75),
    Case("a twelfth fails for an hour", BUDGET_BURNING_1H, load("0+110x80", "0+10x80"), minute=70),
    Case("a fifth failed for an hour, and it is over", BUDGET_BURNING_1H,
         load("0+80x60 4800+100x60", "0+20x60 1200x60"), minute=75),
    Case("idle after a bad hour", BUDGET_BURNING_1H,
         load("0+80x60 4800x60", "0+20x60 1200x60"), minute=110),
    Case("five of ten requests in an hour fail", BUDGET_BURNING_1H,
         load("0x29 5x60", "0x55 1 2 3 4 5x60"), minute=63),
    Case("two of four requests in an hour fail", BUDGET_BURNING_1H,
         load("0x39 1x19 2x60", "0x39 1x19 2x60"), minute=62),
    Case("one request a minute, and every one fails", BUDGET_BURNING_1H,
         load("0x60", "0+1x60"), (burning("100%", "1h", "100"),), minute=50),
    Case("a model's first minutes, and four requests fail", BUDGET_BURNING_1H,
         load("0+1x4 4x60", "0+1x4 4x60"), minute=8),
    Case("a model's first minutes, and half of its requests fail", BUDGET_BURNING_1H,
         load("0+9x60", "0+9x60"), minute=25),
    Case("a model's first hour, and half of its requests fail", BUDGET_BURNING_1H,
         load("0+9x60", "0+9x60"), (burning("50%", "1h", "50"),), minute=50),
    Case("the engine does not count failures", BUDGET_BURNING_1H,
         (UP, requests("success", "0+100x120")), minute=100),
    Case("counters start again in a bad hour", BUDGET_BURNING_1H,
         load("0+80x50 0+80x60", "0+20x50 0+20x60"), (burning("20%", "1h", "20"),), minute=70),
    Case("a limit so lax that no ratio is a multiple of it", BUDGET_BURNING_1H, (
        *load("0+5x120", "0+95x120"), override(c.LIMIT_RATIO, "error", "0.2x120")),
        (burning("95%", "1h", "4.75", "20%"),), minute=70),
    Case("a lax limit that is kept", BUDGET_BURNING_1H, (
        *load("0+70x120", "0+30x120"), override(c.LIMIT_RATIO, "error", "0.2x120")), minute=70),

    Case("a twelfth fails for hours", BUDGET_BURNING_6H,
         load("0+110x240", "0+10x240"), (burning("8.333%", "6h", "8.33"),), minute=230),
    Case("a twelfth fails for an hour of a new model", BUDGET_BURNING_6H,
         load("0+110x240", "0+10x240"), minute=150),
    Case("a twentieth fails for hours", BUDGET_BURNING_6H, load("0+95x240", "0+5x240"),
         minute=230),
    Case("a twelfth failed for hours, and it is over", BUDGET_BURNING_6H,
         load("0+110x200 22000+110x60", "0+10x200 2000x60"), minute=215),

    Case("a twenty-fifth fails for a day", BUDGET_BURNING_1D, days("4x150"),
         (burning("4%", "1d", "4"),), minute=1440, step=10),
    Case("a twenty-fifth fails for a new model's first hours", BUDGET_BURNING_1D, days("4x150"),
         minute=600, step=10),
    Case("a bad day that is over", BUDGET_BURNING_1D, days("4x144 0x60"), minute=1860, step=10),
    Case("idle since a bad day", BUDGET_BURNING_1D, days("4x144 _x60"), minute=1860, step=10),
    Case("two of a hundred fail for three days", BUDGET_BURNING_3D, days("2x450"),
         (burning("2%", "3d", "2"),), minute=4320, step=10),
    Case("two of a hundred fail for a new model's first day", BUDGET_BURNING_3D, days("2x450"),
         minute=1800, step=10),
    Case("one of two hundred fails for three days", BUDGET_BURNING_3D, days("0.5x450"),
         minute=4320, step=10),

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


SCRAPE_SECONDS = 30


@dataclass(frozen=True)
class Incident:
    """A share of all requests fails for a while, in seconds since the model was first seen."""

    title: str
    share: float
    begin: int
    end: int
    requests_before: int = 0  # seconds until the first request comes
    per_second: float = 100

    def __str__(self) -> str:
        return self.title

    def inputs(self, seconds: int) -> tuple[Series, ...]:
        """Scraped every half minute."""
        good: list[float] = []
        bad: list[float] = []
        for now in range(0, seconds + 1, SCRAPE_SECONDS):
            failed = self.share * max(0, min(now, self.end) - self.begin)
            bad.append(self.per_second * failed)
            good.append(self.per_second * (max(0, now - self.requests_before) - failed))
        return load(_values(good), _values(bad))


def _values(numbers: Iterable[float]) -> str:
    return " ".join(f"{number:g}" for number in numbers)


def pages(incident: Incident, version: str, folder: Path, minute: int, lookback: str) -> set[str]:
    """The error alerts that have paged in the last minutes; all of them are loaded."""
    rules = documents(resting_on(" ".join(f"{alert.expr} {alert.description}"
                                          for alert in GROUP.alerts)))
    query = f'last_over_time(ALERTS{{alertstate="firing", severity="critical"}}[{lookback}])'
    answers = ask(version, folder, (*rules, *alert_documents((GROUP,))),
                  incident.inputs(60 * minute), [query], f"{minute}m",
                  scraped=f"{SCRAPE_SECONDS}s")
    return {labels["alertname"] for labels, _ in answers[query]}


# Prometheus may evaluate the rules a minute after the scrape, and the alerts a minute after them:
# promtool evaluates all at once, so a minute less is left.
STARTS = (3600, 3615, 3645)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(("share", "per_second", "minutes"), [
    (1.0, 100, 5), (0.5, 100, 8), (0.3, 100, 11), (1.0, 0.05, 5), (0.3, 0.1, 11),
])
def test_what_fails_at_once_pages_soon(share: float, per_second: float, minutes: int, start: int,
                                       version: str, tmp_path: Path) -> None:
    incident = Incident("", share, start, 9999, per_second=per_second)
    assert pages(incident, version, tmp_path, 60 + minutes + (start > 3600), "1m") == {
        "LLMRequestsFailing"}


BLIPS = (
    Incident("of a model that has long been there", 1.0, 3600, 3720),
    Incident("that begins between two scrapes", 1.0, 3585, 3705),
    Incident("of a new model", 1.0, 600, 720),
    Incident("of the very first requests of a new model", 1.0, 0, 120),
    Incident("of the first requests after an idle time", 1.0, 3600, 3720, 3600),
    Incident("of the first requests after hours", 1.0, 10800, 10920, 10800),
    Incident("of a model that has been there for half an hour", 1.0, 2100, 2220),
    Incident("of 3 requests a minute", 1.0, 3600, 3720, per_second=0.05),
    Incident("of 3 requests a minute of a new model", 1.0, 600, 720, per_second=0.05),
    Incident("of a request every 5 minutes", 1.0, 3600, 3720, per_second=1 / 300),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("blip", BLIPS, ids=str)
def test_two_minutes_in_which_all_requests_fail_page_nobody(blip: Incident, version: str,
                                                            tmp_path: Path) -> None:
    assert pages(blip, version, tmp_path, blip.end // 60 + 20, "4h") == set()


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_over_does_not_page_for_long(version: str, tmp_path: Path) -> None:
    incident = Incident("", 0.3, 3600, 4500)
    assert pages(incident, version, tmp_path, 74, "1m") == {"LLMRequestsFailing"}
    assert pages(incident, version, tmp_path, 85, "1m") == set()

"""Alerts about calls of applications and about gateways, each shown to fire and to be silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts import client, intake
from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.promql import EXPORTER
from tests.bundle.alert_cases import Case, Firing, prove
from tests.bundle.alert_inputs import override
from tests.bundle.client_inputs import CALLER, GATEWAY, calls, spoken, took
from tests.bundle.promtool import VERSIONS, Series, growing, series

WHOSE = "by shop to gpt-4o-mini in east"
OURS = {name: GATEWAY[name] for name in EXPORTER}
GIB = 2**30


def load(good: str, failed: str, outcome: str = "error") -> tuple[Series, ...]:
    return calls("success", good), calls(outcome, failed)


def failing(ratio: str, window: str, limit: str = "1%", rejected: str = "") -> tuple[Firing, ...]:
    remark = rejected and (f" {rejected} of the failures are rejections: a rate limit, or no room.")
    return (Firing(CALLER, f"{ratio} of calls {WHOSE} failed over {window}, limit {limit}."
                           f"{remark}"),)


def lasting(metric: Metric, seconds: float, per_minute: float = 60) -> tuple[Series, ...]:
    """All calls took between half of so many seconds and so many."""
    buckets = {f"{seconds / 2}": 0.0, f"{seconds}": per_minute, "+Inf": per_minute}
    return calls("success", growing(per_minute, 240)), *took(metric, buckets, 240)


def chosen(limit: str, seconds: float, model: str = "gpt-4o-mini") -> Series:
    return override(c.LIMIT_SECONDS, limit, f"{seconds}x240", model=model)


def slow(figure: str, seconds: str, against: str) -> tuple[Firing, ...]:
    return (Firing(CALLER, f"p95 {figure} of calls {WHOSE} is {seconds} over 5m, or over the hour "
                           f"where fewer than 20 calls ended in them, {against}."),)


def bodies(result: str, values: str) -> Series:
    return series(c.INTAKE_BODIES, values, scrape=GATEWAY, signal="traces", result=result)


def lost(reason: str, values: str) -> Series:
    """Heartbeats."""
    return series(c.HEARTBEAT_LOST, values, scrape=GATEWAY, reason=reason)


def ledger(metric: Metric, value: float) -> Series:
    return series(metric, f"{value}x60", scrape=GATEWAY)


def shipping(failures: str) -> Series:
    return series(c.CLICKHOUSE_FAILURES, failures, scrape=GATEWAY)


def logging(failures: str) -> Series:
    return series(c.REQUEST_LOG_FAILURES, failures, scrape=GATEWAY)


def ours(text: str) -> tuple[Firing, ...]:
    return (Firing(OURS, text),)


REQUEST, STARTED = "request_duration_p95", "time_to_first_token_p95"
MANY = (calls("success", growing(60, 240)),)
CASES = (
    Case("all fail", client.OUTAGE, load("0+100x30 3000x60", "0x30 0+100x60"),
         failing("100%", "5m"), minute=36),
    Case("all are turned away", client.OUTAGE,
         load("0+100x30 3000x60", "0x30 0+100x60", "rejected"),
         failing("100%", "5m", rejected="100%"), minute=36),
    Case("half of the calls fail", client.OUTAGE, load("0+50x60", "0+50x60")),
    Case("all fail, of one call a minute", client.OUTAGE, load("0+1x30 30x60", "0x30 0+1x60"),
         minute=45),
    Case("two minutes in which all fail", client.OUTAGE,
         load("0+100x30 3000 3000 3100+100x60", "0x30 100 200 200x60"), minute=34),

    Case("two of a hundred fail", client.FAILING, load("0+98x60", "0+2x60"), failing("2%", "5m")),
    Case("one of a thousand fails", client.FAILING, load("0+999x60", "0+1x60")),
    Case("two of a hundred fail, within a limit of its own", client.FAILING, (
        *load("0+98x60", "0+2x60"),
        override(c.LIMIT_RATIO, "error", "0.05x60", model="gpt-4o-mini"))),
    Case("callers' mistakes", client.FAILING, load("0+50x60", "0+50x60", "invalid")),
    Case("callers that leave", client.FAILING, load("0+50x60", "0+50x60", "abort")),

    Case("a call a minute, of which a fifth fails", client.SELDOM_FAILING,
         load("0+0.8x240", "0+0.2x240"), failing("20%", "1h"), minute=120),
    Case("a call a minute, of which one failed", client.SELDOM_FAILING,
         load("0+1x240", "0x60 1x180"), minute=90),

    Case("slower than somebody chose", client.SLOW, (
        *lasting(c.CLIENT_DURATION, 3), chosen(REQUEST, 2)),
        slow("duration", "2.925s", "limit 2s")),
    Case("slower than the fleet's limit", client.SLOW, (
        *lasting(c.CLIENT_DURATION, 3), chosen(REQUEST, 2, model="")),
        slow("duration", "2.925s", "limit 2s")),
    Case("slower than a default that nobody chose", client.SLOW,
         lasting(c.CLIENT_DURATION, 3)),
    Case("as quick as somebody chose", client.SLOW, (
        *lasting(c.CLIENT_DURATION, 1), chosen(REQUEST, 2))),
    Case("far slower than somebody chose", client.VERY_SLOW, (
        *lasting(c.CLIENT_DURATION, 5), chosen(REQUEST, 2)),
        slow("duration", "4.875s", "more than 2 times the limit of 2s")),
    Case("a little slower than somebody chose", client.VERY_SLOW, (
        *lasting(c.CLIENT_DURATION, 3), chosen(REQUEST, 2))),
    Case("first tokens later than somebody chose", client.FIRST_TOKEN_SLOW, (
        *lasting(c.CLIENT_TTFT, 1), chosen(STARTED, 0.5)),
        slow("time to first token", "975ms", "limit 500ms")),
    Case("first tokens in time", client.FIRST_TOKEN_SLOW, (
        *lasting(c.CLIENT_TTFT, 0.2), chosen(STARTED, 0.5))),

    Case("a tenth without tokens", client.USAGE_MISSING, (
        *MANY, spoken(c.CLIENT_USAGE_MISSING, growing(6, 240))),
        (Firing(CALLER, f"Of 10% of the answered calls {WHOSE} in the last 1h no span has the "
                        "tokens, limit 5%. Tokens and cost are too low by as much."),), minute=100),
    Case("one of a hundred without tokens", client.USAGE_MISSING, (
        *MANY, spoken(c.CLIENT_USAGE_MISSING, growing(0.6, 240))), minute=100),
    Case("few calls, none with tokens", client.USAGE_MISSING, (
        calls("success", growing(0.2, 240)),
        spoken(c.CLIENT_USAGE_MISSING, growing(0.2, 240))), minute=100),

    Case("a tenth without a price", client.PRICE_UNKNOWN, (
        *MANY, spoken(c.CLIENT_PRICE_UNKNOWN, growing(6, 240))),
        (Firing(CALLER, f"Of 10% of the answered calls {WHOSE} in the last 1h the price is not "
                        "known, limit 5%. Their cost is counted nowhere."),), minute=100),
    Case("all with their price", client.PRICE_UNKNOWN, (
        *MANY, spoken(c.CLIENT_PRICE_UNKNOWN, "0x240")), minute=100),
    Case("calls that are dear", client.DEAR, (
        *MANY, spoken(c.CLIENT_OVER_COST, "0+1x60")),
        (Firing(CALLER, f"15 calls {WHOSE} in the last 15m cost more than the limit of 1 USD "
                        "each. inferometer ledger top --by user names who made them."),)),
    Case("calls that are dear against a limit of their own", client.DEAR, (
        *MANY, spoken(c.CLIENT_OVER_COST, "0+1x60"),
        override(c.LIMIT_USD, "call_cost", "0.5x60", model="gpt-4o-mini")),
        (Firing(CALLER, f"15 calls {WHOSE} in the last 15m cost more than the limit of 0.5 USD "
                        "each. inferometer ledger top --by user names who made them."),)),
    Case("calls that are cheap", client.DEAR, (*MANY, spoken(c.CLIENT_OVER_COST, "0x60"))),

    Case("bodies are put off", intake.REFUSING, (bodies("taken", "0+100x60"),
                                                 bodies("put_off", "0+10x60")),
         ours("gateway-0 in east/inferometer put off or failed 50 bodies in the last 5m. Senders "
              "try again for some seconds, and then drop them. Its log says why.")),
    Case("bodies were put off for a moment", intake.REFUSING, (
        bodies("taken", "0+100x60"), bodies("put_off", "0x10 10x50")), minute=25),
    Case("bodies are too large", intake.TOO_LARGE, (bodies("too_large", "0+1x60"),),
         ours("gateway-0 in east/inferometer refused 15 bodies in the last 15m as too large. What "
              "is in them is lost: the sender has to send fewer spans at a time, by "
              "OTEL_BSP_MAX_EXPORT_BATCH_SIZE.")),
    Case("bodies fit", intake.TOO_LARGE, (bodies("taken", "0+100x60"),
                                          bodies("too_large", "0x60"))),
    Case("counting is late", intake.LAGGING, (ledger(c.LEDGER_LAG, 90),),
         ours("gateway-0 in east/inferometer counts calls 1m 30s too late, limit 60s. Rates and "
              "error ratios of applications are that old.")),
    Case("counting is in time", intake.LAGGING, (ledger(c.LEDGER_LAG, 0.2),)),
    Case("a disk of which a twentieth is left", intake.NEARLY_FULL, (
        ledger(c.LEDGER_BYTES, 19 * GIB), ledger(c.LEDGER_FREE, GIB)),
        ours("The ledger of gateway-0 in east/inferometer has 1GiB left, limit 10% of its disk or "
             "256 MiB. Once it is full, senders are put off, and what they drop is lost.")),
    Case("a new ledger on a disk that others have filled", intake.NEARLY_FULL, (
        ledger(c.LEDGER_BYTES, 2**20), ledger(c.LEDGER_FREE, 128 * 2**20)),
        ours("The ledger of gateway-0 in east/inferometer has 128MiB left, limit 10% of its disk "
             "or 256 MiB. Once it is full, senders are put off, and what they drop is lost.")),
    Case("a disk with room", intake.NEARLY_FULL, (
        ledger(c.LEDGER_BYTES, 5 * GIB), ledger(c.LEDGER_FREE, 5 * GIB))),
    # One is sent at minute 1 at the latest, and lost 110 seconds later.
    Case("5 minutes after heartbeats began to be lost", intake.HEARTBEAT_LOST, (
        lost("uncounted", "0 0 0 1 2 3 4"), lost("refused", "0x60")),
        ours("Of the calls that gateway-0 in east/inferometer sends to itself, one a minute, 2 "
             "were lost in the last 15m. Calls of applications went the same way. Its log says "
             "where."), minute=4),
    Case("heartbeats that come back", intake.HEARTBEAT_LOST, (
        lost("uncounted", "0x60"), lost("refused", "2x60"))),
    Case("ClickHouse is down", intake.NOT_SHIPPED, (shipping("0+2x60"),),
         ours("gateway-0 in east/inferometer tried 10 times in the last 5m to bring to ClickHouse "
              "what waits for it, and failed. Calls wait in the ledger until "
              "ledger.retention_days. Its log says why.")),
    Case("ClickHouse was started anew", intake.NOT_SHIPPED, (shipping("0x10 2x50"),), minute=25),
    Case("a request log on a full disk", intake.NOT_LOGGED, (logging("0+2x60"),),
         ours("gateway-0 in east/inferometer tried 10 times in the last 5m to write what waits for "
              "its request log, and failed. Calls wait in the ledger until "
              "ledger.retention_days. Its log says why.")),
    Case("a request log that goes on", intake.NOT_LOGGED, (logging("0x10 2x50"),), minute=25),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_alert_says_exactly(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)


def test_every_alert_is_shown_to_fire_and_to_be_silent() -> None:
    alerts = {*client.GROUP.alerts, *intake.GROUP.alerts}
    assert {case.alert for case in CASES if case.expected} == alerts
    assert {case.alert for case in CASES if not case.expected} == alerts

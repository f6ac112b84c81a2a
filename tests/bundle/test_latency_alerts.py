"""Alerts about latency, each shown to fire and to be silent."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from alerts import latency
from alerts.latency import (
    FIRST_TOKEN_SLOW,
    FIRST_TOKEN_VERY_SLOW,
    LIMIT_BEYOND,
    REQUESTS_SLOW,
    SPEED_BELOW_DEFAULT,
    SPEED_LOW,
)
from inferometer import catalogue as c
from recording_rules.bounds import COUNT
from recording_rules.latency import JUDGED
from tests.bundle.alert_cases import Case, Firing, prove
from tests.bundle.alert_inputs import (
    BARE,
    MODEL,
    OTHER,
    UP,
    emit,
    histogram,
    observed,
    override,
    requests,
)
from tests.bundle.promtool import VERSIONS, Series, growing, selector

LONG = ("None of time to first token, time per output token and queue time is known to be over "
        "its limit: the answers are long.")
LITTLE = "at fewer than 20 requests in 5m"
PREFILL = "Queue time is not known to be over its limit: look at prefill."
# Alert, histogram, seconds that are too many, seconds that are not, and what it then says.
WARNINGS = (
    (latency.REQUESTS_SLOW, c.SERVER_DURATION, 2.5, 2.0,
     f"p95 request duration of tiny in east/chat is 2.438s over 5m, limit 2s. {LONG}"),
    (latency.FIRST_TOKEN_SLOW, c.SERVER_TTFT, 0.6, 0.5,
     f"p95 time to first token of tiny in east/chat is 585ms over 5m, limit 500ms. {PREFILL}"),
    (latency.OUTPUT_SLOW, c.SERVER_TPOT, 0.06, 0.05,
     "p95 time per output token of tiny in east/chat is 58.5ms over 5m, limit 50ms."),
    (latency.QUEUE_LONG, c.SERVER_QUEUE, 1.2, 1.0,
     "p95 queue time of tiny in east/chat is 1.17s over 5m, limit 1s."),
)
# The same of twice a limit, with the name of that limit, which is configured.
PAGES = (
    (latency.REQUESTS_VERY_SLOW, c.SERVER_DURATION, 4.4, 4.0, "request_duration_p95", 2.0,
     "p95 request duration of tiny in east/chat is 4.29s over 5m, more than 2 times the limit of "
     f"2s. {LONG}"),
    (latency.FIRST_TOKEN_VERY_SLOW, c.SERVER_TTFT, 1.2, 1.0, "time_to_first_token_p95", 0.5,
     "p95 time to first token of tiny in east/chat is 1.17s over 5m, more than 2 times the limit "
     f"of 500ms. {PREFILL}"),
    (latency.OUTPUT_VERY_SLOW, c.SERVER_TPOT, 0.12, 0.1, "time_per_output_token_p95", 0.05,
     "p95 time per output token of tiny in east/chat is 117ms over 5m, more than 2 times the "
     "limit of 50ms."),
)
up = partial(emit, c.SERVER_UP)
request = partial(observed, c.SERVER_DURATION)
first_token = partial(observed, c.SERVER_TTFT)
first_token_limit = partial(override, c.LIMIT_SECONDS, "time_to_first_token_p95")
request_limit = partial(override, c.LIMIT_SECONDS, "request_duration_p95")
speed_limit = partial(override, c.LIMIT_TOKENS_PER_SECOND, "output_tokens_per_second")


def slow(limit: str = "500ms", value: str = "585ms", about: str = "tiny in east/chat",
         window: str = "over 5m", cause: str = PREFILL, **labels: str) -> Firing:
    return Firing({name: value for name, value in {**MODEL, **labels}.items() if value},
                  f"p95 time to first token of {about} is {value} {window}, limit {limit}. "
                  f"{cause}")


def very_slow(limit: str) -> Firing:
    return Firing(MODEL, "p95 time to first token of tiny in east/chat is 1.17s over 5m, more than "
                         f"2 times the limit of {limit}. {PREFILL}")


def long_request(cause: str, about: str = "tiny in east/chat") -> Firing:
    return Firing(MODEL, f"p95 request duration of {about} is 2.438s over 5m, limit 2s. {cause}")


def canary(others: bool, its_own: bool, *bounds: str) -> tuple[Series, ...]:
    """Two replicas, the second with these bounds; slow are those of which it is true."""
    load = growing(60, 240)
    fast_others, fast_own = ("0x240" if is_slow else load for is_slow in (others, its_own))
    return (UP, *histogram(c.SERVER_TTFT, {"0.25": fast_others, "1.0": load, "+Inf": load}),
            *histogram(c.SERVER_TTFT, {bounds[0]: fast_own, **dict.fromkeys(bounds[1:], load),
                                       "+Inf": load}, scrape=OTHER))


def mixed(value: str) -> tuple[Firing, ...]:
    return (slow(value=value),)


def paced(seconds: float, per_minute: float = 60) -> tuple[Series, ...]:
    """Requests whose mean time per output token is so long."""
    return (UP, *(emit(c.SERVER_TPOT, growing(number, 240), suffix=suffix) for suffix, number in (
        ("_count", per_minute), ("_sum", per_minute * seconds))))


def low(speed: str, limit: str, window: str = "over 5m") -> Firing:
    return Firing(MODEL, f"A request to tiny in east/chat gets {speed} output tokens per second "
                         f"after the first one, mean {window}, limit {limit}.")


def beyond(limit: str, in_force: str, bound: str) -> Firing:
    return Firing({**MODEL, "limit": limit},
                  f"The limit {limit} of tiny in east/chat is {in_force}, and the last bound of "
                  f"its histogram is {bound}. No quantile rises above that, so no alert can fire "
                  "against this limit.")


CASES = (
    *(Case("it takes too long", alert, (UP, *observed(metric, seconds)), (Firing(MODEL, text),))
      for alert, metric, seconds, _, text in WARNINGS),
    *(Case("it is at the limit", alert, (UP, *observed(metric, seconds)))
      for alert, metric, _, seconds, _ in WARNINGS),
    *(Case("over twice the limit of all models", alert, (
        UP, *observed(metric, seconds), override(c.LIMIT_SECONDS, limit, f"{in_force}x60",
                                                 model="")), (Firing(MODEL, text),))
      for alert, metric, seconds, _, limit, in_force, text in PAGES),
    *(Case("at twice the limit of all models", alert, (
        UP, *observed(metric, seconds), override(c.LIMIT_SECONDS, limit, f"{in_force}x60",
                                                 model="")))
      for alert, metric, _, seconds, limit, in_force, _ in PAGES),
    *(Case("over twice a limit that nobody chose", alert, (UP, *observed(metric, seconds)))
      for alert, metric, seconds, *_ in PAGES),
    Case("over twice the model's own limit", FIRST_TOKEN_VERY_SLOW, (
        UP, *first_token(1.2), first_token_limit("0.4x60")), (very_slow("400ms"),)),
    Case("another model's limit was chosen", FIRST_TOKEN_VERY_SLOW, (
        UP, *first_token(1.2), first_token_limit("0.4x60", model="large"))),
    Case("the exporter of the chosen limit is gone", FIRST_TOKEN_VERY_SLOW, (
        UP, *first_token(1.2), first_token_limit("0.4x9 _x60")), (very_slow("400ms"),)),

    Case("the first token is late, too", REQUESTS_SLOW, (UP, *request(2.5), *first_token(0.6)), (
        long_request("Also over the limit: time to first token."),)),
    Case("first token, tokens and queue, too", REQUESTS_SLOW, (
        UP, *request(2.5), *first_token(0.6), *observed(c.SERVER_TPOT, 0.06),
        *observed(c.SERVER_QUEUE, 1.2)), (
            long_request("Also over the limit: time to first token, time per output token, "
                         "queue time."),)),
    Case("its parts are within their limits", REQUESTS_SLOW, (
        UP, *request(2.5), *first_token(0.4), *observed(c.SERVER_QUEUE, 0.5)), (
            long_request(LONG),)),
    Case("the first token may take longer", REQUESTS_SLOW, (
        UP, *request(2.5), *first_token(0.6), first_token_limit("1x60")), (long_request(LONG),)),
    Case("the first token of another engine is late", REQUESTS_SLOW, (
        UP, *request(2.5), *first_token(0.6, engine="sglang")), (long_request(LONG),)),
    Case("no labels of Kubernetes, and the queue is long", REQUESTS_SLOW, (
        up("1x60", scrape=BARE), *request(2.5, scrape=BARE),
        *observed(c.SERVER_QUEUE, 1.2, scrape=BARE)), (
            Firing({"engine": "vllm", "model": "tiny"},
                   long_request("Also over the limit: queue time.", "tiny").description),)),
    Case("requests wait in the queue", FIRST_TOKEN_SLOW, (
        UP, *first_token(0.6), *observed(c.SERVER_QUEUE, 1.2)), (
            slow(cause="Also over the limit: queue time."),)),

    Case("there is no traffic", FIRST_TOKEN_SLOW, (UP, *first_token(0.6, 0))),
    Case("the engine has no such histogram", FIRST_TOKEN_SLOW, (UP,)),
    Case("three requests in five minutes, and twelve in all", FIRST_TOKEN_SLOW, (
        UP, *first_token(9.0, 0.6))),
    Case("a request each five minutes", FIRST_TOKEN_SLOW, (UP, *first_token(9.0, 0.2)),
         minute=120),
    Case("three requests a minute", FIRST_TOKEN_SLOW, (UP, *first_token(0.6, 3)),
         (slow(window=LITTLE),), minute=35),
    Case("a request each two minutes", FIRST_TOKEN_SLOW, (UP, *first_token(0.6, 0.5)),
         (slow(window=LITTLE),), minute=80),
    Case("traffic goes up and down around the least", FIRST_TOKEN_SLOW, (
        UP, *first_token(0.6, values="0+3x6 23+5x5 51+3x5 71+5x5 99+3x5 119+5x5 147+3x5")),
        (slow(window=LITTLE),), minute=42),
    Case("a slow burst of little traffic is over", FIRST_TOKEN_SLOW, (UP, *histogram(
        c.SERVER_TTFT, {"0.3": "0x30 3+3x40", "0.6": "0+3x71", "+Inf": "0+3x71"})), minute=55),
    Case("so slow that hardly a request ends", FIRST_TOKEN_SLOW, (UP, *histogram(
        c.SERVER_TTFT, {"0.3": "0+60x20 1200x40", "0.6": "0+60x20 1203+3x40",
                        "+Inf": "0+60x20 1203+3x40"})), (slow(window=LITTLE),), minute=50),
    Case("one slow request and then none, with little traffic", FIRST_TOKEN_SLOW, (UP, *histogram(
        c.SERVER_TTFT, {"0.3": "0+2x20 40x40", "9.0": "0+2x20 41x40", "+Inf": "0+2x20 41x40"})),
        minute=35),
    Case("a first slow request of a model that is hardly asked", FIRST_TOKEN_SLOW, (
        UP, *first_token(9.0, values="0x30 1x30")), minute=45),
    Case("twice the chosen limit with little traffic", FIRST_TOKEN_VERY_SLOW, (
        UP, *first_token(9.0, 3), first_token_limit("0.5x240")), (
            Firing(MODEL, f"p95 time to first token of tiny in east/chat is 8.775s {LITTLE}, more "
                          f"than 2 times the limit of 500ms. {PREFILL}"),), minute=35),
    Case("traffic that has just come up to the least", FIRST_TOKEN_SLOW,
         (UP, *first_token(0.6, 4.1)), (slow(),)),
    Case("a model's first minutes", FIRST_TOKEN_SLOW, (UP, *first_token(0.6)), minute=9),
    Case("slow for four minutes", FIRST_TOKEN_SLOW, (UP, *histogram(c.SERVER_TTFT, {
        "0.3": "0+60x9 540x4 600+60x40", "0.6": "0+60x60", "+Inf": "0+60x60"})), minute=22),
    Case("traffic ends, and the alert soon after", FIRST_TOKEN_SLOW, (UP, *first_token(
        0.6, values="0+60x20 1200x60")), minute=42),
    Case("counters start again", FIRST_TOKEN_SLOW, (UP, *first_token(
        0.6, values="0+60x14 0+60x30")), (slow(),)),
    Case("the engine is away for three minutes", FIRST_TOKEN_SLOW, (
        up("1x20 0x2 1x30"),
        *first_token(0.6, values="0+60x20 _x3 0+60x30")), (slow(),), minute=32),
    Case("two replicas, one of them slow", FIRST_TOKEN_SLOW, (
        UP, *first_token(0.6), *first_token(0.6, 0, scrape=OTHER)), (slow(),)),
    Case("two ranks of one replica", FIRST_TOKEN_SLOW, (
        UP, *first_token(0.6, 2.1, rank="0"), *first_token(0.6, 2.1, rank="1")), (slow(),)),

    Case("a canary of other bounds is slow", FIRST_TOKEN_SLOW,
         canary(False, True, "0.3", "0.9"), mixed("870ms"), minute=25),
    Case("a canary of more bounds is slow", FIRST_TOKEN_SLOW,
         canary(False, True, "0.3", "0.6", "0.9"), mixed("585ms"), minute=25),
    Case("all but a canary of other bounds are slow", FIRST_TOKEN_SLOW,
         canary(True, False, "0.3", "0.9"), mixed("962.5ms"), minute=25),
    Case("all but a canary of more bounds are slow", FIRST_TOKEN_SLOW,
         canary(True, False, "0.3", "0.6", "0.9"), mixed("962.5ms"), minute=25),
    Case("all are slow, a canary of other bounds included", FIRST_TOKEN_SLOW,
         canary(True, True, "0.3", "0.9"), mixed("962.5ms"), minute=25),
    Case("all are fast, a canary of other bounds included", FIRST_TOKEN_SLOW,
         canary(False, False, "0.3", "0.9"), minute=25),

    Case("the same model on another engine is fast", FIRST_TOKEN_SLOW, (
        UP, *first_token(0.6), up("1x60", engine="sglang"),
        *first_token(0.4, engine="sglang")), (slow(),)),
    Case("no labels of Kubernetes", FIRST_TOKEN_SLOW, (
        up("1x60", scrape=BARE), *first_token(0.6, scrape=BARE)),
        (Firing({"engine": "vllm", "model": "tiny"}, slow(about="tiny").description),)),
    Case("the engine does not name its model", FIRST_TOKEN_SLOW, (
        up("1x60", model=""), *first_token(0.6, model="")),
        (slow(about="the model without a name in east/chat", model=""),)),
    Case("one of several models that a server serves", FIRST_TOKEN_SLOW, (
        up("1x60", model=""), *first_token(0.6),
        requests("success", "0+60x60")),
        (slow(),)),
    Case("the model may take longer", FIRST_TOKEN_SLOW, (
        UP, *first_token(0.6), first_token_limit("1x60"))),
    Case("all models may take longer", FIRST_TOKEN_SLOW, (
        UP, *first_token(0.6), first_token_limit("1x60", model=""))),
    Case("another model may take longer", FIRST_TOKEN_SLOW, (
        UP, *first_token(0.6), first_token_limit("1x60", model="large")), (slow(),)),
    Case("the model's own limit goes before all models'", FIRST_TOKEN_SLOW, (
        UP, *first_token(0.3), first_token_limit("0.2x60"), first_token_limit("1x60", model="")),
        (slow("200ms", "292.5ms"),)),
    Case("the override's exporter is gone", FIRST_TOKEN_SLOW, (
        UP, *first_token(0.6), first_token_limit("1x9 _x60"))),
    Case("an override was taken back a day ago", FIRST_TOKEN_SLOW, (
        UP, {"series": selector(str(JUDGED[c.SERVER_TTFT]), MODEL), "values": "0.585x150"},
        {"series": selector(str(COUNT[c.SERVER_TTFT]), MODEL), "values": "1x150"},
        first_token_limit("1x2 _x150")), (slow(),), minute=1500, step=10),
    Case("replicas of the exporter disagree during a rollout", FIRST_TOKEN_SLOW, (
        UP, *first_token(0.6), first_token_limit("0.2x60"),
        first_token_limit("1x60", scrape=OTHER))),

    Case("slower than the default", SPEED_BELOW_DEFAULT, paced(0.035), (
        low("28.6", "50, the default"),)),
    Case("slower than the default, with a request each two minutes", SPEED_BELOW_DEFAULT,
         paced(0.035, 0.5), (low("28.6", "50, the default", LITTLE),), minute=80),
    Case("slower than the default, with a request each five minutes", SPEED_BELOW_DEFAULT,
         paced(0.035, 0.2), minute=80),
    Case("faster than the default", SPEED_BELOW_DEFAULT, paced(0.019)),
    Case("no traffic", SPEED_BELOW_DEFAULT, paced(0.035, 0)),
    Case("slower than the chosen limit, which is another alert", SPEED_BELOW_DEFAULT, (
        *paced(0.035), speed_limit("40x60"))),
    Case("slower than the model's limit", SPEED_LOW, (*paced(0.035), speed_limit("40x60")), (
        low("28.6", "40"),)),
    Case("slower than the limit of all models", SPEED_LOW, (
        *paced(0.035), speed_limit("40x60", model="")), (low("28.6", "40"),)),
    Case("slower than a limit that nobody chose", SPEED_LOW, paced(0.035)),
    Case("faster than the model's limit", SPEED_LOW, (*paced(0.035), speed_limit("25x60"))),

    Case("above the last bound", LIMIT_BEYOND, (UP, *request(1.0)), (
        beyond("request_duration_p95", "2s", "1s"),)),
    Case("at the last bound", LIMIT_BEYOND, (UP, *request(2.0)), (
        beyond("request_duration_p95", "2s", "2s"),)),
    Case("a chosen limit above the last bound", LIMIT_BEYOND, (
        UP, *request(2.5), request_limit("30x60")), (
            beyond("request_duration_p95", "30s", "2.5s"),)),
    Case("two limits above the last bound, without traffic", LIMIT_BEYOND, (
        UP, *first_token(0.4, 0), *observed(c.SERVER_QUEUE, 0.8, 0)), (
            beyond("time_to_first_token_p95", "500ms", "400ms"),
            beyond("request_queue_p95", "1s", "800ms"))),
    Case("below the last bound", LIMIT_BEYOND, (UP, *request(2.5))),
    Case("one replica has a bound above it", LIMIT_BEYOND, (
        UP, *request(1.0), *request(2.5, scrape=OTHER))),
    Case("no bound but infinity", LIMIT_BEYOND, (
        UP, *histogram(c.SERVER_DURATION, {"+Inf": "0+60x60"}))),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_latency_alerts_fire_as_expected(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)

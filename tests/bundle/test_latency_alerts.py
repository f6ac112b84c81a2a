"""Alerts about latency, each shown to fire and to be silent."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from alerts import latency
from alerts.latency import FIRST_TOKEN_SLOW
from inferometer import catalogue as c
from recording_rules.latency import COUNT, QUANTILES
from tests.bundle.alert_cases import Case, Firing, prove
from tests.bundle.alert_inputs import BARE, MODEL, OTHER, UP, emit, observed, override, requests
from tests.bundle.promtool import VERSIONS, selector

# Alert, histogram, seconds that are too many, seconds that are not, and what it then says.
EACH = (
    (latency.REQUESTS_SLOW, c.SERVER_DURATION, 2.5, 2.0,
     "a whole request takes at least 2.438s for the slowest 5 % of requests, over the limit of 2s"),
    (latency.REQUESTS_VERY_SLOW, c.SERVER_DURATION, 4.5, 4.0,
     "a whole request takes at least 4.387s for the slowest 5 % of requests, more than twice the "
     "limit of 2s"),
    (latency.FIRST_TOKEN_SLOW, c.SERVER_TTFT, 0.6, 0.5,
     "the first token takes at least 585ms for the slowest 5 % of requests, over the limit of "
     "500ms"),
    (latency.FIRST_TOKEN_VERY_SLOW, c.SERVER_TTFT, 1.2, 1.0,
     "the first token takes at least 1.17s for the slowest 5 % of requests, more than twice the "
     "limit of 500ms"),
    (latency.OUTPUT_SLOW, c.SERVER_TPOT, 0.06, 0.05,
     "each token after the first takes at least 58.5ms for the slowest 5 % of requests, over the "
     "limit of 50ms"),
    (latency.OUTPUT_VERY_SLOW, c.SERVER_TPOT, 0.12, 0.1,
     "each token after the first takes at least 117ms for the slowest 5 % of requests, more than "
     "twice the limit of 50ms"),
    (latency.QUEUE_LONG, c.SERVER_QUEUE, 1.2, 1.0,
     "waiting in the queue takes at least 1.17s for the slowest 5 % of requests, over the limit of "
     "1s"),
)
up = partial(emit, c.SERVER_UP)
first_token = partial(observed, c.SERVER_TTFT)
first_token_limit = partial(override, c.LIMIT_SECONDS, "time_to_first_token_p95")


def slow(limit: str = "500ms", value: str = "585ms", about: str = "tiny on vllm",
         **labels: str) -> Firing:
    return Firing({name: value for name, value in {**MODEL, **labels}.items() if value},
                  f"{about}: the first token takes at least {value} for the slowest 5 % of "
                  f"requests, over the limit of {limit}.")


CASES = (
    *(Case("it takes too long", alert, (UP, *observed(metric, seconds)),
           (Firing(MODEL, f"tiny on vllm: {text}."),))
      for alert, metric, seconds, _, text in EACH),
    *(Case("it is at the limit", alert, (UP, *observed(metric, seconds)))
      for alert, metric, _, seconds, _ in EACH),
    Case("there is no traffic", FIRST_TOKEN_SLOW, (UP, *first_token(0.6, 0))),
    Case("the engine has no such histogram", FIRST_TOKEN_SLOW, (UP,)),
    Case("three requests in five minutes", FIRST_TOKEN_SLOW, (UP, *first_token(9.0, 0.6))),
    Case("traffic that has just come up to the least", FIRST_TOKEN_SLOW,
         (UP, *first_token(0.6, 4.1)), (slow(),)),
    Case("a model's first minutes", FIRST_TOKEN_SLOW, (UP, *first_token(0.6)), minute=9),
    Case("slow for four minutes", FIRST_TOKEN_SLOW, (UP, *first_token(
        0.6, values="0x9 60+60x3 240x30")), minute=16),
    Case("traffic ends, and the alert soon after", FIRST_TOKEN_SLOW, (UP, *first_token(
        0.6, values="0+60x20 1200x30")), minute=35),
    Case("counters start again", FIRST_TOKEN_SLOW, (UP, *first_token(
        0.6, values="0+60x14 0+60x30")), (slow(),)),
    Case("the engine is away for three minutes", FIRST_TOKEN_SLOW, (
        up("1x20 0x2 1x30"),
        *first_token(0.6, values="0+60x20 _x3 0+60x30")), (slow(),), minute=32),
    Case("two replicas, one of them slow", FIRST_TOKEN_SLOW, (
        UP, *first_token(0.6), *first_token(0.6, 0, scrape=OTHER)), (slow(),)),
    Case("two ranks of one replica", FIRST_TOKEN_SLOW, (
        UP, *first_token(0.6, 2.1, rank="0"), *first_token(0.6, 2.1, rank="1")), (slow(),)),
    Case("replicas with different bounds", FIRST_TOKEN_SLOW, (
        UP, *first_token(0.6), *first_token(0.7, scrape=OTHER))),
    Case("the same model on another engine is well", FIRST_TOKEN_SLOW, (
        UP, *first_token(0.6), up("1x60", engine="sglang"),
        *first_token(0.4, engine="sglang")), (slow(),)),
    Case("no labels of Kubernetes", FIRST_TOKEN_SLOW, (
        up("1x60", scrape=BARE), *first_token(0.6, scrape=BARE)),
        (Firing({"engine": "vllm", "model": "tiny"}, slow().description),)),
    Case("the engine does not name its model", FIRST_TOKEN_SLOW, (
        up("1x60", model=""), *first_token(0.6, model="")),
        (slow(about="A model without a name on vllm", model=""),)),
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
        UP, {"series": selector(str(QUANTILES[c.SERVER_TTFT, 0.95]), MODEL), "values": "0.585x150"},
        {"series": selector(str(COUNT[c.SERVER_TTFT]), MODEL), "values": "1x150"},
        first_token_limit("1x2 _x150")), (slow(),), minute=1500, step=10),
    Case("replicas of the exporter disagree during a rollout", FIRST_TOKEN_SLOW, (
        UP, *first_token(0.6), first_token_limit("0.2x60"),
        first_token_limit("1x60", scrape=OTHER))),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_latency_alerts_fire_as_expected(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)

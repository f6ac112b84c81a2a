"""Alerts about want of room, each shown to fire and to be silent."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from alerts.saturation import KV_CACHE_FULL, QUEUE_GROWING, REQUESTS_PREEMPTED
from inferometer import catalogue as c
from tests.bundle.alert_cases import Case, Firing, prove
from tests.bundle.alert_inputs import MODEL, OTHER, UP, emit, override, requests
from tests.bundle.promtool import VERSIONS

waiting = partial(emit, c.SERVER_WAITING)
cache = partial(emit, c.SERVER_KV_USAGE)
preempted = partial(emit, c.SERVER_PREEMPTIONS)
finished = partial(requests, "success")


def queue(length: int) -> Firing:
    return Firing(MODEL, f"{length} requests wait for tiny in east/chat, and the queue has grown "
                         "by more than 1 request a minute over 15m. The first token will be late "
                         "soon.")


def full(ratio: str, limit: str = "95%") -> Firing:
    return Firing(MODEL, f"KV cache usage of the fullest replica of tiny in east/chat is {ratio}, "
                         f"limit {limit}. New requests wait, or running ones are preempted.")


def put_back(number: str) -> Firing:
    return Firing(MODEL, f"{number} requests a minute of tiny in east/chat are preempted over 5m, "
                         "limit 5% of those that succeed. Their tokens are computed again.")


CASES = (
    Case("two more wait each minute", QUEUE_GROWING, (UP, waiting("0+2x60")), (queue(40),)),
    Case("each replica's queue grows a little", QUEUE_GROWING, (
        UP, waiting("0+1x60"), waiting("0+1x60", scrape=OTHER)), (queue(40),)),
    Case("each rank's queue grows a little", QUEUE_GROWING, (
        UP, waiting("0+1x60", rank="0"), waiting("0+1x60", rank="1")), (queue(40),)),
    Case("a long queue that stays as it is", QUEUE_GROWING, (UP, waiting("50x60"))),
    Case("a queue that is worked off", QUEUE_GROWING, (UP, waiting("100-2x60"))),
    Case("a short queue that comes and goes", QUEUE_GROWING, (
        UP, waiting(" ".join(["0 4 8 2"] * 10)))),
    Case("nobody waits", QUEUE_GROWING, (UP, waiting("0x60"))),
    Case("a model's first minutes", QUEUE_GROWING, (UP, waiting("0+9x60")), minute=9),
    Case("the engine restarts and its queue is empty", QUEUE_GROWING, (
        UP, waiting("0+2x9 _x2 0x60")), minute=17),
    Case("the engine does not tell", QUEUE_GROWING, (UP,)),

    Case("the cache is full", KV_CACHE_FULL, (UP, cache("0.99x60")), (full("99%"),)),
    Case("one of two replicas is full", KV_CACHE_FULL, (
        UP, cache("0.97x60"), cache("0.2x60", scrape=OTHER)), (full("97%"),)),
    Case("one of two ranks is full", KV_CACHE_FULL, (
        UP, cache("0.97x60", rank="0"), cache("0.2x60", rank="1")), (full("97%"),)),
    Case("at the limit", KV_CACHE_FULL, (UP, cache("0.95x60"))),
    Case("full now and then", KV_CACHE_FULL, (UP, cache(" ".join(["1 1 1 1 0.5"] * 9)))),
    Case("the model may fill it", KV_CACHE_FULL, (
        UP, cache("0.99x60"), override(c.LIMIT_RATIO, "kv_cache_usage", "1x60"))),
    Case("the override's exporter is gone", KV_CACHE_FULL, (
        UP, cache("0.99x60"), override(c.LIMIT_RATIO, "kv_cache_usage", "1x3 _x60"))),
    Case("the model may fill half", KV_CACHE_FULL, (
        UP, cache("0.6x60"), override(c.LIMIT_RATIO, "kv_cache_usage", "0.5x60")),
        (full("60%", "50%"),)),
    Case("the engine does not tell", KV_CACHE_FULL, (UP,)),

    Case("one of ten is put back", REQUESTS_PREEMPTED, (
        UP, finished("0+100x60"), preempted("0+10x60")), (put_back("10.0"),)),
    Case("each is put back twice, on both ranks", REQUESTS_PREEMPTED, (
        UP, finished("0+10x60"), *(preempted("0+10x60", rank=rank) for rank in "01")),
        (put_back("20.0"),)),
    Case("one of fifty is put back", REQUESTS_PREEMPTED, (
        UP, finished("0+100x60"), preempted("0+2x60"))),
    Case("two of four in five minutes", REQUESTS_PREEMPTED, (
        UP, finished("0+0.8x60"), preempted("0+0.4x60"))),
    Case("so many are put back that none succeeds", REQUESTS_PREEMPTED, (
        UP, finished("100x60"), preempted("0+10x60")), (put_back("10.0"),)),
    Case("its successes are not counted", REQUESTS_PREEMPTED, (UP, preempted("0+10x60")),
         (put_back("10.0"),)),
    Case("idle", REQUESTS_PREEMPTED, (UP, finished("100x60"), preempted("50x60"))),
    Case("counters start again", REQUESTS_PREEMPTED, (
        UP, finished("0+100x9 0+100x60"), preempted("0+10x9 0+10x60")), (put_back("10.0"),)),
    Case("the engine does not tell", REQUESTS_PREEMPTED, (UP, finished("0+100x60"))),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_saturation_alerts_fire_as_expected(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)

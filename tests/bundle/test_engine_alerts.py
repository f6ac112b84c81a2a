"""Alerts about engines, each shown to fire and to be silent."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from alerts.engines import (
    ENGINE_DOWN,
    ENGINE_HUNG,
    ENGINE_RESTARTING,
    ENGINE_RESTARTING_ALONE,
    MODEL_DOWN,
    REPLICAS_LOST,
    SERVING_NOTHING,
)
from inferometer import catalogue as c
from recording_rules.requests import RATE, RATE_HOUR
from tests.bundle.alert_cases import Case, Firing, prove
from tests.bundle.alert_inputs import BARE, ENGINE, MODEL, OTHER, TARGET, UP, emit, requests
from tests.bundle.promtool import SCRAPE, VERSIONS, Series, selector, series

up = partial(emit, c.SERVER_UP)
running = partial(emit, c.SERVER_RUNNING)
waiting = partial(emit, c.SERVER_WAITING)
progress = partial(emit, c.SERVER_LAST_PROGRESS)
read = partial(emit, c.SERVER_LAST_SCRAPE)
started = partial(emit, c.SERVER_START)
READ = read("0+60x200")
NEVER_READ = up("0x60", engine="unknown", model="")
GONE = Firing(MODEL, "tiny on vllm: no replica's page can be read, or all have vanished with "
                     "requests at work, their exporters included.")
DOWN = Firing(TARGET, "chat (tiny on vllm): the exporter cannot read its page; the exporter's log "
                      "says why.")


def build(values: str, scrape: Mapping[str, str] = SCRAPE) -> Series:
    return series(c.BUILD_INFO, values, scrape=scrape, version="1")


def scraped(values: str, scrape: Mapping[str, str] = SCRAPE) -> tuple[Series, ...]:
    """Whether Prometheus reads the exporter."""
    return ({"series": selector("up", scrape), "values": values},
            build(values.replace(" 0", " _"), scrape))


PODS = (("deployment", "chat-7d4b9c6f58-q8zxv", "chat-6c9f7d5b8d-x2x7k"),
        ("set", "chat-0", "chat-0"))


def update(old: str, new: str, *, answers: str = "1x300", namespace: str = "chat",
           ) -> tuple[Series, ...]:
    """A pod ends with requests at work, its exporter first; another one's model is named big."""
    before = SCRAPE | {"pod": old}
    after = OTHER | {"pod": new, "namespace": namespace}
    names = {"model": "big"} if "1" in answers else {"model": "", "engine": "unknown"}
    return (up("1x5 stale", scrape=before), running("3x5 stale", scrape=before),
            *scraped("1x5 0 stale"), *scraped("1x300", OTHER),
            up(f"_x8 {answers}", scrape=after, **names))


def hung(since: str) -> Firing:
    return Firing(TARGET, "chat (tiny on vllm): requests are there, but there has been no token "
                          f"for {since}. It still answers, so nothing restarts it.")


def left(replicas: int) -> Firing:
    return Firing(MODEL, f"tiny on vllm: {replicas} replicas are left.")


def restarts(number: int) -> Firing:
    return Firing(TARGET, f"chat (tiny on vllm): {number} restarts in an hour.")


def served(last_week: str, now: str) -> tuple[Series, ...]:
    """Requests that succeeded in a second, every two hours: a week ago, and now."""
    labels = {**MODEL, "outcome": "success"}
    values = f"{last_week} {now}"
    return (UP, {"series": selector(str(RATE_HOUR), labels), "values": values},
            {"series": selector(str(RATE), labels), "values": values})


CASES = (
    Case("the only replica is down", MODEL_DOWN, (up("1x5 0x60"),), (GONE,)),
    Case("both replicas are down", MODEL_DOWN, (up("0x60"), up("0x60", scrape=OTHER)), (GONE,)),
    Case("one of two replicas is down", MODEL_DOWN, (up("1x60"), up("0x60", scrape=OTHER))),
    Case("a restart of eight minutes", MODEL_DOWN, (up("1x5 0x7 1x60"),), minute=16),
    Case("an engine that has never answered starts", MODEL_DOWN,
         (NEVER_READ,)),
    Case("its pods have died, requests at work", MODEL_DOWN, (
        up("1x5 _x60"), running("3x5 _x60"), *scraped("1x5 _x60")), (GONE,), minute=22),
    Case("its pod starts again, and the engine does not come back", MODEL_DOWN, (
        up("1x5 _x60"), running("3x5 _x60"), *scraped("1x60"),
        up("_x6 0x60", engine="unknown", model="")), (GONE,), minute=22),
    Case("it was taken away without work", MODEL_DOWN, (
        up("1x5 _x60"), running("0x5 _x60"), *scraped("1x5 _x60"))),
    Case("one of two pods has died, requests at work", MODEL_DOWN, (
        up("1x5 _x60"), running("3x5 _x60"), *scraped("1x5 _x60"), up("1x60", scrape=OTHER),
        running("0x60", scrape=OTHER))),
    Case("its node has died, and its exporter with it", MODEL_DOWN, (
        up("1x5 _x60"), running("3x5 _x60"), *scraped("1x5 0x60")), (GONE,), minute=60),
    *(Case(f"the exporter of several is {fate}", MODEL_DOWN, (
        up("1x5 _x60"), running("3x5 _x60"), *scraped(values),
        up("1x5 _x60", target="other", model="big")), minute=60)
      for fate, values in (("down", "1x5 0x60"), ("gone", "1x5 _x60"))),
    Case("nothing of it has come back for hours", MODEL_DOWN, (
        up("1x5 _x300"), running("3x5 _x300"), *scraped("1x5 _x300")), (GONE,), minute=240),
    Case("another engine serves it now", MODEL_DOWN, (
        up("1x5 _x60"), running("3x5 _x60"), *scraped("1x5 _x60"),
        up("1x60", scrape=OTHER, engine="sglang"),
        running("0x60", scrape=OTHER, engine="sglang")), minute=40),
    Case("one of several models that a server serves", MODEL_DOWN, (
        up("1x60", model=""), running("3x60"))),
    *(Case(f"a {kind} is renamed under load", MODEL_DOWN, update(old, new), minute=minute)
      for kind, old, new in PODS for minute in (16, 22, 200)),
    *(Case(f"a {kind} is to be renamed, and does not start", MODEL_DOWN,
           update(old, new, answers="0x300"), (GONE,), minute=22) for kind, old, new in PODS),
    Case("another workload answers", MODEL_DOWN, update(PODS[0][1], "big-6c9f7d5b8d-x2x7k"),
         (GONE,), minute=200),
    Case("another set that is named alike answers", MODEL_DOWN,
         update("chat-big-0", "chat-small-0"), (GONE,), minute=22),
    Case("the same workload of another namespace answers", MODEL_DOWN,
         update(*PODS[0][1:], namespace="test"), (GONE,), minute=22),
    Case("another engine of the same exporter answers", MODEL_DOWN, (
        up("1x5 _x60"), running("3x5 _x60"), *scraped("1x60"),
        up("1x60", target="other", model="big")), (GONE,), minute=22),
    Case("no pods, and another engine answers", MODEL_DOWN, (
        up("1x5 _x60", scrape=BARE), running("3x5 _x60", scrape=BARE),
        *scraped("1x5 _x60", BARE),
        up("1x60", scrape=BARE | {"instance": "10.0.0.2:9835"}, model="big")),
         (Firing({"engine": "vllm", "model": "tiny"}, GONE.description),), minute=22),
    Case("its cluster is renamed under load", MODEL_DOWN, (
        up("1x5 stale"), running("3x5 stale"), build("1x5 stale"),
        build("_x6 1x60", SCRAPE | {"cluster": "west"})), minute=22),
    Case("no engine at all", MODEL_DOWN, ()),

    Case("its page cannot be read", ENGINE_DOWN, (up("0x60"), up("1x60", scrape=OTHER)), (DOWN,)),
    Case("it answers", ENGINE_DOWN, (up("1x60"),)),
    Case("it restarts", ENGINE_DOWN, (up("1x5 0x5 1x60"),), minute=12),
    Case("its page was never read", ENGINE_DOWN, (NEVER_READ,), (
        Firing({**SCRAPE, "target": "chat", "engine": "unknown"},
               DOWN.description.replace("tiny on vllm", "A model without a name on unknown")),)),
    Case("no labels of Kubernetes", ENGINE_DOWN, (up("0x60", scrape=BARE),),
         (Firing({**BARE, **ENGINE}, DOWN.description),)),
    Case("the exporter is gone", ENGINE_DOWN, (up("0x3 _x60"),)),

    Case("requests run, and no token comes", ENGINE_HUNG, (
        UP, READ, running("3x60"), progress("0+60x5 300x60")), (hung("15m 0s"),)),
    Case("requests wait, and none runs", ENGINE_HUNG, (
        UP, READ, running("0x60"), waiting("3x60"), progress("0+60x5 300x60")),
        (hung("15m 0s"),)),
    Case("requests of two ranks", ENGINE_HUNG, (
        UP, READ, running("0x60", rank="0"), running("2x60", rank="1"),
        progress("0+60x5 300x60")), (hung("15m 0s"),)),
    Case("one of two replicas", ENGINE_HUNG, (
        UP, READ, running("3x60"), progress("0+60x5 300x60"), read("0+60x60", scrape=OTHER),
        running("3x60", scrape=OTHER), progress("0+60x60", scrape=OTHER)), (hung("15m 0s"),)),
    Case("idle", ENGINE_HUNG, (UP, READ, running("0x60"), waiting("0x60"), progress("300x60"))),
    Case("tokens come", ENGINE_HUNG, (UP, READ, running("3x60"), progress("0+60x60"))),
    Case("a first request after a quiet night", ENGINE_HUNG, (
        UP, READ, running("0x20 1x60"), progress("0x21 1260+60x60")), minute=24),
    Case("a prompt that takes three minutes", ENGINE_HUNG, (
        UP, READ, running("1x60"), progress("0+60x5 300x3 540+60x60")), minute=10),
    Case("it went down, and its values with it", ENGINE_HUNG, (
        up("1x9 0x60"), read("0+60x9 _x60"), running("3x9 _x60"), progress("300x9 _x60"))),
    Case("it was restarted", ENGINE_HUNG, (
        UP, READ, running("3x20 0x2 3x60"), progress("0+60x5 300x15 1260+60x60")), minute=28),
    Case("the engine's tokens are not told while they come", ENGINE_HUNG,
         (UP, READ, running("3x60"))),
    Case("clocks of Prometheus and exporter differ by an hour", ENGINE_HUNG, (
        UP, read("3600+60x60"), running("3x60"), progress("3590+60x60"))),

    Case("one of two has vanished", REPLICAS_LOST, (UP, up("1x60 _x60", scrape=OTHER)),
         (left(1),), minute=80),
    Case("all have vanished", REPLICAS_LOST, (up("1x60 _x60"), up("1x60 _x60", scrape=OTHER)),
         (left(0),), minute=80),
    Case("one was away for five minutes", REPLICAS_LOST, (
        UP, up("1x60 _x5 1x60", scrape=OTHER)), minute=72),
    Case("one is down but watched", REPLICAS_LOST, (UP, up("1x60 0x60", scrape=OTHER)), minute=80),
    Case("one was replaced by another", REPLICAS_LOST, (
        UP, up("1x60 _x60", scrape=OTHER),
        up("_x62 1x60", scrape=OTHER | {"instance": "10.0.0.3:9835"})), minute=80),
    Case("an update had one more for a while", REPLICAS_LOST, (
        UP, up("_x50 1x20 _x60", scrape=OTHER)), minute=125),
    Case("an engine that took long to start", REPLICAS_LOST, (
        up("1x15 _x90", engine="unknown", model=""), up("_x16 1x90")), minute=90),
    Case("an engine that named its model late", REPLICAS_LOST, (
        up("1x15 _x90", model=""), up("_x16 1x90")), minute=90),
    Case("as many as two hours ago", REPLICAS_LOST, (
        UP, up("1x30 _x120", scrape=OTHER)), minute=120),
    Case("a model's first minutes", REPLICAS_LOST, (up("_x9 1x60"), up("_x11 1x60", scrape=OTHER))),

    Case("three restarts in an hour", ENGINE_RESTARTING, (
        UP, started("1x9 2x9 3x9 4x60")), (restarts(3),), minute=35),
    Case("two restarts in an hour", ENGINE_RESTARTING, (UP, started("1x9 2x9 3x60")), minute=35),
    Case("three restarts in three hours", ENGINE_RESTARTING, (
        UP, started("1x59 2x59 3x59 4x60")), minute=185),
    Case("two replicas restart twice each", ENGINE_RESTARTING, (
        UP, started("1x9 2x9 3x60"), started("1x9 2x9 3x60", scrape=OTHER)), minute=35),
    Case("the engine does not tell when it started", ENGINE_RESTARTING, (UP,), minute=35),
    Case("three restarts, and between them nothing answers", ENGINE_RESTARTING_ALONE, (
        up("1x9 0x2 1x7 0x2 1x7 0x2 1x60"), started("1x9 _x2 2x7 _x2 3x7 _x2 4x60")),
        (restarts(3),), minute=35),
    Case("three restarts, and another replica answers", ENGINE_RESTARTING_ALONE, (
        up("1x9 0x2 1x7 0x2 1x7 0x2 1x60"), started("1x9 _x2 2x7 _x2 3x7 _x2 4x60"),
        up("1x60", scrape=OTHER)), minute=35),
    Case("one long restart", ENGINE_RESTARTING_ALONE, (
        up("1x9 0x9 1x60"), started("1x9 _x9 2x60")), minute=35),

    Case("a week ago it served", SERVING_NOTHING, served("0.1x84", "0x9"),
         (Firing(MODEL, "tiny on vllm: no request has succeeded for an hour."),),
         minute=10440, step=120),
    Case("it serves", SERVING_NOTHING, served("0.1x84", "0.1x9"), minute=10440, step=120),
    Case("a week ago it served next to nothing", SERVING_NOTHING, served("0.001x84", "0x9"),
         minute=10440, step=120),
    Case("it did not serve at this hour a week ago", SERVING_NOTHING,
         served("0x4 0.1x79", "0x9"), minute=10440, step=120),
    Case("it was taken away", SERVING_NOTHING, served("0.1x84", "_x9"), minute=10440, step=120),
    Case("a new model", SERVING_NOTHING, (UP, requests("success", "0x60")), minute=60),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_engine_alerts_fire_as_expected(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)

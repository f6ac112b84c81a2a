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
    FEWER_REPLICAS,
    MODEL_DOWN,
    MODEL_MISSING,
    SERVING_NOTHING,
    WORKLOAD_DOWN,
)
from inferometer import catalogue as c
from recording_rules.requests import RATE, RATE_HOUR
from tests.bundle.alert_cases import Case, Firing, prove
from tests.bundle.alert_inputs import (
    BARE,
    ENGINE,
    MODEL,
    OTHER,
    TARGET,
    UP,
    emit,
    override,
    requests,
)
from tests.bundle.promtool import SCRAPE, VERSIONS, Series, selector, series

up = partial(emit, c.SERVER_UP)
running = partial(emit, c.SERVER_RUNNING)
waiting = partial(emit, c.SERVER_WAITING)
progress = partial(emit, c.SERVER_LAST_PROGRESS)
read = partial(emit, c.SERVER_LAST_SCRAPE)
started = partial(emit, c.SERVER_START)
READ = read("0+60x200")
NEVER_READ = up("0x60", engine="unknown", model="")
REASON = "The last state of its pods gives the reason, or the log of their exporters."
GONE = Firing(MODEL, f"No replica of tiny in east/chat has answered for 9m. {REASON}")


def down(share: str, replica: str = "inferometer-abcde of tiny in east/chat",
         target: Mapping[str, str] = TARGET) -> Firing:
    return Firing(target, f"The metrics page of replica {replica} could be read in {share} of the "
                          "last 30m. The exporter's log gives the reason, under target chat.")


def flapping(share: str) -> Firing:
    return Firing(MODEL, f"A replica of tiny in east/chat answered for only {share} of the last "
                         f"30m, limit 75%: all go away again and again. {REASON}")


def build(values: str, scrape: Mapping[str, str] = SCRAPE) -> Series:
    return series(c.BUILD_INFO, values, scrape=scrape, version="1")


def scraped(values: str, scrape: Mapping[str, str] = SCRAPE) -> tuple[Series, ...]:
    """Whether Prometheus reads the exporter."""
    return ({"series": selector("up", scrape), "values": values},
            build(values.replace(" 0", " _"), scrape))


PODS = (("deployment", "chat-7d4b9c6f58-q8zxv", "chat-6c9f7d5b8d-x2x7k"),
        ("set", "chat-0", "chat-0"))


def update(old: str, new: str, *, answers: str = "1x300", namespace: str = "chat", end: int = 5,
           ) -> tuple[Series, ...]:
    """A pod ends with requests at work, its exporter first; another one's model is named big."""
    before = SCRAPE | {"pod": old}
    after = OTHER | {"pod": new, "namespace": namespace}
    names = {"model": "big"} if "1" in answers else {"model": "", "engine": "unknown"}
    return (up(f"1x{end} stale", scrape=before), running(f"3x{end} stale", scrape=before),
            *scraped(f"1x{end} 0 stale", before), *scraped("1x300", after),
            up(f"_x8 {answers}", scrape=after, **names))


def moved(namespace: str, end: int) -> tuple[Series, ...]:
    """A model ends with requests at work, and runs elsewhere from minute 8 on."""
    after = OTHER | {"namespace": namespace}
    return (up(f"1x{end} stale"), running(f"3x{end} stale"), *scraped(f"1x{end} stale"),
            up("_x8 1x300", scrape=after), running("_x8 2x300", scrape=after),
            *scraped("_x8 1x300", after))


MISTRAL = SCRAPE | {"pod": "mistral-7c9f8d6b54-kqw5b"}
QWEN = OTHER | {"pod": "qwen-7c9f8d6b54-pv49g"}
SECOND = OTHER | {"pod": "mistral-7c9f8d6b54-rx6cj", "instance": "10.0.0.3:9835"}


def unnamed(values: str, scrape: Mapping[str, str], work: str = "2x200") -> tuple[Series, ...]:
    """An engine that does not report its model."""
    return (up(values, scrape=scrape, engine="tgi", model=""),
            running(work, scrape=scrape, engine="tgi", model=""))


def workload(name: str = "mistral", away: str = "", place: str = " in east/chat",
             **scrape: str) -> Firing:
    labels = {"cluster": "east", "namespace": "chat"} if place else {}
    subject = f"workload {name}{place} (target chat)"
    text = away.format(subject) or f"No replica of {subject} has answered for 9m."
    return Firing({**labels, "engine": "tgi", "target": "chat", "workload": name},
                  f"{text} Its engine, tgi, does not report which model it serves.")


def hung(since: str) -> Firing:
    return Firing(TARGET, f"No token has come for {since} from replica inferometer-abcde of tiny "
                          "in east/chat (target chat), though it has requests. Its health check "
                          "still succeeds, so nothing restarts it.")


def least(number: int, model: str = "tiny") -> Series:
    """A least number of replicas, configured in the exporter of the fleet."""
    fleet = SCRAPE | {"namespace": "monitoring", "instance": "10.0.0.9:9835", "pod": "fleet"}
    return override(c.LIMIT_REPLICAS, "least_replicas", f"{number}x500", scrape=fleet, model=model)


def fewer(number: int, limit: int = 2, place: str = "east/chat") -> Firing:
    labels = {"cluster": "east", "model": "tiny"}
    if "/" in place:
        labels["namespace"] = place.partition("/")[2]
    return Firing(labels, f"tiny in {place} has {number} answering "
                          f"replica{'' if number == 1 else 's'}, limit {limit}. LLMEngineDown "
                          "names those that are down; others were taken away or are not scheduled.")


NONE_LEFT = Firing({"cluster": "east", "model": "tiny"},
                   "tiny in east has 0 answering replicas, limit 2. One answered within the last "
                   "6h.")


def restarts(number: int, alone: bool = False, model: str = "tiny",
             target: Mapping[str, str] = TARGET) -> Firing:
    more = " At times no other replica answered." if alone else ""
    return Firing(target, f"The engine of replica {target['pod']} of {model} in east/chat "
                          f"(target chat) has started anew {number} times in 1h, limit 2. The "
                          f"last state of its container gives the reason.{more}")


def served(last_week: str, now: str, up_now: str = "1x900") -> tuple[Series, ...]:
    """Requests that succeeded in a second, every two hours: a week ago, and now."""
    labels = {**MODEL, "outcome": "success"}
    values = f"{last_week} {now}"
    return (up(up_now), {"series": selector(str(RATE_HOUR), labels), "values": values},
            {"series": selector(str(RATE), labels), "values": values})


IDLE = Firing(MODEL, "No request to tiny in east/chat has succeeded for 1h, though its replicas "
                     "answer. In the same hour of last week 360 did.")
# Such that ranges closed on the left (2.x) and open (3.x) see the same at minute 60.
AWAY_FOUR_OF_SIX = "1x29 stale " + " ".join(["0x3 1x1"] * 20)
UNSEEN_FOUR_OF_SIX = "1x29 stale " + " ".join(["stale _x3 1x1"] * 20)


def exporter_away(seen: str, answers: str) -> tuple[Series, ...]:
    return ({"series": selector("up", SCRAPE), "values": answers}, build(seen), up(seen))


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
    Case("it was updated under load, and taken away without work", MODEL_DOWN, (
        up("1x5 stale"), running("3x5 stale"), *scraped("1x5 stale"),
        up("_x3 1x60 stale", scrape=OTHER), running("_x3 2x40 0x20 stale", scrape=OTHER),
        *scraped("_x3 1x60 stale", OTHER)), minute=90),
    Case("one of two pods has died, requests at work", MODEL_DOWN, (
        up("1x5 _x60"), running("3x5 _x60"), *scraped("1x5 _x60"), up("1x60", scrape=OTHER),
        running("0x60", scrape=OTHER))),
    Case("its node has died, and its exporter with it", MODEL_DOWN, (
        up("1x5 _x60"), running("3x5 _x60"), *scraped("1x5 0x60")), (GONE,), minute=60),
    Case("its node has died, and it was asked now and then", MODEL_DOWN, (
        up("1x30 stale"), running("0x30 stale"), requests("success", "0+1x30 stale"),
        *scraped("1x30 0x60")), (GONE,), minute=60),
    Case("its node has died, and it was not asked", MODEL_DOWN, (
        up("1x30 stale"), running("0x30 stale"), requests("success", "0x30 stale"),
        *scraped("1x30 0x60")), minute=60),
    Case("it was asked now and then, and taken away", MODEL_DOWN, (
        up("1x30 stale"), running("0x30 stale"), requests("success", "0+1x30 stale"),
        *scraped("1x30 stale")), minute=60),
    *(Case(f"the exporter of several is {fate}", MODEL_DOWN, (
        up("1x5 _x60"), running("3x5 _x60"), *scraped(values),
        up("1x5 _x60", target="other", model="big")), minute=60)
      for fate, values in (("down", "1x5 0x60"), ("gone", "1x5 _x60"))),
    Case("the exporter of several was replaced, and does not reach it", MODEL_DOWN, (
        *(one for before in (SCRAPE | {"pod": "fleet-7d4b9c6f58-q8zxv"},) for one in (
            up("1x5 stale", scrape=before), running("3x5 stale", scrape=before),
            up("1x5 stale", scrape=before, target="other", model="big"),
            *scraped("1x5 stale", before))),
        *(one for after in (OTHER | {"pod": "fleet-7d4b9c6f58-x2x7k"},) for one in (
            up("_x7 0x60", scrape=after, engine="unknown", model=""),
            up("_x7 1x60", scrape=after, target="other", model="big"),
            *scraped("_x7 1x60", after)))), (GONE,), minute=30),
    Case("nothing of it has come back for hours", MODEL_DOWN, (
        up("1x5 _x300"), running("3x5 _x300"), *scraped("1x5 _x300")), (GONE,), minute=240),
    Case("another engine serves it now", MODEL_DOWN, (
        up("1x5 _x60"), running("3x5 _x60"), *scraped("1x5 _x60"),
        up("1x60", scrape=OTHER, engine="sglang"),
        running("0x60", scrape=OTHER, engine="sglang")), minute=40),
    Case("the router before it is left", MODEL_DOWN, (
        up("1x5 _x60"), running("3x5 _x60"), *scraped("1x5 _x60"),
        up("1x60", scrape=OTHER, engine="sglang_router"),
        running("0x60", scrape=OTHER, engine="sglang_router")), (GONE,), minute=40),
    Case("one of several models that a server serves", MODEL_DOWN, (
        up("1x60", model=""), running("3x60"))),
    *(Case(f"a {kind} is renamed under load", MODEL_DOWN, update(old, new), minute=minute)
      for kind, old, new in PODS for minute in (16, 22, 200)),
    *(Case(f"a {kind} is to be renamed, and does not start", MODEL_DOWN,
           update(old, new, answers="0x300"), (GONE,), minute=22) for kind, old, new in PODS),
    Case("a deployment is renamed under load, pod by pod", MODEL_DOWN,
         update(*PODS[0][1:], end=35), minute=60),
    Case("a deployment has had both names for hours", MODEL_DOWN,
         update(*PODS[0][1:], end=120), (GONE,), minute=140),
    Case("another workload answers", MODEL_DOWN, update(PODS[0][1], "big-6c9f7d5b8d-x2x7k"),
         (GONE,), minute=200),
    Case("another set that is named alike answers", MODEL_DOWN,
         update("chat-big-0", "chat-small-0"), (GONE,), minute=22),
    Case("the same workload of another namespace answers", MODEL_DOWN,
         update(*PODS[0][1:], namespace="test"), (GONE,), minute=22),
    Case("it moves to another namespace under load", MODEL_DOWN, moved("search", 20), minute=60),
    Case("it runs in another namespace as well", MODEL_DOWN, moved("search", 120), (GONE,),
         minute=150),
    Case("another engine of the same exporter answers", MODEL_DOWN, (
        up("1x5 _x60"), running("3x5 _x60"), *scraped("1x60"),
        up("1x60", target="other", model="big")), (GONE,), minute=22),
    Case("no pods, and another engine answers", MODEL_DOWN, (
        up("1x5 _x60", scrape=BARE), running("3x5 _x60", scrape=BARE),
        *scraped("1x5 _x60", BARE),
        up("1x60", scrape=BARE | {"instance": "10.0.0.2:9835"}, model="big")),
         (Firing({"engine": "vllm", "model": "tiny"},
                 f"No replica of tiny has answered for 9m. {REASON}"),), minute=22),
    *(Case(f"its address is used again by another {user}", MODEL_DOWN, (
        up("1x5 stale"), running("3x5 stale"), *scraped("1x5 stale"), *scraped("1x300", OTHER),
        up("_x7 1x300", scrape=again, model=model), running("_x7 1x300", scrape=again, model=model),
        *scraped("_x7 1x300", again)), (GONE,), minute=200)
      for user, model, again in (
          ("pod", "big", SCRAPE | {"pod": "big-6c9f7d5b8d-x2x7k"}),
          ("namespace", "big", SCRAPE | {"pod": "big-6c9f7d5b8d-x2x7k", "namespace": "search"}),
          ("cluster", "big", SCRAPE | {"cluster": "west"}),
          ("cluster, which has the same model", "tiny", SCRAPE | {"cluster": "west"}))),
    Case("its cluster is renamed under load", MODEL_DOWN, (
        up("1x5 stale"), running("3x5 stale"), build("1x5 stale"),
        build("_x6 1x60", SCRAPE | {"cluster": "west"})), minute=22),
    Case("it is away four of six minutes", MODEL_DOWN, (up(AWAY_FOUR_OF_SIX),),
         (flapping("33.33%"),), minute=60),
    Case("it is away with its exporter four of six minutes", MODEL_DOWN,
         exporter_away(UNSEEN_FOUR_OF_SIX, AWAY_FOUR_OF_SIX), (flapping("33.33%"),), minute=60),
    Case("the exporter of several is away four of six minutes", MODEL_DOWN, (
        *exporter_away(UNSEEN_FOUR_OF_SIX, AWAY_FOUR_OF_SIX),
        up(UNSEEN_FOUR_OF_SIX, target="other", model="big")), minute=60),
    Case("every third scrape of its exporter fails", MODEL_DOWN, exporter_away(
        " ".join(["1x1 stale"] * 30), " ".join(["1x1 0"] * 30)), minute=60),
    Case("its replicas are away in turns", MODEL_DOWN, (
        up(AWAY_FOUR_OF_SIX), up("1x29 stale " + " ".join(["1x3 0x1"] * 20), scrape=OTHER)),
         minute=60),
    Case("it was away twice, and is back", MODEL_DOWN, (up("1x30 0x3 1x9 0x3 1x60"),), minute=54),
    Case("it was away for long, and is back", MODEL_DOWN, (up("1x20 0x19 1x60"),), minute=47),
    Case("it is scaled to nothing again and again", MODEL_DOWN, (
        up(" ".join(["1x3 stale _x8"] * 9)), running(" ".join(["0x3 stale _x8"] * 9))), minute=56),
    Case("no engine at all", MODEL_DOWN, ()),
    Case("its engine does not report its name", MODEL_DOWN, unnamed("1x5 0x60", MISTRAL)),

    Case("one of two workloads is down", WORKLOAD_DOWN, (
        *unnamed("1x5 0x60", MISTRAL), *unnamed("1x200", QWEN)), (workload(),)),
    Case("one of its two pods is down", WORKLOAD_DOWN, (
        *unnamed("1x5 0x60", MISTRAL), *unnamed("1x60", SECOND))),
    Case("both of its pods are down", WORKLOAD_DOWN, (
        *unnamed("1x5 0x60", MISTRAL), *unnamed("0x60", SECOND), *unnamed("1x200", QWEN)),
        (workload(),)),
    Case("its pods have died, requests at work", WORKLOAD_DOWN, (
        *unnamed("1x5 stale", MISTRAL, "2x5 stale"), *scraped("1x5 stale", MISTRAL),
        *unnamed("1x200", QWEN)), (workload(),), minute=22),
    Case("its node has died, and its exporter with it", WORKLOAD_DOWN, (
        *unnamed("1x5 stale", MISTRAL, "2x5 stale"), *scraped("1x5 0x60", MISTRAL)),
        (workload(),), minute=22),
    Case("it was taken away without work", WORKLOAD_DOWN, (
        *unnamed("1x5 stale", MISTRAL, "0x5 stale"), *scraped("1x5 stale", MISTRAL),
        *unnamed("1x200", QWEN)), minute=22),
    Case("its pod was replaced", WORKLOAD_DOWN, (
        *unnamed("1x5 stale", MISTRAL, "2x5 stale"), *scraped("1x5 stale", MISTRAL),
        *unnamed("_x3 1x60", SECOND, "_x3 1x60"), *scraped("_x3 1x60", SECOND)), minute=22),
    Case("its address is used again by another pod", WORKLOAD_DOWN, (
        *unnamed("1x5 stale", MISTRAL, "2x5 stale"), *scraped("1x5 stale", MISTRAL),
        *(one for again in (QWEN | {"instance": MISTRAL["instance"]},)
          for one in (*unnamed("_x7 1x60", again), *scraped("_x7 1x60", again)))),
        (workload(),), minute=30),
    Case("the exporter of several is gone", WORKLOAD_DOWN, (
        *unnamed("1x5 stale", MISTRAL, "2x5 stale"), *scraped("1x5 stale", MISTRAL),
        up("1x5 stale", scrape=MISTRAL, target="other", engine="tgi", model="")), minute=22),
    Case("it is away four of six minutes", WORKLOAD_DOWN, (
        *unnamed(AWAY_FOUR_OF_SIX, MISTRAL), *unnamed("1x200", QWEN)),
        (workload(away="A replica of {} answered for only 33.33% of the last 30m, limit 75%: all "
                       "go away again and again."),), minute=60),
    Case("it is away with its exporter four of six minutes", WORKLOAD_DOWN, (
        *unnamed(UNSEEN_FOUR_OF_SIX, MISTRAL),
        {"series": selector("up", MISTRAL), "values": AWAY_FOUR_OF_SIX}, *unnamed("1x200", QWEN)),
        (workload(away="A replica of {} answered for only 33.33% of the last 30m, limit 75%: all "
                       "go away again and again."),), minute=60),
    Case("no pods", WORKLOAD_DOWN, unnamed("1x5 0x60", BARE),
         (workload("10.0.0.1:9835", place=""),)),
    Case("a set's pod is down, and another answers", WORKLOAD_DOWN, (
        *unnamed("0x60", SCRAPE | {"pod": "chat-0"}), *unnamed("1x60", OTHER | {"pod": "chat-1"}))),
    Case("an engine that has never answered starts", WORKLOAD_DOWN, (NEVER_READ,)),
    Case("its engine reports its name", WORKLOAD_DOWN, (up("0x60"),)),

    Case("its page cannot be read", ENGINE_DOWN, (up("0x60"), up("1x60", scrape=OTHER)),
         (down("0%"),)),
    Case("it answers", ENGINE_DOWN, (up("1x60"),)),
    Case("it restarts", ENGINE_DOWN, (up("1x5 0x5 1x60"),), minute=12),
    Case("its page was never read", ENGINE_DOWN, (NEVER_READ,), (
        down("0%", "inferometer-abcde of the model without a name in east/chat",
             {**SCRAPE, "target": "chat", "engine": "unknown"}),)),
    Case("no labels of Kubernetes", ENGINE_DOWN, (up("0x60", scrape=BARE),),
         (down("0%", "chat of tiny", {**BARE, **ENGINE}),)),
    Case("it is away four of six minutes", ENGINE_DOWN, (
        up(AWAY_FOUR_OF_SIX), up("1x100", scrape=OTHER)), (down("33.33%"),), minute=60),
    Case("it was away twice, and is back", ENGINE_DOWN, (up("1x30 0x3 1x9 0x3 1x60"),), minute=54),
    Case("it was away for long, and is back", ENGINE_DOWN, (up("1x20 0x19 1x60"),), minute=47),
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

    Case("one of two is down", FEWER_REPLICAS, (
        least(2), up("1x60"), up("1x20 0x60", scrape=OTHER)), (fewer(1),), minute=40),
    Case("one of two has vanished", FEWER_REPLICAS, (
        least(2), up("1x60"), up("1x20 stale", scrape=OTHER)), (fewer(1),), minute=40),
    Case("a replica beside a router", FEWER_REPLICAS, (
        least(2), up("1x60"), up("1x60", scrape=OTHER, engine="sglang_router")), (fewer(1),)),
    Case("two replicas of two engines", FEWER_REPLICAS, (
        least(2), up("1x60"), up("1x60", scrape=OTHER, engine="sglang"))),
    Case("enough in another namespace", FEWER_REPLICAS, (
        least(2), up("1x60"),
        *(up("1x60", scrape=OTHER | {"namespace": "search", "pod": pod}) for pod in "ab")),
        (fewer(1),)),
    Case("all have vanished", FEWER_REPLICAS, (least(2), up("1x20 stale")),
         (fewer(0, place="east"),), minute=40),
    Case("nothing has ever served the model", FEWER_REPLICAS, (least(2),),
         (fewer(0, place="east"),)),
    Case("all models have to have two", FEWER_REPLICAS, (least(2, ""), UP), (fewer(1),)),
    Case("all models have to have two, and all of one have vanished", FEWER_REPLICAS, (
        least(2, ""), up("1x20 stale")), (fewer(0, place="east"),), minute=40),
    Case("all models have to have two, and one was taken away hours ago", FEWER_REPLICAS, (
        least(2, ""), up("1x20 stale")), minute=420),
    Case("all models have to have two, and this one one", FEWER_REPLICAS, (
        least(2, ""), least(1), UP)),
    Case("all models have to have two, and an engine does not report its own", FEWER_REPLICAS, (
        least(2, ""), *unnamed("1x60", MISTRAL))),
    Case("two are enough", FEWER_REPLICAS, (least(2), UP, up("1x60", scrape=OTHER))),
    Case("an update of one replica", FEWER_REPLICAS, (
        least(2), UP, up("1x20 0x7 1x60", scrape=OTHER)), minute=30),
    Case("nobody chose a limit, and one of two has vanished", FEWER_REPLICAS, (
        UP, up("1x20 stale", scrape=OTHER)), minute=40),
    Case("nobody chose a limit, and all have vanished", FEWER_REPLICAS, (up("1x20 stale"),),
         minute=40),

    Case("all have vanished", MODEL_MISSING, (least(2), up("1x20 stale")), (NONE_LEFT,), minute=40),
    Case("all are down", MODEL_MISSING, (least(2), up("1x20 0x60")), (NONE_LEFT,), minute=40),
    Case("one is left", MODEL_MISSING, (least(2), UP, up("1x20 stale", scrape=OTHER)), minute=40),
    Case("all models have to have two", MODEL_MISSING, (least(2, ""), up("1x20 stale")), minute=40),
    Case("the model may be scaled to nothing", MODEL_MISSING, (least(0), up("1x20 stale")),
         minute=40),
    Case("nothing has ever served the model", MODEL_MISSING, (least(2),)),

    Case("three restarts in an hour", ENGINE_RESTARTING, (
        UP, started("1x9 2x9 3x9 4x60")), (restarts(3),), minute=35),
    Case("two restarts in an hour", ENGINE_RESTARTING, (UP, started("1x9 2x9 3x60")), minute=35),
    Case("three restarts, and it vanished", ENGINE_RESTARTING, (
        up("1x35 stale"), started("1x9 2x9 3x9 4x4 stale")), (restarts(3),), minute=50),
    Case("three restarts in three hours", ENGINE_RESTARTING, (
        UP, started("1x59 2x59 3x59 4x60")), minute=185),
    Case("two replicas restart twice each", ENGINE_RESTARTING, (
        UP, started("1x9 2x9 3x60"), started("1x9 2x9 3x60", scrape=OTHER)), minute=35),
    Case("the engine does not tell when it started", ENGINE_RESTARTING, (UP,), minute=35),
    Case("three restarts, and between them nothing answers", ENGINE_RESTARTING_ALONE, (
        up("1x9 0x2 1x7 0x2 1x7 0x2 1x60"), started("1x9 _x2 2x7 _x2 3x7 _x2 4x60")),
        (restarts(3, alone=True),), minute=35),
    Case("three restarts, and between them nothing is seen", ENGINE_RESTARTING_ALONE, (
        up("1x9 stale _x2 1x7 stale _x2 1x7 stale _x2 1x60"),
        started("1x9 _x3 2x7 _x3 3x7 _x3 4x60")), (restarts(3, alone=True),), minute=38),
    Case("three restarts, and another replica answers", ENGINE_RESTARTING_ALONE, (
        up("1x9 0x2 1x7 0x2 1x7 0x2 1x60"), started("1x9 _x2 2x7 _x2 3x7 _x2 4x60"),
        up("1x60", scrape=OTHER)), minute=35),
    Case("one long restart", ENGINE_RESTARTING_ALONE, (
        up("1x9 0x9 1x60"), started("1x9 _x9 2x60")), minute=35),
    Case("three restarts of a workload, and another answers", ENGINE_RESTARTING_ALONE, (
        *unnamed("1x9 0x2 1x7 0x2 1x7 0x2 1x60", MISTRAL), *unnamed("1x60", QWEN),
        started("1x9 _x2 2x7 _x2 3x7 _x2 4x60", scrape=MISTRAL, engine="tgi", model="")),
        (restarts(3, alone=True, model="the model without a name", target={
            **MISTRAL, "target": "chat", "engine": "tgi", "workload": "mistral"}),), minute=35),

    Case("a week ago it served", SERVING_NOTHING, served("0.1x84", "0x9"), (IDLE,),
         minute=10440, step=120),
    Case("it has started anew, and shows no counts yet", SERVING_NOTHING,
         served("0.1x84", "_x9"), (IDLE,), minute=10440, step=120),
    Case("it serves", SERVING_NOTHING, served("0.1x84", "0.1x9"), minute=10440, step=120),
    Case("a week ago it served next to nothing", SERVING_NOTHING, served("0.001x84", "0x9"),
         minute=10440, step=120),
    Case("it did not serve at this hour a week ago", SERVING_NOTHING,
         served("0x4 0.1x79", "0x9"), minute=10440, step=120),
    Case("it was taken away", SERVING_NOTHING, served("0.1x84", "_x9", "1x84 stale"),
         minute=10440, step=120),
    Case("a new model", SERVING_NOTHING, (UP, requests("success", "0x60")), minute=60),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_engine_alerts_fire_as_expected(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)

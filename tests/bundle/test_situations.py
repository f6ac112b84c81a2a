"""Situations of a life on call, played against all rules at once: who is notified, and when.

Labels are those that a PodMonitor sets; rules are evaluated every minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import pytest

import alerts
from inferometer import catalogue as c
from recording_rules import GROUPS
from tests.bundle.alert_cases import alert_documents
from tests.bundle.fleet_in_time import (
    ALWAYS,
    FLEET_POD,
    Engine,
    Pod,
    Timeline,
    always,
    away,
    between,
    exporter,
    gpus,
    node_pod,
    replica,
    replica_pod,
    since,
    until,
)
from tests.bundle.promtool import VERSIONS, Series, check, documents, series

RULES = (*documents(GROUPS), *alert_documents(alerts.ALERT_GROUPS))
SHORT = 100  # minutes
PAGE, NOTIFY = 'severity="critical"', 'severity=~"critical|warning"'
MODEL = 'model="llama-70b"'
GONE = 'alertname="InferometersGone"'
BUDGET, OVER_BUDGET = 'alertname=~"CostBudget.*"', 'alertname="CostBudgetExceeded"'
Play = Callable[[Timeline], Iterable[Series]]


@dataclass(frozen=True)
class Ask:
    """How many subjects have firing alerts with these matchers at a minute."""

    minute: int
    matchers: tuple[str, ...]
    count: int

    def document(self) -> dict[str, object]:
        matchers = ", ".join(('alertstate="firing"', 'alertname!="Watchdog"', *self.matchers))
        by = "cluster, namespace, model, node, workload"
        expr = f"count(count by ({by}) (ALERTS{{{matchers}}})) or vector(0)"
        return {"expr": expr, "eval_time": f"{self.minute}m",
                "exp_samples": [{"labels": "{}", "value": self.count}]}


@dataclass(frozen=True)
class Situation:
    """Series over so many minutes, and what is asked of the alerts."""

    title: str
    minutes: int
    play: Play
    asks: tuple[Ask, ...]
    gap: tuple[float, float] = (0, 0)

    def __str__(self) -> str:
        return self.title


def silent(*minutes: int, matchers: tuple[str, ...] = (NOTIFY,)) -> tuple[Ask, ...]:
    return tuple(Ask(minute, matchers, 0) for minute in minutes)


def fires(minute: int, *matchers: str, count: int = 1) -> tuple[Ask, ...]:
    return (Ask(minute, matchers, count),)


def serving(engines: Iterable[Engine], workload: str = "chat", **pod: object) -> Play:
    """A Deployment of one replica for each engine, and the fleet's exporter."""
    listed = list(engines)

    def play(time: Timeline) -> Iterator[Series]:
        yield from exporter(time, FLEET_POD)
        for number, engine in enumerate(listed):
            yield from replica(time, replica_pod(workload, number, **pod), engine)
    return play


def one(engine: Engine) -> Play:
    return serving([engine])


def several(engine: Engine, count: int = 4) -> Play:
    return serving([engine] * count)


def all_of(*plays: Play) -> Play:
    return lambda time: unique(chain.from_iterable(play(time) for play in plays))


def unique(given: Iterable[Series]) -> Iterable[Series]:
    """The fleet's exporter is part of every play, and comes once."""
    return {one_series["series"]: one_series for one_series in given}.values()


def limited(metric: c.Metric, limit: str, value: float, model: str) -> Play:
    return lambda time: [series(metric, time.gauge(always(value)), scrape=FLEET_POD.scrape,
                                limit=limit, model=model)]


def in_pod(pod: Pod, engine: Engine) -> Play:
    return lambda time: replica(time, pod, engine)


def budget(usd: float) -> Play:
    return lambda time: [series(c.BUDGET, time.gauge(always(usd)), scrape=FLEET_POD.scrape,
                                period="day", model="")]


def twin(time: Timeline, pod: Pod, lives: Callable[[float], float]) -> Iterable[Series]:
    """Another exporter of the same GPUs, which is there at times."""
    return gpus(time, replace(pod, name="twin", address="10.0.0.99", lives=lives), 1,
                usd_per_hour=10)


def nodes(*plays: Iterable[Series]) -> list[Series]:
    return list(chain.from_iterable(plays))


CHAT = replica_pod("chat", 0)
OTHER_CHAT = replace(replica_pod("search", 3), address=CHAT.address, lives=since(62))
EAST, WEST = ({"cluster": "east"}, {"cluster": "west"})
SLOW_CHAT = Engine(slowness=always(10), parts_slowness=always(1), per_minute=always(12))
LIMIT_2S = limited(c.LIMIT_SECONDS, "request_duration_p95", 2, "llama-70b")


def cluster(name: str, *, lives: Callable[[float], float], number: int = 2) -> Play:
    """A cluster of its own, whose addresses, nodes and names others have as well."""
    def play(time: Timeline) -> Iterator[Series]:
        for index in range(number):
            pod = replica_pod("chat", index, cluster=name, lives=lives)
            yield from replica(time, pod, Engine(running=always(2)))
        yield from exporter(time, replace(FLEET_POD, cluster=name, lives=lives))
        yield from gpus(time, node_pod(0, cluster=name, lives=lives), 1)
    return play


SITUATIONS = (
    # Whom it is about.
    Situation(
        "a pod dies at work and another model's pod gets its address", 150,
        all_of(in_pod(replace(CHAT, lives=until(60)), Engine()),
               in_pod(OTHER_CHAT, Engine(model="other")), lambda time: exporter(time, FLEET_POD)),
        (*silent(59), *fires(80, PAGE, MODEL), *fires(140, PAGE, MODEL))),
    Situation(
        "a cluster dies beside one with the same addresses, nodes and names", 240,
        all_of(cluster("east", lives=until(120)), cluster("west", lives=always(1))),
        (*silent(119), *fires(140, GONE, 'cluster="east"'), *fires(230, GONE, 'cluster="east"'),
         *silent(140, 230, matchers=(PAGE, 'cluster="west"')))),
    Situation(
        "a cluster dies some hours after its twin was installed", 420,
        all_of(cluster("east", lives=until(300)), cluster("west", lives=since(120))),
        (*silent(299), *fires(330, GONE, 'cluster="east"'))),
    Situation(
        "a cluster gets another name", 300,
        all_of(cluster("east", lives=until(120)), cluster("eastern", lives=since(120))),
        silent(119, 135, 150, 180, 240, 290)),
    Situation(
        "one of two workloads without a model's name dies", 120,
        all_of(serving([Engine(model="", engine="tgi", answers=until(60))], "mistral"),
               in_pod(replica_pod("qwen", 1), Engine(model="", engine="tgi"))),
        (*silent(59), *fires(75, PAGE))),
    # What goes away with a failure.
    Situation(
        "all GPUs of a node vanish from its driver", 150,
        lambda time: nodes(exporter(time, FLEET_POD),
                           gpus(time, node_pod(0), listed=until(60)), gpus(time, node_pod(1))),
        (*silent(59), *fires(80, NOTIFY, 'node="gpu-node-0"'), *fires(110, NOTIFY))),
    Situation(
        "a GPU was lost before its exporter started", 90,
        lambda time: nodes(exporter(time, FLEET_POD),
                           gpus(time, node_pod(0), 1, answers=always(0), info=always(0))),
        fires(30, NOTIFY, 'uuid="GPU-prod-gpu-node-0-0"')),
    Situation(
        "a GPU goes away four of six minutes", 120,
        lambda time: nodes(exporter(time, FLEET_POD), gpus(time, node_pod(0), 1,
                                                           answers=away(60, 6, 4))),
        (*silent(59), *fires(90, NOTIFY), *fires(118, NOTIFY))),
    # Flapping.
    Situation(
        "a replica is away four of six minutes", 150,
        serving([Engine(), Engine(), Engine(answers=away(60, 6, 4))]),
        (*silent(59), *fires(90, NOTIFY, MODEL), *fires(140, NOTIFY, MODEL),
         *silent(90, 140, matchers=(PAGE,)))),
    Situation(
        "the only replica is away four of six minutes", 150,
        one(Engine(answers=away(60, 6, 4))),
        (*silent(59), *fires(95, PAGE, MODEL), *fires(140, PAGE, MODEL))),
    Situation(
        "a replica restarts once", 120,
        serving([Engine(), Engine(answers=lambda minute: float(not 60 <= minute < 65))]),
        silent(59, 64, 75, 90, 119)),
    Situation(
        "an exporter is away four of six minutes", 150,
        all_of(several(Engine(), 2), lambda time: gpus(time, node_pod(0, lives=away(60, 6, 4)))),
        (*silent(59),)),
    # When to wake: latency.
    Situation("long answers, streamed well, against the default limits", 90, one(SLOW_CHAT),
              silent(30, 60, 89, matchers=(PAGE,))),
    Situation("long answers within a limit of their own", 90,
              all_of(one(SLOW_CHAT), limited(c.LIMIT_SECONDS, "request_duration_p95", 30,
                                             "llama-70b")),
              silent(30, 60, 89)),
    Situation("twice over a limit that was chosen", 90,
              all_of(one(SLOW_CHAT), LIMIT_2S), fires(30, PAGE, MODEL)),
    Situation("twice over a limit chosen for the fleet", 90,
              all_of(one(SLOW_CHAT), limited(c.LIMIT_SECONDS, "request_duration_p95", 2, "")),
              fires(30, PAGE, MODEL)),
    Situation("three requests a minute, all ten times too slow", 120,
              one(Engine(per_minute=always(3), slowness=since(40, 10, 1))),
              (*silent(39), *fires(75, NOTIFY, MODEL), *fires(119, NOTIFY, MODEL))),
    Situation("a slow burst that is over, then little traffic", 150,
              one(Engine(per_minute=between(0, 60, 60, 2), slowness=between(40, 60, 10, 1))),
              (*fires(58, NOTIFY, MODEL), *silent(90, 120, 149))),
    Situation("all slow, and one replica of four with other bounds", 120,
              serving([Engine(per_minute=always(12), slowness=since(40, 10, 1))] * 3
                      + [Engine(per_minute=always(12), slowness=since(40, 10, 1),
                                more_bounds=(120.0,))]),
              (*silent(39), *fires(70, NOTIFY, MODEL))),
    Situation("only the canary with other bounds is slow", 120,
              serving([Engine(per_minute=always(12))] * 3
                      + [Engine(per_minute=always(12), slowness=since(40, 10, 1),
                                more_bounds=(0.3, 120.0))]),
              (*silent(39), *fires(70, NOTIFY, MODEL))),
    Situation("one of five replicas is ten times too slow", 120,
              serving([Engine(per_minute=always(12))] * 4
                      + [Engine(per_minute=always(12), slowness=since(40, 10, 1))]),
              (*silent(39), *fires(80, NOTIFY, MODEL), *fires(
                  80, NOTIFY, f'pod="{replica_pod("chat", 4).name}"'))),
    Situation("one of ten models is slow for half an hour", 120,
              all_of(*(serving([Engine(model=f"model-{number}", slowness=between(
                  60, 90, 1 + 2 * (number == 4), 1), parts_slowness=ALWAYS)], f"chat-{number}")
                  for number in range(10))),
              (*silent(59), *fires(77, 'severity="warning"', 'alertname="LLMRequestsSlow"',
                                   'model="model-4"'), *fires(85, NOTIFY), *silent(106))),
    Situation("a limit for a model that nobody serves", 240,
              all_of(one(Engine()), limited(c.LIMIT_SECONDS, "request_duration_p95", 2, "gone")),
              (*fires(200, 'severity="info"', 'model="gone"'), *silent(100, 200))),
    # When to wake: errors.
    Situation("all requests fail", 100, several(Engine(failing=since(60))),
              (*silent(59), *fires(66, PAGE, MODEL))),
    Situation("30 % of requests fail for a quarter of an hour", 120,
              several(Engine(failing=between(60, 75, 0.3))),
              (*silent(59), *fires(72, PAGE, MODEL), *silent(95, matchers=(PAGE,)))),
    Situation("all requests fail for two minutes", 200,
              several(Engine(failing=between(120, 122))),
              silent(119, 123, 125, 128, 135, 150, 199, matchers=(PAGE,))),
    Situation("all requests of a fresh model fail for two minutes", 400,
              several(Engine(failing=between(10, 12)), 1),
              (*silent(11, 13, 16, 20, 30, 60, 120, 200, 390, matchers=(PAGE,)),
               *silent(60, 120, 200, 390))),
    Situation("one of six requests an hour fails, once", 200,
              one(Engine(per_minute=always(1 / 10), failing=between(60, 70))),
              silent(66, 75, 90, 120, 180)),
    Situation("a request each five minutes, and all fail", 320,
              one(Engine(per_minute=always(1 / 5), failing=since(120))),
              (*silent(119), *fires(210, NOTIFY, MODEL), *fires(300, PAGE, MODEL))),
    # Deliberate change.
    Situation("an idle model scales to zero and back", 360,
              all_of(in_pod(replica_pod("stay", 1), Engine(model="stay")),
                     in_pod(replace(CHAT, lives=lambda minute: float(not 120 <= minute < 300)),
                            Engine(per_minute=until(100), running=until(100))),
                     lambda time: exporter(time, FLEET_POD)),
              silent(119, 125, 135, 150, 180, 200, 290, 310, 350)),
    Situation("five replicas become two under load", 240,
              all_of(several(Engine(), 2), *(
                  in_pod(replica_pod("chat", number, lives=until(100 + number)),
                         Engine(running=lambda minute: 2 * (minute < 98)))
                  for number in (2, 3, 4))),
              silent(99, 110, 120, 135, 150, 180, 239)),
    Situation("a node is drained and removed", 240,
              all_of(several(Engine(), 2), lambda time: nodes(
                  gpus(time, node_pod(0)), gpus(time, node_pod(3, lives=until(100)))),
                  in_pod(replica_pod("chat", 3, lives=until(95)), Engine(running=until(93)))),
              silent(99, 110, 120, 135, 150, 180, 239)),
    Situation("pods are replaced one after the other under load", 200,
              all_of(*(in_pod(replica_pod("chat", number, lives=until(60 + 5 * number)), Engine())
                       for number in range(3)),
                     *(in_pod(replica_pod("chat", 5 + number, lives=since(58 + 5 * number)),
                              Engine()) for number in range(3)),
                     lambda time: exporter(time, FLEET_POD)),
              silent(59, 70, 80, 100, 130, 199)),
    Situation("fewer replicas than the least that was chosen", 180,
              all_of(several(Engine(), 2), in_pod(replica_pod("chat", 2, lives=until(60)),
                                                  Engine(running=until(58))),
                     limited(c.LIMIT_REPLICAS, "least_replicas", 3, "llama-70b")),
              (*silent(59), *fires(80, NOTIFY, MODEL))),
    Situation("none is left of a model that has a least number", 180,
              all_of(in_pod(replica_pod("stay", 1), Engine(model="stay")),
                     in_pod(replace(CHAT, lives=until(60)), Engine(running=until(50))),
                     lambda time: exporter(time, FLEET_POD),
                     limited(c.LIMIT_REPLICAS, "least_replicas", 1, "llama-70b")),
              (*silent(59), *fires(80, NOTIFY, MODEL), *fires(170, NOTIFY, MODEL))),
    # Hardware.
    Situation("a row of memory was remapped", 90, lambda time: nodes(
        exporter(time, FLEET_POD), gpus(time, node_pod(0), 1, xid=("63", since(40)))),
        silent(42, 50, 89)),
    Situation("a GPU fell off the bus", 90, lambda time: nodes(
        exporter(time, FLEET_POD), gpus(time, node_pod(0), 1, xid=("79", since(40)))),
        (*silent(39), *fires(45, PAGE))),
    # Money.
    Situation("a day's budget, and an hour in which nothing is scraped", 660,
              all_of(lambda time: nodes(exporter(time, FLEET_POD),
                                        gpus(time, node_pod(0), 1, usd_per_hour=10)),
                     budget(100)),
              (*silent(455, matchers=(BUDGET,)), *silent(590, matchers=(OVER_BUDGET,)),
               *fires(620, OVER_BUDGET)), gap=(180, 240)),
    Situation("the same of two exporters, one of which is scraped all the time", 660,
              all_of(lambda time: nodes(
                  exporter(time, FLEET_POD), gpus(time, node_pod(0), 1, usd_per_hour=10),
                  twin(time, node_pod(0), between(180, 240, 0, 1))), budget(100)),
              (*silent(590, matchers=(OVER_BUDGET,)), *fires(620, OVER_BUDGET))),
    Situation("GPUs are idle all night, and nobody chose a limit", 180, lambda time: nodes(
        exporter(time, FLEET_POD), gpus(time, node_pod(0), busy=0.05),
        gpus(time, node_pod(1), busy=0.05)), silent(100, 150, 179)),
)


def evaluated() -> Iterator[object]:
    """Each situation under each version: the short ones under the newest are for every change."""
    for situation in SITUATIONS:
        for version in VERSIONS:
            short = situation.minutes <= SHORT and version == VERSIONS[-1]
            yield pytest.param(situation, version, id=f"{situation}-{version}",
                               marks=() if short else pytest.mark.heavy)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("situation", "version"), [*evaluated()])
def test_the_right_alerts_fire_in_time_and_no_others(
        situation: Situation, version: str, tmp_path: Path) -> None:
    time = Timeline(situation.minutes, situation.gap)
    test = {"interval": "30s", "input_series": list(unique(situation.play(time))),
            "promql_expr_test": [ask.document() for ask in situation.asks]}
    check(version, tmp_path, RULES, [test])

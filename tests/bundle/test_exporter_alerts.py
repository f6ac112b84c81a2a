"""Alerts about ourselves, each shown to fire and to be silent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from alerts import exporter
from alerts.routing import ALERT_LOG
from inferometer import alert_log
from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.promql import EXPORTER
from tests.bundle.alert_cases import Case, Firing, prove
from tests.bundle.alert_inputs import BARE, OTHER
from tests.bundle.promtool import SCRAPE, VERSIONS, Series, selector, series

FLEET = {"cluster": "east"}
INSTANCE = {label: SCRAPE[label] for label in EXPORTER}
PROMETHEUS = {"job": "prometheus", "instance": "10.0.0.9:9090", "cluster": "east"}
MANAGER = {"job": "alertmanager", "instance": "10.0.0.9:9093", "cluster": "east"}
OURS = {**PROMETHEUS, "rule_group": "/etc/rules.yml;inferometer-cost"}
THEIRS = {**PROMETHEUS, "rule_group": "/etc/rules.yml;other"}


def foreign(name: str, values: str, labels: Mapping[str, str], **more: str) -> Series:
    return {"series": selector(name, {**labels, **more}), "values": values}


def up(values: str, scrape: Mapping[str, str] = SCRAPE) -> Series:
    return foreign("up", values, scrape)


def build(values: str = "1x900", scrape: Mapping[str, str] = SCRAPE) -> Series:
    return series(c.BUILD_INFO, values, scrape=scrape, version="1")


def folded(values: str) -> Series:
    return series(c.LABELS_FOLDED, values, metric="llm_server_up", label="model")


def many(metric: Metric, number: int, scrape: Mapping[str, str] = SCRAPE,
         first: int = 0) -> tuple[Series, ...]:
    """So many models of an engine."""
    return tuple(series(metric, "1x30", scrape=scrape, target="chat", engine="vllm",
                        model=f"model-{first + i}") for i in range(number))


def firing(labels: Mapping[str, str], text: str) -> tuple[Firing, ...]:
    return (Firing(labels, text),)


def kubernetes(node: int, *, pod: str = "node-abcde", address: str = "10.0.0",
               job: str = "inferometer/inferometer-node", cluster: str = "east",
               namespace: str = "inferometer") -> Mapping[str, str]:
    """What the operator puts on what it scrapes: pods on one node each."""
    labels = {"job": job, "instance": f"{address}.{node}:9839", "cluster": cluster,
              "namespace": namespace, "pod": f"{pod}{node}", "container": "inferometer",
              "endpoint": "inferometer", "node": f"node-{node}"}
    return {name: value for name, value in labels.items() if value}


def works(collector: str, values: str = "1x900",
          scrape: Mapping[str, str] = SCRAPE) -> Series:
    return series(c.COLLECTOR_SUCCESS, values, scrape=scrape, collector=collector)


def sidecar(number: int, values: str = "1x900", **labels: str) -> tuple[Series, ...]:
    """What is in the pod of an engine."""
    scrape = labels or kubernetes(number, pod="chat-", address="10.0.1",
                                  job="inferometer/sidecar", namespace="chat")
    return build(values, scrape), works("engines", values, scrape)


def rollout(nodes: int, away: int, lost: int = 0) -> Iterator[Series]:
    """From the second hour on one pod a minute is replaced; the last ones do not come back."""
    for node in range(nodes):
        yield build(f"1x{119 + node} stale", kubernetes(node))
        if node < nodes - lost:
            yield build(f"_x{119 + node + away} 1x180", kubernetes(node, address="10.0.9"))


def left(exporters: int) -> tuple[Firing, ...]:
    return firing(FLEET, f"{exporters} exporters are left, sidecars not counted; what the "
                         "others watched is not seen.")


def gone(exporters: int, **cluster: str) -> tuple[Firing, ...]:
    return firing(cluster or FLEET, f"All {exporters} exporters of the last day are gone: no other "
                                    "alert about models, GPUs or money can fire.")


def renamed(minute: int, old: str, new: str, *, address: str = "10.0.0", job: str = "inferometer",
            since: str = "") -> Iterator[Series]:
    """Two nodes that report under another name of their cluster."""
    for node in (1, 2):
        yield build(f"1x{minute - 1} stale", kubernetes(node, cluster=old))
        yield build(since or f"_x{minute} 1x2000",
                    kubernetes(node, cluster=new, address=address, job=job))


DOWN = "10.0.0.1:9835: up is 0. What it watches is not seen."
RULES_FAIL = ("/etc/rules.yml;inferometer-cost: 15 failures in 15m, more than 2. Its alerts and "
              "boards are blind.")
FAILURES = "prometheus_rule_evaluation_failures_total"
LAST, INTERVAL = (f"prometheus_rule_group_{part}_seconds" for part in ("last_duration", "interval"))
DROPPED = "prometheus_notifications_dropped_total"
FAILED = "alertmanager_notifications_failed_total"


def slow(seconds: float, labels: Mapping[str, str] = OURS) -> tuple[Series, ...]:
    return foreign(LAST, f"{seconds}x60", labels), foreign(INTERVAL, "60x60", labels)


CASES = (
    Case("it is down", exporter.DOWN, (up("1x9 0x60"), build("1x9 _x60")), firing(SCRAPE, DOWN)),
    Case("for hours", exporter.DOWN, (up("1x9 0x600"), build("1x9 _x600")), firing(SCRAPE, DOWN),
         minute=600),
    Case("it is up", exporter.DOWN, (up("1x60"), build())),
    Case("for some minutes", exporter.DOWN, (up("1x19 0x60"), build("1x19 _x60")), minute=27),
    Case("it never was", exporter.DOWN, (up("0x60"),)),
    Case("another's target is", exporter.DOWN, (up("1x9 0x60", MANAGER), build())),
    Case("no labels of Kubernetes", exporter.DOWN, (
        up("1x9 0x60", BARE), build("1x9 _x60", BARE)), firing(BARE, DOWN)),
    Case("a new pod has never run", exporter.DOWN, (
        *(up("1x60", kubernetes(node)) for node in (1, 2)),
        *(build("1x60", kubernetes(node)) for node in (1, 2)), up("0x60", kubernetes(3))),
         firing(kubernetes(3), "10.0.0.3:9839: up is 0. What it watches is not seen.")),
    Case("all pods of an update do not run", exporter.DOWN, (
        up("1x9 stale", kubernetes(1)), build("1x9 stale", kubernetes(1)),
        up("_x10 0x60", kubernetes(3))),
         firing(kubernetes(3), "10.0.0.3:9839: up is 0. What it watches is not seen."), minute=30),
    Case("another's target in the same job", exporter.DOWN, (
        up("1x60"), build(), up("1x60", OTHER), up("0x60", OTHER | {"instance": "10.0.0.3:80"}))),

    Case("one of two went away", exporter.FEWER, (build(), build("1x69 _x60", OTHER)), left(1),
         minute=90),
    Case("one of two without a pod went away", exporter.FEWER, (
        *sidecar(1, **BARE), *sidecar(2, "1x69 _x60", **BARE | {"instance": "10.0.0.2:9835"})),
         firing({}, left(1)[0].description), minute=90),
    Case("one that watches GPUs too went away", exporter.FEWER, (
        build(), works("engines"), works("gpu"),
        build("1x69 _x60", OTHER), works("engines", "1x69 _x60", OTHER),
        works("gpu", "1x69 _x60", OTHER)), left(1), minute=90),
    Case("the only one on a node went away, engines are left", exporter.FEWER, (
        build("1x119 stale", kubernetes(1)), *sidecar(1), *sidecar(2)), left(0), minute=140),
    *(Case(f"{lost} of four engines went, each with its exporter", exporter.FEWER, (
        build(scrape=kubernetes(1)), *sidecar(0),
        *(one for i in range(1, 4)
          for one in sidecar(i, "1x119 stale" if i > 3 - lost else "1x900"))), minute=minute)
      for lost, minute in ((1, 140), (3, 140), (3, 170))),
    *(Case(f"an update of twenty nodes, each away for {away} minutes", exporter.FEWER,
           tuple(rollout(20, away)), minute=minute)
      for away in (1, 3) for minute in (130, 138, 150, 190)),
    Case("two of twenty nodes do not come back after an update", exporter.FEWER,
         tuple(rollout(20, 1, lost=2)), left(18), minute=156),
    Case("away for nine minutes", exporter.FEWER, (
        build(), build("1x69 _x9 1x60", OTHER)), minute=79),
    Case("one was replaced", exporter.FEWER, (
        build(), build("1x69 _x60", OTHER),
        build("_x71 1x60", OTHER | {"instance": "10.0.0.3:9835"})), minute=90),
    Case("an update had one more for a while", exporter.FEWER, (
        build(), build("_x50 1x20 _x60", OTHER)), minute=125),
    Case("it begins", exporter.FEWER, (build(),), minute=30),
    Case("the last went away", exporter.GONE, (build("1x9 _x300"),), gone(1), minute=200),
    *(Case(f"the cluster is renamed, {minutes} minutes ago", exporter.GONE,
           tuple(renamed(60, "default", "east")), minute=60 + minutes) for minutes in (9, 240)),
    *(Case(f"the cluster is renamed after days, {hours} hours ago", exporter.GONE,
           tuple(renamed(300, "default", "east")), minute=(300 + 6 * hours) * 10, step=10)
      for hours in (1, 23, 24, 25)),
    Case("it gets a name, and its pods new addresses", exporter.GONE, tuple(
        renamed(60, "", "east", address="10.0.7", job="inferometer/inferometer-node")), minute=200),
    Case("another cluster with the same addresses and nodes is well", exporter.GONE,
         tuple(renamed(300, "east", "west", since="1x400")), gone(2), minute=3100, step=10),
    Case("another cluster begins on other nodes", exporter.GONE, (
        build("1x9 stale", kubernetes(1)),
        build("_x20 1x200", kubernetes(5, cluster="west"))), gone(1), minute=100),
    Case("another cluster begins, without nodes", exporter.GONE, (
        build("1x9 stale", BARE | FLEET),
        build("_x20 1x200", BARE | {"cluster": "west", "instance": "10.0.0.5:9835"})),
         gone(1), minute=100),
    Case("the new name went away too", exporter.GONE, (
        *(build("1x59 stale", kubernetes(node, cluster="default")) for node in (1, 2)),
        *(build("_x60 1x60 stale", kubernetes(node)) for node in (1, 2))),
         (*gone(2), *gone(2, cluster="default")), minute=200),
    Case("one is left", exporter.GONE, (build("1x9 _x60"), build(scrape=OTHER))),
    Case("there never was one", exporter.GONE, (up("1x60"),)),
    Case("it fails", exporter.COLLECTOR, (
        series(c.COLLECTOR_SUCCESS, "1x9 0x60", collector="gpu"),
        series(c.COLLECTOR_SUCCESS, "1x60", collector="cost")), firing(
        {**SCRAPE, "collector": "gpu"}, "10.0.0.1:9835: success of gpu is 0; the exporter's log "
        "says why.")),
    Case("it is late now and then", exporter.COLLECTOR, (
        series(c.COLLECTOR_SUCCESS, "0 1 0 0 1 0 1 1 0 0 1 0 1 0 0 1 0 1 0 0", collector="gpu"),),
        minute=19),
    Case("some are", exporter.FOLDED, (folded("0x19 15x60"),), firing(
        {**INSTANCE, "metric": "llm_server_up", "label": "model"},
        "10.0.0.1:9835: 15 times a value of model of llm_server_up became _other in 15m."),
         minute=25),
    Case("as soon as they are", exporter.FOLDED, (folded("0x19 15x60"),), minute=19),
    Case("the exporter starts again", exporter.FOLDED, (folded("15x19 0x60"),), minute=25),
    Case("nine tenths", exporter.NEARLY_FULL, many(c.SERVER_UP, 360), firing(
        {**INSTANCE, "metric": "llm_server_up"}, "10.0.0.1:9835: llm_server_up has 90% of what it "
        "may have, more than 80%; beyond it values are folded."), minute=15),
    Case("three quarters", exporter.NEARLY_FULL, many(c.SERVER_UP, 300), minute=15),
    Case("half of them on each of two", exporter.NEARLY_FULL, (
        *many(c.SERVER_UP, 180), *many(c.SERVER_UP, 180, OTHER)), minute=15),
    Case("each on one of three", exporter.VALUES, tuple(
        one for i in range(4)
        for one in many(c.SERVER_UP, 250, OTHER | {"instance": f"10.0.0.{i}:9835"}, 250 * i)),
        firing(FLEET, "The label model has 1000 values, not fewer than 1000."), minute=15),
    Case("the same on each of three", exporter.VALUES, tuple(
        one for i in range(4)
        for one in many(c.SERVER_UP, 250, OTHER | {"instance": f"10.0.0.{i}:9835"})), minute=15),
    Case("it is not", exporter.RELOAD, (series(c.CONFIG_RELOAD_OK, "1x9 0x60"),), firing(
        SCRAPE, "10.0.0.1:9835: success of its last reload is 0; the old configuration stays in "
        "force, and the exporter's log says why.")),
    Case("it is", exporter.RELOAD, (series(c.CONFIG_RELOAD_OK, "1x60"),)),

    Case("at every evaluation", exporter.RULES_FAIL, (foreign(FAILURES, "0+1x60", OURS),),
         firing(OURS, RULES_FAIL)),
    Case("Prometheus starts again", exporter.RULES_FAIL, (
        foreign(FAILURES, "0+1x19 1+1x60", OURS),), firing(OURS, RULES_FAIL)),
    Case("at every evaluation of a slow group", exporter.RULES_FAIL, (
        foreign(FAILURES, "0 0 0 0 1 1 1 1 2 2 2 2 3 3 3 3 4 4 4 4 5 5 5 5 6 6 6 6", OURS),),
        firing(OURS, RULES_FAIL.replace("15 failures", "4 failures")), minute=25),
    Case("once", exporter.RULES_FAIL, (foreign(FAILURES, "0x19 1x60", OURS),), minute=25),
    Case("rules of others", exporter.RULES_FAIL, (foreign(FAILURES, "0+1x60", THEIRS),)),
    Case("hardly", exporter.RULES_SLOW, slow(54), firing(
        OURS, "/etc/rules.yml;inferometer-cost takes 90% of its interval, more than 80%; over "
        "100 % evaluations are left out.")),
    Case("it has", exporter.RULES_SLOW, slow(30)),
    Case("rules of others", exporter.RULES_SLOW, slow(54, THEIRS)),
    *(Case("it is not", alert, (foreign(name, "1x9 0x60", labels),), firing(
        labels, f"{labels['instance']}: success of its last reload is 0; the old configuration "
        "stays in force."))
      for alert, name, labels in (
          (exporter.PROMETHEUS_RELOAD, "prometheus_config_last_reload_successful", PROMETHEUS),
          (exporter.ALERTMANAGER_RELOAD, "alertmanager_config_last_reload_successful", MANAGER))),
    *(Case("it is", alert, (foreign(f"{name}_config_last_reload_successful", "1x60", MANAGER),))
      for alert, name in ((exporter.PROMETHEUS_RELOAD, "prometheus"),
                          (exporter.ALERTMANAGER_RELOAD, "alertmanager"))),
    Case("some", exporter.DROPPED, (foreign(DROPPED, "0x19 14x60", PROMETHEUS),), firing(
        PROMETHEUS, "10.0.0.9:9090: 14 alerts were dropped in 15m."), minute=25),
    Case("none", exporter.DROPPED, (foreign(DROPPED, "3x60", PROMETHEUS),)),
    Case("some, for two reasons", exporter.UNDELIVERED, tuple(
        foreign(FAILED, "0x19 7x60", MANAGER, integration="slack", reason=reason)
        for reason in ("clientError", "serverError")), firing(
        {**MANAGER, "integration": "slack"},
        "10.0.0.9:9093: 14 notifications by slack have failed in 15m."), minute=25),
    Case("none", exporter.UNDELIVERED, (foreign(FAILED, "7x60", MANAGER, integration="slack"),)),
    Case("always", exporter.ALWAYS, (), firing({}, "It fires always, with the value 1. Whoever "
         "waits for it and misses it knows that alerts do not arrive."), minute=0),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_alerts_about_exporters_fire_as_expected(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)


def test_every_alert_is_shown_to_fire_and_to_be_silent() -> None:
    for alert in exporter.GROUP.alerts:
        shown = {bool(case.expected) for case in CASES if case.alert is alert}
        assert shown == ({True} if alert is exporter.ALWAYS else {True, False}), alert


def test_the_log_of_alerts_is_where_they_are_sent() -> None:
    assert ALERT_LOG == alert_log.PATH

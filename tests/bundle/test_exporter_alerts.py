"""Alerts about ourselves, each shown to fire and to be silent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from alerts import exporter
from inferometer import alert_log
from inferometer import catalogue as c
from inferometer.bundle.options import ALERT_LOG
from inferometer.catalogue import Metric
from recording_rules import promql
from tests.bundle.alert_cases import Case, Firing, prove
from tests.bundle.alert_inputs import BARE, OTHER
from tests.bundle.promtool import SCRAPE, VERSIONS, Series, selector, series

FLEET = {"cluster": "east"}
EXPORTER = {name: SCRAPE[name] for name in promql.EXPORTER}
IN_CHAT = "inferometer-abcde in east/chat"
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


def gone(minutes: int, **cluster: str) -> tuple[Firing, ...]:
    shown = cluster or FLEET
    return firing(shown, f"No exporter of {shown.get('cluster', 'the fleet')} has been scraped for "
                         f"{lasting(minutes)}. No other alert about its models, GPUs or money can "
                         "fire.")


def fleet_gone(minutes: int) -> tuple[Firing, ...]:
    return firing(FLEET, "The fleet's exporter of east was last scraped "
                         f"{lasting(minutes)} ago. Fixed costs are not counted meanwhile; its "
                         "budgets and limits stay in force for 1d.")


def lasting(minutes: int) -> str:
    """As Prometheus says it."""
    hours, rest = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (rest, "m"), (0, "s"))
    first = next(i for i, (number, _) in enumerate(parts) if number)
    return " ".join(f"{number}{unit}" for number, unit in parts[first:])


def down(percent: str, before: str = "", *, scrape: Mapping[str, str] = SCRAPE,
         exporter: str = IN_CHAT) -> tuple[Firing, ...]:
    """`before`: the percentage where ranges are closed on the left."""
    text = (f"{exporter} answered {percent}% of its scrapes in the last 30m. What it watches is "
            "not seen meanwhile.")
    return (Firing(scrape, text, text.replace(percent, before) if before else ""),)


def fleets(values: str = "1x900", scrape: Mapping[str, str] = OTHER) -> tuple[Series, ...]:
    """The exporter of money, which reads nothing itself."""
    return build(values, scrape), works("cost", values, scrape)


def nodes(values: str = "1x900", number: int = 1) -> tuple[Series, ...]:
    """One of a node, which has the cost of its GPUs."""
    scrape = kubernetes(number)
    return (build(values, scrape), works("gpu", values, scrape), works("cost", values, scrape))


def renamed(minute: int, old: str, new: str, *, address: str = "10.0.0", job: str = "inferometer",
            since: str = "") -> Iterator[Series]:
    """Two nodes that report under another name of their cluster."""
    for node in (1, 2):
        yield build(f"1x{minute - 1} stale", kubernetes(node, cluster=old))
        yield build(since or f"_x{minute} 1x2000",
                    kubernetes(node, cluster=new, address=address, job=job))


RULES_FAIL = ("/etc/rules.yml;inferometer-cost on 10.0.0.9:9090 in east failed 15 times in the "
              "last 15m, limit 2. Alerts and boards that rest on it are blind.")
FAILURES = "prometheus_rule_evaluation_failures_total"
LAST, INTERVAL = (f"prometheus_rule_group_{part}_seconds" for part in ("last_duration", "interval"))
DROPPED = "prometheus_notifications_dropped_total"
FAILED = "alertmanager_notifications_failed_total"


def slow(seconds: float, labels: Mapping[str, str] = OURS) -> tuple[Series, ...]:
    return foreign(LAST, f"{seconds}x60", labels), foreign(INTERVAL, "60x60", labels)


FLAPPING = 8 * " 0 0 0 0 1 1"  # after the twentieth minute

CASES = (
    Case("it is down", exporter.DOWN, (up("1x9 0x60"), build("1x9 _x60")),
         down("47.62")),
    Case("for hours", exporter.DOWN, (up("1x9 0x600"), build("1x9 _x600")),
         down("0"), minute=600),
    Case("it is up", exporter.DOWN, (up("1x60"), build())),
    Case("for some minutes", exporter.DOWN, (up("1x19 0x60"), build("1x19 _x60")), minute=27),
    Case("away for some minutes, then back", exporter.DOWN, (up("1x19 0x9 1x60"), build()),
         minute=40),
    Case("back after an outage", exporter.DOWN, (up("1x19 0x15 1x60"), build()), minute=42),
    *(Case("away four of six minutes", exporter.DOWN, (up(f"1x19{FLAPPING}"), build()),
           down(*percents), minute=minute)
      for minute, percents in ((40, ("50", "51.61")), (49, ("33.33", "35.48")),
                               (52, ("33.33", "32.26")))),
    Case("away one of six minutes", exporter.DOWN, (up(f"1x19{6 * ' 0 1 1 1 1 1'}"), build()),
         minute=50),
    Case("replaced twice within the window", exporter.DOWN, (up("1x19 0x1 1x6 0x1 1x60"), build()),
         minute=45),
    Case("it never was", exporter.DOWN, (up("0x60"),)),
    Case("another's target is", exporter.DOWN, (up("1x9 0x60", MANAGER), build())),
    Case("another's target comes and goes", exporter.DOWN, (
        up(f"1x19{FLAPPING}", MANAGER), up("1x60"), build()), minute=50),
    Case("no labels of Kubernetes", exporter.DOWN, (
        up("1x9 0x60", BARE), build("1x9 _x60", BARE)),
        down("47.62", scrape=BARE, exporter="10.0.0.1:9835")),
    Case("a new pod has never run", exporter.DOWN, (
        *(up("1x60", kubernetes(node)) for node in (1, 2)),
        *(build("1x60", kubernetes(node)) for node in (1, 2)), up("0x60", kubernetes(3))),
         down("0", scrape=kubernetes(3), exporter="node-abcde3 in east/inferometer")),
    Case("all pods of an update do not run", exporter.DOWN, (
        up("1x9 stale", kubernetes(1)), build("1x9 stale", kubernetes(1)),
        up("_x10 0x60", kubernetes(3))),
         down("0", scrape=kubernetes(3), exporter="node-abcde3 in east/inferometer"), minute=30),
    Case("another's target in the same job", exporter.DOWN, (
        up("1x60"), build(), up("1x60", OTHER), up("0x60", OTHER | {"instance": "10.0.0.3:80"}))),
    Case("a pod at the address of one of another cluster", exporter.DOWN, (
        up("0x60", kubernetes(1)), build("1x5 _x60", kubernetes(1)),
        up("1x60", kubernetes(1, cluster="west")), build("1x60", kubernetes(1, cluster="west"))),
         down("0", scrape=kubernetes(1), exporter="node-abcde1 in east/inferometer")),

    Case("it went away", exporter.FLEET_GONE, (*fleets("1x69 stale"), *nodes()), fleet_gone(21),
         minute=90),
    Case("it went away with its cluster's name", exporter.FLEET_GONE, (
        *fleets("1x69 stale"), *nodes("1x69 stale")), minute=90),
    Case("it cannot be scraped", exporter.FLEET_GONE, (*fleets("1x69 _x300"), *nodes()),
         fleet_gone(231), minute=300),
    Case("it went away more than a day ago", exporter.FLEET_GONE, (
        *fleets("1x10 stale"), *nodes("1x200")), minute=1600, step=10),
    Case("it was replaced", exporter.FLEET_GONE, (
        *fleets("1x69 stale"), *nodes(),
        *fleets("_x76 1x60", OTHER | {"pod": "other", "instance": "10.0.0.3:9835"})), minute=110),
    Case("there never was one", exporter.FLEET_GONE, (*nodes(), *sidecar(1)), minute=90),
    Case("a node is removed", exporter.FLEET_GONE, (
        *nodes("1x69 stale"), *nodes(number=2)), minute=90),
    Case("the last node is removed, engines stay", exporter.FLEET_GONE, (
        *nodes("1x69 stale"), *sidecar(1)), minute=90),
    Case("it reads engines too", exporter.FLEET_GONE, (
        *fleets("1x69 stale"), works("engines", "1x69 stale", OTHER), *nodes()), minute=90),

    Case("the last went away", exporter.GONE, (build("1x9 _x300"),), gone(191), minute=200),
    *(Case(f"the cluster is renamed, {minutes} minutes ago", exporter.GONE,
           tuple(renamed(60, "default", "east")), minute=60 + minutes) for minutes in (9, 240)),
    *(Case(f"the cluster is renamed after days, {hours} hours ago", exporter.GONE,
           tuple(renamed(300, "default", "east")), minute=(300 + 6 * hours) * 10, step=10)
      for hours in (1, 23, 24, 25)),
    Case("it gets a name, and its pods new addresses", exporter.GONE, tuple(
        renamed(60, "", "east", address="10.0.7", job="inferometer/inferometer-node")), minute=200),
    Case("it is renamed pod by pod", exporter.GONE, (
        *(build(f"1x{59 + 4 * node} stale", kubernetes(node, cluster="default"))
          for node in (1, 2)),
        *(build(f"_x{60 + 4 * node} 1x200", kubernetes(node)) for node in (1, 2))), minute=120),
    *(Case(f"another cluster with the same addresses and nodes lives on, for {minutes} minutes",
           exporter.GONE, tuple(renamed(300, "east", "west", since="1x900")), gone(minutes + 1),
           minute=300 + minutes) for minutes in (10, 240)),
    *(Case(f"another with {shared} had come half an hour before", exporter.GONE,
           tuple(renamed(100, "east", "west", since="_x70 1x900", **other)), gone(41), minute=140)
      for shared, other in (("the same addresses", {}),
                          ("equal names of nodes", {"address": "10.9.0", "job": "other"}))),
    Case("another that is as old, after all of Prometheus was away", exporter.GONE, tuple(
        build(values, kubernetes(1, cluster=cluster)) for cluster, values in (
            ("east", "1x60 _x40 1x30 stale"), ("west", "1x60 _x40 1x300"))), gone(31), minute=162),
    Case("another cluster begins on other nodes", exporter.GONE, (
        build("1x9 stale", kubernetes(1)),
        build("_x20 1x200", kubernetes(5, cluster="west"))), gone(91), minute=100),
    Case("another cluster begins, without nodes", exporter.GONE, (
        build("1x9 stale", BARE | FLEET),
        build("_x20 1x200", BARE | {"cluster": "west", "instance": "10.0.0.5:9835"})),
         gone(91), minute=100),
    Case("another begins at its address hours later", exporter.GONE, (
        build("1x9 stale", kubernetes(1)),
        build("_x200 1x200", kubernetes(1, cluster="west"))), gone(291), minute=300),
    Case("the new name went away too", exporter.GONE, (
        *(build("1x59 stale", kubernetes(node, cluster="default")) for node in (1, 2)),
        *(build("_x60 1x60 stale", kubernetes(node)) for node in (1, 2))),
         gone(80), minute=200),
    Case("it gets its old name back, and dies", exporter.GONE, (
        build("1x59 _x60 1x59 stale", kubernetes(1)),
        build("_x60 1x59 stale", kubernetes(1, cluster="west"))), gone(21), minute=200),
    Case("it gets its old name back", exporter.GONE, (
        build("1x59 _x60 1x200", kubernetes(1)),
        build("_x60 1x59 stale", kubernetes(1, cluster="west"))), minute=200),
    Case("one is left", exporter.GONE, (build("1x9 _x60"), build(scrape=OTHER))),
    Case("there never was one", exporter.GONE, (up("1x60"),)),
    *(Case("a node and the last engine are removed", alert, (
        *fleets(), *nodes(), *nodes("1x119 stale", 2), *sidecar(1, "1x119 stale")), minute=minute)
      for alert in (exporter.DOWN, exporter.FLEET_GONE, exporter.GONE)
      for minute in (140, 300)),
    Case("it fails", exporter.COLLECTOR, (
        series(c.COLLECTOR_SUCCESS, "1x9 0x60", collector="gpu"),
        series(c.COLLECTOR_SUCCESS, "1x60", collector="cost")), firing(
        {**SCRAPE, "collector": "gpu"}, f"Collector gpu of {IN_CHAT} fails or is late. Its "
        "families are missing; the exporter's log says why.")),
    Case("a node has no driver, which GpuDriverDown says", exporter.COLLECTOR, (
        series(c.COLLECTOR_SUCCESS, "0x60", collector="gpu"),
        series(c.GPU_DRIVER_UP, "0x60", reason="no_driver"))),
    Case("another fails beside it", exporter.COLLECTOR, (
        series(c.COLLECTOR_SUCCESS, "0x60", collector="gpu"),
        series(c.COLLECTOR_SUCCESS, "0x60", collector="pods"),
        series(c.GPU_DRIVER_UP, "0x60", reason="no_driver")), firing(
            {**SCRAPE, "collector": "pods"},
            f"Collector pods of {IN_CHAT} fails or is late. Its families are missing; the "
            "exporter's log says why.")),
    Case("it is late now and then", exporter.COLLECTOR, (
        series(c.COLLECTOR_SUCCESS, "0 1 0 0 1 0 1 1 0 0 1 0 1 0 0 1 0 1 0 0", collector="gpu"),),
        minute=19),
    Case("some are", exporter.FOLDED, (folded("0x19 15x60"),), firing(
        {**EXPORTER, "metric": "llm_server_up", "label": "model"},
        f"{IN_CHAT} folded 15 values of label model of llm_server_up into _other in the last "
        "15m."),
         minute=25),
    Case("as soon as they are", exporter.FOLDED, (folded("0x19 15x60"),), minute=19),
    Case("the exporter starts again", exporter.FOLDED, (folded("15x19 0x60"),), minute=25),
    Case("nine tenths", exporter.NEARLY_FULL, many(c.SERVER_UP, 360), firing(
        {**EXPORTER, "metric": "llm_server_up"}, f"llm_server_up of {IN_CHAT} has 90% of its cap "
        "of series, over 80%. Over the cap label values are folded into _other."), minute=15),
    Case("three quarters", exporter.NEARLY_FULL, many(c.SERVER_UP, 300), minute=15),
    Case("half of them on each of two", exporter.NEARLY_FULL, (
        *many(c.SERVER_UP, 180), *many(c.SERVER_UP, 180, OTHER)), minute=15),
    Case("each on one of three", exporter.VALUES, tuple(
        one for i in range(4)
        for one in many(c.SERVER_UP, 250, OTHER | {"instance": f"10.0.0.{i}:9835"}, 250 * i)),
        firing(FLEET, "The label model has 1000 values in east, limit 1000. Rules and boards "
                      "slow down."), minute=15),
    Case("the same on each of three", exporter.VALUES, tuple(
        one for i in range(4)
        for one in many(c.SERVER_UP, 250, OTHER | {"instance": f"10.0.0.{i}:9835"})), minute=15),
    Case("it is not", exporter.RELOAD, (series(c.CONFIG_RELOAD_OK, "1x9 0x60"),), firing(
        SCRAPE, f"{IN_CHAT} rejected its new configuration and keeps the old one. Its log names "
        "the key.")),
    Case("it is", exporter.RELOAD, (series(c.CONFIG_RELOAD_OK, "1x60"),)),

    Case("at every evaluation", exporter.RULES_FAIL, (foreign(FAILURES, "0+1x60", OURS),),
         firing(OURS, RULES_FAIL)),
    Case("Prometheus starts again", exporter.RULES_FAIL, (
        foreign(FAILURES, "0+1x19 1+1x60", OURS),), firing(OURS, RULES_FAIL)),
    Case("at every evaluation of a slow group", exporter.RULES_FAIL, (
        foreign(FAILURES, "0 0 0 0 1 1 1 1 2 2 2 2 3 3 3 3 4 4 4 4 5 5 5 5 6 6 6 6", OURS),),
        firing(OURS, RULES_FAIL.replace("15 times", "4 times")), minute=25),
    Case("once", exporter.RULES_FAIL, (foreign(FAILURES, "0x19 1x60", OURS),), minute=25),
    Case("rules of others", exporter.RULES_FAIL, (foreign(FAILURES, "0+1x60", THEIRS),)),
    Case("hardly", exporter.RULES_SLOW, slow(54), firing(
        OURS, "/etc/rules.yml;inferometer-cost on 10.0.0.9:9090 in east takes 90% of its interval, "
        "limit 80%. Over 100% Prometheus skips evaluations.")),
    Case("it has", exporter.RULES_SLOW, slow(30)),
    Case("rules of others", exporter.RULES_SLOW, slow(54, THEIRS)),
    *(Case("it is not", alert, (foreign(name, "1x9 0x60", labels),), firing(
        labels, f"{alert.name.removesuffix('ReloadFailed')} {labels['instance']} in east rejected "
        "its new configuration and keeps the old one. Its next start fails."))
      for alert, name, labels in (
          (exporter.PROMETHEUS_RELOAD, "prometheus_config_last_reload_successful", PROMETHEUS),
          (exporter.ALERTMANAGER_RELOAD, "alertmanager_config_last_reload_successful", MANAGER))),
    *(Case("it is", alert, (foreign(f"{name}_config_last_reload_successful", "1x60", MANAGER),))
      for alert, name in ((exporter.PROMETHEUS_RELOAD, "prometheus"),
                          (exporter.ALERTMANAGER_RELOAD, "alertmanager"))),
    Case("some", exporter.DROPPED, (foreign(DROPPED, "0x19 14x60", PROMETHEUS),), firing(
        PROMETHEUS, "Prometheus 10.0.0.9:9090 in east dropped 14 alerts in the last 15m: no "
        "Alertmanager took them."), minute=25),
    Case("none", exporter.DROPPED, (foreign(DROPPED, "3x60", PROMETHEUS),)),
    Case("some, for two reasons", exporter.UNDELIVERED, tuple(
        foreign(FAILED, "0x19 7x60", MANAGER, integration="slack", reason=reason)
        for reason in ("clientError", "serverError")), firing(
        {**MANAGER, "integration": "slack"}, "Alertmanager 10.0.0.9:9093 in east failed to deliver "
        "14 notifications by slack in the last 15m."), minute=25),
    Case("none", exporter.UNDELIVERED, (foreign(FAILED, "7x60", MANAGER, integration="slack"),)),
    Case("always", exporter.ALWAYS, (), firing({}, "This alert always fires, with the value 1. "
         "Where it does not arrive, no alert does."), minute=0),
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

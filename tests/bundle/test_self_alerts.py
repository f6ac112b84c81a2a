"""Alerts about ourselves, each shown to fire and to be silent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from alerts import exporter
from alerts.routing import ALERT_LOG
from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.server import ALERTS
from tests.bundle.alert_cases import Case, Said, prove
from tests.bundle.alert_inputs import BARE, OTHER
from tests.bundle.promtool import SCRAPE, VERSIONS, Series, selector, series

FLEET = {"cluster": "east"}
INSTANCE = {"cluster": "east", "instance": "10.0.0.1:9835"}
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


def told(labels: Mapping[str, str], text: str) -> tuple[Said, ...]:
    return (Said(labels, text),)


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
    Case("it is down", exporter.DOWN, (up("1x9 0x60"), build("1x9 _x60")), told(SCRAPE, DOWN)),
    Case("for hours", exporter.DOWN, (up("1x9 0x600"), build("1x9 _x600")), told(SCRAPE, DOWN),
         at=600),
    Case("it is up", exporter.DOWN, (up("1x60"), build())),
    Case("for some minutes", exporter.DOWN, (up("1x19 0x60"), build("1x19 _x60")), at=27),
    Case("it never was", exporter.DOWN, (up("0x60"),)),
    Case("another's target is", exporter.DOWN, (up("1x9 0x60", MANAGER), build())),
    Case("no labels of Kubernetes", exporter.DOWN, (
        up("1x9 0x60", BARE), build("1x9 _x60", BARE)), told(BARE, DOWN)),
    Case("one of two went away", exporter.FEWER, (build(), build("1x69 _x60", OTHER)),
         told(FLEET, "1 exporters are left; what the others watched is not seen."), at=90),
    Case("one was replaced", exporter.FEWER, (
        build(), build("1x69 _x60", OTHER),
        build("_x71 1x60", OTHER | {"instance": "10.0.0.3:9835"})), at=90),
    Case("an update had one more for a while", exporter.FEWER, (
        build(), build("_x50 1x20 _x60", OTHER)), at=125),
    Case("it begins", exporter.FEWER, (build(),), at=30),
    Case("the last went away", exporter.GONE, (build("1x9 _x300"),),
         told(FLEET, "All 1 exporters of the last day are gone: no other alert about models, GPUs "
              "or money can fire."), at=200),
    Case("one is left", exporter.GONE, (build("1x9 _x60"), build(scrape=OTHER))),
    Case("there never was one", exporter.GONE, (up("1x60"),)),
    Case("it fails", exporter.COLLECTOR, (
        series(c.COLLECTOR_SUCCESS, "1x9 0x60", collector="gpu"),
        series(c.COLLECTOR_SUCCESS, "1x60", collector="cost")), told(
        {**SCRAPE, "collector": "gpu"}, "10.0.0.1:9835: success of gpu is 0; the exporter's log "
        "says why.")),
    Case("it is late now and then", exporter.COLLECTOR, (
        series(c.COLLECTOR_SUCCESS, "0 1 0 0 1 0 1 1 0 0 1 0 1 0 0 1 0 1 0 0", collector="gpu"),),
        at=19),
    Case("some are", exporter.FOLDED, (folded("0x19 15x60"),), told(
        {**INSTANCE, "metric": "llm_server_up", "label": "model"},
        "10.0.0.1:9835: 15 times a value of model of llm_server_up became _other in 15m."), at=25),
    Case("as soon as they are", exporter.FOLDED, (folded("0x19 15x60"),), at=19),
    Case("the exporter starts again", exporter.FOLDED, (folded("15x19 0x60"),), at=25),
    Case("nine tenths", exporter.NEARLY_FULL, many(c.SERVER_UP, 360), told(
        {**INSTANCE, "metric": "llm_server_up"}, "10.0.0.1:9835: llm_server_up has 90% of what it "
        "may have, more than 80%; beyond it values are folded."), at=15),
    Case("three quarters", exporter.NEARLY_FULL, many(c.SERVER_UP, 300), at=15),
    Case("half of them on each of two", exporter.NEARLY_FULL, (
        *many(c.SERVER_UP, 180), *many(c.SERVER_UP, 180, OTHER)), at=15),
    Case("each on one of three", exporter.VALUES, tuple(
        each for i in range(4)
        for each in many(c.SERVER_UP, 250, OTHER | {"instance": f"10.0.0.{i}:9835"}, 250 * i)),
        told(FLEET, "The label model has 1000 values, not fewer than 1000."), at=15),
    Case("the same on each of three", exporter.VALUES, tuple(
        each for i in range(4)
        for each in many(c.SERVER_UP, 250, OTHER | {"instance": f"10.0.0.{i}:9835"})), at=15),
    Case("it is not", exporter.RELOAD, (series(c.CONFIG_RELOAD_OK, "1x9 0x60"),), told(
        SCRAPE, "10.0.0.1:9835: success of its last reload is 0; the old configuration stays in "
        "force, and the exporter's log says why.")),
    Case("it is", exporter.RELOAD, (series(c.CONFIG_RELOAD_OK, "1x60"),)),

    Case("at every evaluation", exporter.RULES_FAIL, (foreign(FAILURES, "0+1x60", OURS),),
         told(OURS, RULES_FAIL)),
    Case("Prometheus starts again", exporter.RULES_FAIL, (
        foreign(FAILURES, "0+1x19 1+1x60", OURS),), told(OURS, RULES_FAIL)),
    Case("at every evaluation of a slow group", exporter.RULES_FAIL, (
        foreign(FAILURES, "0 0 0 0 1 1 1 1 2 2 2 2 3 3 3 3 4 4 4 4 5 5 5 5 6 6 6 6", OURS),),
        told(OURS, RULES_FAIL.replace("15 failures", "4 failures")), at=25),
    Case("once", exporter.RULES_FAIL, (foreign(FAILURES, "0x19 1x60", OURS),), at=25),
    Case("rules of others", exporter.RULES_FAIL, (foreign(FAILURES, "0+1x60", THEIRS),)),
    Case("hardly", exporter.RULES_SLOW, slow(54), told(
        OURS, "/etc/rules.yml;inferometer-cost takes 90% of its interval, more than 80%; over "
        "100 % evaluations are left out.")),
    Case("it has", exporter.RULES_SLOW, slow(30)),
    Case("rules of others", exporter.RULES_SLOW, slow(54, THEIRS)),
    *(Case("it is not", alert, (foreign(name, "1x9 0x60", labels),), told(
        labels, f"{labels['instance']}: success of its last reload is 0; the old configuration "
        "stays in force."))
      for alert, name, labels in (
          (exporter.PROMETHEUS_RELOAD, "prometheus_config_last_reload_successful", PROMETHEUS),
          (exporter.ALERTMANAGER_RELOAD, "alertmanager_config_last_reload_successful", MANAGER))),
    *(Case("it is", alert, (foreign(f"{name}_config_last_reload_successful", "1x60", MANAGER),))
      for alert, name in ((exporter.PROMETHEUS_RELOAD, "prometheus"),
                          (exporter.ALERTMANAGER_RELOAD, "alertmanager"))),
    Case("some", exporter.DROPPED, (foreign(DROPPED, "0x19 14x60", PROMETHEUS),), told(
        PROMETHEUS, "10.0.0.9:9090: 14 alerts were dropped in 15m."), at=25),
    Case("none", exporter.DROPPED, (foreign(DROPPED, "3x60", PROMETHEUS),)),
    Case("some, for two reasons", exporter.UNDELIVERED, tuple(
        foreign(FAILED, "0x19 7x60", MANAGER, integration="slack", reason=reason)
        for reason in ("clientError", "serverError")), told(
        {"cluster": "east", "instance": "10.0.0.9:9093", "integration": "slack"},
        "10.0.0.9:9093: 14 notifications by slack have failed in 15m."), at=25),
    Case("none", exporter.UNDELIVERED, (foreign(FAILED, "7x60", MANAGER, integration="slack"),)),
    Case("always", exporter.ALWAYS, (), told({}, "It fires always, with the value 1. Whoever waits "
         "for it and misses it knows that alerts do not arrive."), at=0),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_alerts_about_ourselves_say_what_is_so(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)


def test_every_alert_is_shown_to_fire_and_to_be_silent() -> None:
    for alert in exporter.GROUP.alerts:
        shown = {bool(case.says) for case in CASES if case.alert is alert}
        assert shown == ({True} if alert is exporter.ALWAYS else {True, False}), alert


def test_the_log_of_alerts_is_where_they_are_sent() -> None:
    assert ALERT_LOG == ALERTS

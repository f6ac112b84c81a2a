"""Gaps in what is scraped: what counters gained meanwhile is counted once, on its day.

Each trouble has a cluster of its own, all of them four hours, in which 3.60 USD are spent an hour.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from inferometer import catalogue as c
from recording_rules import attribution, cost
from recording_rules.calendar import STARTS
from recording_rules.model import Group, Rule
from tests.bundle.money import A_MINUTE, figures, per_cluster, spent
from tests.bundle.promtool import SCRAPE, VERSIONS, Series, ask, documents, growing, series

RATES, _GAPS, CALENDAR, *_ = cost.GROUPS
# promtool evaluates all groups once a minute: of five minutes two stand for every 150 seconds.
_TWICE = "and on () (vector(time() % 300) == 0 or vector(time() % 300) == 180)"
GAPS = replace(_GAPS, rules=tuple(
    replace(rule, expr=f"({rule.expr}) {_TWICE}") for rule in _GAPS.rules))
AN_HOUR = 60 * A_MINUTE
OTHER = "10.0.0.2:9835"


@dataclass(frozen=True)
class Trouble:
    """What a cluster's exporters publish; the hours whose money is in the sums, and are covered."""

    title: str
    inputs: tuple[Series, ...]
    hours: float
    covered: float = 1


def counter(*parts: str) -> str:
    return " ".join(parts)


def until(minute: int, start: float = 0) -> str:
    """A counter that is scraped for so many minutes."""
    return growing(A_MINUTE, minute - 1, start)


def gone(minutes: int) -> str:
    return f"_x{minutes}"


def on(minute: int, counted: float | None = None, a_minute: float = A_MINUTE) -> str:
    """A counter from that minute on; it has counted so many minutes."""
    start = A_MINUTE * (minute if counted is None else counted)
    return growing(a_minute, 240 - minute, start)


def alive(cluster: str, values: str, instance: str = "10.0.0.1:9835",
          pod: str = SCRAPE["pod"]) -> Series:
    scrape = {**SCRAPE, "cluster": cluster, "instance": instance, "pod": pod}
    return series(c.BUILD_INFO, values, scrape=scrape, version="1")


def started(cluster: str, minute: int, pod: str) -> Series:
    """When the exporter's process began, published since minute 120."""
    labels = ", ".join(f'{name}="{value}"' for name, value in (
        SCRAPE | {"cluster": cluster, "pod": pod}).items())
    return {"series": f"process_start_time_seconds{{{labels}}}",
            "values": f"_x120 {minute * 60}x120"}


HOUR_GONE = counter(until(60), gone(60), on(120))
BUILD = "1x59 _x60 1x120"
TROUBLES = (
    Trouble("an hour", (spent("an hour", HOUR_GONE),), 4),
    Trouble("three hours", (spent("three hours", counter(until(30), gone(180), on(210))),), 4),
    Trouble("ten minutes", (spent("ten minutes", counter(until(100), gone(10), on(110))),), 4),
    Trouble("several", (spent("several", counter(
        until(40), gone(20), until(40, 60 * A_MINUTE), gone(30), on(130))),), 4),
    Trouble("in two exporters", (
        spent("in two exporters", HOUR_GONE),
        spent("in two exporters", counter(until(60), gone(60), on(120, 1120)).replace(
            until(60), until(60, 1000 * A_MINUTE)), OTHER)), 4),
    Trouble("in one of two exporters", (
        spent("in one of two exporters", HOUR_GONE),
        spent("in one of two exporters", on(0, 1000), OTHER)), 4),
    Trouble("in one of two accounts", (
        spent("in one of two accounts", HOUR_GONE, category="network"),
        spent("in one of two accounts", on(0), OTHER)), 8),
    Trouble("in one of two gateways", (  # each one's money is its own
        spent("in one of two gateways", HOUR_GONE, category="api", model="gpt"),
        spent("in one of two gateways", on(0), OTHER, category="api", model="gpt")), 8),
    Trouble("in two gateways", (
        spent("in two gateways", HOUR_GONE, category="api", model="gpt"),
        spent("in two gateways", HOUR_GONE, OTHER, category="api", model="gpt")), 8),
    Trouble("a ledger moved in it", (  # whose counters are older than the new process
        spent("a ledger moved in it", until(60), category="api", model="gpt"),
        alive("a ledger moved in it", "1x59"),
        spent("a ledger moved in it", counter(gone(120), on(120, 5000)), category="api",
              model="gpt", pod="new"),
        alive("a ledger moved in it", counter(gone(120), "1x120"), pod="new"),
        started("a ledger moved in it", 90, "new")), 3, 0.75),
    Trouble("restarted in it", (  # half an hour before it is scraped again
        spent("restarted in it", counter(until(60), gone(60), on(120, 30))),
        alive("restarted in it", BUILD)), 3.5),
    Trouble("replaced in it", (
        spent("replaced in it", until(60)), alive("replaced in it", "1x59"),
        spent("replaced in it", counter(gone(120), on(120, 30)), pod="new"),
        started("replaced in it", 90, "new")), 3.5),
    Trouble("another since long", (  # what it counted before is nobody's of today
        spent("another since long", until(60)), alive("another since long", "1x59"),
        spent("another since long", counter(gone(120), on(120, 5000)), pod="old"),
        alive("another since long", counter(gone(120), "1x120"), pod="old"),
        started("another since long", -9000, "old")), 3, 0.75),
    Trouble("priced in it", (  # a GPU that had no price is another account
        spent("priced in it", HOUR_GONE), alive("priced in it", BUILD),
        spent("priced in it", counter(gone(120), on(120, 30)), category="other")), 4 + 2.5),
    Trouble("dearer since", (
        spent("dearer since", counter(until(60), gone(60), on(120, 150, 2 * A_MINUTE))),),
        2.5 + 4),
    Trouble("nothing spent", (
        spent("nothing spent", "5x59 _x60 5x120"),), 0),
    Trouble("for ever", (spent("for ever", until(60)),), 1, 0.25),
    Trouble("none", (spent("none", on(0)), spent("none", on(0, 77), OTHER)), 4),
)


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_gap_loses_nothing_that_the_counter_kept(version: str, tmp_path: Path) -> None:
    inputs = [one for trouble in TROUBLES for one in trouble.inputs]
    today, month, covered = figures(
        version, tmp_path, (RATES, GAPS, CALENDAR), inputs,
        (cost.TODAY, cost.MONTH, cost.MONTH_COVERED), "4h", "1m")
    hours = {trouble.title: trouble.hours * AN_HOUR for trouble in TROUBLES}
    # A rate takes minutes to rise and to fall: at each end of a gap that is some money. Of two
    # gateways it is a minute's each, and the rounding of floats.
    some = 2 * A_MINUTE + 1e-9
    assert today == pytest.approx(per_cluster(hours), abs=some)
    assert month == pytest.approx(per_cluster(hours), abs=some)
    assert covered == pytest.approx(per_cluster({
        trouble.title: trouble.covered for trouble in TROUBLES}), abs=0.025)


def test_what_was_gained_shows_as_soon_as_the_gap_ends(version: str, tmp_path: Path) -> None:
    moments = {119: 60, 125: 125, 130: 130, 180: 180, 181: 181}
    queries = {minute: f"{cost.TODAY} @ {minute * 60}" for minute in moments}
    answers = ask(version, tmp_path, documents((RATES, GAPS, CALENDAR)), [spent("east", HOUR_GONE)],
                  queries.values(), "4h")
    totals = {minute: answers[query][0][1] for minute, query in queries.items()}
    assert totals == pytest.approx({minute: counted * A_MINUTE
                                    for minute, counted in moments.items()}, abs=3 * A_MINUTE)


@pytest.mark.parametrize("late", [False, True], ids=["at once", "a round late"])
def test_a_gap_over_midnight_is_shared_out_to_its_days(version: str, late: bool,
                                                       tmp_path: Path) -> None:
    """From half past eleven to half past twelve, or half an hour more.

    Rules in the opposite order see what others recorded a round before, as in vmalert.
    """
    day, first = 24 * 60, 22 * 60
    back = day + 30
    inputs = [spent(cluster, counter(gone(first), until(last - first), gone(back - last),
                                     growing(A_MINUTE, 120, A_MINUTE * (back - first))))
              for cluster, last in (("half", day - 30), ("a quarter", day - 90))]
    rules = (*STARTS.values(), cost.RATE, cost.TOTAL_RATE, cost.GAINED, cost.GAINED_BEFORE_DAY,
             cost.INCREASE_HOUR, cost.TODAY)
    month = cost.MONTH.expr.replace(cost.MONTH_BY_CATEGORY.name, cost.MONTH_BY_CATEGORY.expr)
    expected = {f"{cost.TODAY} @ {(day + 40) * 60}": 40, str(cost.TODAY): 90,
                month: day + 90 - first}
    answers = ask(version, tmp_path, documents([Group("cost", rules[::-1 if late else 1])]), inputs,
                  expected, "25h30m", _GAPS.interval)
    for query, counted in expected.items():
        usd = {labels["cluster"]: value for labels, value in answers[query]}
        assert usd == pytest.approx(dict.fromkeys(("half", "a quarter"), counted * A_MINUTE),
                                    abs=4 * A_MINUTE), query


NODE = SCRAPE | {"namespace": "monitoring", "pod": "inferometer-node-x2x4z"}
SIDECAR = SCRAPE | {"instance": "10.1.0.5:9839", "pod": "llama-0"}


def test_what_a_gpu_gained_is_of_the_model_that_it_serves(version: str, tmp_path: Path) -> None:
    """The pod is the model's although it is not recorded yet which one it serves."""
    seen = "1x59 _x60 1x120"
    inputs = (
        *(series(c.COST, HOUR_GONE, scrape=NODE, category="gpu", model="", uuid=f"GPU-{number}")
          for number in range(3)),
        *(series(c.GPU_POD_INFO, seen, scrape=NODE, gpu=str(number), uuid=f"GPU-{number}",
                 k8s_namespace_name="chat", k8s_pod_name=pod, k8s_container_name="engine",
                 shared=shared)
          for number, pod, shared in ((0, "llama-0", "false"), (1, "batch-0", "true"))),
        series(c.SERVER_UP, seen, scrape=SIDECAR, target="127.0.0.1:8000", engine="vllm",
               model="llama"),
        series(c.COST, HOUR_GONE, scrape=SIDECAR, category="api", model="llama"),
    )
    by_model, by_category, rest = figures(
        version, tmp_path, (RATES, *attribution.GROUPS, GAPS, CALENDAR), inputs,
        (cost.MODEL_TODAY, cost.MONTH_BY_CATEGORY, cost.UNATTRIBUTED_MONTH), "4h", "1m")
    some = 6 * A_MINUTE
    assert by_model == pytest.approx({("east", "llama"): 8 * AN_HOUR}, abs=some)
    assert by_category == pytest.approx(
        {("east", "gpu"): 12 * AN_HOUR, ("east", "api"): 4 * AN_HOUR}, abs=some)
    assert rest == pytest.approx({("east",): 8 * AN_HOUR}, abs=some)


def test_what_prometheus_was_away_for_is_counted_once(version: str, tmp_path: Path) -> None:
    """Nothing marks the end of what it recorded; it is there for an hour, and away for one or two.
    """
    rate = A_MINUTE / 60
    inputs = [recorded for cluster, away in (("restarted", 2), ("an hour", 60), ("two", 120))
              for recorded in (
                  _recorded(cost.RATE, cluster, f"{rate}x59 {gone(away)} {rate}x{179 - away}"),
                  _recorded(cost.GAINED, cluster, counter(gone(60 + away), *(
                      f"{gained} _x2" for gained in [away * A_MINUTE / 300] * 2 if away > 2))))]
    rules = (*STARTS.values(), cost.INCREASE_HOUR, cost.TODAY)
    today = cost.TODAY.name
    usd = ask(version, tmp_path, documents([Group("cost", rules)]), inputs, [today], "3h58m")[today]
    assert {labels["cluster"]: value for labels, value in usd} == pytest.approx(
        dict.fromkeys(("restarted", "an hour", "two"), 239 * A_MINUTE), abs=3 * A_MINUTE)


def _recorded(rule: Rule, cluster: str, values: str) -> Series:
    return {"series": f'{rule}{{cluster="{cluster}", category="api"}}', "values": values}

"""Our rules in a second rule engine: VictoriaMetrics and vmalert, beside Prometheus."""

from __future__ import annotations

import contextlib
import json
import math
import re
import statistics
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bench import boards
from bench.backfill import HOUR
from bench.fleet import BEGIN
from bench.server import Server
from deploy.build.command import GENERATED
from recording_rules import cost
from tests.bundle.test_recorded_rules import IN_TROUBLE, RULES
from tests.e2e.engines_of_rules import (
    MINUTE,
    STEPS,
    WARM_HOURS,
    History,
    Identity,
    Recorded,
    Victoria,
    in_prometheus,
    in_victoriametrics,
    victoriametrics,
)
from tests.e2e.histories import AWAY, SCRAPE_SECONDS, even, loaded, troubled
from tests.exporter.support import free_port, get, wait_for

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

HOURS = 46  # the ratio over three days asks for 42 of them, and a midnight is among them
HOURS_OF_TROUBLE = 6
HOURS_OF_LOAD = 3
MIDNIGHT = BEGIN + 24 * HOUR
BEGIN_OR_END = (AWAY, "west", "old", "new")  # the clusters whose series do
EXACT = 1e-9
# By how much a rule's values may differ, with the reason and what was measured.
BOUNDS = {
    # Of 5 min and 60 ms VictoriaMetrics gives what came between scrapes, which is 5 min; Prometheus
    # extends it by 60 ms: 2.0e-4.
    "model:llm_server_requests:increase5m": 2.1e-4,
}
MEDIAN = 0.01
ONE_SCRAPE = SCRAPE_SECONDS / 300  # of what comes in a rate's window, where it comes evenly
# The same of load that changes: in the median, and at most. Of some twenty scrapes in a window an
# engine has one that the other has not. It is more than a twentieth where little comes in.
BOUNDS_OF_LOAD = {
    # First tokens are slow for 72 s of every four minutes: 0.0145 and 0.057, 0.0052 and 0.094.
    "model:llm_server_time_to_first_token_seconds:beyond_limit_5m": (0.016, 0.06),
    "model:llm_server_time_to_first_token_seconds:p95_5m": (MEDIAN, 0.10),
    "model:llm_server_time_to_first_token_seconds:p95_judged": (MEDIAN, 0.10),
    "model:llm_server_request_duration_seconds:p50_5m": (MEDIAN, 0.065),  # 0.0030 and 0.059
    # Few requests are slow per token, or fail: 0.0079 and 0.102, 0.0068 and 0.077.
    "model:llm_server_time_per_output_token_seconds:beyond_limit_5m": (MEDIAN, 0.11),
    "model:llm_server_requests:rate5m": (MEDIAN, 0.085),
    "fleet:llm_server_requests:rate5m": (MEDIAN, 0.085),
    "model:llm_server_requests:increase5m": (MEDIAN, 0.06),  # 0.0086 and 0.053
    "model:llm_server_requests:rate1h": (MEDIAN, 0.055),  # 0.0033 and 0.051
}
# Where series begin or end, nowhere marked: how many values of a series differ, and how far. One
# USD a second is spent for an hour and, after a gap, for ten minutes. At a begin the rate of
# Prometheus is too small for four minutes and that of VictoriaMetrics is whole at once; at an end
# the one fades, the other is whole for as long as its window has samples. It all adds up in sums.
SUM = (49, 406.0)
AT_ENDS = {
    "fleet:llm_cost_usd:rate5m": (16, 1.0),
    "fleet:llm_cost_usd_all:rate5m": (21, 1.0),  # Prometheus looks back for five minutes more
    "fleet:llm_cost_usd_self_hosted:rate5m": (21, 1.0),
    "fleet:llm_cost_usd_unattributed:rate5m": (29, 1.0),  # and again
    "fleet:llm_cost_usd_all:known_seconds1h": (16, 300.0),
    "fleet:llm_cost_usd:increase1h": SUM,
    "fleet:llm_cost_usd:month": SUM,
    "fleet:llm_cost_usd_all:month": SUM,
    "fleet:llm_cost_usd_all:today": SUM,
    "fleet:llm_cost_usd_unattributed:month": SUM,
    "fleet:llm_cost_usd_all:month_covered_ratio": (16, 0.0002),
    # A month at the rate of the first minutes: 0.35 USD a second, or 1.
    "fleet:llm_cost_usd_all:month_projected": (49, 945_000.0),
    "fleet:llm_cost_usd_all_gained_seconds:rate5m": (2, 0.2),
    # A marked end is seen an evaluation earlier by Prometheus.
    "fleet:inferometer_build_info:first_seen": (1, math.inf),
    "fleet:inferometer_build_info:last_seen": (1, 180.0),
    "fleet:inferometer_build_info:renamed": (1, 180.0),
}
Engines = tuple[Server, Recorded, Victoria, Recorded]


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    yield from _engines(even(HOURS), tmp_path_factory.mktemp("days"))


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    yield from _engines(even(24), tmp_path_factory.mktemp("evening"))


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    yield from _engines(loaded(HOURS_OF_LOAD), tmp_path_factory.mktemp("load"))


@pytest.fixture(scope="module")
def trouble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    yield from _engines(troubled(HOURS_OF_TROUBLE), tmp_path_factory.mktemp("trouble"))


def _engines(history: History, folder: Path) -> Iterator[Engines]:
    with in_prometheus(history, folder) as one, in_victoriametrics(history, folder) as other:
        yield *one, *other


def differences(one: Recorded, other: Recorded) -> dict[str, list[float]]:
    """The relative ones of each rule's values, infinite where either has none."""
    gaps: dict[str, list[float]] = {}
    for identity in one.keys() | other.keys():
        values, others = one.get(identity, {}), other.get(identity, {})
        gaps.setdefault(identity[0], []).extend(
            _apart(values.get(second, math.inf), others.get(second, math.inf))
            for second in values.keys() | others.keys())
    return gaps


def _apart(value: float, other: float) -> float:
    if value == other:
        return 0.0
    return math.inf if math.inf in (value, other) else abs(value - other) / max(
        abs(value), abs(other))


def _beyond(one: Recorded, other: Recorded) -> dict[str, float]:
    largest = {name: max(gaps) for name, gaps in differences(one, other).items()}
    return {name: gap for name, gap in largest.items() if gap > BOUNDS.get(name, EXACT)}


def _of_lasting(recorded: Recorded) -> Recorded:
    return {identity: values for identity, values in recorded.items()
            if _cluster(identity) not in BEGIN_OR_END}


def _cluster(identity: Identity) -> str:
    return dict(identity[1]).get("cluster", "")


def _of_rates() -> set[str]:
    """Rules with a rate, an increase or a difference, or that read one of these rules."""
    names: set[str] = set()
    for step in STEPS:
        if re.search(r"\b(i?rate|increase|i?delta)\(", step.rule.expr) or names & {
                *re.findall(r"\w+:[\w:]+", step.rule.expr)}:
            names.add(step.rule.name)
    return names


def test_of_straight_lines_both_engines_record_the_same(days: Engines) -> None:
    _, one, _, other = days
    assert one.keys() == other.keys()
    one, other = map(_of_lasting, (one, other))
    assert _beyond(one, other) == {}
    assert {rule.name for rule in RULES} - {name for name, _ in one} == {
        *map(str, (*IN_TROUBLE, cost.GAINED_BEFORE_DAY))}


def test_a_gap_over_midnight_is_counted_once_where_no_series_has_a_marked_end(
        days: Engines) -> None:
    """Rates have some minutes too many where they begin and end, and the gap has sixty: a day has
    313 seconds too many in Prometheus, 302 in VictoriaMetrics, and the month 271 and 420.
    """
    _, one, _, other = days
    end = MIDNIGHT + 118 * MINUTE
    began = BEGIN + WARM_HOURS * HOUR
    for recorded, most in (one, 6 * MINUTE), (other, 8 * MINUTE):
        usd = {rule: recorded[str(rule), frozenset({("cluster", AWAY)})][end]
               for rule in (cost.TODAY, cost.MONTH)}
        assert 0 < usd[cost.TODAY] - (end - MIDNIGHT) < 6 * MINUTE
        assert 0 < usd[cost.MONTH] - (end - began) < most


def test_of_load_scraped_with_jitter_both_engines_record_nearly_the_same(load: Engines) -> None:
    _, one, _, other = load
    assert one.keys() == other.keys()
    rates = _of_rates()
    beyond = {}
    for name, gaps in differences(one, other).items():
        bounds = BOUNDS_OF_LOAD.get(name, (MEDIAN, ONE_SCRAPE)) if name in rates else (EXACT, EXACT)
        seen = statistics.median(gaps), max(gaps)
        if seen[0] > bounds[0] or seen[1] > bounds[1]:
            beyond[name] = seen
    assert beyond == {}


def test_of_troubles_both_engines_record_the_same_rules(trouble: Engines) -> None:
    _, one, _, other = trouble
    assert one.keys() == other.keys()
    assert {*map(str, IN_TROUBLE)} <= {name for name, _ in one}
    assert _beyond(*map(_of_lasting, (one, other))) == {}


def test_where_series_begin_or_end_values_differ_for_minutes(trouble: Engines) -> None:
    _, one, _, other = trouble
    beyond = {}
    for identity in (identity for identity in one if _cluster(identity) in BEGIN_OR_END):
        values, others = one[identity], other[identity]
        gaps = [abs(values.get(second, math.inf) - others.get(second, math.inf))
                for second in values.keys() | others.keys()
                if _apart(values.get(second, math.inf), others.get(second, math.inf)) > EXACT]
        count, most = AT_ENDS.get(identity[0], (0, 0.0))
        if len(gaps) > count or max((gap for gap in gaps if gap < math.inf), default=0) > most:
            beyond[identity] = gaps
    assert beyond == {}


def test_queries_of_boards_show_the_same_series_in_both_engines(load: Engines) -> None:
    one, _, other, _ = load
    end = BEGIN + HOURS_OF_LOAD * HOUR - MINUTE
    queries = {(query.expr, query.step) for query in boards.ours(HOURS_OF_LOAD)}
    shown = 0
    for expr, step in sorted(queries):
        for begin in (None, end - HOUR):
            answer = one.instant(expr, end) if begin is None else one.over(expr, begin, end, step)
            assert not answer.error, expr
            series = _series(answer.result)
            assert _series(other.query(expr, end, begin, step)) == series, expr
            shown += bool(series)
    assert shown > 1.5 * len(queries)


def _series(result: Iterable[Mapping[str, Any]]) -> set[frozenset[tuple[str, str]]]:
    return {frozenset(one["metric"].items()) for one in result}


@pytest.mark.parametrize("second", [-90, -30, -1, 0, 1, 30, 90, 600, 3600])
def test_money_is_the_same_when_it_is_asked_around_midnight(
        second: int, days: Engines, evening: Engines) -> None:
    """As in a server that runs: nothing is recorded after the moment's hour."""
    one, _, other, _ = days if second >= 0 else evening
    for rule in (cost.TODAY, cost.MODEL_TODAY, cost.MONTH_BY_CATEGORY, cost.MODEL_MONTH,
                 cost.MONTH_COVERED):
        values, others = ({
            frozenset(series["metric"].items()): float(series["value"][1]) for series in result
            if series["metric"]["cluster"] not in BEGIN_OR_END} for result in (
                one.instant(rule.expr, MIDNIGHT + second).result,
                other.query(rule.expr, MIDNIGHT + second)))
        assert values
        assert others == pytest.approx(values, rel=EXACT), rule


def test_vmalert_takes_both_files_and_evaluates_every_rule(tmp_path: Path) -> None:
    port, files = free_port(), GENERATED / "prometheus"
    with victoriametrics(tmp_path) as server, (tmp_path / "vmalert.log").open("w") as log:
        process = subprocess.Popen(server.command(
            f"-rule={files}/*.rules.yml", "-notifier.blackhole", "-group.maxStartDelay=1ms",
            f"-httpListenAddr=127.0.0.1:{port}"), stdout=log, stderr=log)

        def evaluated() -> list[dict[str, Any]] | None:
            with contextlib.suppress(OSError):
                groups = json.loads(get(port, "/api/v1/rules").body)["data"]["groups"]
                rules = [rule for group in groups for rule in group["rules"]]
                if all(rule["lastEvaluation"] > "0001-01-02" for rule in rules):
                    return rules
            return None
        try:
            rules = wait_for(evaluated, 120, every=0.5)
        finally:
            process.kill()
            process.wait()
    assert {rule.name for rule in RULES} < {rule["name"] for rule in rules}
    assert {"alerting", "recording"} == {rule["type"] for rule in rules}
    assert [rule for rule in rules if rule["health"] != "ok"] == []

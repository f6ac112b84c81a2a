"""The numbers that are scaled on: one each, and as many replicas as the load needs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.build.scaling import (
    AT_A_FRONT,
    IN_FLIGHT,
    KV_FULL,
    MISSED,
    POOLS,
    QUEUED,
    SIGNALS,
    Signal,
    fronts,
    workers,
)
from inferometer import catalogue as c
from recording_rules import GROUPS
from recording_rules.beyond import LIMITED
from tests.bundle import promtool
from tests.bundle.alert_cases import resting_on
from tests.bundle.alert_inputs import OTHER, emit, histogram, override, requests
from tests.bundle.needs import SIGNALS as SIGNAL_OF
from tests.bundle.needs import Needs
from tests.bundle.promtool import SCRAPE, VERSIONS, Series

SCOPE = 'namespace="chat", model="tiny"'
CHOSEN = workers(SCOPE)
MINUTES = 40
BOTH_VERSIONS = pytest.mark.parametrize("version", VERSIONS)


def replicas(numbers: Mapping[Signal, float | None]) -> int:
    """Replicas that an autoscaler asks for: the most that any number asks for."""
    return max(math.ceil(number / signal.target) for signal, number in numbers.items()
               if number is not None)


def replica(scrape: Mapping[str, str], running: str, waiting: str, kv: str) -> list[Series]:
    return [emit(c.SERVER_UP, f"1x{MINUTES}", scrape=scrape),
            emit(c.SERVER_RUNNING, running, scrape=scrape),
            emit(c.SERVER_WAITING, waiting, scrape=scrape),
            emit(c.SERVER_KV_USAGE, kv, scrape=scrape)]


def numbers(version: str, folder: Path, inputs: list[Series], time: str = "10m",
            signals: tuple[Signal, ...] = SIGNALS, chosen: str = CHOSEN
            ) -> dict[Signal, float | None]:
    asked = {signal: signal.expr(chosen) for signal in signals}
    rules = resting_on(" ".join(asked.values()))
    answers = promtool.ask(version, folder, promtool.documents(rules), inputs, asked.values(), time)
    for signal, query in asked.items():
        assert len(answers[query]) <= 1, signal.name
    return {signal: answers[query][0][1] if answers[query] else None
            for signal, query in asked.items()}


@BOTH_VERSIONS
def test_a_queue_that_rises_passes_the_target_and_an_idle_model_does_not(
        version: str, tmp_path: Path) -> None:
    rise = [*replica(SCRAPE, "0x10 4x30", "0x10 3+3x30", "0x10 0.5x30"),
            *replica(OTHER, "0x10 4x30", "0x40", "0x10 0.5x30")]
    idle = numbers(version, tmp_path, rise, "8m")
    assert idle == {IN_FLIGHT: 0, QUEUED: 0, KV_FULL: 0, MISSED: 0}
    assert all(number <= signal.idle for signal, number in idle.items() if number is not None)
    soon = numbers(version, tmp_path, rise, "14m")
    assert soon[QUEUED] == pytest.approx(12)
    assert replicas(soon) == 3
    late = numbers(version, tmp_path, rise, "30m")
    assert replicas(late) > replicas(soon)


@BOTH_VERSIONS
def test_what_a_full_cache_asks_for_does_not_grow_while_replicas_load(
        version: str, tmp_path: Path) -> None:
    full = [*replica(SCRAPE, "2x40", "0x40", "0.95x40"), *replica(OTHER, "2x40", "0x40", "0.95x40")]
    assert (two := numbers(version, tmp_path, full))[KV_FULL] == pytest.approx(200)
    loading = emit(c.SERVER_UP, "0x40", scrape={**SCRAPE, "instance": "third", "pod": "third"})
    assert replicas(two) == replicas(numbers(version, tmp_path, [*full, loading])) == 3
    lax = override(c.LIMIT_RATIO, "kv_cache_usage", "1x40")
    assert numbers(version, tmp_path, [*full, lax])[KV_FULL] == pytest.approx(190)


def slow(limit: str) -> list[Series]:
    """Requests all of which take longer than all limits, where goodput has a limit."""
    counted = f"0+60x{MINUTES}"
    histograms = [one for metric in LIMITED
                  for one in histogram(metric, {"5.0": "0x40", "+Inf": counted})]
    return [*replica(SCRAPE, "1x40", "0x40", "0.1x40"), *replica(OTHER, "0x40", "0x40", "0x40"),
            *histograms, requests("success", counted), requests("error", "0x40"),
            override(c.LIMIT_RATIO, "goodput", limit)]


@BOTH_VERSIONS
def test_no_replica_is_taken_away_while_goodput_is_low(version: str, tmp_path: Path) -> None:
    low = numbers(version, tmp_path, slow("0.9x40"), "30m")
    assert (low[MISSED], replicas(low)) == (2, 2)
    fine = numbers(version, tmp_path, slow("0x40"), "30m")
    assert (fine[MISSED], replicas(fine)) == (0, 1)


@BOTH_VERSIONS
def test_what_is_gone_gives_no_number(version: str, tmp_path: Path) -> None:
    down = [emit(c.SERVER_UP, "1x10 0x30"), emit(c.SERVER_WAITING, "9x10 stale"),
            emit(c.SERVER_RUNNING, "9x10 stale"), emit(c.SERVER_KV_USAGE, "0.9x10 stale")]
    gone = numbers(version, tmp_path, down, "20m")
    assert gone == {IN_FLIGHT: None, QUEUED: None, KV_FULL: None, MISSED: 0}
    unread = [emit(c.SERVER_UP, "1x10 stale")]
    assert {*numbers(version, tmp_path, unread, "30m").values()} == {None}


@BOTH_VERSIONS
def test_other_models_fronts_and_clusters_are_no_part_of_it(version: str, tmp_path: Path) -> None:
    beside = [
        emit(c.SERVER_WAITING, "50x40", model="other"),
        emit(c.SERVER_WAITING, "50x40", scrape={**OTHER, "namespace": "elsewhere"}),
        emit(c.SERVER_WAITING, "50x40", scrape=OTHER, engine="litellm", target="front")]
    ranks = [emit(c.SERVER_WAITING, "3x40", scrape=OTHER, target="two", engine="sglang", rank=rank)
             for rank in "01"]
    own = replica(SCRAPE, "1x40", "2x40", "0.5x40")
    assert numbers(version, tmp_path, [*own, *beside, *ranks], signals=(QUEUED,))[QUEUED] == 8
    west = replica({**OTHER, "cluster": "west"}, "1x40", "2x40", "0.5x40")
    with pytest.raises(AssertionError, match=QUEUED.name):  # two numbers: KEDA takes neither
        numbers(version, tmp_path, [*own, *west], signals=(QUEUED,))


@BOTH_VERSIONS
def test_pods_of_one_model_that_work_differently_are_counted_apart(
        version: str, tmp_path: Path) -> None:
    prefill, decode = ({**SCRAPE, "pod": f"chat-{pool}-5d9f-abcde", "instance": pool}
                       for pool in POOLS)
    inputs = [*replica(prefill, "3x40", "12x40", "0.1x40"),
              *replica(decode, "7x40", "0x40", "0.95x40"),
              emit(c.SERVER_KV_USAGE, "0.95x40", scrape=decode, rank="1")]
    values = {pool: [*numbers(
        version, tmp_path, inputs, signals=signals,
        chosen=workers(f'namespace="chat", pod=~"chat-{pool}-.+"')).values()]
        for pool, signals in POOLS.items()}
    assert values == {"prefill": [15, 12], "decode": [7, pytest.approx(100)]}


@BOTH_VERSIONS
def test_a_front_tells_of_requests_while_there_is_no_replica(version: str, tmp_path: Path) -> None:
    refused = [requests("error", "0x10 5+60x30", engine="litellm", target="front"),
               requests("success", "0x40", engine="litellm", target="front")]
    chosen = fronts(SCOPE)

    def at_front(inputs: list[Series], time: str) -> float | None:
        return numbers(version, tmp_path, inputs, time, (AT_A_FRONT,), chosen)[AT_A_FRONT]

    assert at_front(refused, "9m") == 0
    assert at_front(refused, "30m") == pytest.approx(1)
    queued = [*refused, emit(c.SERVER_WAITING, "3x40", engine="litellm", target="front")]
    assert at_front(queued, "9m") == 3
    assert at_front([], "9m") is None


def test_a_signal_names_what_an_engine_must_tell_for_it() -> None:
    needs = Needs(rule for group in GROUPS for rule in group.rules)
    for signal in (IN_FLIGHT, QUEUED, KV_FULL):
        names = needs.scraped(signal.expr(CHOSEN))
        assert {*signal.told_by} == {SIGNAL_OF[name] for name in names & SIGNAL_OF.keys()}

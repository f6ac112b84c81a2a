"""The label guard against engines that name a new model whenever they can."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer import catalogue as c
from inferometer.catalogue import OTHER, Label, Metric
from inferometer.exposition import TEXT, render
from inferometer.families import Family
from inferometer.guard import LONGEST_VALUE, SEAT_KEPT_SECONDS, Guard
from inferometer.rendered.block import Block, Ticket
from inferometer.values import Histogram, Key, Value, sum_of

COUNTER, GAUGE, HISTOGRAM = c.SERVER_OUTPUT, c.SERVER_RUNNING, c.SERVER_TTFT
BOUNDS = (0.1, 1.0, 10.0)
FOLDING = [metric for metric in (*c.GPU_METRICS, *c.ENGINE_METRICS, *c.COST_METRICS)
           if any(label.folds for label in metric.labels)]
# One target's own share of the seats, beside its first.
SHARED = COUNTER.seats - c.TARGETS


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def of(model: str, target: str = "t", engine: str = "vllm") -> Key:
    return target, engine, model, ""


def admit(guard: Guard, metric: Metric, points: Mapping[Key, Value]) -> dict[Key, Value]:
    (family,) = guard.admit([Family(metric, dict(points))])
    assert family.metric is metric
    return family.points


def models(metric: Metric, values: Iterable[Value]) -> dict[Key, Value]:
    return {of(f"m{n}"): value for n, value in enumerate(values)}


def histogram(count: int) -> Histogram:
    return Histogram(BOUNDS, (float(count // 4), float(count // 2), float(count), float(count)),
                     count / 2)


def total(values: Iterable[Value]) -> Value:
    first, *others = values
    for other in others:
        first = sum_of(first, other)
    return first


def folded(guard: Guard, metric: Metric) -> dict[str, Value]:
    return {label: count for (name, label), count in dict(guard.folded().items()).items()
            if name == metric.name}


def series(metric: Metric, points: Mapping[Key, Value]) -> int:
    page = render([Family(metric, dict(points))], TEXT)
    return sum(not line.startswith(b"#") for line in page.splitlines())


def test_what_is_within_the_caps_passes_unchanged() -> None:
    guard = Guard()
    for metric, value in ((COUNTER, 5.0), (GAUGE, 0.5), (HISTOGRAM, histogram(8))):
        points = models(metric, [value] * SHARED)
        assert admit(guard, metric, points) == points
        assert set(folded(guard, metric).values()) == {0.0}


def test_ten_thousand_models_at_once_become_seats_and_one_other_with_exact_totals() -> None:
    guard = Guard()
    for round_ in range(1, 4):
        points = models(COUNTER, [float(n * round_) for n in range(10_000)])
        admitted = admit(guard, COUNTER, points)
        assert len(admitted) == SHARED + 2
        assert total(admitted.values()) == total(points.values())
        assert admitted[of(OTHER)] == total(
            value for key, value in points.items() if key not in admitted)


def test_ten_thousand_histograms_at_once_keep_their_totals() -> None:
    guard = Guard()
    for round_ in range(1, 4):
        points = models(HISTOGRAM, [histogram(4 * n * round_) for n in range(10_000)])
        admitted = admit(guard, HISTOGRAM, points)
        assert len(admitted) == SHARED + 2
        assert total(admitted.values()) == total(points.values())


def test_ten_thousand_gauges_at_once_become_seats_and_nothing_else() -> None:
    guard = Guard()
    points = models(GAUGE, [1.0] * 10_000)
    admitted = admit(guard, GAUGE, points)
    assert len(admitted) == SHARED + 1
    assert admitted.items() <= points.items()
    assert folded(guard, GAUGE) == {"model": 10_000.0 - len(admitted), "rank": 0.0}


def test_a_hundred_thousand_models_one_after_another_add_up_in_seconds() -> None:
    clock = Clock()
    guard = Guard(clock)
    began = time.process_time()
    last: Value = 0.0
    seen: set[Key] = set()
    for n in range(100_000):
        clock.now += 0.01
        admitted = admit(guard, COUNTER, {of(f"m{n}"): 2.0})
        seen |= admitted.keys()
        if of(OTHER) in admitted:
            assert total(admitted.values()) == total([last, 2.0])
            last = admitted[of(OTHER)]
    assert last == 2.0 * (100_000 - SHARED - 1)
    assert len(seen) == SHARED + 2
    assert time.process_time() - began < 10


def test_every_tuple_over_the_cap_is_counted_under_each_label_it_costs() -> None:
    guard = Guard()
    points: dict[Key, Value] = {("t", "vllm", f"m{n}", "0"): 1.0 for n in range(SHARED + 11)}
    admit(guard, COUNTER, points)
    assert folded(guard, COUNTER) == {"model": 10.0, "rank": 10.0}
    admit(guard, COUNTER, points)
    assert folded(guard, COUNTER) == {"model": 20.0, "rank": 20.0}


def test_every_label_that_can_fold_is_counted_from_zero_on() -> None:
    counted = Guard().folded()
    assert counted.metric is c.LABELS_FOLDED
    counts = dict(counted.items())
    assert set(counts) == {(metric.name, label.name) for metric in FOLDING
                           for label in metric.labels
                           if label.folds}
    assert set(counts.values()) == {0.0}


@pytest.mark.parametrize("metric", [COUNTER, HISTOGRAM, GAUGE], ids=lambda m: m.kind)
def test_a_label_value_of_a_megabyte_is_folded_like_one_over_the_cap(metric: Metric) -> None:
    guard = Guard()
    value = histogram(8) if metric is HISTOGRAM else 8.0
    points = {of("short"): value, of("x" * 2**20): value, of("y" * (LONGEST_VALUE + 1)): value,
              of("z" * LONGEST_VALUE): value}
    for _ in range(2):
        admitted = admit(guard, metric, points)
        if metric is GAUGE:
            assert set(admitted) == {of("short"), of("z" * LONGEST_VALUE)}
        else:
            assert set(admitted) == {of("short"), of("z" * LONGEST_VALUE), of(OTHER)}
            assert total(admitted.values()) == total(points.values())
    assert folded(guard, metric)["model"] == 4.0


def test_long_label_values_are_not_remembered() -> None:
    guard = Guard()
    for n in range(20):
        admit(guard, COUNTER, {of(str(n) + "x" * 2**20): 1.0})
    sources = guard._seats[COUNTER]._sums._growth._last._kept
    assert len(sources) == 20
    assert max(len(str(source)) for source in sources) < 2 * LONGEST_VALUE


def test_a_model_called_like_the_fold_is_part_of_the_fold() -> None:
    guard = Guard()
    points: dict[Key, Value] = {of(OTHER): 100.0, **models(COUNTER, [1.0] * 1000)}
    for more in range(3):
        grown = {key: total([value, float(more)]) for key, value in points.items()}
        admitted = admit(guard, COUNTER, grown)
        assert total(admitted.values()) == total(grown.values())


def test_an_unknown_value_of_a_closed_label_becomes_other_where_it_has_one() -> None:
    guard = Guard()
    admitted = admit(guard, c.SERVER_REQUESTS, {
        ("t", "vllm", "m", "", "success", "stop"): 3.0,
        ("t", "vllm", "m", "", "success", "boredom"): 4.0,
        ("t", "vllm", "m", "", "success", "whim"): 5.0,
        ("t", "vllm", "m", "", "triumph", "stop"): 6.0,
    })
    assert admitted == {("t", "vllm", "m", "", "success", "stop"): 3.0,
                        ("t", "vllm", "m", "", "success", OTHER): 9.0}
    counted = dict(guard.folded().items())
    assert counted[c.SERVER_REQUESTS.name, "reason"] == 2.0
    assert counted[c.SERVER_REQUESTS.name, "outcome"] == 1.0


def test_a_reason_of_another_outcome_becomes_other() -> None:
    guard = Guard()
    admitted = admit(guard, c.SERVER_REQUESTS, {
        ("t", "vllm", "m", "", "success", "stop"): 3.0,
        ("t", "vllm", "m", "", "error", "stop"): 4.0,
        ("t", "vllm", "m", "", "error", "length"): 5.0,
    })
    assert admitted == {("t", "vllm", "m", "", "success", "stop"): 3.0,
                        ("t", "vllm", "m", "", "error", OTHER): 9.0}
    assert dict(guard.folded().items())[c.SERVER_REQUESTS.name, "reason"] == 2.0


def test_every_outcome_has_an_other_for_reasons_that_are_not_its_own() -> None:
    assert {outcome for outcome, reason in c.ENDINGS if reason == OTHER} == {*c.OUTCOMES}


def test_gpus_over_the_cap_are_left_out_rather_than_folded() -> None:
    guard = Guard()
    points: dict[Key, Value] = {(str(n), f"GPU-{n}"): 1.0 for n in range(100)}
    admitted = admit(guard, c.GPU_BUSY, points)
    assert len(admitted) == c.GPUS
    assert admitted.items() <= points.items()
    assert folded(guard, c.GPU_BUSY) == {"gpu": 36.0, "uuid": 36.0}


def flood(metric: Metric, shift: int) -> dict[Key, Value]:
    """Points of as many targets as there may be with three models each, and of one with 500."""
    value = Histogram(tuple(map(float, range(60))), (1.0,) * 61, 1.0)

    def key(ours: int, foreign: int) -> Key:
        return tuple(
            label.values[0] if label.values
            else f"{label.name}{foreign + shift}" if label.folds
            else f"{label.name}{ours % label.budget}" for label in metric.labels)

    keys = [key(0, n) for n in range(500)]
    keys += [key(ours, n) for ours in range(c.TARGETS) for n in range(3)]
    return dict.fromkeys(keys, value if metric.kind == "histogram" else 1.0)


@pytest.mark.parametrize("metric", FOLDING, ids=lambda m: m.name)
def test_no_family_grows_beyond_what_the_catalogue_says(metric: Metric) -> None:
    guard = Guard()
    first = min(label.budget for label in metric.labels if label.folds)
    for shift in (0, 1, 50, 1000):
        admitted = admit(guard, metric, flood(metric, shift))
        assert series(metric, admitted) * metric.closed_series <= metric.max_series
        if shift < first:  # the first ones still sit
            assert admitted


def test_a_hostile_target_cannot_take_the_seat_of_anothers_first_model() -> None:
    guard = Guard()
    hostile: dict[Key, Value] = {of(f"m{n}", "hostile"): 1.0 for n in range(1000)}
    others = [f"target{n}" for n in range(c.TARGETS - 1)]
    for metric in (COUNTER, GAUGE):
        admit(guard, metric, hostile)
        admitted = admit(guard, metric, {**hostile, **{of("first", name): 7.0 for name in others},
                                         **{of("second", name): 8.0 for name in others}})
        for name in others:
            assert admitted[of("first", name)] == 7.0
            assert of("second", name) not in admitted
            assert admitted.get(of(OTHER, name)) == (8.0 if metric is COUNTER else None)
        assert len(admitted) <= metric.max_series


def on(gpu: int, pod: int, shared: str = "true") -> Key:
    return str(gpu), f"GPU-{gpu}", "", "llm", f"pod{pod}", "main", shared


def test_two_thousand_pods_on_one_gpu_leave_the_other_gpus_theirs() -> None:
    guard = Guard()
    crowd: dict[Key, Value] = {on(0, n): 1.0 for n in range(2000)}
    first = admit(guard, c.GPU_POD_INFO, crowd)
    assert len(first) == c.PODS
    assert set(folded(guard, c.GPU_POD_INFO).values()) == {2000.0 - c.PODS}
    others: dict[Key, Value] = {on(gpu, 10_000 + gpu, "false"): 1.0 for gpu in range(1, c.GPUS)}
    admitted = admit(guard, c.GPU_POD_INFO, {**crowd, **others})
    assert others.items() <= admitted.items()
    assert len(admitted) <= c.GPU_POD_INFO.seats


def test_there_is_room_for_ten_pods_on_each_of_all_gpus() -> None:
    pods: dict[Key, Value] = {on(gpu, 10 * gpu + n): 1.0
                              for gpu in range(c.GPUS) for n in range(10)}
    guard = Guard()
    assert admit(guard, c.GPU_POD_INFO, pods) == pods
    assert set(folded(guard, c.GPU_POD_INFO).values()) == {0.0}


def test_more_gpus_than_there_may_be_bring_no_more_pods() -> None:
    many: dict[Key, Value] = {on(gpu, gpu): 1.0 for gpu in range(5000)}
    assert len(admit(Guard(), c.GPU_POD_INFO, many)) <= c.GPU_POD_INFO.seats


def test_a_target_that_was_down_at_first_has_a_seat_once_its_model_is_known() -> None:
    clock = Clock()
    guard = Guard(clock)
    down, up = ("late", "unknown", ""), ("late", "vllm", "tiny")
    for n in range(c.SERVER_UP.seats):
        admit(guard, c.SERVER_UP, {("hostile", "vllm", f"m{n}"): 1.0, down: 0.0})
    for _ in range(3):
        assert admit(guard, c.SERVER_UP, {up: 1.0})[up] == 1.0
        assert admit(guard, c.SERVER_UP, {("late", "vllm", "other"): 1.0}) == {}


def test_a_seat_unused_for_an_hour_is_free_again() -> None:
    clock = Clock()
    guard = Guard(clock)
    old = models(COUNTER, [1.0] * (SHARED + 1))
    kept, *_ = old
    admit(guard, COUNTER, old)
    for _ in range(3):
        clock.now += SEAT_KEPT_SECONDS / 3
        admitted = admit(guard, COUNTER, {kept: 2.0, of("new"): 5.0})
        assert set(admitted) == {kept, of(OTHER)}
    clock.now += SEAT_KEPT_SECONDS / 9
    assert admit(guard, COUNTER, {kept: 2.0, of("new"): 5.0}) == {kept: 2.0, of("new"): 5.0}


def test_a_seat_in_use_is_never_freed() -> None:
    clock = Clock()
    guard = Guard(clock)
    old = models(COUNTER, [1.0] * (SHARED + 1))
    for _ in range(50):
        clock.now += SEAT_KEPT_SECONDS / 4
        assert of("new") not in admit(guard, COUNTER, {**old, of("new"): 1.0})
        assert set(old) <= set(admit(guard, COUNTER, old))


def gpu_block(gpus: int, value: float, before: Block | None = None) -> Block:
    points: dict[Key, float] = {(str(n), f"GPU-{n}"): value for n in range(gpus)}
    return Block(points, "", before.ticket if before else Ticket())


def test_a_block_is_passed_on_as_it_is_and_its_seats_stay_its_own() -> None:
    clock = Clock()
    guard = Guard(clock)
    block = gpu_block(c.GPUS, 1.0)
    for _ in range(20):
        clock.now += SEAT_KEPT_SECONDS / 4
        block = gpu_block(c.GPUS, clock.now, block)
        (family,) = guard.admit([Family(c.GPU_POWER, {("x", "late"): 1.0}, [block])])
        assert (family.points, family.blocks) == ({}, [block])


def test_a_block_over_the_cap_is_cut_down_to_what_has_a_seat() -> None:
    guard = Guard()
    for _ in range(2):
        (family,) = guard.admit([Family(c.GPU_POWER, blocks=[gpu_block(c.GPUS + 3, 1.0)])])
        assert family.blocks == []
        assert len(family.points) == c.GPUS
    assert folded(guard, c.GPU_POWER) == {"gpu": 6.0, "uuid": 6.0}


def test_a_block_no_longer_shown_gives_its_seats_back() -> None:
    clock = Clock()
    guard = Guard(clock)
    guard.admit([Family(c.GPU_POWER, blocks=[gpu_block(c.GPUS, 1.0)])])
    clock.now += SEAT_KEPT_SECONDS + 1
    other: dict[Key, Value] = {("0", "new"): 1.0}
    assert admit(guard, c.GPU_POWER, other) == other


SMALL = Metric("llm_server_small_total", "counter", "A family of few seats.",
               (Label("target", "", budget=2), c.ENGINE, c.MODEL, c.REASON), seats=4)
KEYS = st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["vllm", "tgi", "strange"]),
                 st.sampled_from(["", "m", "n", "o", "p", "q", OTHER, "x" * 201]),
                 st.sampled_from(["stop", "length", "strange"]))


@settings(deadline=None, database=None, max_examples=150)
@given(st.lists(st.dictionaries(KEYS, st.integers(0, 9), max_size=12), max_size=15))
def test_totals_are_exact_and_every_series_only_rises_while_sources_do(
        rounds: list[dict[Key, int]]) -> None:
    guard = Guard(Clock())
    grown: dict[Key, int] = {}
    last: dict[Key, Value] = {}
    for growth in rounds:
        for key, more in growth.items():
            grown[key] = grown.get(key, 0) + more
        points: dict[Key, Value] = {key: float(value) for key, value in grown.items()}
        admitted = admit(guard, SMALL, points)
        assert total([0.0, *admitted.values()]) == sum(
            value for (_, engine, *_), value in grown.items() if engine != "strange")
        assert all(admitted[key] >= value for key, value in last.items())  # type: ignore[operator]
        assert len({(target, model) for target, _, model, _ in admitted}) <= SMALL.seats + 2
        last = admitted


@settings(deadline=None, database=None, max_examples=150)
@given(st.lists(st.tuples(st.dictionaries(KEYS, st.integers(0, 9), max_size=8),
                          st.sampled_from([1.0, 400.0, 4000.0])), max_size=15))
def test_what_was_folded_never_falls_whatever_its_sources_do(
        rounds: list[tuple[dict[Key, int], float]]) -> None:
    clock = Clock()
    guard = Guard(clock)
    last: dict[Key, float] = {}
    for points, seconds in rounds:
        clock.now += seconds
        admitted = admit(guard, SMALL, {key: float(value) for key, value in points.items()})
        for key, value in admitted.items():
            if key[2] == OTHER:
                assert isinstance(value, float)
                assert value >= last.get(key, 0.0)
                last[key] = value


def test_a_gauge_that_is_replaced_whole_keeps_no_seats() -> None:
    clock, guard = Clock(), Guard(Clock())
    for begin in (0, 50, 500):
        points: dict[Key, Value] = {(f"u{begin + n}",): 1.0 for n in range(c.USER_SEATS)}
        assert admit(guard, c.USER_COST, points) == points
    assert set(folded(guard, c.USER_COST).values()) == {0.0}
    others = replace(c.USER_COST, replaced=False)
    guard = Guard(clock)
    for begin in (0, 50):
        points = {(f"u{begin + n}",): 1.0 for n in range(c.USER_SEATS)}
        admitted = admit(guard, others, points)
    assert len(admitted) == 50  # where a seat is kept for an hour


def test_ranks_stay_within_their_labels_budget() -> None:
    admitted = admit(Guard(), COUNTER, {("t", "vllm", "m", str(rank)): 1.0 for rank in range(500)})
    ranks = {key[3] for key in admitted} - {""}
    assert len(ranks) == 64
    assert total(admitted.values()) == 500.0

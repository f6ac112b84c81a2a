from __future__ import annotations

import gc
import math
import random
import sys
import time
from collections.abc import Iterable, Sequence
from queue import Empty, SimpleQueue
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.collector import Deadline
from inferometer.families import Family
from inferometer.home.history import (
    MEMORY,
    MEMORY_TOTAL,
    OUTPUT_RATE,
    POINTS,
    RUNNING,
    TTFT_P95,
    UTILIZATION,
    WAITING,
    History,
    PlotPoint,
    Recorder,
    TimedReading,
    by_owner,
    quantile,
)
from inferometer.values import Histogram, Key, Value
from tests.exporter.support import wait_for

BOUNDS = (0.1, 0.5, 1.0)
STEP = 30.0
ENGINE, GPU = ("engine", "chat"), ("gpu", "GPU-0")


def histogram(*counts: float, bounds: tuple[float, ...] = BOUNDS) -> Histogram:
    """Cumulative counts, the last of all values."""
    return Histogram(bounds, counts, None)


def engine(target: str = "chat", model: str = "tiny", rank: str = "",
           **values: Value) -> list[Family]:
    """Families of one engine: ttft, output, waiting and running as they are given."""
    metrics = {"ttft": c.SERVER_TTFT, "output": c.SERVER_OUTPUT, "waiting": c.SERVER_WAITING,
               "running": c.SERVER_RUNNING}
    return [Family(metrics[name], {(target, "vllm", model, rank): value})
            for name, value in values.items()]


def gpu(uuid: str = "GPU-0", index: str = "0", **values: float) -> list[Family]:
    metrics = {"utilization": c.GPU_UTILIZATION, "used": c.GPU_MEMORY_USED,
               "total": c.GPU_MEMORY_TOTAL}
    return [Family(metrics[name], {(index, uuid, *([""] if c.MIG in metrics[name].labels else [])):
                                   value}) for name, value in values.items()]


def merged(*families: Family) -> list[Family]:
    """One family a metric, as a scrape has them."""
    by_metric: dict[Metric, dict[Key, Value]] = {}
    for family in families:
        by_metric.setdefault(family.metric, {}).update(family.items())
    return [Family(metric, points) for metric, points in by_metric.items()]


def recorded(*readings: Iterable[Family], step: float = STEP) -> History:
    history = History(step)
    for number, families in enumerate(readings):
        history.record(list(families), 1000 + step * number)
    return history


def last(history: History, plot: str, many: int,
         owner: tuple[str, str] = ENGINE) -> list[float | None]:
    points = history.points(owner, plot)[-many:]
    return [None if point is None else point.value for point in points]


def test_gauges_are_kept_in_the_order_they_came_with_the_newest_last() -> None:
    history = recorded(*(engine(waiting=float(n), running=2.0 * n) for n in range(4)))
    assert last(history, WAITING, 5) == [None, 0.0, 1.0, 2.0, 3.0]
    assert last(history, RUNNING, 2) == [4.0, 6.0]


def test_an_hour_at_the_usual_step_is_kept_and_no_more() -> None:
    history = recorded(*(engine(waiting=float(n)) for n in range(300)))
    assert POINTS * History().step == 3600
    assert last(history, WAITING, POINTS) == [float(n) for n in range(180, 300)]
    assert history.recordings == POINTS


def test_a_gpu_has_utilization_and_memory_with_its_scale() -> None:
    history = recorded(gpu(utilization=0.5, used=8e9, total=80e9))
    assert last(history, UTILIZATION, 1, GPU) == [0.5]
    assert last(history, MEMORY, 1, GPU) == pytest.approx([8e9])
    assert last(history, MEMORY_TOTAL, 1, GPU) == pytest.approx([80e9])


def test_a_gpu_without_uuid_goes_by_its_index() -> None:
    history = recorded(gpu(uuid="", index="3", utilization=0.5))
    assert history.owners() == {("gpu", "3")}


def test_the_memory_of_mig_instances_is_not_added_to_their_boards() -> None:
    used = Family(c.GPU_MEMORY_USED, {("0", "GPU-0", ""): 8e9, ("0", "GPU-0", "1/0"): 3e9})
    assert last(recorded([used]), MEMORY, 1, GPU) == pytest.approx([8e9])


def test_models_and_ranks_of_one_engine_are_added() -> None:
    history = recorded(merged(*engine(model="a", waiting=2.0), *engine(model="b", waiting=3.0),
                              *engine(model="b", rank="1", waiting=4.0)))
    assert last(history, WAITING, 1) == [9.0]


def test_tokens_per_second_are_the_growth_between_two_recordings() -> None:
    history = recorded(*(engine(output=value) for value in (100.0, 400.0, 400.0, 1000.0)))
    assert last(history, OUTPUT_RATE, 4) == [None, 10.0, 0.0, 20.0]


def test_an_engine_that_counts_from_nothing_again_has_grown_by_what_it_counts_since() -> None:
    history = recorded(*(engine(output=value) for value in (1000.0, 60.0, 90.0)))
    assert last(history, OUTPUT_RATE, 3) == [None, 2.0, 1.0]


def test_a_model_that_was_not_there_before_adds_no_tokens_yet() -> None:
    """What it counted may be from long before."""
    history = recorded(engine(model="a", output=0.0),
                       merged(*engine(model="a", output=30.0), *engine(model="b", output=9e9)))
    assert last(history, OUTPUT_RATE, 1) == [1.0]


@pytest.mark.parametrize(("counts", "value"), [
    # 0.95 * 100 = 95th value: bucket (0.5, 1] holds the 81st to 100th.
    ((10.0, 80.0, 100.0, 100.0), 0.5 + 0.5 * 15 / 20),
    ((100.0, 100.0, 100.0, 100.0), 0.1 * 0.95),  # the first bucket begins at 0
    ((0.0, 95.0, 100.0, 100.0), 0.5),  # the rank itself is within the bucket
    ((0.0, 0.0, 1.0, 1.0), 0.5 + 0.5 * 0.95),
])
def test_the_95th_percentile_is_interpolated_in_its_bucket(counts: tuple[float, ...],
                                                           value: float) -> None:
    percentile = quantile(0.95, histogram(*counts))
    assert percentile is not None
    assert percentile.value == pytest.approx(value)
    assert not percentile.at_least


def test_above_the_last_bound_only_that_bound_is_known() -> None:
    assert quantile(0.95, histogram(0.0, 0.0, 94.0, 100.0)) == PlotPoint(1.0, at_least=True)
    history = recorded(engine(ttft=histogram(0, 0, 0, 0)), engine(ttft=histogram(0, 0, 94, 100)))
    assert history.points(ENGINE, TTFT_P95)[-1] == PlotPoint(1.0, at_least=True)


def test_a_quantile_of_nothing_or_without_bounds_is_not_known() -> None:
    assert quantile(0.95, histogram(0.0, 0.0, 0.0, 0.0)) is None
    assert quantile(0.95, histogram(5.0, bounds=())) is None


def test_a_first_bound_at_or_below_zero_is_the_quantile_itself() -> None:
    assert quantile(0.95, histogram(9.0, 9.0, bounds=(-1.0,))) == PlotPoint(-1.0)
    assert quantile(0.95, histogram(9.0, 9.0, 9.0, bounds=(0.0, 1.0))) == PlotPoint(0.0)


def prometheus_quantile(share: float, bounds: Sequence[float], counts: Sequence[float]) -> float:
    """Prometheus' bucketQuantile, line by line."""
    buckets = list(zip([*bounds, math.inf], counts, strict=True))
    rank = share * buckets[-1][1]
    b = next((i for i in range(len(buckets) - 1) if buckets[i][1] >= rank), len(buckets) - 1)
    if b == len(buckets) - 1:
        return buckets[-2][0]
    if b == 0 and buckets[0][0] <= 0:
        return buckets[0][0]
    start, end, count = 0.0, buckets[b][0], buckets[b][1]
    if b > 0:
        start, count, rank = buckets[b - 1][0], count - buckets[b - 1][1], rank - buckets[b - 1][1]
    return start + (end - start) * (rank / count)


@settings(deadline=None, database=None)
@given(st.lists(st.integers(0, 1000), min_size=2, max_size=12))
def test_the_quantile_is_that_of_prometheus(values: list[int]) -> None:
    counts = [float(sum(values[:n + 1])) for n in range(len(values))]
    bounds = tuple(0.25 * 2**n for n in range(len(values) - 1))
    percentile = quantile(0.95, Histogram(bounds, tuple(counts), None))
    if not counts[-1]:
        assert percentile is None
    else:
        assert percentile is not None
        assert percentile.value == pytest.approx(prometheus_quantile(0.95, bounds, counts))


def test_the_percentile_is_of_the_interval_and_not_of_all_time() -> None:
    history = recorded(engine(ttft=histogram(1000, 1000, 1000, 1000)),
                       engine(ttft=histogram(1000, 1000, 1020, 1020)))
    assert last(history, TTFT_P95, 2) == [None, pytest.approx(0.5 + 0.5 * 0.95)]


def test_without_traffic_there_is_a_gap_and_no_zero() -> None:
    quiet, busy = histogram(5, 5, 5, 5), histogram(5, 9, 9, 9)
    history = recorded(*(engine(ttft=now, output=7.0) for now in (quiet, quiet, busy, busy)))
    values = last(history, TTFT_P95, 4)
    assert [value is None for value in values] == [True, True, False, True]
    assert last(history, OUTPUT_RATE, 3) == [0.0, 0.0, 0.0]  # which really are none


def test_models_with_equal_bounds_are_taken_together() -> None:
    history = recorded(
        merged(*engine(model="a", ttft=histogram(0, 0, 0, 0)),
               *engine(model="b", ttft=histogram(0, 0, 0, 0))),
        merged(*engine(model="a", ttft=histogram(10, 40, 40, 40)),
               *engine(model="b", ttft=histogram(0, 40, 60, 60))))
    assert last(history, TTFT_P95, 1) == [pytest.approx(0.5 + 0.5 * 15 / 20)]


def test_models_with_unlike_bounds_have_no_common_percentile() -> None:
    other = (0.2, 0.4)
    before = merged(*engine(model="a", ttft=histogram(0, 0, 0, 0)),
                    *engine(model="b", ttft=histogram(0, 0, 0, bounds=other)))
    both = merged(*engine(model="a", ttft=histogram(9, 9, 9, 9)),
                  *engine(model="b", ttft=histogram(9, 9, 9, bounds=other)))
    assert last(recorded(before, both), TTFT_P95, 1) == [None]
    one = merged(*engine(model="a", ttft=histogram(9, 9, 9, 9)),
                 *engine(model="b", ttft=histogram(0, 0, 0, bounds=other)))
    assert last(recorded(before, one), TTFT_P95, 1) == [pytest.approx(0.095)]  # b had no request


def test_what_is_down_or_lost_leaves_a_gap_and_the_reading_after_it_has_nothing_to_grow_from(
) -> None:
    def up(number: int) -> list[Family]:
        return [*engine(output=30.0 * number, waiting=1.0), *gpu(utilization=0.5)]

    history = recorded(up(0), up(1), [], [], up(4), up(5))
    assert last(history, WAITING, 6) == [1.0, 1.0, None, None, 1.0, 1.0]
    assert last(history, OUTPUT_RATE, 6) == [None, 1.0, None, None, None, 1.0]
    assert last(history, UTILIZATION, 6, GPU) == [0.5, 0.5, None, None, 0.5, 0.5]


def test_steps_that_were_missed_are_gaps() -> None:
    history = History(STEP)
    for moment in (0.0, 30.0, 120.0):
        history.record(engine(waiting=1.0), moment)
    assert last(history, WAITING, 6) == [None, 1.0, 1.0, None, None, 1.0]
    history.record(engine(waiting=2.0), 120.0 + 500 * STEP)
    assert last(history, WAITING, POINTS) == [None] * (POINTS - 1) + [2.0]


def test_a_recording_that_is_a_little_late_or_early_keeps_its_place() -> None:
    history = History(STEP)
    dice = random.Random(4)
    for number in range(50):
        history.record(engine(waiting=float(number)), 77 + STEP * number + dice.uniform(0, 5))
    assert last(history, WAITING, 50) == [float(number) for number in range(50)]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
def test_a_number_that_cannot_be_drawn_is_a_gap(value: float) -> None:
    assert last(recorded(engine(waiting=value)), WAITING, 1) == [None]


def test_an_owner_that_has_gone_is_forgotten_after_the_hour() -> None:
    history = recorded(engine("old", waiting=1.0), *([] for _ in range(POINTS - 1)))
    assert history.owners() == {("engine", "old")}
    history.record([], 1000 + STEP * POINTS)
    assert history.owners() == set()


def many(round_: int = 0, gpus: int = c.GPUS, engines: int = c.TARGETS) -> list[Family]:
    """All that may be watched at once; with another round, others."""
    grown = 40.0 * round_
    return merged(
        *(family for n in range(gpus)
          for family in gpu(f"GPU-{round_}-{n}", str(n), utilization=0.5, used=1e9, total=8e9)),
        *(family for n in range(engines)
          for family in engine(f"engine-{round_}-{n}", waiting=1.0, running=2.0, output=grown,
                               ttft=histogram(grown, grown, grown, grown))))


def test_the_number_of_owners_stays_within_its_cap() -> None:
    history = History(STEP)
    for round_ in range(POINTS):
        history.record(many(round_), STEP * round_)
        kinds = [kind for kind, _ in history.owners()]
        assert (kinds.count("gpu"), kinds.count("engine")) == (c.GPUS, c.TARGETS)
    assert ("engine", f"engine-{POINTS - 1}-0") in history.owners()


def test_an_hour_of_the_most_there_can_be_fits_into_two_mebibytes() -> None:
    history = recorded(*([many()] * POINTS))
    print(f"{deep_size(history) >> 10} KiB")
    assert deep_size(history) < 2 * 2**20


def test_memory_does_not_grow_over_10000_recordings_of_changing_owners() -> None:
    history, rounds = History(STEP), [many(n, gpus=2, engines=3) for n in range(1000)]
    settled = 0
    for number in range(10_000):
        history.record(rounds[number // 10], STEP * number)
        if number == 2 * POINTS:
            settled = deep_size(history)
    print(f"{settled >> 10} KiB, and {deep_size(history) >> 10} KiB after 10000 recordings")
    assert deep_size(history) < settled + 2**13


def deep_size(thing: object) -> int:
    """Bytes of a thing and of all that it refers to."""
    seen: dict[int, object] = {}
    todo = [thing]
    while todo:
        here = todo.pop()
        if id(here) not in seen and not isinstance(here, type | Metric | ModuleType):
            seen[id(here)] = here
            todo.extend(gc.get_referents(here))
    return sum(map(sys.getsizeof, seen.values()))


def test_a_recording_of_the_most_there_can_be_costs_little() -> None:
    history, rounds = History(STEP), [many(n % 2) for n in range(20)]
    began = time.process_time()
    for number, families in enumerate(rounds):
        history.record(families, STEP * number)
    took = (time.process_time() - began) / len(rounds)
    print(f"{1000 * took:.1f} ms a recording")
    assert took < 0.1


def test_only_readings_of_gpus_and_engines_have_an_owner() -> None:
    readings = by_owner([Family(c.COST, {("gpu", "", "GPU-0"): 1.0}),
                         Family(c.GPU_PRICE, {("0", "GPU-0"): 2.0}),
                         Family(c.BUILD_INFO, {("1",): 1.0})])
    assert readings == {GPU: {c.GPU_PRICE: {("0", "GPU-0"): 2.0}}}


class Done(Exception):
    """The test has seen enough."""


class Ear(SimpleQueue[TimedReading]):
    """What the recorder hears, in the time of a test."""

    def __init__(self, world: World) -> None:
        self._world = world

    def get(self, block: bool = True, timeout: float | None = None) -> TimedReading:
        assert timeout is not None
        until = self._world.now + timeout
        while self._world.scrapes and self._world.scrapes[0] < self._world.now:
            self._world.scrapes.pop(0)  # made while nobody listened
        if self._world.scrapes and self._world.scrapes[0] <= until:
            self._world.now = self._world.scrapes.pop(0)
            return self._world.now, engine(waiting=70.0, output=50.0 * self._world.now)
        self._world.now = until
        raise Empty


class World:
    """Time that passes by listening, reading and sleeping, until there is enough of it."""

    def __init__(self, reading: float = 0.0, most: float = 150.0,
                 scrapes: Iterable[float] = ()) -> None:
        self.now, self.reading, self.most = 0.0, reading, most
        self.scrapes = list(scrapes)
        self.read_at: list[float] = []
        self.left: list[float] = []

    def take(self, deadline: Deadline) -> list[Family]:
        self.read_at.append(self.now)
        self.left.append(deadline.left())
        self.now += self.reading
        return engine(waiting=float(len(self.read_at)))

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now >= self.most:
            raise Done

    def run(self, step: float = STEP) -> History:
        history = History(step)
        with pytest.raises(Done):
            Recorder(history, self.take, lambda: self.now, self.sleep, Ear(self)).loop.run()
        return history


def test_where_nobody_scrapes_it_reads_at_the_end_of_every_step() -> None:
    world = World(reading=2.0)
    history = world.run()
    assert world.read_at == [30.0, 60.0, 90.0, 120.0, 150.0]
    assert last(history, WAITING, 6) == [None, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_reading_of_its_own_has_a_deadline_within_the_step() -> None:
    ordinary, short = World(most=30.0), World(most=0.5)
    ordinary.run()
    short.run(step=0.5)
    assert (ordinary.left, short.left) == ([10.0], [0.5])


def test_steps_that_a_slow_reading_took_are_left_out_and_not_made_up_for() -> None:
    world = World(reading=65.0, most=250.0)
    history = world.run()
    assert world.read_at == [30.0, 120.0, 210.0]
    assert last(history, WAITING, 7) == [1.0, None, None, 2.0, None, None, 3.0]


@pytest.mark.parametrize("every", [1.0, 15.0, 20.0, 29.0, 30.0])
def test_where_somebody_scrapes_it_reads_nothing_itself_and_no_step_is_empty(every: float) -> None:
    world = World(most=600.0, scrapes=[3 + every * number for number in range(700)])
    history = world.run()
    assert world.read_at == []
    rates = last(history, OUTPUT_RATE, 20)
    assert rates[0] is None
    assert rates[1:] == [pytest.approx(50.0)] * 19  # whatever the time between two readings


def test_where_scrapes_are_rarer_than_steps_it_fills_the_steps_between() -> None:
    world = World(most=120.0, scrapes=[5.0, 65.0])
    history = world.run()
    assert world.read_at == [60.0, 120.0]
    assert last(history, WAITING, 4) == [70.0, 1.0, 70.0, 2.0]


def test_a_reading_that_fails_costs_its_own_step_only(caplog: pytest.LogCaptureFixture) -> None:
    world, history = World(most=90.0), History(STEP)
    answers = [engine(waiting=1.0), None, engine(waiting=3.0)]

    def take(_: Deadline) -> list[Family]:
        answer = answers.pop(0)
        if answer is None:
            raise RuntimeError("can't start new thread")
        return answer

    with pytest.raises(Done):
        Recorder(history, take, lambda: world.now, world.sleep, Ear(world)).loop.run()
    assert last(history, WAITING, 3) == [1.0, None, 3.0]
    assert [record.message for record in caplog.records] == ["failed, and goes on"]


def test_the_first_scrape_after_the_start_is_recorded_at_once() -> None:
    history = History(STEP)
    recorder = Recorder(history, lambda _: [])
    recorder.loop.start()

    def is_recorded() -> bool:
        recorder.take_up(engine(waiting=3.0), recorder.now())
        return history.recordings > 0

    wait_for(is_recorded)
    assert last(history, WAITING, 1) == [3.0]


def test_while_the_step_has_its_reading_no_other_is_kept() -> None:
    ear: SimpleQueue[TimedReading] = SimpleQueue()
    recorder = Recorder(History(STEP), lambda _: [], readings=ear)
    recorder.take_up(engine(waiting=1.0), 0.0)
    assert ear.empty()

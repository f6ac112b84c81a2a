"""What is known of GPUs: how old it is, what is integrated, and which slot may write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.config import GpuSection
from inferometer.families import Series
from inferometer.gpu.collector import GpuCollector
from inferometer.gpu.driver import Device, Driver, Round
from inferometer.gpu.gate import Gate, SessionEndedError
from inferometer.gpu.registry import Gpu, Registry, Slot, Snapshot
from inferometer.gpu.sampler import Sampler
from inferometer.sieve import Refusals

UP: Series = (c.GPU_UP, ())
POWER: Series = (c.GPU_POWER, ())
LAST_SAMPLE: Series = (c.GPU_LAST_SAMPLE, ())
UTILIZATION: Series = (c.GPU_UTILIZATION, ())
POWER_CAP: Series = (c.GPU_THROTTLED, ("power_cap",))


class Board(Device):
    """A GPU without a driver."""

    def __init__(self, uuid: str = "GPU-0") -> None:
        self.uuid, self.name, self.pci_bus_id, self.minor = uuid, "Board", "1", "0"


class World:
    """A registry whose clock a test puts forward."""

    def __init__(self, interval: float = 0.5, time_to_live: float = 1.0) -> None:
        self.now = 100.0
        self.gate = Gate()
        self.registry = Registry(
            self.gate, GpuSection(interval_seconds=interval, time_to_live_seconds=time_to_live),
            lambda: self.now, lambda: 1e9 + self.now, Refusals())

    def begin(self, count: int = 1) -> list[Slot]:
        """A new session with so many slots."""
        self.gate.begin()
        return self.registry.open_slots(count, (), "570")

    def read(self, slot: Slot, board: Device, power: float = 1.0) -> None:
        self.registry.publish(slot, board, Round({POWER: power}), self.registry.now())


def test_a_gpu_settles_until_it_was_read_or_its_first_round_is_overdue() -> None:
    world = World()
    gpu = Gpu("GPU-0", 0, adopted_at=100.0)
    assert world.registry.settling(gpu)
    world.now = 101.5
    assert not world.registry.settling(gpu)
    world.now, gpu.last_read = 100.0, 1.0
    assert not world.registry.settling(gpu)  # read before: being down is news


def test_a_snapshot_is_as_old_as_the_beginning_of_its_round() -> None:
    world = World()
    gpu = Gpu("GPU-0", 0)
    gpu.take(Round({POWER: 1.0}), began_at=100.0, took=0.1, wall=5.0, longest_gap=1.0)
    world.now = 101.0
    assert world.registry.fresh(gpu)
    world.now = 101.1
    assert not world.registry.fresh(gpu)
    assert gpu.last_read == 5.0


def test_where_the_driver_is_slow_three_rounds_are_fresh_within_bounds() -> None:
    world = World(interval=1.0, time_to_live=5.0)
    gpu = Gpu("GPU-0", 0)
    for took, longest in ((0.1, 5.0), (4.0, 13.0), (60.0, 20.0)):
        gpu.snapshot = Snapshot(100.0, took, {})
        world.now = 100.0 + longest
        assert world.registry.fresh(gpu), took
        world.now += 0.1
        assert not world.registry.fresh(gpu), took


def test_what_is_integrated_leaves_out_long_gaps_and_rounds_without_utilization() -> None:
    gpu = Gpu("GPU-0", 0)

    def read(began_at: float, utilization: float | None,
             throttled: bool = False) -> dict[c.Metric, float]:
        result = Round({POWER: 1.0}, {POWER_CAP: throttled})
        if utilization is not None:
            result.points[UTILIZATION] = utilization
        gpu.take(result, began_at, 0.0, began_at, longest_gap=5.0)
        return {metric: value for (metric, _), value in result.points.items()}

    assert read(0.0, 0.5)[c.GPU_BUSY] == 0.0
    assert read(1.0, 0.5)[c.GPU_BUSY] == 0.5
    assert c.GPU_BUSY not in read(2.0, None)
    assert read(3.0, 1.0, throttled=True)[c.GPU_BUSY] == 1.5
    assert read(20.0, 1.0, throttled=True)[c.GPU_BUSY] == 1.5
    last = read(22.0, 0.0, throttled=True)
    assert (last[c.GPU_BUSY], last[c.GPU_OBSERVED], last[c.GPU_THROTTLED]) == (1.5, 4.0, 3.0)


@given(st.lists(st.one_of(st.floats(), st.integers(0, 2**64).map(float)), max_size=30))
def test_whatever_is_taken_for_utilization_no_gpu_was_busy_for_longer_than_it_was_observed(
        utilizations: list[float]) -> None:
    gpu = Gpu("GPU-0", 0)
    for second, utilization in enumerate(utilizations):
        gpu.take(Round({POWER: 1.0, UTILIZATION: utilization}), float(second), 0.1, 0.0, 5.0)
        assert 0 <= gpu.busy_seconds <= gpu.observed_seconds <= second


def test_lasting_points_are_the_same_object_until_there_is_news() -> None:
    gpu = Gpu("GPU-0", 0, "Board")
    points = gpu.lasting_points()
    assert points == {(c.GPU_INFO, ("Board", "", "")): 1.0}
    assert gpu.lasting_points() is points
    gpu.xids = {"79": 1}
    assert gpu.lasting_points()[c.GPU_XID, ("79",)] == 1.0


def test_of_a_round_that_is_not_fresh_only_its_time_is_shown() -> None:
    gpu = Gpu("GPU-0", 0)
    assert gpu.passing_points(None) == {UP: 0.0}
    gpu.take(Round({POWER: 312.5}), began_at=100.0, took=0.1, wall=5.0, longest_gap=1.0)
    assert gpu.passing_points(gpu.snapshot) == {POWER: 312.5, UP: 1.0, LAST_SAMPLE: 5.0}
    assert gpu.passing_points(None) == {UP: 0.0, LAST_SAMPLE: 5.0}


def test_a_gpu_that_never_gave_its_name_has_no_info_and_one_that_is_down_keeps_it() -> None:
    sampler = Sampler(GpuSection(), Driver())
    nameless, named = sampler.registry.open_slots(2, (), "9")
    sampler.registry.adopt(named, Board("GPU-1"))
    sampler.registry.lose(nameless, "GPU_IS_LOST")
    sampler.registry.lose(named, "GPU_IS_LOST")
    points = {family.metric: dict(family.items())
              for family in GpuCollector(sampler).collect(Deadline(1))}
    assert points[c.GPU_UP] == {("0", ""): 0.0, ("1", "GPU-1"): 0.0}
    assert points[c.GPU_INFO] == {("1", "GPU-1", "Board", "9", "1"): 1.0}
    assert c.GPU_LAST_SAMPLE not in points


def test_a_slot_that_another_one_has_replaced_writes_nothing() -> None:
    world = World()
    old, = world.begin()
    world.registry.adopt(old, Board())
    new, = world.registry.open_slots(1, (), "570")
    assert [world.registry.owns(slot) for slot in (old, new)] == [False, True]
    with pytest.raises(SessionEndedError):
        world.read(old, Board())
    with pytest.raises(SessionEndedError):
        world.registry.adopt(old, Board("GPU-9"))
    world.registry.lose(old, "GPU_IS_LOST")
    gpu, = world.registry.gpus()
    assert (gpu.uuid, gpu.snapshot, gpu.lost) == ("GPU-0", None, "")


def test_nothing_is_published_once_the_session_has_ended() -> None:
    world = World()
    slot, = world.begin()
    world.registry.adopt(slot, Board())
    world.read(slot, Board())
    gpu, = world.registry.gpus()
    assert gpu.snapshot
    world.registry.end_session()
    assert gpu.snapshot is None
    with pytest.raises(SessionEndedError):
        world.read(slot, Board())
    assert gpu.snapshot is None


def test_a_slot_that_is_kept_keeps_its_gpu() -> None:
    world = World()
    first, _ = world.begin(2)
    world.registry.adopt(first, Board())
    new, = world.registry.open_slots(2, (0,), "570")
    assert (new.index, world.registry.owns(first)) == (1, True)
    world.registry.lose_absent()
    assert not first.gpu or not first.gpu.gone


def test_a_gpu_that_is_lost_before_it_is_found_is_the_one_last_seen_at_its_index() -> None:
    world = World()
    slot, = world.begin()
    world.registry.adopt(slot, Board())
    later, = world.begin()
    world.registry.lose(later, "GPU_IS_LOST")
    gpu, = world.registry.gpus()
    assert (gpu.uuid, gpu.lost) == ("GPU-0", "GPU_IS_LOST")


def test_a_gpu_lost_from_the_start_has_no_name_until_it_is_found() -> None:
    world = World()
    slot, = world.begin()
    world.registry.lose(slot, "RESET_REQUIRED")
    assert [gpu.uuid for gpu in world.registry.gpus()] == [""]
    world.registry.adopt(slot, Board())
    gpu, = world.registry.gpus()
    assert (gpu.uuid, gpu.lost) == ("GPU-0", "RESET_REQUIRED")  # until it is read
    world.read(slot, Board())
    assert gpu.lost == ""


def test_gpus_at_no_slot_are_gone_and_those_without_a_name_forgotten() -> None:
    world = World()
    first, second = world.begin(2)
    world.registry.adopt(first, Board())
    world.registry.lose(second, "RESET_REQUIRED")
    world.registry.open_slots(0, (), "570")
    world.registry.lose_absent()
    gpu, = world.registry.gpus()
    assert (gpu.uuid, gpu.gone, gpu.lost) == ("GPU-0", True, "no longer there")

"""What of GPUs stands on the page: the same objects where nothing changed."""

from __future__ import annotations

from collections.abc import Mapping

from inferometer import catalogue as c
from inferometer.exposition import TEXT, render
from inferometer.families import Family
from inferometer.gpu.nvml import Place, Round
from inferometer.gpu.state import Gpu
from inferometer.guard import Guard
from inferometer.rendered.block import Block
from inferometer.rendered.columns import Table

POWER: Place = (c.GPU_POWER, ())
SM: Place = (c.GPU_CLOCK, ("sm",))
MEMORY: Place = (c.GPU_CLOCK, ("memory",))
UP: Place = (c.GPU_UP, ())


def blocks(table: Table, *said: Mapping[Place, float]) -> dict[c.Metric, Block]:
    """What the table makes of what GPU 0, GPU 1 and so on say, by metric."""
    families = table.families([((str(i), f"GPU-{i}"), points) for i, points in enumerate(said)])
    return {family.metric: family.blocks[0] for family in families}


def test_a_block_reads_as_the_same_points_do_without_one() -> None:
    said = blocks(Table(c.GPU_METRICS), {POWER: 312.5, SM: 1.755e9, MEMORY: 2.6e9},
                  {MEMORY: 0.1, POWER: 1e21})
    assert said[c.GPU_CLOCK].points == {
        ("0", "GPU-0", "sm"): 1.755e9, ("0", "GPU-0", "memory"): 2.6e9,
        ("1", "GPU-1", "memory"): 0.1}
    for metric, block in said.items():
        loose = Family(metric, dict(block.points))
        assert render([Family(metric, blocks=[block])], TEXT) == render([loose], TEXT)


def test_families_stand_in_the_catalogues_order_and_empty_ones_nowhere() -> None:
    assert list(blocks(Table(c.GPU_METRICS), {SM: 1.0, UP: 1.0, POWER: 1.0})) == [
        c.GPU_UP, c.GPU_POWER, c.GPU_CLOCK]
    assert blocks(Table(c.GPU_METRICS)) == {}


def test_while_nothing_changes_the_families_are_the_same() -> None:
    table = Table(c.GPU_METRICS)
    first = table.families([(("0", "GPU-0"), {POWER: 1.0})])
    assert table.families([(("0", "GPU-0"), {POWER: 1.0})]) is first
    assert table.families([(("0", "GPU-0"), {POWER: 2.0})]) is not first


def test_only_the_block_of_a_metric_whose_value_changed_is_made_anew() -> None:
    table = Table(c.GPU_METRICS)
    before = blocks(table, {POWER: 312.5, SM: 1.0}, {POWER: 100.0, SM: 1.0})
    after = blocks(table, {POWER: 312.5, SM: 1.0}, {POWER: 101.0, SM: 1.0})
    assert after[c.GPU_CLOCK] is before[c.GPU_CLOCK]
    assert after[c.GPU_POWER].points == {("0", "GPU-0"): 312.5, ("1", "GPU-1"): 101.0}
    assert after[c.GPU_POWER].ticket is before[c.GPU_POWER].ticket
    assert before[c.GPU_POWER].points[("1", "GPU-1")] == 100.0  # a page may still be made of it


def test_what_is_no_longer_said_is_gone_and_the_other_metrics_keep_their_tickets() -> None:
    table = Table(c.GPU_METRICS)
    before = blocks(table, {UP: 1.0, POWER: 312.5}, {UP: 1.0, POWER: 100.0})
    lost = blocks(table, {UP: 0.0}, {UP: 1.0, POWER: 100.0})
    assert lost[c.GPU_UP].points == {("0", "GPU-0"): 0.0, ("1", "GPU-1"): 1.0}
    assert lost[c.GPU_POWER].points == {("1", "GPU-1"): 100.0}
    assert lost[c.GPU_UP].ticket is before[c.GPU_UP].ticket
    assert lost[c.GPU_POWER].ticket is not before[c.GPU_POWER].ticket
    back = blocks(table, {UP: 1.0, POWER: 5.0}, {UP: 1.0, POWER: 100.0})
    assert back[c.GPU_POWER].points == {("0", "GPU-0"): 5.0, ("1", "GPU-1"): 100.0}


def test_values_said_in_another_order_are_still_their_own() -> None:
    table = Table(c.GPU_METRICS)
    blocks(table, {POWER: 1.0, SM: 2.0})
    said = blocks(table, {SM: 3.0, POWER: 4.0})
    assert said[c.GPU_POWER].points == {("0", "GPU-0"): 4.0}
    assert said[c.GPU_CLOCK].points == {("0", "GPU-0", "sm"): 3.0}


def test_a_gpu_more_than_the_page_has_seats_for_costs_only_its_own_lines() -> None:
    said = blocks(Table(c.GPU_METRICS), *({POWER: 1.0} for _ in range(c.GPUS + 1)))
    admitted, = Guard().admit([Family(c.GPU_POWER, blocks=[said[c.GPU_POWER]])])
    assert len(dict(admitted.items())) == c.GPUS


def test_what_is_known_of_a_gpu_is_the_same_object_until_there_is_news() -> None:
    gpu = Gpu("GPU-0", 0, "Board")
    known = gpu.known()
    assert known == {(c.GPU_INFO, ("Board", "", "")): 1.0}
    assert gpu.known() is known
    gpu.xids = {"79": 1}
    assert gpu.known()[c.GPU_XID, ("79",)] == 1.0


def test_of_a_round_that_is_not_fresh_only_its_time_is_said() -> None:
    gpu = Gpu("GPU-0", 0)
    assert gpu.seen(None) == {UP: 0.0}
    gpu.take(Round({POWER: 312.5}), at=100.0, took=0.1, wall=5.0, longest_gap=1.0)
    assert gpu.seen(gpu.snapshot) == {POWER: 312.5, UP: 1.0, (c.GPU_LAST_SAMPLE, ()): 5.0}
    assert gpu.seen(None) == {UP: 0.0, (c.GPU_LAST_SAMPLE, ()): 5.0}

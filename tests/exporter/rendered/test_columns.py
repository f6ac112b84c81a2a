"""What a table keeps from page to page: the same objects where nothing has changed."""

from __future__ import annotations

from collections.abc import Mapping

from inferometer.catalogue import Label, Metric
from inferometer.exposition import TEXT, render
from inferometer.families import Family, Series
from inferometer.guard import Guard
from inferometer.rendered.block import Block
from inferometer.rendered.columns import Table

ROOMS = 8
ROOM = Label("room", "Which room it is.", budget=ROOMS)
LAMP = Label("lamp", "Which lamp it is.", values=("ceiling", "desk"))
OPEN = Metric("room_open", "gauge", "1 while the room is open.", (ROOM,), ROOMS)
WARMTH = Metric("room_celsius", "gauge", "How warm the room is.", (ROOM,), ROOMS)
LIGHT = Metric("room_lumens", "gauge", "How bright a lamp is.", (ROOM, LAMP), ROOMS)
METRICS = (OPEN, WARMTH, LIGHT)

IS_OPEN: Series = (OPEN, ())
CELSIUS: Series = (WARMTH, ())
CEILING: Series = (LIGHT, ("ceiling",))
DESK: Series = (LIGHT, ("desk",))


def blocks(table: Table, *rooms: Mapping[Series, float]) -> dict[Metric, Block]:
    """The table's blocks by metric, given the readings of rooms r0, r1 and so on."""
    families = table.families([((f"r{i}",), points) for i, points in enumerate(rooms)])
    return {family.metric: family.blocks[0] for family in families}


def test_a_block_reads_as_the_same_points_do_without_one() -> None:
    made = blocks(Table(METRICS), {CELSIUS: 312.5, CEILING: 1.755e9, DESK: 2.6e9},
                  {DESK: 0.1, CELSIUS: 1e21})
    assert made[LIGHT].points == {
        ("r0", "ceiling"): 1.755e9, ("r0", "desk"): 2.6e9, ("r1", "desk"): 0.1}
    for metric, block in made.items():
        loose = Family(metric, dict(block.points))
        assert render([Family(metric, blocks=[block])], TEXT) == render([loose], TEXT)


def test_families_are_in_the_tables_order_and_empty_ones_are_left_out() -> None:
    assert list(blocks(Table(METRICS), {CEILING: 1.0, IS_OPEN: 1.0, CELSIUS: 1.0})) == [*METRICS]
    assert list(blocks(Table(METRICS), {CEILING: 1.0})) == [LIGHT]
    assert blocks(Table(METRICS)) == {}


def test_while_nothing_changes_the_families_are_the_same() -> None:
    table = Table(METRICS)
    first = table.families([(("r0",), {CELSIUS: 1.0})])
    assert table.families([(("r0",), {CELSIUS: 1.0})]) is first
    assert table.families([(("r0",), {CELSIUS: 2.0})]) is not first


def test_only_the_block_of_a_metric_whose_value_changed_is_made_again() -> None:
    table = Table(METRICS)
    before = blocks(table, {CELSIUS: 312.5, CEILING: 1.0}, {CELSIUS: 100.0, CEILING: 1.0})
    after = blocks(table, {CELSIUS: 312.5, CEILING: 1.0}, {CELSIUS: 101.0, CEILING: 1.0})
    assert after[LIGHT] is before[LIGHT]
    assert after[WARMTH].points == {("r0",): 312.5, ("r1",): 101.0}
    assert after[WARMTH].ticket is before[WARMTH].ticket
    assert before[WARMTH].points["r1",] == 100.0  # a page may still be made of it


def test_a_series_that_ends_is_gone_and_other_metrics_keep_their_tickets() -> None:
    table = Table(METRICS)
    before = blocks(table, {IS_OPEN: 1.0, CELSIUS: 312.5}, {IS_OPEN: 1.0, CELSIUS: 100.0})
    closed = blocks(table, {IS_OPEN: 0.0}, {IS_OPEN: 1.0, CELSIUS: 100.0})
    assert closed[OPEN].points == {("r0",): 0.0, ("r1",): 1.0}
    assert closed[WARMTH].points == {("r1",): 100.0}
    assert closed[OPEN].ticket is before[OPEN].ticket
    assert closed[WARMTH].ticket is not before[WARMTH].ticket
    back = blocks(table, {IS_OPEN: 1.0, CELSIUS: 5.0}, {IS_OPEN: 1.0, CELSIUS: 100.0})
    assert back[WARMTH].points == {("r0",): 5.0, ("r1",): 100.0}


def test_values_that_come_in_another_order_keep_their_series() -> None:
    table = Table(METRICS)
    blocks(table, {CELSIUS: 1.0, CEILING: 2.0})
    after = blocks(table, {CEILING: 3.0, CELSIUS: 4.0})
    assert after[WARMTH].points == {("r0",): 4.0}
    assert after[LIGHT].points == {("r0", "ceiling"): 3.0}


def test_a_source_more_than_the_guard_has_seats_for_costs_only_its_own_lines() -> None:
    made = blocks(Table(METRICS), *({CELSIUS: 1.0} for _ in range(ROOMS + 1)))
    admitted, = Guard().admit([Family(WARMTH, blocks=[made[WARMTH]])])
    assert len(dict(admitted.items())) == ROOMS

"""Who has a turn in a lane, in which order, and who has none."""

from __future__ import annotations

from collections.abc import Hashable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.serve.lanes import Lane


def filled(lane: Lane[str], *guests: str, **more: Hashable) -> Lane[str]:
    """The lane, with the seats taken and these guests waiting."""
    while lane.enter():
        pass
    for guest in guests:
        assert not lane.wait(guest, **more)  # type: ignore[arg-type]
    return lane


def turns(lane: Lane[str]) -> list[list[str]]:
    return list(iter(lane.leave, []))


def test_who_waits_has_a_turn_in_the_order_of_arrival() -> None:
    assert turns(filled(Lane(1), "a", "b", "c")) == [["a"], ["b"], ["c"]]


def test_where_the_newest_go_first_the_oldest_are_the_surplus() -> None:
    lane = filled(Lane(1, 2, newest_first=True), "a", "b", "c")
    assert (lane.surplus(), lane.surplus()) == ("a", None)
    assert turns(lane) == [["c"], ["b"]]


def test_where_the_oldest_go_first_the_newest_are_the_surplus() -> None:
    lane = filled(Lane(1, 2), "a", "b", "c")
    assert (lane.surplus(), lane.surplus()) == ("c", None)
    assert turns(lane) == [["a"], ["b"]]


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_crowd_from_one_address_holds_up_no_other_address(newest_first: bool) -> None:
    lane = filled(Lane(1, 3, newest_first), "a", "b", "c", peer="crowd")
    filled(lane, "x", peer="other")
    assert lane.surplus() in ("a", "c")
    assert turns(lane)[0] == ["x"]


@pytest.mark.parametrize("newest_first", [False, True])
def test_who_has_a_higher_rank_goes_after_who_has_a_lower_one(newest_first: bool) -> None:
    lane = filled(Lane(1, 3, newest_first), "a", "b", "c", rank=1)
    filled(lane, "x", rank=0)
    filled(lane, "y", rank=2)
    assert lane.surplus() == "y"
    assert turns(lane)[0] == ["x"]


def test_a_seat_that_became_free_meanwhile_is_taken() -> None:
    lane = filled(Lane(1))
    assert lane.leave() == []
    assert lane.wait("a")
    assert not lane.enter()


def test_who_left_the_lane_has_no_turn() -> None:
    lane = filled(Lane(1), "a", "b")
    assert (lane.drop("a"), lane.drop("a"), lane.drop("x")) == (True, False, False)
    assert turns(lane) == [["b"]]


@given(st.lists(st.sampled_from(["enter", "wait", "leave", "drop", "surplus"]), max_size=40),
       st.integers(1, 3), st.integers(0, 3), st.booleans())
def test_nobody_is_lost_and_no_seat_either(steps: list[str], most: int, waiting: int,
                                           newest_first: bool) -> None:
    lane: Lane[int] = Lane(most, waiting, newest_first)
    inside = 0
    queued: set[int] = set()
    for number, step in enumerate(steps):
        if step == "enter":
            inside += lane.enter()
        elif step == "wait":
            if lane.wait(number, together=number % 2 or None, peer=number % 3):
                inside += 1
            else:
                queued.add(number)
            surplus = lane.surplus()
            if surplus is not None:
                queued.remove(surplus)
        elif step == "leave" and inside:
            turn = lane.leave()
            queued -= {*turn}
            inside -= not turn
        elif step == "drop" and queued:
            assert lane.drop(queued.pop())
        assert len(queued) <= waiting
        assert 0 <= inside <= most
        assert inside == most or not queued

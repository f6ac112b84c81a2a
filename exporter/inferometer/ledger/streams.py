"""By how much a sender's own counter grew from one point to the next: each growth once.

A cumulative stream is one counter for each of its starts: a sender that begins anew, or two that
call themselves the same, are two. What is repeated, late or out of order adds nothing, as only what
is more than the most so far counts. Points of delta temporality are told apart by their ends.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from enum import StrEnum
from typing import Any, NamedTuple

from inferometer.catalogue import CLIENT_INPUT, CLIENT_REQUESTS
from inferometer.ledger.counting import BOUNDS
from inferometer.points import MetricPoint

MOST_ENDS = 64  # of points of delta temporality, that are remembered of each stream
SLACK_SECONDS = 2.0
UNKNOWN_SECONDS = 3600.0  # for what a point is, that tells no start


class Unmetered(StrEnum):
    """Why a point is not counted, or not yet."""

    SPANS = "spans"  # its service sends spans
    ANOTHER_NAME = "another_name"  # the sender says the same by another metric
    REPEATED = "repeated"
    BASELINE = "baseline"  # the first of what began before the gateway looked
    IMPOSSIBLE = "impossible"  # it grew by more than time allows, or fell
    BOUNDS = "bounds"  # it has other buckets than its service's others


class Increase(NamedTuple):
    """By how much it grew: values, their sum, and those in each bucket where they are known."""

    values: int
    total: int
    counts: tuple[int, ...] = ()


class StreamStep(NamedTuple):
    """What a point does: the new state of its stream, and what is added or why nothing is."""

    state: str | None  # None: as it was
    increase: Increase | None = None
    why: Unmetered | None = None


def key_of(point: MetricPoint) -> bytes:
    """The identity of what counts for itself."""
    if point.is_delta:
        return b"d" + point.stream
    return b"c" + point.stream + point.start.to_bytes(8, "big")


def step_of(state: str | None, point: MetricPoint, since: int) -> StreamStep:
    """What a point does to its stream. `since`: from when on all of a new one counts."""
    before = None if state is None else json.loads(state)
    return _delta(before, point) if point.is_delta else _cumulative(before, point, since)


def _cumulative(before: Any, point: MetricPoint, since: int) -> StreamStep:
    state = json.dumps((point.time, point.values, point.total, point.bounds, point.counts))
    if before is None:
        if point.start <= since:
            return StreamStep(state, why=Unmetered.BASELINE)
        increase = Increase(point.values, point.total, point.counts)
        return _within(state, increase, point, point.start)
    time, values, total, bounds, counts = before
    same = bounds == list(point.bounds) and len(counts) == len(point.counts)
    increase = Increase(
        point.values - values, point.total - total,
        tuple(a - b for a, b in zip(point.counts, counts, strict=True)) if same else ())
    if min(increase.values, increase.total, *increase.counts) < 0:
        if point.time <= time:
            return StreamStep(None, why=Unmetered.REPEATED)
        return StreamStep(state, why=Unmetered.IMPOSSIBLE if point.start else Unmetered.BASELINE)
    if point.time <= time and not increase.values and not increase.total:
        return StreamStep(None, why=Unmetered.REPEATED)
    return _within(state, increase, point, max(point.start, time) if point.time > time else 0)


def _delta(before: Any, point: MetricPoint) -> StreamStep:
    ends: list[int] = before or []
    place = bisect_left(ends, point.time)
    if (place < len(ends) and ends[place] == point.time) or (
            not place and len(ends) >= MOST_ENDS):
        return StreamStep(None, why=Unmetered.REPEATED)
    ends.insert(place, point.time)
    return _within(json.dumps(ends[-MOST_ENDS:]),
                   Increase(point.values, point.total, point.counts), point, point.start)


def _within(state: str, increase: Increase, point: MetricPoint, since: int) -> StreamStep:
    """With what can be: no counter grows by more than time allows. `since`: 0 where unknown."""
    seconds = (point.time - since) / 1e9 + SLACK_SECONDS if since else UNKNOWN_SECONDS
    tokens = 0 if point.quantity in BOUNDS else increase.total
    if increase.values > CLIENT_REQUESTS.pace * seconds or tokens > CLIENT_INPUT.pace * seconds:
        return StreamStep(state, why=Unmetered.IMPOSSIBLE)
    return StreamStep(state, increase)

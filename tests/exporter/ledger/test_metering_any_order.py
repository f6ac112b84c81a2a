"""Whatever a sender's points go through, what is counted is what it has counted, once."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.ledger.streams import key_of, step_of
from inferometer.ledger.verification import verify
from inferometer.points import CallLabels, MetricPoint
from tests.exporter.ledger.making import SECOND, ledger_in
from tests.exporter.ledger.points import post, tokens

BEGIN = 1_700_000_000 * SECOND
TIMES = (0.1, 0.4, 0.6, 0.9, 1.5)  # seconds that calls take
BOUNDS = (0.5, 1.0)
exports = st.lists(st.lists(st.sampled_from(TIMES), max_size=3), min_size=1, max_size=5)
processes = st.lists(exports, min_size=1, max_size=4)  # of an instance, one after another


class Sent(NamedTuple):
    """All points of some instances, and the calls that they tell of."""

    points: list[MetricPoint]
    calls: list[float]


def sent(instances: list[list[list[list[float]]]], *, is_delta: bool) -> Sent:
    """What instances of a service export, each of which begins anew now and then."""
    points, calls = [], list[float]()
    for number, lives in enumerate(instances):
        second = 1
        for life in lives:
            start, so_far = second, list[float]()
            for took in life:
                second += 1
                calls += took
                so_far += took
                some = took if is_delta else so_far
                points.append(MetricPoint(
                    bytes([number]) * 16, bytes(16), "gen_ai.client.operation.duration", 1,
                    "duration", CallLabels("openai", "m", "chat", "envoy"), "success", "",
                    is_delta, BEGIN + (second - 1 if is_delta else start) * SECOND,
                    BEGIN + second * SECOND, len(some), round(sum(some) * 1e9), BOUNDS,
                    tuple(sum(a < one <= b for one in some)
                          for a, b in ((0.0, 0.5), (0.5, 1.0), (1.0, 9.0)))))
            second += 1
    return Sent(points, calls)


@settings(max_examples=150, deadline=None)
@given(st.lists(processes, min_size=1, max_size=3), st.booleans(), st.randoms())
def test_no_order_and_no_repetition_of_points_changes_what_streams_grow_by(
        instances: list[list[list[list[float]]]], is_delta: bool, random: object) -> None:
    points, calls = sent(instances, is_delta=is_delta)
    bodies = points * 2
    random.shuffle(bodies)  # type: ignore[attr-defined]  # hypothesis' own Random
    states: dict[bytes, str] = {}
    buckets, total = [0, 0, 0], 0
    for point in bodies:
        step = step_of(states.get(key_of(point)), point, BEGIN)
        if step.state is not None:
            states[key_of(point)] = step.state
        if step.increase is not None:
            buckets = [a + b for a, b in zip(buckets, step.increase.counts, strict=True)]
            total += step.increase.total
    assert buckets == [sum(a < one <= b for one in calls)
                       for a, b in ((0.0, 0.5), (0.5, 1.0), (1.0, 9.0))]
    assert abs(total - sum(calls) * 1e9) <= len(points)


@settings(max_examples=6, deadline=None)
@given(st.lists(processes, min_size=1, max_size=2), st.booleans(), st.randoms())
def test_nor_do_restarts_of_the_gateway_change_its_counters(
        instances: list[list[list[list[float]]]], is_delta: bool, random: object) -> None:
    points, calls = sent(instances, is_delta=is_delta)
    random.shuffle(points)  # type: ignore[attr-defined]  # hypothesis' own Random
    with TemporaryDirectory() as folder, ledger_in(Path(folder)) as bench:
        later = bench.began + SECOND - BEGIN
        bodies = [point._replace(start=point.start + later, time=point.time + later)
                  for point in points]
        half = len(bodies) // 2
        post(bench, *bodies[:half])
        bench.restart()
        post(bench, *bodies[half:])
        post(bench, *bodies[:half])
        assert tokens(bench) == 0
        bench.restart()
        counters = bench.counters()
        assert counters.get(("ended", "success/"), 0) == len(calls)
        assert counters.get(("duration", "0.5"), 0) == sum(one <= 0.5 for one in calls)
        assert verify(bench.file).differences == []

"""What one data point of a metric says of calls: facts in sums, of who sends no spans."""

from __future__ import annotations

from typing import NamedTuple


class CallLabels(NamedTuple):
    """Whose calls they are, by the labels of the families of calls."""

    provider: str
    model: str
    operation: str
    service_name: str


class MetricPoint(NamedTuple):
    """A data point of a metric about calls, as its sender sums them up.

    A cumulative one has all since `start`, and is a counter of its own for each start; one of delta
    temporality has what came from `start` to `time`. All times are the sender's, in Unix
    nanoseconds; a start of 0 is unknown.
    """

    stream: bytes  # 16: sender, scope, metric and attributes
    chooser: bytes  # 16: sender, scope, quantity and operation, of which one metric is counted
    metric: str
    rank: int  # of the metric among those that say the same: the least is counted
    quantity: str  # a counter of the ledger: input, …, duration, first_token, per_token
    labels: CallLabels
    outcome: str
    error_type: str
    is_delta: bool
    start: int
    time: int
    values: int  # how many it has
    total: int  # their sum: tokens, or nanoseconds
    bounds: tuple[float, ...] = ()  # of buckets, in seconds
    counts: tuple[int, ...] = ()  # of each bucket, one more than bounds; empty where none is told

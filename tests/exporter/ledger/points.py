"""Data points as senders of metrics make them, for tests of the ledger."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from inferometer.points import CallLabels, MetricPoint
from tests.exporter.ledger.making import SECOND, Bench

OPENING = 60 * SECOND  # a ledger counts what began after it was opened, which may take a while
WAIT = 61.0  # seconds, after which what metrics tell is counted
LABELS = CallLabels("openai", "m", "chat", "envoy")


def point(bench: Bench, total: int, second: float = 2.0, *, start: float = 1.0, instance: str = "a",
          **changes: Any) -> MetricPoint:
    """Tokens in, so many since `start`; times are seconds from when the ledger is open."""
    began = bench.began + OPENING
    names = ("quantity", "outcome", "labels", "is_delta")
    made = MetricPoint(
        stream=_identity(instance, *map(changes.get, names)),
        chooser=_identity(instance, changes.get("quantity")),
        metric="gen_ai.client.token.usage", rank=1, quantity="input", labels=LABELS,
        outcome="success", error_type="", is_delta=False,
        start=began + int(start * SECOND), time=began + int(second * SECOND), values=1,
        total=total)
    return made._replace(**changes)


def _identity(*parts: object) -> bytes:
    return blake2b(repr(parts).encode(), digest_size=16).digest()


def durations(bench: Bench, *took: float, bounds: tuple[float, ...] = (0.5, 1.0),
              **changes: Any) -> MetricPoint:
    """Calls that took so long, as one histogram has them."""
    counts = [0] * (len(bounds) + 1)
    for one in took:
        counts[sum(one > bound for bound in bounds)] += 1
    return point(bench, round(sum(took) * 1e9), quantity="duration", values=len(took),
                 metric="gen_ai.server.request.duration", bounds=bounds, counts=tuple(counts),
                 **changes)


def post(bench: Bench, *points: MetricPoint) -> None:
    """Have one body of them kept, and wait for it."""
    done = bench.ledger.commit([], {}, bench.now, points=points)
    bench.turn()
    done.result(0)


def tokens(bench: Bench) -> int:
    """What is counted of them, once it is due."""
    bench.wait(WAIT)
    return bench.counters().get(("input", ""), 0)

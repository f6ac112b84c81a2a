"""Alerts look for rare events over a quarter of an hour, and over longer than they hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from deploy.build.bundle import Bundle
from deploy.build.expressions import Expressions
from deploy.build.vocabulary import FOREIGN
from inferometer import catalogue as c
from inferometer.durations import milliseconds

EVENTS = {
    *(metric.name for metric in (c.GPU_XID, c.GPU_ECC, c.GPU_REMAPPED, c.LABELS_FOLDED,
                                 c.CONFIG_RELOADS)),
    *(name for name in FOREIGN if name.endswith("_total")),
}
MIN_RANGE = timedelta(minutes=15)


def findings(bundle: Bundle, expressions: Expressions) -> Iterator[str]:
    """What does not hold, a line each."""
    for alert in bundle.alerts:
        hold = timedelta(milliseconds=milliseconds(alert.hold))
        for name, span in _ranges(alert.expr, bundle, expressions):
            if name in EVENTS and (span <= hold or span < MIN_RANGE):
                yield (f"{alert}: {name} is looked for over {span}, with a hold of {hold}: "
                       f"look back {MIN_RANGE} at least, and longer than the hold")


def _ranges(expr: str, bundle: Bundle, expressions: Expressions,
            above: frozenset[str] = frozenset()) -> Iterator[tuple[str, timedelta]]:
    """How far back the expression looks, and the recorded rules that it reads, but for `above`."""
    analysis = expressions.analysis(expr)
    yield from analysis.ranges
    for rule in bundle.rules:
        if rule.name in analysis.names - above:
            yield from _ranges(rule.expr, bundle, expressions, above | {rule.name})

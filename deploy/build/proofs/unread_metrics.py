"""Every metric is read by a rule, an alert or a board, or its entry says why not."""

from __future__ import annotations

from collections.abc import Iterator

from deploy.build.bundle import Bundle
from deploy.build.expressions import Expressions
from deploy.build.vocabulary import series_of


def findings(bundle: Bundle, expressions: Expressions) -> Iterator[str]:
    """What does not hold, a line each."""
    names = {name for _, analysis in expressions.analysed for name in analysis.names}
    for metric in bundle.metrics:
        is_read = bool(names & series_of(metric).keys())
        if not is_read and not metric.unread:
            yield (f"{metric.name} is read by no rule, alert or board: let one read it, or say why "
                   "not in its entry in the catalogue, as `unread`")
        if is_read and metric.unread:
            yield f"{metric.name} is read, but its entry says why not: take out its `unread`"

"""Every metric and label that is named anywhere is one there is.

Expressions are judged by their syntax trees: a name or a label that is wrong there is found before
any Prometheus sees it.
"""

from __future__ import annotations

from collections.abc import Iterator

from deploy.build.bundle import Bundle
from deploy.build.expressions import Expressions
from deploy.build.proofs.conventions import listed


def findings(_: Bundle, expressions: Expressions) -> Iterator[str]:
    """What does not hold, a line each."""
    for expression, analysis in expressions.analysed:
        for finding in analysis.findings:
            yield f"{expression.place}: {finding}"
        for label in sorted(expression.named_labels - analysis.labels):
            yield (f"{expression.place}: its series have no label {label}: "
                   f"they have {listed(analysis.labels)}")

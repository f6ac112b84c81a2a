"""Nobody is woken because of a latency limit that nobody chose.

What a model needs for an answer depends on the model and on what it is asked: a default does not
know either.
"""

from __future__ import annotations

from collections.abc import Iterator

from deploy.build.bundle import Bundle
from deploy.build.expressions import Expressions
from inferometer import catalogue as c
from recording_rules.limits import CHOSEN, LIMITS

LATENCY = {limit.rule().name for limit in LIMITS
           if limit.metric in (c.LIMIT_SECONDS, c.LIMIT_TOKENS_PER_SECOND)}


def findings(bundle: Bundle, expressions: Expressions) -> Iterator[str]:
    """What pages by a default, a line each."""
    for alert in bundle.alerts:
        if alert.severity == "critical":
            for limit in sorted({*_unchosen(alert.expr, bundle, expressions)}):
                yield (f"{alert} (critical): reads {limit} whoever set it: take `chosen` of the "
                       "limit, or another severity")


def _unchosen(expr: str, bundle: Bundle, expressions: Expressions) -> Iterator[str]:
    """The latency limits that may be defaults, also in the recorded rules that are read."""
    exprs, read = [expr], set(LATENCY)
    while exprs:
        analysis = expressions.analysis(exprs.pop())
        yield from (name for name, matchers in analysis.selectors
                    if name in LATENCY and CHOSEN not in matchers)
        exprs += [rule.expr for rule in bundle.rules if rule.name in analysis.names - read]
        read |= analysis.names

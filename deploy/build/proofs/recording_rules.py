"""Recording rules are named by convention, say how to read them, and declare their labels."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deploy.build.bundle import Bundle
from deploy.build.expressions import Expressions
from deploy.build.proofs.conventions import SENTENCE, listed, repeated

NAME = re.compile(r"(client|model|gpu|node|fleet):[a-z][a-z0-9_]*:[a-z0-9_]+")


def findings(bundle: Bundle, expressions: Expressions) -> Iterator[str]:
    """What does not hold, a line each."""
    for rule in bundle.rules:
        labels = expressions.analysis(rule.expr).labels | {*rule.fixed}
        if labels != {*rule.labels}:
            yield (f"{rule}: gives {listed(labels)}, declares {listed(rule.labels)}: "
                   "declare what it gives, or change its expression")
        if not NAME.fullmatch(rule.name):
            yield (f"{rule}: not level:metric:operation: rename it, its level one of "
                   f"{NAME.pattern.partition(':')[0]}")
        if not SENTENCE.fullmatch(rule.help):
            yield f"{rule}: help is no sentence, with a capital and a full stop: {rule.help!r}"
    yield from repeated("rule", (f"{rule}{dict(rule.fixed) or ''}" for rule in bundle.rules))

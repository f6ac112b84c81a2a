"""Groups of rules and alerts are small, and each has a name of its own."""

from __future__ import annotations

from collections.abc import Iterator

from deploy.build.bundle import Bundle
from deploy.build.expressions import Expressions
from deploy.build.proofs.conventions import MAX_NAME_LENGTH, repeated

MAX_RULES = 20


def findings(bundle: Bundle, _: Expressions) -> Iterator[str]:
    """What does not hold, a line each."""
    sizes = [(group.name, len(group.rules)) for group in bundle.groups]
    sizes += [(group.name, len(group.alerts)) for group in bundle.alert_groups]
    for name, size in sizes:
        if not 0 < size <= MAX_RULES:
            yield f"group {name}: {size} rules, not 1 to {MAX_RULES}: split it, or take it out"
        if len(name) > MAX_NAME_LENGTH:
            yield f"group {name}: longer than {MAX_NAME_LENGTH} characters: shorten it"
    yield from repeated("group", (name for name, _ in sizes))

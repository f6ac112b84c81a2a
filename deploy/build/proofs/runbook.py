"""Every alert has a runbook entry with all its parts, and every entry is that of an alert."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deploy.build.bundle import Bundle
from deploy.build.expressions import Expressions

PARTS = ("Meaning", "Impact", "Look at first", "Remedy")

_ENTRY = re.compile(r"^## (\w+)$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_PART = re.compile(r"^\*\*([^*]+)\.\*\*(.*?)(?=^\*\*[^*]+\.\*\*|\Z)", re.MULTILINE | re.DOTALL)


def entries(runbook: str) -> dict[str, str]:
    """The text of each alert's entry."""
    return dict(_ENTRY.findall(runbook))


def parts(entry: str) -> dict[str, str]:
    """The text of each part of an entry."""
    return dict(_PART.findall(entry))


def findings(bundle: Bundle, _: Expressions) -> Iterator[str]:
    """What does not hold, a line each."""
    present = entries(bundle.runbook)
    names = {alert.name for alert in bundle.alerts}
    for name in sorted(names - {*present}):
        yield f"{name} has no heading in the runbook: add `## {name}` to alerts/runbook.md"
    for name in sorted({*present} - names):
        yield (f"the runbook tells of {name}, which is no alert: rename or remove its heading in "
               "alerts/runbook.md")
    for name, entry in present.items():
        if tuple(title for title, _ in _PART.findall(entry)) != PARTS:
            yield f"runbook, {name}: its parts are not {', '.join(PARTS)}, each as `**Meaning.**`"

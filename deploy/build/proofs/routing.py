"""Routes and inhibitions name labels and values that alerts have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from alerts.model import SEVERITIES, TEAMS
from deploy.build.bundle import Bundle
from deploy.build.expressions import Expressions
from deploy.build.proofs.conventions import listed

_MATCHER = re.compile(r'(\w+) *[=!]~? *"?([^"]*)"?')


def findings(bundle: Bundle, _: Expressions) -> Iterator[str]:
    """What does not hold, a line each."""
    closed = {
        "alertname": {alert.name for alert in bundle.alerts},
        "severity": {*SEVERITIES},
        "subject": {alert.subject.name for alert in bundle.alerts},
        "team": {*TEAMS},
    }
    labels = closed.keys() | {label for alert in bundle.alerts for label in alert.subject.scope}
    for label, values in sorted({*_matched(bundle.routing)}):
        if label not in labels:
            yield f"routing: alerts have no label {label}: they have {listed(labels)}"
        for value in sorted({*values} - closed.get(label, {*values})):
            yield f"routing: {label} is never {value}: correct or remove it in alerts/routing.py"


def _matched(node: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The labels that a routing names, with the values it looks for."""
    if isinstance(node, list):
        for item in node:
            yield from _matched(item)
    if not isinstance(node, Mapping):
        return
    for key, value in node.items():
        if key in ("group_by", "equal"):
            yield from ((label, ()) for label in value)
        elif key.endswith("matchers"):
            matches = (_MATCHER.fullmatch(matcher) for matcher in value)
            yield from ((match[1], tuple(match[2].split("|"))) for match in matches if match)
        else:
            yield from _matched(value)

"""recording.rules.yml: recording rules as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from recording_rules.model import Group, Rule


def document(groups: Iterable[Group]) -> dict[str, Any]:
    """The file."""
    return {"groups": [
        {"name": group.name, "interval": group.interval, "rules": [*map(_rule, group.rules)]}
        for group in groups]}


def _rule(rule: Rule) -> dict[str, Any]:
    labels = {"labels": dict(rule.fixed)} if rule.fixed else {}
    return {"record": rule.name, "expr": rule.expr, **labels}

"""Shapes that alerts repeat: over a limit, and the limit said in words."""

from __future__ import annotations

from alerts.limits import Limit
from recording_rules.model import Rule
from recording_rules.promql import on


def over(rule: Rule | str, limit: Limit, *, times: float = 1) -> str:
    """Above the limit in force, or a multiple of it."""
    held = limit.selector if times == 1 else f"({times:g} * {limit.selector})"
    return f"{rule} > {on(limit.labels)} group_left () {held}"


def said(limit: Limit, unit: str) -> str:
    """The limit in force as a description's template; `unit` is one of Prometheus' humanizers."""
    matchers = "".join(f", {label}=%q" for label in limit.labels)
    selector = limit.selector.replace("}", f"{matchers}}}")
    labels = " ".join(f"$labels.{label}" for label in limit.labels)
    return (f"{{{{ with printf `{selector}` {labels} | query }}}}"
            f"{{{{ . | first | value | {unit} }}}}{{{{ end }}}}")

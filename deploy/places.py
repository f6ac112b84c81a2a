"""Where the bundle names metrics, labels and values: all of its expressions, and its routing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.bundle import Bundle

_LABEL = re.compile(r"\$labels\.(\w+)")
_QUERY = re.compile(r"(?:printf )?`([^`]*)`[^}]*\| query")
_LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_OFFERED = re.compile(r"label_values\((.*), (\w+)\)")
_MATCHER = re.compile(r'(\w+) *[=!]~? *"?([^"]*)"?')


@dataclass(frozen=True)
class Expression:
    """An expression, where it stands, and the labels that are named of its series."""

    where: str
    expr: str
    named: frozenset[str] = frozenset()


def expressions(bundle: Bundle) -> Iterator[Expression]:
    """Every expression of rules, alerts, their descriptions, and boards."""
    for rule in bundle.rules:
        yield Expression(rule.name, rule.expr)
    for alert in bundle.alerts:
        where = f"{alert} ({alert.severity})"
        yield Expression(where, alert.expr, frozenset(_LABEL.findall(alert.description)))
        for query in _QUERY.findall(alert.description):
            yield Expression(f"{where}, description", query.replace("%q", '""'))
    for uid, board in bundle.boards.items():
        yield from _of_board(f"board {uid}", board)


def _of_board(where: str, found: Any) -> Iterator[Expression]:
    """Queries of panels and annotations, and what variables offer, however deep."""
    if isinstance(found, list):
        for each in found:
            yield from _of_board(where, each)
    if not isinstance(found, Mapping):
        return
    titled = f"{where}, {found['title']}" if found.get("title") and "panels" not in found else where
    if "expr" in found:
        legends = " ".join(str(found.get(key, "")) for key in
                           ("legendFormat", "titleFormat", "textFormat"))
        yield Expression(titled, found["expr"], frozenset(_LEGEND.findall(legends)))
    elif offered := _OFFERED.fullmatch(str(found.get("query", ""))):
        yield Expression(f"{titled}, variable {found['name']}", offered[1],
                         frozenset({offered[2]}))
    for value in found.values():
        yield from _of_board(titled, value)


def matched(found: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Labels that a routing names, with the values it looks for."""
    if isinstance(found, list):
        for each in found:
            yield from matched(each)
    if not isinstance(found, Mapping):
        return
    for key, value in found.items():
        if key in ("group_by", "equal"):
            yield from ((label, ()) for label in value)
        elif key.endswith("matchers"):
            matchers = (_MATCHER.fullmatch(each) for each in value)
            yield from ((each[1], tuple(each[2].split("|"))) for each in matchers if each)
        else:
            yield from matched(value)

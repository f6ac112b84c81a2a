"""Every expression of a bundle: of rules, alerts and their descriptions, and boards."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from deploy.build.analysis import Analysis, analyse
from deploy.build.bundle import Bundle
from deploy.build.vocabulary import vocabulary

_LABEL = re.compile(r"\$labels\.(\w+)")
_QUERY = re.compile(r"(?:printf )?`([^`]*)`[^}]*\| query")
_LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_ANY = 'namespace!="", model!=""'
_LABEL_VALUES = re.compile(r"label_values\((.*), (\w+)\)")


@dataclass(frozen=True)
class Expression:
    """An expression, where it stands, and the labels that are named of its series."""

    place: str
    expr: str
    named_labels: frozenset[str] = frozenset()


class Expressions:
    """The expressions of a bundle, each analysed once."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._labels_of = vocabulary(bundle.rules, bundle.alerts, bundle.metrics)
        self._analyses: dict[str, Analysis] = {}

    @cached_property
    def analysed(self) -> list[tuple[Expression, Analysis]]:
        """All of them with what their analysis gives."""
        return [(expression, self.analysis(expression.expr))
                for expression in _expressions(self._bundle)]

    def analysis(self, expr: str) -> Analysis:
        """What the expression reads."""
        if expr not in self._analyses:
            self._analyses[expr] = analyse(expr, self._labels_of)
        return self._analyses[expr]


def _expressions(bundle: Bundle) -> Iterator[Expression]:
    for rule in bundle.rules:
        yield Expression(rule.name, rule.expr)
    for alert in bundle.alerts:
        place = f"{alert} ({alert.severity})"
        yield Expression(place, alert.expr, frozenset(_LABEL.findall(alert.description)))
        for query in _QUERY.findall(alert.description):
            yield Expression(f"{place}, description", query.replace("%q", '""'))
    for signal in bundle.signals:
        yield Expression(f"scaling on {signal.name}", signal.expr(_ANY))
    for uid, board in bundle.boards.items():
        yield from _of_board(f"board {uid}", board)


def _of_board(place: str, node: Any) -> Iterator[Expression]:
    """Queries of panels and annotations, and what variables offer, however deep."""
    if isinstance(node, list):
        for item in node:
            yield from _of_board(place, item)
    if not isinstance(node, Mapping):
        return
    titled = f"{place}, {node['title']}" if node.get("title") and "panels" not in node else place
    if "expr" in node:
        legends = " ".join(str(node.get(key, "")) for key in
                           ("legendFormat", "titleFormat", "textFormat"))
        yield Expression(titled, node["expr"], frozenset(_LEGEND.findall(legends)))
    elif values := _LABEL_VALUES.fullmatch(str(node.get("query", ""))):
        yield Expression(f"{titled}, variable {node['name']}", values[1], frozenset({values[2]}))
    for value in node.values():
        yield from _of_board(titled, value)

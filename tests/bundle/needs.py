"""What a query needs before it can answer: followed through its syntax down to what is scraped.

The answer is known in advance from what an exporter tells of an engine: yes, no, or that it hangs
on values, as a question for what is wrong does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import promql_parser as ast

from inferometer import catalogue as c
from recording_rules.model import Rule
from tests.bundle.virtual import Cluster

Matchers = tuple[tuple[str, ast.MatchOp, str], ...]
Answer = bool | None  # None: it hangs on values

COMPARISONS = frozenset({">", ">=", "<", "<=", "==", "!="})
DIFFERENCES = frozenset({"stddev", "stdvar"})  # nothing where all is well
SIGNALS = {name: metric.signal for metric in c.SIGNAL_METRICS
           for name in (metric.name, *(f"{metric.name}_{part}"
                                       for part in ("bucket", "count", "sum")))}


class Needs:
    """What queries over these recording rules need."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules: dict[str, list[Rule]] = {}
        for rule in rules:
            self._rules.setdefault(rule.name, []).append(rule)
        self._parsed: dict[str, Any] = {}
        self._recorded_answers: dict[tuple[str, str, Cluster], Answer] = {}
        self._names: dict[str, set[str]] = {}

    def answered(self, expr: str, cluster: Cluster) -> Answer:
        """Whether the query has an answer in a cluster under load in which nothing is wrong."""
        return self._answer(self._parse(expr), (), cluster)

    def scraped(self, expr: str) -> set[str]:
        """The names of scraped series that the query comes down to."""
        if expr not in self._names:
            self._names[expr] = set()  # what a rule remembers of itself adds nothing
            self._names[expr] = self._scraped(self._parse(expr))
        return self._names[expr]

    def _parse(self, expr: str) -> Any:
        if expr not in self._parsed:
            self._parsed[expr] = ast.parse(expr)
        return self._parsed[expr]

    def _scraped(self, node: Any) -> set[str]:
        if isinstance(node, ast.VectorSelector):
            rules = self._rules.get(str(node.name))
            return {str(node.name)} if rules is None else {
                name for rule in rules for name in self.scraped(rule.expr)}
        return {name for part in _parts(node) for name in self._scraped(part)}

    def _answer(self, node: Any, matchers: Matchers, cluster: Cluster) -> Answer:
        match node:
            case ast.VectorSelector():
                own = [(m.name, m.op, m.value) for m in node.matchers.matchers]
                return None if node.offset else self._selected(
                    str(node.name), (*matchers, *own), cluster)
            case ast.SubqueryExpr() if node.offset:
                return None  # how often what it reads is evaluated is not known here
            case ast.BinaryExpr():
                return self._binary(node, matchers, cluster)
            case ast.Call() if node.func.name.startswith("absent"):
                return None
            case _:
                return _all(self._answer(part, matchers, cluster) for part in _parts(node))

    def _selected(self, name: str, matchers: Matchers, cluster: Cluster) -> Answer:
        rules = self._rules.get(name)
        if rules is not None:
            return _any(self._recorded(rule, matchers, cluster) for rule in rules)
        if name in ("ALERTS", "ALERTS_FOR_STATE"):
            return None
        if name == c.SERVER_REQUESTS.name:
            return any(f"requests_{outcome}" in cluster.signals
                       and _matches({**cluster.labels, c.OUTCOME.name: outcome}, matchers)
                       for outcome in c.OUTCOMES)
        if name in SIGNALS:
            return SIGNALS[name] in cluster.signals and _matches(cluster.labels, matchers)
        return any(_matches(series.labels, matchers, closed=True) for series in cluster.named(name))

    def _recorded(self, rule: Rule, matchers: Matchers, cluster: Cluster) -> Answer:
        """Labels that the rule sets, or drops, are judged here; the others further down."""
        fixed = {name: rule.fixed.get(name, "") for name, _, _ in matchers
                 if name in rule.fixed or name not in rule.labels}
        if not _matches(fixed, matchers):
            return False
        passed = tuple(matcher for matcher in matchers if matcher[0] not in fixed)
        key = rule.expr, str(passed), cluster
        if key not in self._recorded_answers:
            self._recorded_answers[key] = False  # as yet, for a rule that remembers itself
            self._recorded_answers[key] = self._answer(self._parse(rule.expr), passed, cluster)
        return self._recorded_answers[key]

    def _binary(self, node: Any, matchers: Matchers, cluster: Cluster) -> Answer:
        operator, matching = str(node.op), node.modifier and node.modifier.matching
        common = matchers
        if matching is not None and matching.type == ast.LabelModifierType.Include:
            common = tuple(m for m in matchers if m[0] in matching.labels)
        card = node.modifier and node.modifier.card
        lent = tuple(m for m in matchers if card and m[0] in (node.modifier.group_labels or ()))
        many = tuple(m for m in matchers if m not in lent)  # what the one side lends is its alone
        for_left, for_right = many, (*(m for m in common if m not in lent), *lent)
        if card == ast.VectorMatchCardinality.OneToMany:
            for_left, for_right = for_right, for_left
        elif operator == "or":
            for_right = matchers
        left = self._answer(node.lhs, for_left, cluster)
        right = self._answer(node.rhs, for_right, cluster)
        if operator == "or":
            return _any((left, right))
        if operator == "unless":
            return left if right is None else left and not right
        both = _all((left, right))
        if operator in COMPARISONS and both and self._hangs_on_values(node):
            return None
        return both

    def _hangs_on_values(self, node: Any) -> bool:
        """Whether a comparison filters by what was measured. More than nothing there is."""
        if node.modifier is not None and node.modifier.return_bool:
            return False
        different = isinstance(node.lhs, ast.AggregateExpr) and str(node.lhs.op) in DIFFERENCES
        nothing = isinstance(node.rhs, ast.NumberLiteral) and not node.rhs.val
        more_than_nothing = str(node.op) in (">", ">=") and nothing and not different
        return not more_than_nothing and bool(self._scraped(node))


def _parts(node: Any) -> Sequence[Any]:
    match node:
        case ast.BinaryExpr():
            return node.lhs, node.rhs
        case ast.Call():
            return list(node.args)
        case ast.MatrixSelector():
            return [node.vector_selector]
        case (ast.AggregateExpr() | ast.ParenExpr() | ast.UnaryExpr()
              | ast.SubqueryExpr()):
            return [node.expr]
        case _:
            return []


def _all(answers: Iterable[Answer]) -> Answer:
    values = list(answers)
    return False if False in values else None if None in values else True


def _any(answers: Iterable[Answer]) -> Answer:
    values = list(answers)
    return True if True in values else None if None in values else False


def _matches(labels: Mapping[str, str], matchers: Matchers, closed: bool = False) -> bool:
    """Whether the labels match; one that is not among them is none if they are `closed`."""
    return all(_match(labels.get(name, ""), operator, value)
               for name, operator, value in matchers if closed or name in labels)


def _match(label: str, operator: ast.MatchOp, value: str) -> bool:
    literal = operator in (ast.MatchOp.Equal, ast.MatchOp.NotEqual)
    equal = label == value if literal else re.fullmatch(value, label) is not None
    return equal if operator in (ast.MatchOp.Equal, ast.MatchOp.Re) else not equal

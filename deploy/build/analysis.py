"""What an expression in PromQL reads, and which labels its series carry: by its syntax tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

import promql_parser as ast

LabelSet = frozenset[str]
LabelsOf = Callable[[str], LabelSet | None]  # a name -> the labels its series may carry

_LABEL_KEEPING = ("topk", "bottomk", "limitk")  # aggregations that pass series on as they are
_SET_OPERATORS = ("and", "unless", "or")


@dataclass
class Analysis:
    """What one expression reads, and what is wrong with it."""

    labels: LabelSet = frozenset()  # of its series; a scalar has none
    names: set[str] = field(default_factory=set)
    selectors: list[tuple[str, frozenset[str]]] = field(default_factory=list)  # name, matchers
    ranges: list[tuple[str, timedelta]] = field(default_factory=list)  # name, how far back
    matches: list[LabelSet] = field(default_factory=list)  # what sides are matched or summed by
    findings: list[str] = field(default_factory=list)


def analyse(expr: str, labels_of: LabelsOf) -> Analysis:
    """Analyse an expression; one that is no PromQL is a finding."""
    try:
        tree = ast.parse(expr)
    except ValueError as error:
        return Analysis(findings=[f"no PromQL: {error}"])
    walk = _Walk(labels_of)
    labels = walk.labels(tree)
    walk.analysis.labels = labels or frozenset()
    return walk.analysis


class _Walk:
    """A walk through the tree; each method returns the labels that come out, None for a scalar."""

    def __init__(self, labels_of: LabelsOf) -> None:
        self._labels_of = labels_of
        self._made: set[str] = set()  # labels that the expression itself makes
        self.analysis = Analysis()

    def labels(self, node: ast.Expr) -> LabelSet | None:
        """The labels of the node's series."""
        match node:
            case ast.VectorSelector():
                return self._selector(node)
            case ast.MatrixSelector():
                self._looks_back(node.vector_selector, node.range)
                return self._selector(node.vector_selector)
            case ast.SubqueryExpr():
                self._subquery(node)
                return self.labels(node.expr)
            case ast.ParenExpr() | ast.UnaryExpr():
                return self.labels(node.expr)
            case ast.AggregateExpr():
                return self._aggregate(node)
            case ast.BinaryExpr():
                return self._binary(node)
            case ast.Call():
                return self._call(node)
        return None

    def _selector(self, node: ast.VectorSelector) -> LabelSet:
        if node.matchers.or_matchers or not node.name:
            self._report(f"{node}: select by one name, with matchers that all hold")
            return frozenset()
        self.analysis.names.add(node.name)
        self.analysis.selectors.append((node.name, frozenset(map(str, node.matchers.matchers))))
        labels = self._labels_of(node.name)
        if labels is None:
            self._report(f"{node.name} is neither in the catalogue nor recorded: define it, or "
                         "list it in deploy/build/vocabulary.py if it is Prometheus' own")
            return frozenset(matcher.name for matcher in node.matchers.matchers)
        self._require((matcher.name for matcher in node.matchers.matchers), labels, node.name)
        return labels

    def _looks_back(self, node: ast.VectorSelector, span: timedelta) -> None:
        self.analysis.ranges.append((str(node.name), span))

    def _subquery(self, node: ast.SubqueryExpr) -> None:
        if node.range and isinstance(node.expr, ast.VectorSelector):
            self._looks_back(node.expr, node.range)

    def _aggregate(self, node: ast.AggregateExpr) -> LabelSet:
        inside = self.labels(node.expr) or frozenset()
        named = frozenset(node.modifier.labels if node.modifier else ())
        self._require(named, inside, f"{node.op} of {node.expr}")
        without = node.modifier and node.modifier.type == ast.AggModifierType.Without
        kept = inside - named if without else named
        if str(node.op) == "count_values" and isinstance(node.param, ast.StringLiteral):
            kept |= {node.param.val}
        self.analysis.matches.append(kept)
        return inside if str(node.op) in _LABEL_KEEPING else kept

    def _binary(self, node: ast.BinaryExpr) -> LabelSet | None:
        left, right = self.labels(node.lhs), self.labels(node.rhs)
        if left is None or right is None:
            return right if left is None else left
        on = self._matched_on(node, left, right)
        operator = str(node.op)
        if operator in _SET_OPERATORS:
            if operator == "or":  # what is made here may be made on one side alone
                return left & right | (left | right) & self._made
            return left
        if not node.modifier or node.modifier.card == ast.VectorMatchCardinality.OneToOne:
            return on
        grouped = frozenset(node.modifier.group_labels or ())
        many, one = left, right
        if node.modifier.card == ast.VectorMatchCardinality.OneToMany:
            many, one = right, left
        self._require(grouped, one, str(node))
        return many | grouped

    def _matched_on(self, node: ast.BinaryExpr, left: LabelSet, right: LabelSet) -> LabelSet:
        """The labels by which the sides are matched."""
        matching = node.modifier.matching if node.modifier else None
        named = frozenset(matching.labels if matching else ())
        if matching and matching.type == ast.LabelModifierType.Include:
            self.analysis.matches.append(named)
            self._require(named, left & right, str(node))
            return named
        if str(node.op) not in _SET_OPERATORS and left - named != right - named:
            self._report(f"{node}: sides with different labels are matched on all: say `on`")
        return left - named

    def _call(self, node: ast.Call) -> LabelSet | None:
        if node.func.return_type == ast.ValueType.Scalar:
            for argument in node.args:
                self.labels(argument)
            return None
        vectors = [labels for argument in node.args
                   if (labels := self.labels(argument)) is not None]
        labels = vectors[0] if vectors else frozenset()
        match node.func.name:
            case "label_replace" | "label_join":
                self._made.add(node.args[1].val)
                return labels | {node.args[1].val}
            case "histogram_quantile" | "histogram_fraction":
                return labels - {"le"}
            case "absent" | "absent_over_time":
                return _equal_labels(node.args[0])
        return labels

    def _require(self, names: Iterable[str], labels: LabelSet, place: str) -> None:
        for name in sorted(frozenset(names) - labels):
            self._report(f"{place} has no label {name}: "
                         f"it has {', '.join(sorted(labels)) or 'none'}")

    def _report(self, text: str) -> None:
        if text not in self.analysis.findings:
            self.analysis.findings.append(text)


def _equal_labels(node: ast.Expr) -> LabelSet:
    """The labels whose values a selector gives: all that is known of what is absent."""
    selector = node.vector_selector if isinstance(node, ast.MatrixSelector) else node
    if not isinstance(selector, ast.VectorSelector):
        return frozenset()
    return frozenset(matcher.name for matcher in selector.matchers.matchers
                     if matcher.op == ast.MatchOp.Equal)

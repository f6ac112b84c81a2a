"""What must hold of the bundle; each proof says what does not.

Expressions are judged by their syntax trees: a name, a label or a range that is wrong there is
found before any Prometheus sees it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import cached_property

from alerts.model import HOLD, SEVERITIES, TEAMS, Alert
from dashboards.model import PREFIX
from deploy import cardinality
from deploy.bundle import Bundle
from deploy.durations import milliseconds
from deploy.expressions import Labels, Reading, read
from deploy.places import Expression, expressions, matched
from deploy.unused import UNUSED
from deploy.vocabulary import FOREIGN, families, known
from inferometer import catalogue as c

# Seldom ones: what is rare must be looked for over longer than an alert holds.
EVENTS = {
    *(each.name for each in (c.GPU_XID, c.GPU_ECC, c.GPU_REMAPPED, c.LABELS_FOLDED,
                             c.CONFIG_RELOADS)),
    *(name for name in FOREIGN if name.endswith("_total")),
}
EVENTS_LOOK_BACK = timedelta(minutes=15)
MOST_RULES = 20
LONGEST_NAME = 40
RECORDED_NAME = re.compile(r"(model|gpu|node|fleet):[a-z][a-z0-9_]*:[a-z0-9_]+")
ALERT_NAME = re.compile(r"([A-Z]+[a-z0-9]+)+")  # as mixtool asks
ENTRY = ("Meaning", "Impact", "Look at first", "Remedy")
SENTENCE = re.compile(r"[A-Z0-9].*\.", re.DOTALL)

_ENTRY = re.compile(r"^## (\w+)$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_PART = re.compile(r"^\*\*([^*]+)\.\*\*", re.MULTILINE)
_BOARD = re.compile(rf"/d/({PREFIX}-[\w-]+)")


class Proofs:
    """All proofs of a bundle, which reads each expression once."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._known = known(bundle.rules, bundle.alerts, bundle.metrics)

    def findings(self) -> list[str]:
        """What does not hold, a line each."""
        proofs = (
            self.names_and_labels, self.recorded_labels, self.everything_is_used, self.events,
            self.groups, self.recorded_names, self.alerts, self.runbook, self.routing,
            self.boards, self.budgets,
        )
        return [finding for proof in proofs for finding in proof()]

    def names_and_labels(self) -> Iterator[str]:
        """Every metric and label that is named anywhere is one there is."""
        for expression, reading in self._readings:
            for finding in reading.findings:
                yield f"{expression.where}: {finding}"
            for label in sorted(expression.named - reading.labels):
                yield f"{expression.where}: its series have no label {label}"

    def recorded_labels(self) -> Iterator[str]:
        """A recorded rule declares the labels that its expression gives."""
        for rule in self.bundle.rules:
            given = self._read(rule.expr).labels | {*rule.fixed}
            if given != {*rule.labels}:
                yield f"{rule}: gives {_listed(given)}, declares {_listed(rule.labels)}"

    def everything_is_used(self) -> Iterator[str]:
        """Every metric is read somewhere, or it is said why not."""
        used = {name for _, reading in self._readings for name in reading.names}
        for metric in self.bundle.metrics:
            is_used = bool(used & families(metric).keys())
            if not is_used and metric not in UNUSED:
                yield f"{metric.name} is read by no rule, alert or board, and nobody says why"
            if is_used and metric in UNUSED:
                yield f"{metric.name} is excused though it is read"

    def events(self) -> Iterator[str]:
        """Alerts look for events over a quarter of an hour, and over longer than they hold."""
        for alert in self.bundle.alerts:
            hold = timedelta(milliseconds=milliseconds(alert.hold))
            for name, span in self._ranges(alert.expr):
                if name in EVENTS and (span <= hold or span < EVENTS_LOOK_BACK):
                    yield f"{alert}: {name} is looked for over {span}, with a hold of {hold}"

    def groups(self) -> Iterator[str]:
        """Groups are small, and each has a name of its own."""
        sizes = [(group.name, len(group.rules)) for group in self.bundle.groups]
        sizes += [(group.name, len(group.alerts)) for group in self.bundle.alert_groups]
        for name, size in sizes:
            if not 0 < size <= MOST_RULES:
                yield f"group {name}: {size} rules, not 1 to {MOST_RULES}"
            if len(name) > LONGEST_NAME:
                yield f"group {name}: longer than {LONGEST_NAME} characters"
        yield from _repeated("group", (name for name, _ in sizes))

    def recorded_names(self) -> Iterator[str]:
        """Recorded series are named level:metric:operation, and say how to read them."""
        for rule in self.bundle.rules:
            if not RECORDED_NAME.fullmatch(rule.name):
                yield f"{rule}: not level:metric:operation"
            if not SENTENCE.fullmatch(rule.help):
                yield f"{rule}: help is no sentence: {rule.help!r}"
        yield from _repeated("rule", (
            f"{rule}{dict(rule.fixed) or ''}" for rule in self.bundle.rules))

    def alerts(self) -> Iterator[str]:
        """Alerts are complete, keep to the mixins' conventions, and carry their subject's scope."""
        for alert in self.bundle.alerts:
            for wrong in self._wrong_with(alert):
                yield f"{alert} ({alert.severity}): {wrong}"
        yield from _repeated("alert", (
            f"{alert} ({alert.severity})" for alert in self.bundle.alerts))

    def runbook(self) -> Iterator[str]:
        """Every alert has an entry with all its parts, and every entry is that of an alert."""
        entries = dict(_ENTRY.findall(self.bundle.runbook))
        names = {alert.name for alert in self.bundle.alerts}
        yield from (f"{name} has no heading in the runbook" for name in sorted(names - {*entries}))
        yield from (f"the runbook tells of {name}, which is no alert"
                    for name in sorted({*entries} - names))
        for name, entry in entries.items():
            if tuple(_PART.findall(entry)) != ENTRY:
                yield f"runbook, {name}: its parts are not {', '.join(ENTRY)}"

    def routing(self) -> Iterator[str]:
        """Routes and inhibitions name labels and values that alerts have."""
        of_alerts = {
            "alertname": {alert.name for alert in self.bundle.alerts},
            "severity": {*SEVERITIES},
            "subject": {alert.subject.name for alert in self.bundle.alerts},
            "team": {*TEAMS},
        }
        scopes = {label for alert in self.bundle.alerts for label in alert.subject.scope}
        for label, values in sorted({*matched(self.bundle.routing)}):
            if label not in of_alerts.keys() | scopes:
                yield f"routing: alerts have no label {label}"
            for value in sorted({*values} - of_alerts.get(label, {*values})):
                yield f"routing: {label} is never {value}"

    def boards(self) -> Iterator[str]:
        """Boards have uid and title, and links lead to boards there are."""
        for uid, board in self.bundle.boards.items():
            if board.get("uid") != uid or not board.get("title"):
                yield f"board {uid}: uid {board.get('uid')!r}, title {board.get('title')!r}"
            for linked in sorted({*_BOARD.findall(str(board))} - self.bundle.boards.keys()):
                yield f"board {uid}: links to {linked}, which is none"

    def budgets(self) -> Iterator[str]:
        """There are no more series than one Prometheus has room for."""
        yield from cardinality.findings(self.bundle.metrics, self.bundle.rules)

    def _wrong_with(self, alert: Alert) -> Iterator[str]:
        missing = {*alert.subject.scope} - self._read(alert.expr).labels
        checks = {
            f"its series lack {_listed(missing)} of the subject {alert.subject.name}": not missing,
            f"name is not like {ALERT_NAME.pattern}, {LONGEST_NAME} characters at most":
                ALERT_NAME.fullmatch(alert.name) and len(alert.name) <= LONGEST_NAME,
            f"severity is none of {_listed(SEVERITIES)}": alert.severity in SEVERITIES,
            f"team is none of {_listed(TEAMS)}": alert.subject.team in TEAMS,
            "summary is no plain sentence":
                SENTENCE.fullmatch(alert.summary) and "{{" not in alert.summary,
            "description says no value": "{{" in alert.description,
            f"there is no board {alert.board}": f"{PREFIX}-{alert.board}" in self.bundle.boards,
            f"holds {alert.hold} and does not say why": alert.hold == HOLD or alert.because,
            "says why it holds as long as all others": alert.hold != HOLD or not alert.because,
        }
        return (wrong for wrong, holds in checks.items() if not holds)

    def _ranges(self, expr: str) -> Iterator[tuple[str, timedelta]]:
        """How far back the expression looks, and the recorded rules that it reads."""
        reading = self._read(expr)
        yield from reading.ranges
        for rule in self.bundle.rules:
            if rule.name in reading.names:
                yield from self._ranges(rule.expr)

    @cached_property
    def _readings(self) -> list[tuple[Expression, Reading]]:
        return [(each, self._read(each.expr)) for each in expressions(self.bundle)]

    def _read(self, expr: str) -> Reading:
        if expr not in self._cache:
            self._cache[expr] = read(expr, self._known)
        return self._cache[expr]

    @cached_property
    def _cache(self) -> dict[str, Reading]:
        return {}


def _repeated(kind: str, names: Iterable[str]) -> Iterator[str]:
    return (f"{kind} {name} is there {count} times"
            for name, count in Counter(names).items() if count > 1)


def _listed(labels: Labels | Iterable[str]) -> str:
    return ", ".join(sorted(labels)) or "no labels"

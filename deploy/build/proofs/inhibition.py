"""Every inhibition can act, by labels that are there, and hides no cause of what it covers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from alerts.model import Alert
from deploy.build.bundle import Bundle
from deploy.build.expressions import Expressions
from deploy.build.proofs.conventions import listed
from deploy.build.proofs.runbook import entries, parts

_MATCHER = re.compile(r'(\w+) *(=~|!=|!~|=) *"?([^"]*)"?')
_CAUSES = "Look at first"  # the part of a runbook entry that sends people to other alerts
_ACTS_NEVER = "an inhibition that can never act is none"


@dataclass(frozen=True)
class _Inhibition:
    """A rule of Alertmanager, with the alerts that it is about."""

    name: str
    sources: tuple[Alert, ...]
    targets: tuple[Alert, ...]
    equal: tuple[str, ...]

    @property
    def pairs(self) -> Iterator[tuple[Alert, Alert]]:
        """Source and target. As with Alertmanager, who is on both sides silences no such one."""
        both = {*self.sources} & {*self.targets}
        for source in self.sources:
            for target in self.targets:
                own, other = _labels(source), _labels(target)
                if not {source, target} <= both and all(
                        own.get(label) == other.get(label)
                        for label in self.equal if label in own or label in other):
                    yield source, target


def findings(bundle: Bundle, expressions: Expressions) -> Iterator[str]:
    """What does not hold, a line each."""
    alerts = [*bundle.alerts]
    carried = {alert: {*_labels(alert)} | expressions.analysis(alert.expr).labels
               for alert in alerts}
    inhibitions = [_read(rule, alerts) for rule in bundle.routing["inhibit_rules"]]
    earlier: dict[tuple[Alert, Alert], list[set[str]]] = {}
    for one in inhibitions:
        for finding in _findings(one, carried, earlier):
            yield f"inhibition of {one.name}: {finding}"
        for pair in one.pairs:
            earlier.setdefault(pair, []).append({*one.equal})
    yield from _hidden_causes(bundle, inhibitions)


def _findings(one: _Inhibition, carried: Mapping[Alert, set[str]],
              earlier: Mapping[tuple[Alert, Alert], list[set[str]]]) -> Iterator[str]:
    pairs = [*one.pairs]
    if not one.sources:
        yield f"no alert is its source: {_ACTS_NEVER}"
    elif not {*one.targets} - {*one.sources}:
        yield f"no alert is its target, but those that are its source: {_ACTS_NEVER}"
    elif not pairs:
        yield f"source and target never have equal {listed(one.equal)}: {_ACTS_NEVER}"
    for alert in dict.fromkeys(alert for pair in pairs for alert in pair):
        if missing := {*one.equal} - carried[alert]:
            yield (f"{alert} ({alert.severity}) never carries {listed(missing)}, and what both "
                   "sides lack counts as equal: compare labels that all of them carry")
    if pairs and all(any(labels <= {*one.equal} for labels in earlier.get(pair, ()))
                     for pair in pairs):
        yield "others silence the same already: take it out"


def _hidden_causes(bundle: Bundle, inhibitions: Iterable[_Inhibition]) -> Iterator[str]:
    """Alerts that an entry of the runbook sends people to, while its alert silences them."""
    looked_at = {name: {*re.findall(r"\w+", parts(entry).get(_CAUSES, ""))}
                 for name, entry in entries(bundle.runbook).items()}
    pairs = dict.fromkeys((source.name, target.name) for one in inhibitions
                          for source, target in one.pairs if source.name != target.name)
    for source, target in pairs:
        if target in looked_at.get(source, ()):
            yield (f"{source} silences {target}, to which its runbook sends people under "
                   f"“{_CAUSES}”: take it out of COVERS in alerts/degraded.py")


def _read(rule: Mapping[str, Any], alerts: Iterable[Alert]) -> _Inhibition:
    sources, targets = (tuple(alert for alert in alerts if _matches(rule[side], alert))
                        for side in ("source_matchers", "target_matchers"))
    name = " by ".join(", ".join(rule[side]) for side in ("target_matchers", "source_matchers"))
    return _Inhibition(name, sources, targets, tuple(rule["equal"]))


def _matches(matchers: Iterable[str], alert: Alert) -> bool:
    """Whether the alert may match. What its series bring along is not known here."""
    labels = _labels(alert)
    return all(_agrees(labels[match[1]], match[2], match[3]) for matcher in matchers
               if (match := _MATCHER.fullmatch(matcher)) and match[1] in labels)


def _agrees(actual: str, operator: str, value: str) -> bool:
    equal = bool(re.fullmatch(value, actual)) if "~" in operator else actual == value
    return equal is not operator.startswith("!")


def _labels(alert: Alert) -> dict[str, str]:
    """The labels of an alert's definition."""
    return {"alertname": alert.name, "severity": alert.severity, "subject": alert.subject.name,
            "team": alert.subject.team, **alert.labels}

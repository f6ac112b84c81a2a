"""Which alert silences which: a critical one the lower tiers of itself, and the covers their parts.

Nothing else: what else is known of a subject is where the cause is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from alerts import ALERT_GROUPS
from alerts.degraded import COVERS
from alerts.model import Alert, Subject

_ALERTS = tuple(alert for group in ALERT_GROUPS for alert in group.alerts)
_PAGES = "critical"


def inhibitions() -> list[dict[str, Any]]:
    """Alertmanager's rules.

    All labels of a scope are compared: a label that both sides lack counts as equal.
    """
    return [*_lower_tiers(), *_covered()]


def _lower_tiers() -> Iterator[dict[str, Any]]:
    """What is critical silences the same alert where it is less than that."""
    critical = {(alert.name, alert.subject) for alert in _ALERTS if alert.severity == _PAGES}
    lower: dict[tuple[str, ...], list[Alert]] = {}
    for alert in _ALERTS:
        if alert.severity != _PAGES and (alert.name, alert.subject) in critical:
            lower.setdefault(alert.subject.scope, []).append(alert)
    for scope, alerts in lower.items():
        yield {
            "source_matchers": [_matcher("alertname", (alert.name for alert in alerts)),
                                _matcher("severity", [_PAGES])],
            "target_matchers": [_matcher("severity", (alert.severity for alert in alerts))],
            "equal": ["alertname", *scope],
        }


def _covered() -> Iterator[dict[str, Any]]:
    """An alert that says all that others say silences them, critical ones included.

    What is about a node needs its name: without, it could be any.
    """
    for cover, parts in COVERS.items():
        scopes: dict[tuple[str, ...], list[Alert]] = {}
        for part in parts:
            scopes.setdefault(_shared(cover.subject, part.subject), []).append(part)
        for scope, alerts in scopes.items():
            yield {
                "source_matchers": [_matcher("alertname", [cover.name]),
                                    _matcher("severity", [cover.severity]),
                                    *(f'{label}!=""' for label in scope if label == "node")],
                "target_matchers": [_matcher("alertname", (part.name for part in alerts))],
                "equal": [*scope],
            }


def _shared(one: Subject, other: Subject) -> tuple[str, ...]:
    return tuple(label for label in one.scope if label in other.scope)


def _matcher(label: str, values: Iterable[str]) -> str:
    distinct = dict.fromkeys(values)
    return f'{label}{"=~" if len(distinct) > 1 else "="}"{"|".join(distinct)}"'

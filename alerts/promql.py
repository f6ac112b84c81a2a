"""Shapes that alerts repeat: over a limit, away for long, and figures in their descriptions."""

from __future__ import annotations

from collections.abc import Sequence

from inferometer import catalogue as c
from recording_rules.limits import Limit
from recording_rules.model import Rule
from recording_rules.promql import MODEL, on


def over(rule: Rule | str, limit: Limit) -> str:
    """Above the limit in force."""
    return f"{rule} > {on(limit.labels)} group_left () {limit.selector}"


def over_chosen(rule: Rule | str, limit: Limit, times: float) -> str:
    """Above a multiple of the limit, where somebody configured it: what may page."""
    return f"{rule} > {on(limit.labels)} group_left () ({times:g} * {limit.chosen})"


def limit_value(limit: Limit, unit: str) -> str:
    """The limit in force as a description's template; `unit` is one of Prometheus' humanizers."""
    return _value(limit.selector.replace("}", ", %s}"), limit.labels, unit)


def value_of(rule: Rule, unit: str) -> str:
    """Another figure with the alert's labels as a description's template."""
    return _value(f"{rule}{{%s}}", rule.labels, unit)


def _value(query: str, labels: Sequence[str], unit: str) -> str:
    return answered(query, f"{{{{ . | first | value | {unit} }}}}", labels=labels)


def answered(query: str, then: str, otherwise: str = "", labels: Sequence[str] = MODEL) -> str:
    """A description's template: `then`, of which the dot is the query's answer, or `otherwise`.

    `%s` in the query stands for matchers of what the alert is about, by these labels.
    """
    matchers = ", ".join(f"{label}=%q" for label in labels)
    values = " ".join([f"$labels.{label}" for label in labels] * query.count("%s"))
    if otherwise:
        otherwise = f"{{{{ else }}}}{otherwise}"
    return (f"{{{{ with printf `{query.replace('%s', matchers)}` {values} | query }}}}"
            f"{then}{otherwise}{{{{ end }}}}")


FLAP_WINDOW, FLAPS, STEADY = "30m", c.FLAPS, c.AWAY_RATIO


def away(now: str, share: str, changes: str) -> str:
    """The share of the window in which something was there: if it is not now, or comes and goes.

    The share is held against 1 while it is away, and against less while it changes often.
    """
    return f"{share} < ({now} == bool 0) + {STEADY} * ({changes} >= bool {FLAPS})"

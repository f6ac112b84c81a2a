"""Shapes that alerts repeat: over a limit, and whom and what it is about in words."""

from __future__ import annotations

from recording_rules.limits import Limit
from recording_rules.model import Rule
from recording_rules.promql import ENOUGH_RATE, on

# Whom a model's alert is about. Some engines do not name their model.
MODEL_IN_WORDS = '{{ or $labels.model "A model without a name" }} on {{ $labels.engine }}'
MIN_RATE = ENOUGH_RATE


def over(rule: Rule | str, limit: Limit) -> str:
    """Above the limit in force."""
    return f"{rule} > {on(limit.labels)} group_left () {limit.selector}"


def over_chosen(rule: Rule | str, limit: Limit, times: float) -> str:
    """Above a multiple of the limit, where somebody configured it: what may page."""
    return f"{rule} > {on(limit.labels)} group_left () ({times:g} * {limit.chosen})"


def limit_value(limit: Limit, unit: str) -> str:
    """The limit in force as a description's template; `unit` is one of Prometheus' humanizers."""
    return _value(limit.selector.replace("}", ", }"), limit.labels, unit)


def value_of(rule: Rule, unit: str) -> str:
    """Another figure with the alert's labels as a description's template."""
    return _value(f"{rule}{{}}", rule.labels, unit)


def _value(selector: str, labels: tuple[str, ...], unit: str) -> str:
    matchers = ", ".join(f"{label}=%q" for label in labels)
    values = " ".join(f"$labels.{label}" for label in labels)
    return (f"{{{{ with printf `{selector.replace('}', f'{matchers}}}')}` {values} | query }}}}"
            f"{{{{ . | first | value | {unit} }}}}{{{{ end }}}}")


FLAP_WINDOW, FLAPS, STEADY = "30m", 4, 0.75


def away(now: str, share: str, changes: str) -> str:
    """The share of the window in which something was there: if it is not now, or comes and goes.

    The share is held against 1 while it is away, and against less while it changes often.
    """
    return f"{share} < ({now} == bool 0) + {STEADY} * ({changes} >= bool {FLAPS})"

"""Shapes that alerts repeat: over a limit, and whom and what it is about in words."""

from __future__ import annotations

from recording_rules.limits import Limit
from recording_rules.model import Rule
from recording_rules.promql import on

# Whom a model's alert is about. Some engines do not name their model.
MODEL_IN_WORDS = '{{ or $labels.model "A model without a name" }} on {{ $labels.engine }}'
# Of fewer requests the slowest twentieth is not even one, and a ratio is an accident.
MIN_RATE = "20 / 300"  # a second, so 20 in the five minutes that are looked at


def over(rule: Rule | str, limit: Limit, *, times: float = 1) -> str:
    """Above the limit in force, or a multiple of it."""
    bound = limit.selector if times == 1 else f"({times:g} * {limit.selector})"
    return f"{rule} > {on(limit.labels)} group_left () {bound}"


def limit_value(limit: Limit, unit: str) -> str:
    """The limit in force as a description's template; `unit` is one of Prometheus' humanizers."""
    matchers = "".join(f", {label}=%q" for label in limit.labels)
    selector = limit.selector.replace("}", f"{matchers}}}")
    labels = " ".join(f"$labels.{label}" for label in limit.labels)
    return (f"{{{{ with printf `{selector}` {labels} | query }}}}"
            f"{{{{ . | first | value | {unit} }}}}{{{{ end }}}}")

"""Requests beyond the limits of latency, as far as a histogram has them: next to each limit.

A limit may lie on a bound or between two of them, below the first one or above the last one. So
there are up to three figures, each with the side of the limit on which its bound lies: no request
beyond the limit is missing in that of the bound below, and none within it is in that of the bound
above. Of replicas with different bounds those count that all of them have.
"""

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.bounds import BOUND, BOUNDS, FINITE, by_bound
from recording_rules.limits import DURATION, TPOT, TTFT, Limit
from recording_rules.model import Rule
from recording_rules.promql import MODEL, by, on

SIDE = "side"  # of the limit, on which the bound lies: the sign of the limit less the bound
BELOW, UPON, ABOVE = "1", "0", "-1"
# Ranges of Prometheus 3 are open on the left: with a moment more it sees the scrapes that 2 sees.
WINDOW = "5m60ms"
_SIGNS = " or ".join(f'label_replace(vector({sign}), "{SIDE}", "{side}", "", "")'
                     for side, sign in ((BELOW, 1), (UPON, 1), (ABOVE, -1)))


def _counted(metric: Metric) -> str:
    return f"sum {by(MODEL)} (increase({metric.name}_count[{WINDOW}]))"


def _beyond(metric: Metric, limit: Limit) -> Rule:
    increases = f"increase({metric.name}_bucket{{{FINITE}}}[{WINDOW}])"
    replicas = f"count {by(MODEL)} (increase({metric.name}_count[{WINDOW}]))"
    common = by_bound(f"(count {by((*MODEL, 'le'))} ({increases}) "
                      f"== {on(MODEL)} group_left () {replicas})")
    side = (f"sgn({limit.selector} - {on(limit.labels)} group_right () "
            f"({common} * 0 + {on((BOUND,))} group_left () {BOUNDS}))")
    within = by_bound(f"sum {by((*MODEL, 'le'))} ({increases})")
    # Buckets grow with their bounds: next to the limit are the largest of those below it, and the
    # smallest of those above it, which is the largest of negative ones.
    nearest = (f'max {by((*MODEL, SIDE))} (count_values {by((*MODEL, BOUND))} ("{SIDE}", {side}) '
               f"* {on((SIDE,))} group_left () ({_SIGNS}) "
               f"* {on((*MODEL, BOUND))} group_left () {within})")
    return Rule(
        f"model:{metric.name}:beyond_limit_5m",
        f"clamp_min({COUNTED[metric]} - {on(MODEL)} group_right () abs({nearest}), 0)",
        (*MODEL, SIDE),
        f"{metric.help.rstrip('.')}: requests of 5 minutes beyond the bound that is the limit "
        f'({SIDE}="{UPON}"), or is next to it below ({BELOW}) and above ({ABOVE}).')


LIMITED = {c.SERVER_TTFT: TTFT, c.SERVER_TPOT: TPOT, c.SERVER_DURATION: DURATION}
COUNTED = {metric: _counted(metric) for metric in LIMITED}
BEYOND = {metric: _beyond(metric, limit) for metric, limit in LIMITED.items()}


def most(metric: Metric, when: str = "") -> str:
    """Requests beyond the limit, or too many; nothing, if no bound is as small as the limit."""
    return f'min {by(MODEL)} ({BEYOND[metric]}{{{SIDE}=~"{UPON}|{BELOW}"}}{when})'


def least(metric: Metric) -> str:
    """Requests beyond the limit, or too few; nothing, if no bound is as large as the limit."""
    return f'max {by(MODEL)} ({BEYOND[metric]}{{{SIDE}=~"{UPON}|{ABOVE}"}})'

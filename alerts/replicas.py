"""One replica is unlike the others of its model. A cause, and named: the model's p95 hides it."""

from __future__ import annotations

from alerts import words
from alerts.model import ENGINE, TARGET, Alert, AlertGroup
from inferometer import catalogue as c
from recording_rules.promql import MODEL, WINDOW, by, on, rate

SLOWER, FEWEST = c.SLOWER_REPLICA, c.FEWEST_REPLICAS
# It has to be slow for as long as the alert holds, which is other requests every time.
REQUESTS = c.REPLICA_REQUESTS

_SUM, _COUNT = (rate(TARGET, f"{c.SERVER_DURATION.name}_{part}") for part in ("sum", "count"))
_MEAN = f"({_SUM} / ({_COUNT} >= {REQUESTS} / 300))"
_MEDIAN = (f"(quantile {by(MODEL)} (0.5, {_MEAN}) "
           f"and {on(MODEL)} count {by(MODEL)} ({_MEAN}) >= {FEWEST})")

REPLICA_SLOW = Alert(
    "LLMReplicaSlow", ENGINE, "warning",
    f"{_MEAN} > {on(MODEL)} group_left () ({SLOWER} * {_MEDIAN})",
    summary="A replica is far slower than the other replicas of its model.",
    description=f"Mean request duration of {words.REPLICA} is {{{{ $value | humanizeDuration }}}} "
                f"over {WINDOW}, more than {SLOWER} times the median of the model's replicas.",
    board="latency")

GROUP = AlertGroup("inferometer-replica-alerts", (REPLICA_SLOW,))

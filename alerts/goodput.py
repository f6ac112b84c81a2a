"""Too few requests meet all limits of latency at once, where somebody chose how many have to.

Only a band is known. This fires if its upper bound is below the limit: then the share surely is.
"""

from __future__ import annotations

from alerts import words
from alerts.latency import FIRST_TOKEN, OUTPUT, REQUEST, parts_over
from alerts.model import SERVICE, Alert, AlertGroup
from alerts.promql import answered, limit_value
from recording_rules.goodput import UPPER
from recording_rules.latency import REMEMBERED
from recording_rules.limits import GOODPUT
from recording_rules.promql import ENOUGH, ENOUGH_RATE, HOUR, MODEL, WINDOW, on
from recording_rules.requests import ERROR_RATIO, JUDGED_HOUR, JUDGED_RATE

_ENOUGH = f"{JUDGED_RATE}%s >= {ENOUGH_RATE}"
_HOUR, _LAST = f"avg_over_time({UPPER}[{HOUR}])", f"last_over_time({UPPER}[{REMEMBERED}])"
# Of the hour and the last five minutes that had a request the better one counts, so that what is
# over does not count for an hour.
_JUDGED = (f"{UPPER} and {on(MODEL)} {_ENOUGH % ''} or {on(MODEL)} "
           f"({_HOUR} > {on(MODEL)} {_LAST} or {on(MODEL)} {_LAST}) "
           f"and {on(MODEL)} {JUDGED_HOUR} >= {ENOUGH}")
_OVER = f"over {answered(_ENOUGH.replace('%s', '{%s}'), WINDOW, HOUR)}"
_FAILED = answered(f"{ERROR_RATIO[WINDOW]}{{%s}} > 0",
                   " {{ . | first | value | humanizePercentage }} of requests failed.")
_LATE = parts_over(
    (REQUEST, FIRST_TOKEN, OUTPUT),
    "No p95 of request duration, time to first token or time per output token is known to be over "
    "its limit.")

GOODPUT_LOW = Alert(
    "LLMGoodputLow", SERVICE, "warning",
    f"({_JUDGED}) < {on(GOODPUT.labels)} group_left () {GOODPUT.selector}",
    summary="Too few requests meet all latency limits at once.",
    description=f"At most {{{{ $value | humanizePercentage }}}} of requests to {words.MODEL} met "
                f"all latency limits at once {_OVER}, limit "
                f"{limit_value(GOODPUT, 'humanizePercentage')}.{_FAILED} {_LATE}",
    board="latency")

GROUP = AlertGroup("inferometer-goodput-alerts", (GOODPUT_LOW,))

"""Requests per model and fleet: rates by outcome, and the error ratio over many windows.

An engine that does not count its errors, or its successes, has no error ratio. A long window has
one only if the model is known for half of it: two bad minutes of a new model are no bad day.
"""

from inferometer import catalogue as c
from recording_rules.model import Group, Rule
from recording_rules.promql import (
    FLEET,
    HOUR,
    MODEL,
    any_of,
    by,
    on,
    over_engines,
    rate,
    ratio,
)

FAILED = any_of(c.OUTCOME, "error", "rejected")
JUDGED = any_of(c.OUTCOME, "success", "error", "rejected")
SUCCESS = any_of(c.OUTCOME, "success")
ERROR = any_of(c.OUTCOME, "error")
INVALID = any_of(c.OUTCOME, "invalid")
OUTCOME = c.OUTCOME.name
_REQUESTS = c.SERVER_REQUESTS
_STEM = "llm_server_requests"
# How far apart it is looked at whether a model is known: 12 times in each window.
_STEPS = {"1h": "5m", "2h": "10m", "6h": "30m", "1d": "2h", "3d": "6h"}
_LOOKS = 7  # with half of the window between the first and the last

RATE = Rule(f"model:{_STEM}:rate5m", rate((*MODEL, OUTCOME), _REQUESTS), (*MODEL, OUTCOME),
            "Requests that ended, per second, by how.")
RATE_HOUR = Rule(f"model:{_STEM}:rate1h", f"avg_over_time({RATE}[{HOUR}])", (*MODEL, OUTCOME),
                 "Requests that ended, per second, by how, over an hour.")
FAILED_RATE = Rule(
    f"model:{_STEM}_failed:rate5m",
    f"sum {by(MODEL)} ({RATE}{{{FAILED}}}) "
    f"and {on(MODEL)} {RATE}{{{SUCCESS}}} and {on(MODEL)} {RATE}{{{ERROR}}}", MODEL,
    "Requests per second that failed by the server's fault or for want of room.")
JUDGED_RATE = Rule(
    f"model:{_STEM}_judged:rate5m",
    f"sum {by(MODEL)} ({RATE}{{{JUDGED}}}) and {on(MODEL)} {FAILED_RATE}", MODEL,
    "Requests per second that tell of the server: all but invalid and aborted ones.")
FAILED_HOUR = Rule(
    f"model:{_STEM}_failed:increase1h",
    f"sum {by(MODEL)} (increase({_REQUESTS.name}{{{FAILED}}}[{HOUR}])) and {FAILED_RATE}", MODEL,
    "Requests that failed in an hour: whether an error ratio is more than an accident.")
JUDGED_HOUR = Rule(
    f"model:{_STEM}_judged:increase1h",
    f"sum {by(MODEL)} (increase({_REQUESTS.name}{{{JUDGED}}}[{HOUR}])) and {JUDGED_RATE}", MODEL,
    "Requests of an hour that tell of the server: whether there are enough to wake somebody.")
INVALID_RATIO = Rule(
    f"model:{_STEM}:invalid_ratio_5m",
    ratio(f"sum {by(MODEL)} ({RATE}{{{INVALID}}})",
          f"(sum {by(MODEL)} ({RATE}) and {on(MODEL)} {RATE}{{{SUCCESS}}})"), MODEL,
    "Share of requests that were the caller's mistake. Absent without traffic.")


def _error_ratio(window: str) -> Rule:
    failed, judged = (f"sum_over_time({rule}[{window}])" for rule in (FAILED_RATE, JUDGED_RATE))
    if window == "5m":
        failed, judged = str(FAILED_RATE), str(JUDGED_RATE)
    expr, condition = ratio(failed, judged), "without traffic"
    if window in _STEPS:
        looks = f"count_over_time({JUDGED_RATE}[{window}:{_STEPS[window]}])"
        expr = f"{expr} and {on(MODEL)} {looks} >= {_LOOKS}"
        condition += f", and of a model that is known for less than half of {window}"
    return Rule(f"model:{_STEM}:error_ratio_{window}", expr, MODEL,
                f"Share of requests that failed, over {window}. Absent {condition}.")


ERROR_RATIO = {window: _error_ratio(window) for window in ("5m", "30m", "1h", "2h", "6h")}
ERROR_RATIO_LONG = {window: _error_ratio(window) for window in ("1d", "3d")}

FLEET_RATE = Rule(
    f"fleet:{_STEM}:rate5m",
    over_engines(FLEET, lambda engines: f"sum {by((*FLEET, OUTCOME))} ({RATE}{{{engines}}})"),
    (*FLEET, OUTCOME), "Requests that ended, per second, by how, over all models.")
FLEET_ERROR_RATIO = Rule(
    f"fleet:{_STEM}:error_ratio_5m",
    over_engines(FLEET, lambda engines: ratio(
        f"sum {by(FLEET)} ({FAILED_RATE}{{{engines}}})",
        f"sum {by(FLEET)} ({JUDGED_RATE}{{{engines}}})")),
    FLEET, "Share of requests that failed, over all models whose engines tell.")

GROUPS = (
    Group("inferometer-requests", (
        RATE, FAILED_RATE, JUDGED_RATE, INVALID_RATIO, *ERROR_RATIO.values(), FLEET_RATE,
        FLEET_ERROR_RATIO,
    )),
    Group("inferometer-requests-long", (
        RATE_HOUR, FAILED_HOUR, JUDGED_HOUR, *ERROR_RATIO_LONG.values(),
    ), interval="2m"),
)

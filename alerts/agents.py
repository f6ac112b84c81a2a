"""Applications that call models again and again without an end: by one trace, and by what it costs.

Both are held against the application's own week, and against nothing while less than a day of it is
known. Counters of the ledger never fall, so that a week is the difference of its ends.
"""

from __future__ import annotations

from itertools import pairwise

from alerts import words
from alerts.model import AGENTS, Alert, AlertGroup
from inferometer import catalogue as c
from recording_rules.agents import DAY, MOST_COST, SERVICE, WEEK
from recording_rules.promql import HOUR, WINDOW, by, on

LOOK_BACK = "15m"
MORE = 3  # times what as many minutes of the week cost at most
LEAST_USD = 0.2  # in the window: a loop that costs less is found by its trace
_SECONDS = 300  # of the window
_BECAUSE = "A loop goes on spending while it is waited for."
_SPENT = f"sum {by(SERVICE)} (increase({c.CLIENT_COST.name}[{WINDOW}]))"


def _traces(calls: int, when: str = "") -> str:
    """How many traces have come to so many calls, ever."""
    return f'sum {by(SERVICE)} ({c.CLIENT_LONG_TRACES.name}{{{c.CALLS.name}="{calls}"}}{when})'


def _passed(calls: int, fewer: int) -> str:
    """So many calls, where a trace has come to them now, and none to fewer in the week before."""
    now = (f"sum {by(SERVICE)} (increase({c.CLIENT_LONG_TRACES.name}"
           f'{{{c.CALLS.name}="{calls}"}}[{LOOK_BACK}])) > 0')
    earlier = _traces(fewer, f" offset {HOUR}")
    begin = f"({_traces(fewer, f' offset {WEEK}')} or {_traces(fewer, f' offset {DAY}')} * 0)"
    since = f"({begin} <= {earlier} or {begin} * 0)"  # of a ledger that was begun anew, from 0 on
    return f"({now} and {on(SERVICE)} {earlier} - {since} == 0) * 0 + {calls}"


LONG = Alert(
    "LLMAgentLooping", AGENTS, "warning",
    " or ".join(_passed(calls, fewer) for fewer, calls in reversed([*pairwise(c.LONG_TRACES)])),
    summary="A trace of an application has far more calls to models than any in its week.",
    description=f"{words.SERVICE} has made {{{{ $value | humanize }}}} calls or more in one trace. "
                "In the week before, none of its traces came near that.",
    board="requests", hold="0m", because=_BECAUSE, labels={"by": "trace"})
DEAR = Alert(
    "LLMAgentLooping", AGENTS, "warning",
    f"{_SPENT} > {MORE} * ({_SECONDS} * {MOST_COST}) and {_SPENT} > {LEAST_USD}",
    summary="An application's calls cost far more than ever in its week.",
    description=f'The calls of {words.SERVICE} cost {{{{ $value | printf "%.2f" }}}} USD in '
                f"{WINDOW}, more than {MORE} times what {WINDOW} of its week cost at most.",
    board="requests", hold="0m", because=_BECAUSE, labels={"by": "cost"})

# What is scraped every 30 s is looked at as often: each minute of a loop costs.
GROUP = AlertGroup("inferometer-agent-alerts", (LONG, DEAR), interval="15s")

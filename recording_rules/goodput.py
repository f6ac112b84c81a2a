"""Goodput: the share of requests that meet all limits of latency at once, as a band.

A histogram has how many requests were beyond a limit, not which: those beyond one limit may be
those beyond another, or others. So the share has a lower bound, for which no request misses two
limits, and an upper one, for which those that miss one limit are among those that miss another. The
exact share of the requests that ended in the window lies between the two:

- Where the limit lies between two bounds, beyond the lower bound are too many, and beyond the upper
  bound too few. Where it is less than the first bound, all may be beyond it; where it is more than
  the last one, all beyond that bound, or none.
- A request that failed may be in the histograms or not.
- A time to first token is observed before its request ends. What ended in the window and had its
  first token earlier is no more than ran when the window began, and no more than was late in the
  evaluation before, if no request within its limit takes longer than from one evaluation to the
  next. What had its first token in the window and is none of its successes still runs, failed, was
  aborted, or was lost with its engine.
- An answer of one token has no time per output token and meets that limit.
- A success that is missing in a histogram counts as beyond the limit for the lower bound.

An engine that lacks one of the three histograms, or does not count its errors, has no goodput.
"""

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.beyond import BEYOND, COUNTED, LIMITED, WINDOW, least, most
from recording_rules.limits import DURATION
from recording_rules.model import Group, Rule
from recording_rules.promql import MODEL, any_of, by, on
from recording_rules.requests import FAILED, FAILED_RATE, SUCCESS

# Increases are extrapolated to the window from what lies between its first scrape and its last one:
# from 4 of its 5 minutes at least.
EXTRAPOLATED = 5 / 4
INTERVAL, INTERVAL_SECONDS = "4m", 240
_SHARE = ("Share of requests that met the limits of time to first token, time per output token and "
          "duration at once: at {} this, in 5 minutes. Absent without traffic.")

_ENDS = any_of(c.OUTCOME, "success", "error", "rejected", "abort")
_RANGE = f"{c.SERVER_REQUESTS.name}{{{_ENDS}}}[{WINDOW}]"
# An increase from 0 is not extrapolated to the beginning of the window, as the others are.
REQUESTS = Rule(
    "model:llm_server_requests:increase5m",
    f"sum {by((*MODEL, c.OUTCOME.name))} "
    f"(delta({_RANGE}) > increase({_RANGE}) or increase({_RANGE}))",
    (*MODEL, c.OUTCOME.name), "Requests that ended in 5 minutes, by how, invalid ones left out.")


def _ended(matcher: str) -> str:
    return f"sum {by(MODEL)} ({REQUESTS}{{{matcher}}})"


_SUCCEEDED, _FAILED = _ended(SUCCESS), _ended(FAILED)
_ABORTED = _ended(any_of(c.OUTCOME, "abort"))
_ENDED = f"({_SUCCEEDED} + {_FAILED} > 0)"
_KNOWN = " ".join(f"and {on(MODEL)} {rule}" for rule in (FAILED_RATE, *COUNTED.values()))


def _positive(difference: str) -> str:
    return f"clamp_min({difference}, 0)"


def _missing(metric: Metric) -> str:
    return _positive(f"{_SUCCEEDED} - {COUNTED[metric]}")


def _running(expr: str) -> str:
    """How many ran, and how much of it increases may be."""
    return f"sum {by(MODEL)} ({expr}) * {EXTRAPOLATED}"


_IN_WINDOW = f"{c.SERVER_RUNNING.name}[{WINDOW}]"
_RAN = _running(f"max_over_time({_IN_WINDOW})")
# Late before the window began, and ended in it. What took longer than from the evaluation before is
# beyond the limit of the duration, and counted there.
_LATE_BEFORE = (f"({most(c.SERVER_TTFT, f' offset {INTERVAL}')} "
                f"and {on(DURATION.labels)} {DURATION.selector} <= {INTERVAL_SECONDS})")
_EARLIER = f"({_LATE_BEFORE} < {_RAN} or {_RAN} or {_LATE_BEFORE})"
_MOST = " + ".join((
    *(f"({most(metric)} or {COUNTED[metric]})" for metric in LIMITED),
    _missing(c.SERVER_TTFT), _missing(c.SERVER_DURATION), _EARLIER))
LOWER = Rule(
    "model:llm_server_goodput:lower_5m",
    f"clamp(({_SUCCEEDED} - ({_MOST})) / {_ENDED}, 0, 1) {_KNOWN}", MODEL, _SHARE.format("least"))

# What a replica works on when it is gone, or starts again, is in no count of what ended.
_UNFINISHED = " + ".join((
    _running(f"last_over_time({_IN_WINDOW})"),
    _running(f"max_over_time({_IN_WINDOW}) "
             f"* (resets({c.SERVER_TTFT.name}_count[{WINDOW}]) > bool 0)")))
# Of the histogram's requests some are no successes: failed ones if they are in it, aborted ones.
_OTHERS = _positive(f"{COUNTED[c.SERVER_DURATION]} - {_SUCCEEDED}")
_UNJUDGED = _positive(f"{COUNTED[c.SERVER_DURATION]} - {_ENDED}")
_NO_SUCCESS = (f"({_UNFINISHED} + {_FAILED} + ({_ABORTED} > {_UNJUDGED} or {_UNJUDGED} "
               f"and {on(MODEL)} {_ABORTED}))")
_LEAST = " or ".join(
    f'label_replace({_positive(f"({least(metric)} or {COUNTED[metric]} * 0) - {others}")}, '
    f'"limit", "{LIMITED[metric].name}", "", "")'
    for metric, others in ((c.SERVER_TTFT, _NO_SUCCESS), (c.SERVER_TPOT, _OTHERS),
                           (c.SERVER_DURATION, _OTHERS)))
UPPER = Rule(
    "model:llm_server_goodput:upper_5m",
    f"clamp(({_SUCCEEDED} - max {by(MODEL)} ({_LEAST})) / {_ENDED}, 0, 1) {_KNOWN}", MODEL,
    _SHARE.format("most"))

# Seldom, as it reads all buckets of three histograms twice.
GROUPS = (
    Group("inferometer-goodput", (*BEYOND.values(), REQUESTS, LOWER, UPPER), interval=INTERVAL),
)

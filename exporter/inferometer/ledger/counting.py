"""What a row adds to counters and roll-ups: a pure function of the row.

The writer adds by it, `verify` adds up by it, and retention takes out by it; so the three agree.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

from inferometer.catalogue import (
    CLIENT_ENDINGS,
    CLIENT_ERRORS,
    DURATION_BOUNDS,
    FIRST_TOKEN_BOUNDS,
    LONG_TRACES,
    PARTS_OF_CALLS,
    PER_RUN_BOUNDS,
    PER_TOKEN_BOUNDS,
    RERANK_BOUNDS,
    RETRIEVAL_BOUNDS,
    RETRIEVED_BOUNDS,
    SCORE_BOUNDS,
)
from inferometer.evaluations import CHECKS, LABELS, label_of, labels_of
from inferometer.pricing import PriceSource

HOUR = 3600 * 10**9  # nanoseconds
# Kinds of rows that add nothing and have no seat: of calls that gateways make by themselves.
HEARTBEAT, JUDGING = OURS = "heartbeat", "judging"
BILLION = 10**9  # parts of a ratio, as rows have it
SUM = "sum"  # part of a histogram, of times in nanoseconds, beside its bounds
KNOWN = "known"  # usage
TOKENS = ("input", "cached", "cache_write", "output", "reasoning")
MEASURES = ("ended", "success", "error", "rejected", "invalid", "abort", "usage_missing", *TOKENS,
            "timed", "duration", "first_tokens",
            "first_token", "documents", "cost", "price_unknown",
            "over_cost", "within_limits")  # columns of roll-ups
# Histograms by name: their bounds in seconds, and the names of their parts.
BOUNDS = {"duration": DURATION_BOUNDS, "first_token": FIRST_TOKEN_BOUNDS,
          "per_token": PER_TOKEN_BOUNDS}
# The same of what is counted in runs of agents: calls to models, and tools.
RUN_BOUNDS = dict.fromkeys(("run_calls", "run_tools"), PER_RUN_BOUNDS)
# Of searches and rerankings: bounds, and how many of what is counted make one of their unit.
SEARCH_BOUNDS = {"searched": (RETRIEVAL_BOUNDS, 10**9), "reranked": (RETRIEVAL_BOUNDS, 10**9),
                 "retrieved": (RETRIEVED_BOUNDS, 1),
                 "disagreed": (RERANK_BOUNDS, BILLION)}
# Of what answers were looked at for. A call has the counters of all its checks, `CHECK/LABEL`; what
# its application, or a judge, says of it has a seat of its own for each evaluation.
EVALUATED, SCORE = "evaluated", "score"
PARTS = {name: [*map(str, bounds), "inf"] for name, bounds in {
    **BOUNDS, **RUN_BOUNDS, **{name: bounds for name, (bounds, _) in SEARCH_BOUNDS.items()},
    SCORE: SCORE_BOUNDS,
}.items()}


class CountedRow(NamedTuple):
    """A row of the table `counted`, in the order of its columns."""

    seq: int
    # Call, or of a step: tool, mcp, run, retrieval, rerank, evaluation, feedback; or one of OURS.
    kind: str
    arrived: int
    seat: int
    user: str | None
    conversation: str | None
    outcome: str
    error_type: str
    calls: int
    billed: int
    usage: str
    input: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    output: int | None = None
    reasoning: int | None = None
    duration: int | None = None
    first_token: int | None = None
    queue: int | None = None
    prefill: int | None = None
    decode: int | None = None
    documents: int | None = None
    priced: str = ""  # who says what it costs
    cost: int | None = None  # nano-USD
    over_cost: int = 0  # 1 if that is more than the limit
    within_limits: int = 0  # 1 if it succeeded within those of latency
    place: int = 0  # of a call, among those of its service in the trace
    run_calls: int | None = None  # calls to models in a run
    run_tools: int | None = None
    observed: int = 0  # 1 where histograms have the search or reranking: older rows are in none
    disagreement: int | None = None  # of two orders, in billionths
    top_changed: int | None = None  # 1 if a reranking put another document first, else 0
    # Of a call whose engine tells its parts, nanoseconds: in a service that passed it on, and in
    # none of all others. The last one is not None where the call is decomposed.
    relay: int | None = None
    remainder: int | None = None
    checks: str = ""  # marks of evaluations.CHECKS; of an evaluation its own
    score: int | None = None  # of an evaluation, in billionths

    @property
    def tokens(self) -> tuple[int | None, ...]:
        """By the names of TOKENS."""
        return self.input, self.cached, self.cache_write, self.output, self.reasoning


CounterKey = tuple[int, str, str]  # a seat's number, a counter's name, its part
RollupKey = tuple[int, int, str]  # an hour, a seat's number, a user


class Additions:
    """What rows add to counters and roll-ups. `shown`: the seat that shows what has a number."""

    def __init__(self, shown: Callable[[int], int]) -> None:
        self.rollups: dict[RollupKey, list[int]] = {}
        self._sums: dict[int, list[int]] = {}  # by seat, in the order of _SLOTS
        self._places: dict[RollupKey, tuple[list[int], list[int]]] = {}  # both for a row
        self._shown = shown

    @property
    def counters(self) -> dict[CounterKey, int]:
        """Those that grow."""
        return {(seat, *_SLOTS[place]): value for seat, sums in self._sums.items()
                for place, value in enumerate(sums) if value}

    def add(self, row: CountedRow) -> None:
        """Add a row."""
        if row.kind in OURS:
            return
        key = row.arrived // HOUR, row.seat, row.user or ""
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = self._place(key)
        sums, rollup = place
        calls = row.calls
        if calls:
            rollup[_ENDED] += calls
            rollup[_OUTCOMES[row.outcome]] += calls
        if row.kind == "call":
            _add_call(row, sums, rollup)
            return
        sums[_STEP_ENDINGS[row.outcome]] += 1
        if row.kind == "retrieval":
            sums[_SLOT["result", _result(row.documents)]] += 1
            rollup[_DOCUMENTS] += row.documents or 0
            if row.observed:
                _add_search(row, sums)
        elif row.observed and row.duration is not None and row.outcome == "success":
            _observe(_RERANKED, row.duration, sums)
        if row.top_changed is not None:
            sums[_TOP_CHANGED[row.top_changed]] += 1
        if row.disagreement is not None:
            _observe(_DISAGREED, row.disagreement, sums)
        if row.run_calls is not None:
            _observe(_RUN_CALLS, row.run_calls, sums)
        if row.run_tools is not None:
            _observe(_RUN_TOOLS, row.run_tools, sums)
        if row.checks:
            sums[_SLOT[EVALUATED, label_of(row.checks)]] += 1
        if row.score is not None:
            _observe(_SCORE, row.score, sums)

    def add_parts(self, seat: int, parts: Sequence[int | None]) -> None:
        """Add where the time of a call of this seat went, by the names of PARTS_OF_CALLS."""
        _add_parts(parts, self._sums_of(seat))

    def _sums_of(self, seat: int) -> list[int]:
        return self._sums.setdefault(self._shown(seat), [0] * len(_SLOTS))

    def _place(self, key: RollupKey) -> tuple[list[int], list[int]]:
        """Where rows of this key are added: to the sums of a seat, and to a roll-up."""
        rollup = self.rollups[key] = [0] * len(MEASURES)
        return self._sums_of(key[1]), rollup


def _add_call(row: CountedRow, sums: list[int], rollup: list[int]) -> None:
    calls, outcome, is_known = row.calls, row.outcome, row.usage == KNOWN
    if is_known and row.billed:
        for place, tokens in enumerate(row.tokens):
            if tokens:
                sums[place] += tokens
                rollup[_INPUT + place] += tokens
    if row.priced:
        _add_price(row, sums, rollup)
    if not calls:
        return
    sums[_ending(outcome, row.error_type)] += calls
    if row.within_limits:
        sums[_WITHIN_LIMITS_SLOT] += calls
        rollup[_WITHIN_LIMITS] += calls
    if row.place in _LONG:
        sums[_LONG[row.place]] += 1
    if row.checks:
        for place in _check_slots(row.checks):
            sums[place] += 1
    if row.remainder is not None:
        _add_parts((row.relay, row.queue, row.prefill, row.decode, row.remainder), sums)
    if not is_known and lacks_usage(row):
        sums[_USAGE_MISSING_SLOT] += 1
        rollup[_USAGE_MISSING] += 1
    duration, first_token = row.duration, row.first_token
    if duration is not None and outcome == "success":
        _observe(_DURATION, duration, sums)
        rollup[_TIMED] += 1
        rollup[_TIMED + 1] += duration
    if first_token is not None:
        _observe(_FIRST_TOKEN, first_token, sums)
        rollup[_FIRST_TOKENS] += 1
        rollup[_FIRST_TOKENS + 1] += first_token
        if (per_token := per_token_of(row)) is not None:
            _observe(_PER_TOKEN, per_token, sums)


def _add_price(row: CountedRow, sums: list[int], rollup: list[int]) -> None:
    sums[_SLOT["priced", row.priced]] += 1
    for place, amount in enumerate((row.cost or 0, int(row.cost is None), row.over_cost)):
        sums[_COST_SUMS + place] += amount
        rollup[_COST + place] += amount


def _add_search(row: CountedRow, sums: list[int]) -> None:
    if row.duration is not None and row.outcome == "success":
        _observe(_SEARCHED, row.duration, sums)
    if row.documents is not None:
        _observe(_RETRIEVED, row.documents, sums)


def _add_parts(parts: Sequence[int | None], sums: list[int]) -> None:
    sums[_DECOMPOSED] += 1
    for place, took in enumerate(parts, start=_DECOMPOSED + 1):
        sums[place] += took or 0


def _observe(histogram: tuple[int, list[int]], value: int, sums: list[int]) -> None:
    place, bounds = histogram
    sums[place] += value
    sums[place + 1 + bisect_left(bounds, value)] += 1


# Counters by name and part, as the sums of a seat have them; tokens are first.
_SLOTS = [
    *((name, "") for name in (*TOKENS, "usage_missing")),
    *(("ended", f"{outcome}/{error_type}") for outcome, error_type in CLIENT_ENDINGS),
    *((name, part) for name, parts in PARTS.items() for part in (SUM, *parts)),
    *(("ended", outcome) for outcome in CLIENT_ERRORS),
    *(("result", result) for result in ("hit", "empty", "unknown")),
    *((name, "") for name in ("cost", "price_unknown", "over_cost")),
    *(("priced", source) for source in PriceSource if source),
    ("within_limits", ""),
    *(("long_traces", str(calls)) for calls in LONG_TRACES),
    *(("top_changed", changed) for changed in ("false", "true")),
    ("decomposed", ""), *(("part", part) for part in PARTS_OF_CALLS),
    *((EVALUATED, f"{check}/{label}") for check in CHECKS for label in LABELS),
    *((EVALUATED, label) for label in LABELS),
]
_SLOT = {slot: place for place, slot in enumerate(_SLOTS)}
# Where the parts of a histogram begin, and its bounds in nanoseconds.
_DURATION, _FIRST_TOKEN, _PER_TOKEN = (
    (_SLOT[name, SUM], [round(bound * 1e9) for bound in bounds]) for name, bounds in BOUNDS.items())
_RUN_CALLS, _RUN_TOOLS = ((_SLOT[name, SUM], [*map(int, bounds)])
                          for name, bounds in RUN_BOUNDS.items())
_SEARCHED, _RERANKED, _RETRIEVED, _DISAGREED = (
    (_SLOT[name, SUM], [round(bound * unit) for bound in bounds])
    for name, (bounds, unit) in SEARCH_BOUNDS.items())
_SCORE = _SLOT[SCORE, SUM], [round(bound * BILLION) for bound in SCORE_BOUNDS]
_TOP_CHANGED = _SLOT["top_changed", "false"], _SLOT["top_changed", "true"]
_LONG = {calls: _SLOT["long_traces", str(calls)] for calls in LONG_TRACES}
_DECOMPOSED = _SLOT["decomposed", ""]
_PLACES = {name: place for place, name in enumerate(MEASURES)}
_ENDED, _USAGE_MISSING, _INPUT, _TIMED, _FIRST_TOKENS, _DOCUMENTS, _COST = (
    _PLACES[name] for name in ("ended", "usage_missing", "input", "timed", "first_tokens",
                               "documents", "cost"))
_COST_SUMS = _SLOT["cost", ""]
_USAGE_MISSING_SLOT = _SLOT["usage_missing", ""]
_WITHIN_LIMITS, _WITHIN_LIMITS_SLOT = _PLACES["within_limits"], _SLOT["within_limits", ""]
_STEP_ENDINGS = {outcome: _SLOT["ended", outcome] for outcome in CLIENT_ERRORS}
_OUTCOMES = {outcome: _PLACES[outcome] for outcome in CLIENT_ERRORS}


def buckets_of(row: CountedRow) -> Iterator[tuple[str, int, int]]:
    """Where the row's times are observed: a histogram, the place of the bucket, nanoseconds."""
    if row.kind != "call" or not row.calls:
        return
    if row.duration is not None and row.outcome == "success":
        yield "duration", bisect_left(_DURATION[1], row.duration), row.duration
    if row.first_token is not None:
        yield "first_token", bisect_left(_FIRST_TOKEN[1], row.first_token), row.first_token


def lacks_usage(row: CountedRow) -> bool:
    """Whether the row is a call that got an answer, and nobody knows its tokens."""
    return bool(row.calls and row.billed and row.usage != KNOWN and (
        row.outcome in {"success", "abort"} or row.error_type == "truncated"))


@cache
def _check_slots(marks: str) -> tuple[int, ...]:
    return tuple(_SLOT[EVALUATED, f"{check}/{label}"] for check, label in labels_of(marks))


@cache
def _ending(outcome: str, error_type: str) -> int:
    possible = CLIENT_ERRORS[outcome]
    return _SLOT["ended", f"{outcome}/{error_type if error_type in possible else possible[-1]}"]


def _result(documents: int | None) -> str:
    return "unknown" if documents is None else "hit" if documents else "empty"


def per_token_of(row: CountedRow) -> int | None:
    """Nanoseconds per token after the first; None where they cannot be reckoned."""
    if (row.first_token is None or row.duration is None or row.usage != KNOWN
            or not row.output or row.output < 2 or row.outcome != "success"):
        return None
    return max(0, row.duration - row.first_token) // (row.output - 1)

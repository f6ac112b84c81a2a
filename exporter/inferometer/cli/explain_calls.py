"""What counts of captured bodies, by the ledger's own rules and prices, and what is missing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from inferometer.call_limits import default_limits
from inferometer.chapters import Cells, Chapter
from inferometer.facts import ModelCall, Outcome
from inferometer.ledger.counting import TOKENS, CountedRow, lacks_usage
from inferometer.ledger.relays import Relays
from inferometer.ledger.seats import SeatTable
from inferometer.ledger.settling import judged, rows_of
from inferometer.ledger.traces import Kept
from inferometer.outside import cut
from inferometer.pricing import NANO, PriceSource, Pricing
from inferometer.spans.explain.report import LONGEST_NAME, Explanation, short, unread
from inferometer.spans.settlement import CallRow, UsageState

_KINDS = {"tool": "tools", "mcp": "operations over MCP, calls of tools included",
          "run": "runs of agents and chains", "retrieval": "searches", "rerank": "rerankings",
          "evaluation": "evaluations", "feedback": "feedback"}


@dataclass(frozen=True, slots=True)
class ExplainedCall:
    """A call as it is counted."""

    trace_id: bytes
    call: ModelCall
    row: CountedRow
    of: CallRow


@dataclass(frozen=True, slots=True)
class CallCount:
    """All that is counted of the bodies."""

    calls: Sequence[ExplainedCall]
    steps: Mapping[str, int]  # by kind of row


def count_calls(explanation: Explanation, pricing: Pricing) -> CallCount:
    """Count the calls as a gateway with an empty ledger does that has all bodies at one time."""
    seats, relays = SeatTable(()), Relays()
    calls: list[ExplainedCall] = []
    steps: Counter[str] = Counter()
    sequence = 0
    for trace in explanation.traces:
        arrived = max(fact.end for fact in trace.facts.values()) or time.time_ns()
        facts = {}
        for span_id, fact in trace.facts.items():
            sequence += 1
            facts[span_id] = Kept(fact, sequence, arrived)
        made = rows_of(trace.settlement, facts, {}, (), seats, lambda name: name)
        repeated = {row.seq for response_id, row in made.responses
                    if relays.repeats(response_id, row, made.calls[row.seq].call)}
        made.rows = [row._replace(billed=0) if row.seq in repeated else row for row in made.rows]
        for row in judged(made, pricing, default_limits):
            if row.kind != "call":
                steps[row.kind] += 1
                continue
            of = made.calls[row.seq]
            calls.append(ExplainedCall(trace.trace_id, of.call, row, of))
    return CallCount(calls, steps)


def call_chapters(explanation: Explanation, count: CallCount, priced_by: str) -> Iterator[Chapter]:
    """What counts, call by call and in all; then what is missing and who could have sent it."""
    yield Chapter("Calls that count",
                  ("trace", "span", "service", "provider", "model", "operation", "outcome",
                   *TOKENS, "first token s", "duration s", "USD"),
                  tuple(map(_call, count.calls)), True)
    yield Chapter("What counts in all", ("name", "value"), tuple(_sums(count, priced_by)))
    yield Chapter("What is missing, and whose it is", ("missing", "of", "why"),
                  tuple(_missing(explanation, count)), True)


def _call(one: ExplainedCall) -> Cells:
    call, row = one.call, one.row
    error = f" ({row.error_type})" if row.error_type else ""
    outcome = "calls nobody sent" if one.of.calls is None else f"{row.outcome}{error}"
    tokens = [_number(tokens) if row.billed else "elsewhere" for tokens in row.tokens]
    return (short(one.trace_id), short(call.span_id),
            *(cut(name, LONGEST_NAME) or "-" for name in (
                call.service_name, call.provider, call.model, call.operation)),
            outcome, *tokens, _seconds(row.first_token), _seconds(row.duration), _cost(row))


def _number(count: int | None) -> str:
    return "-" if count is None else str(count)


def _seconds(nanoseconds: int | None) -> str:
    return "-" if nanoseconds is None else f"{nanoseconds / NANO:.3f}"


def _cost(row: CountedRow) -> str:
    if row.priced == PriceSource.UNKNOWN:
        return "unknown"
    return "-" if row.cost is None else f"{row.cost / NANO:.6f}"


def _sums(count: CallCount, priced_by: str) -> Iterator[Cells]:
    rows = [one.row for one in count.calls]
    outcomes: Counter[str] = Counter()
    for row in rows:
        outcomes[row.outcome] += row.calls
    parts = ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items())
                      if number)
    yield "requests", f"{outcomes.total()} ({parts})" if parts else "0"
    billed = [row for row in rows if row.billed and row.usage == UsageState.KNOWN]
    for place, name in enumerate(TOKENS):
        yield f"{name} tokens", str(sum(row.tokens[place] or 0 for row in billed))
    costs = [row.cost for row in rows if row.cost is not None]
    yield "cost", f"{sum(costs) / NANO:.6f} USD of {len(costs)} calls, {priced_by}" if costs \
        else f"of no call, {priced_by}"
    if passed := sum(not row.billed for row in rows):
        yield ("passed on", f"{_calls(passed)}: of another service's call, in its trace or by the "
               "same response's id; a request of each service, tokens of the one that asked")
    for kind, name in _KINDS.items():
        if number := count.steps.get(kind):
            yield name, str(number)


def _missing(explanation: Explanation, count: CallCount) -> Iterator[Cells]:
    calls = count.calls
    yield from _usage(calls)
    unknown = Counter(_seller(one.call) for one in calls
                      if one.row.priced == PriceSource.UNKNOWN)
    for seller, number in sorted(unknown.items()):
        yield ("price", _calls(number), f"{seller} is in no list; give it one under `prices` of "
               "the gateway's configuration")
    for label, names in (("model", [one.call.model for one in calls]),
                        ("provider", [one.call.provider for one in calls])):
        if number := names.count(""):
            yield label, _calls(number), "no span holds it: the sender's"
    if number := sum(not one.call.service_name for one in calls):
        yield ("service", _calls(number), "the resource has no service.name: set "
               "OTEL_SERVICE_NAME in the application")
    late = sum(bool(one.call.streamed) and one.row.first_token is None
               and one.call.outcome is Outcome.SUCCESS for one in calls)
    if late:
        yield ("first token", _calls(late), "they streamed, and no span holds when the first token "
               "came: the sender's")
    if number := sum(one.of.calls is None for one in calls):
        yield ("calls", f"{number} runs", "they have tokens and no call below them: the sender "
               "has no span of its calls, so tokens count and requests do not")
    if explanation.orphans:
        yield ("parents", f"{explanation.orphans} spans", "the span above them is in no body: a "
               "part of the trace is missing here, or is sent elsewhere; what stands above a call "
               "may count twice")
    for scope, number in sorted(unread(explanation).items()):
        yield "a table", f"{number} spans", f"{scope}: ours, if it calls models"


def _seller(call: ModelCall) -> str:
    """By what a price is looked up: where there is an address, it must be the provider's own."""
    names = [cut(name, LONGEST_NAME) for name in (call.provider, call.model) if name]
    address = f" at {cut(call.server_address, LONGEST_NAME)}" if call.server_address else ""
    return " / ".join(names or ["a call without provider and model"]) + address


def _usage(calls: Sequence[ExplainedCall]) -> Iterator[Cells]:
    estimated = sum(one.row.usage == UsageState.ESTIMATED and lacks_usage(one.row)
                    for one in calls)
    if estimated:
        yield ("tokens", _calls(estimated), "the sender guessed them by a tokenizer of its own: "
               "nobody is billed by that, so they are missing")
    lacking = [one for one in calls
               if lacks_usage(one.row) and one.row.usage != UsageState.ESTIMATED]
    streams = sum(bool(one.call.streamed) for one in lacking)
    if streams:
        yield ("tokens", _calls(streams), "no span holds them: they streamed, and OpenAI's API has "
               "them in a stream only with stream_options.include_usage; else the sender's")
    if len(lacking) > streams:
        yield "tokens", _calls(len(lacking) - streams), "no span holds them: the sender's"
    for name in TOKENS:
        number = sum(getattr(one.row, name) is None for one in calls
                     if one.row.billed and one.row.usage == UsageState.KNOWN
                     and (name == "input" or one.call.operation != "embeddings"))
        if number:
            yield (f"{name} tokens", _calls(number), "no span holds them: the sender's, or there "
                   "were none" if name in ("cached", "cache_write", "reasoning")
                   else "no span holds them: the sender's")


def _calls(number: int) -> str:
    return f"{number} call{'s' * (number != 1)}"

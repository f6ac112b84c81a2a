"""What a quiet trace adds to the ledger: rows that count, and what its facts have become."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inferometer.facts import AgentRun, EngineCall, Fact, Usage
from inferometer.ledger.counting import TOKENS, CountedRow
from inferometer.ledger.seats import SeatTable
from inferometer.ledger.traces import Kept
from inferometer.spans.settlement import CallRow, RunRow, Settlement, Step, UsageState

MOST_TOKENS = 2**40  # of one call: more cannot be
MOST_SECONDS = 1e9
MOST_NANOSECONDS = 10**18
_Count = int | None
_NO_PHASES = None, None, None  # queue, prefill, decode
_LABELS = {  # of a step, by its kind of fact: its kind of row, and where its name stands
    "ToolCall": ("tool", "tool"), "AgentRun": ("run", "agent"), "Retrieval": ("retrieval", ""),
    "Rerank": ("rerank", ""), "Evaluation": ("evaluation", "evaluation"),
    "Feedback": ("feedback", "kind"),
}


@dataclass(slots=True)
class Rows:
    """The rows of a trace, and by the span of each fact the row that it is part of."""

    rows: list[CountedRow] = field(default_factory=list)
    responses: list[tuple[str, CountedRow]] = field(default_factory=list)  # of calls with an id
    counted: dict[bytes, int] = field(default_factory=dict)


def rows_of(settlement: Settlement, facts: Mapping[bytes, Kept], counted: Mapping[bytes, int],
            before: Sequence[CountedRow], seats: SeatTable, veil: Callable[[str], str]) -> Rows:
    """The rows that a settlement adds. `counted`: what is counted already, with its row.

    What has a span that is counted is linked to its row, and not counted again. `before` are the
    trace's calls that are counted: with the new ones they are never more than the trace has. So it
    is where a call turns out late to be the wrapper of others. `veil` makes hashes of users and
    conversations.
    """
    made = Rows()
    for row, own, others, response_id in (*_calls(settlement, facts, seats, veil),
                             *_steps(settlement, facts, seats, veil)):
        earlier = next((counted[span] for span in own if span in counted), None)
        if earlier is None:
            # CallRow as another service made it: that one has its tokens.
            twin = row.billed and any(span in counted for span in others)
            made.rows.append(row._replace(billed=0) if twin else row)
            if response_id and row.decode is None:
                made.responses.append((response_id, row))
        for span in (*own, *others):
            if facts[span].seq == row.seq or span not in made.counted:
                made.counted[span] = row.seq if earlier is None else earlier
    if before:
        kept = [*_within(made.rows, settlement, before)]
        gone = {row.seq for row in made.rows} - {row.seq for row in kept}
        made.rows = kept
        made.counted = {span: before[0].seq if seq in gone else seq
                        for span, seq in made.counted.items()}
    return made


def _within(rows: Sequence[CountedRow], settlement: Settlement, before: Sequence[CountedRow]
            ) -> Iterator[CountedRow]:
    """The rows as far as the trace's calls and tokens are not counted yet."""
    billed = [counted.call.usage for counted in settlement.rows
              if counted.billed and counted.usage == UsageState.KNOWN]
    used = [row.tokens for row in before if row.billed and row.usage == UsageState.KNOWN]
    calls = sum(counted.calls or 0 for counted in settlement.rows) - sum(
        row.calls for row in before)
    room = [sum(column) - sum(spent) for column, spent in zip(
        _columns(map(_tokens, billed)), _columns(used), strict=True)]
    for row in rows:
        if row.kind != "call":
            yield row
            continue
        taken = [min(count or 0, max(0, left))
                 for count, left in zip(row.tokens, room, strict=True)]
        new = max(0, min(row.calls, calls))
        calls -= new
        room = [left - count for left, count in zip(room, taken, strict=True)]
        if new or any(taken):
            yield CountedRow(**{
                **row._asdict(), **dict(zip(TOKENS, taken, strict=True)), "calls": new})


def _columns(rows: Iterable[Sequence[int | None]]) -> list[list[int]]:
    """Tokens by kind; what is not known is none."""
    columns: list[list[int]] = [[] for _ in TOKENS]
    for row in rows:
        for column, count in zip(columns, row, strict=True):
            column.append(count or 0)
    return columns


# A row, its spans of its own service, and of others, the id of its response.
_Counting = tuple[CountedRow, Sequence[bytes], Sequence[bytes], str]


def _calls(settlement: Settlement, facts: Mapping[bytes, Kept], seats: SeatTable,
           veil: Callable[[str], str]) -> Iterator[_Counting]:
    for counted in settlement.rows:
        call = counted.call
        if len(counted.spans) == 1 and call.span_id in facts:
            row = _call(counted, facts[call.span_id], seats, veil)
            yield row, (call.span_id,), (), call.response_id
            continue
        own: list[bytes] = []
        others: list[bytes] = []
        for span in (call.span_id, *counted.spans):
            if span in facts:
                same = facts[span].fact.service_name == call.service_name
                (own if same else others).append(span)
        if own:
            row = _call(counted, facts[own[0]], seats, veil)
            yield row, own, others, call.response_id


def _steps(settlement: Settlement, facts: Mapping[bytes, Kept], seats: SeatTable,
           veil: Callable[[str], str]) -> Iterator[_Counting]:
    steps: tuple[Step[Any] | RunRow, ...] = (
        *settlement.runs, *settlement.tools, *settlement.retrievals, *settlement.reranks,
        *settlement.evaluations, *settlement.feedback)
    for step in steps:
        own = [span for span in (step.fact.span_id, *step.spans) if span in facts]
        if own:
            yield _step(step.fact, facts[own[0]], seats, veil), own, (), ""


def _call(counted: CallRow, kept: Kept, seats: SeatTable, veil: Callable[[str], str]) -> CountedRow:
    call = counted.call
    tokens = _tokens(call.usage)
    usage = counted.usage
    if usage == UsageState.KNOWN and tokens[0] is None and tokens[3] is None:
        usage = UsageState.MISSING  # what was told cannot be
    engine = counted.engine
    return CountedRow(
        kept.seq, "call", kept.arrived,
        seats.id_of(("call", call.provider, call.model, call.operation, call.service_name, "")),
        *_names(call, veil), call.outcome._value_, call.error_type._value_,
        counted.calls or 0, int(counted.billed), usage._value_, *tokens,
        _duration(call), _nanoseconds(call.time_to_first_token),
        *(phases(engine) if engine else _NO_PHASES))


def _step(fact: Fact, kept: Kept, seats: SeatTable, veil: Callable[[str], str]) -> CountedRow:
    kind, name = _LABELS[type(fact).__name__]
    label = getattr(fact, name) if name else ""
    if isinstance(fact, AgentRun):
        label = label or fact.kind
    return CountedRow(
        kept.seq, kind, kept.arrived,
        seats.id_of((kind, "", "", "", fact.service_name, label)),
        *_names(fact, veil), fact.outcome.value, fact.error_type.value,
        1, 0, "", duration=_duration(fact), documents=getattr(fact, "documents", None))


def phases(engine: EngineCall) -> tuple[_Count, _Count, _Count]:
    """Queue, prefill and decode as an engine has them, in nanoseconds."""
    return (_nanoseconds(engine.queue), _nanoseconds(engine.prefill),
            _nanoseconds(engine.decode))


def _names(fact: Fact, veil: Callable[[str], str]) -> tuple[str | None, str | None]:
    return (veil(fact.user) if fact.user else None,
            veil(fact.conversation) if fact.conversation else None)


def _tokens(usage: Usage) -> tuple[_Count, _Count, _Count, _Count, _Count]:
    counts = usage.input, usage.cached, usage.cache_write, usage.output, usage.reasoning
    for count in counts:
        if count is not None and not 0 <= count <= MOST_TOKENS:
            first, second, third, fourth, fifth = map(_possible, counts)
            return first, second, third, fourth, fifth
    return counts


def _possible(tokens: int | None) -> int | None:
    return tokens if tokens is not None and 0 <= tokens <= MOST_TOKENS else None


def _duration(fact: Fact) -> int | None:
    took = fact.end - fact.start
    return took if fact.start and 0 <= took <= MOST_NANOSECONDS else None


def _nanoseconds(seconds: float | None) -> int | None:
    # What is no number is not between two, either.
    return None if seconds is None or not 0 <= seconds <= MOST_SECONDS else round(seconds * 1e9)



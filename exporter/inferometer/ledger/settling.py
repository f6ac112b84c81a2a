"""What a quiet trace adds to the ledger: rows that count, and what its facts have become."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

from inferometer.call_limits import Limiting
from inferometer.catalogue import MCP_METHODS, OTHER_METHOD
from inferometer.facts import (
    AgentRun,
    Evaluation,
    Fact,
    Feedback,
    McpOperation,
    Rerank,
    Retrieval,
    ToolCall,
    Usage,
)
from inferometer.ledger.checks import evaluated, rows_of_checks
from inferometer.ledger.columns import (
    Count,
    billionths_of,
    documents_of,
    duration_of,
    nanoseconds_of,
    phases,
    tokens_of,
)
from inferometer.ledger.counting import TOKENS, CountedRow
from inferometer.ledger.goodput import is_within
from inferometer.ledger.mentions import marks_of
from inferometer.ledger.seats import SeatTable
from inferometer.ledger.traces import Kept
from inferometer.pricing import CallToPrice, Pricing
from inferometer.spans.settlement import CallRow, RunRow, Settlement, Step, UsageState

_NO_PHASES = None, None, None  # queue, prefill, decode
_NO_TOKENS = None, None, None, None, None


class _StepColumns(NamedTuple):
    """How a kind of step stands in a row."""

    row: str  # its kind of row
    name: str  # the field that names it
    otherwise: str = ""  # and what does where that one is empty


_KINDS: Mapping[type[Fact], _StepColumns] = {
    ToolCall: _StepColumns("tool", "tool"), McpOperation: _StepColumns("mcp", "method"),
    AgentRun: _StepColumns("run", "agent", "kind"),
    Retrieval: _StepColumns("retrieval", "system"), Rerank: _StepColumns("rerank", ""),
    Evaluation: _StepColumns("evaluation", "evaluation"),
    Feedback: _StepColumns("feedback", "kind")}


@dataclass(slots=True)
class Rows:
    """The rows of a trace, and by the span of each fact the row that it is part of."""

    rows: list[CountedRow] = field(default_factory=list)
    responses: list[tuple[str, CountedRow]] = field(default_factory=list)  # of calls with an id
    counted: dict[bytes, int] = field(default_factory=dict)
    calls: dict[int, CallRow] = field(default_factory=dict)  # what the rows of calls are of


def rows_of(settlement: Settlement, facts: Mapping[bytes, Kept], counted: Mapping[bytes, int],
            before: Sequence[CountedRow], seats: SeatTable, veil: Callable[[str], str]) -> Rows:
    """The rows that a settlement adds. `counted`: what is counted already, with its row.

    What has a span that is counted is linked to its row, and not counted again. `before` are the
    trace's calls that are counted: with the new ones they are never more than the trace has. So it
    is where a call turns out late to be the wrapper of others. `veil` makes hashes of users and
    conversations.
    """
    made = Rows()
    for row, own, others, call in chain(_calls(settlement, facts, seats, veil),
                                        _steps(settlement, facts, seats, veil)):
        earlier = next((counted[span] for span in own if span in counted), None) \
            if counted else None
        if earlier is None:
            # CallRow as another service made it: that one has its tokens.
            twin = others and row.billed and any(span in counted for span in others)
            made.rows.append(row._replace(billed=0) if twin else row)
            if call is not None:
                made.calls[row.seq] = call
                if call.call.response_id:
                    made.responses.append((call.call.response_id, row))
        made.counted[own[0]] = row.seq if earlier is None else earlier  # the fact of the row
        for span in (*own[1:], *others):
            if facts[span].seq == row.seq or span not in made.counted:
                made.counted[span] = row.seq if earlier is None else earlier
    if before:
        kept = [*_within(made.rows, settlement, before)]
        gone = {row.seq for row in made.rows} - {row.seq for row in kept}
        made.rows = kept
        made.counted = {span: before[0].seq if seq in gone else seq
                        for span, seq in made.counted.items()}
    made.rows += rows_of_checks(made.rows, made.calls, settlement, facts, seats)
    return made


def outside_figures(rows: Iterable[CountedRow], kind: str) -> list[CountedRow]:
    """The rows, one for each fact, as ones that add nothing and name nobody."""
    return [*{row.seq: row._replace(kind=kind, user=None, conversation=None)
              for row in rows}.values()]


def placed(rows: Iterable[CountedRow], before: Iterable[CountedRow], seats: SeatTable
           ) -> Iterator[CountedRow]:
    """The rows, each call with its place among those of its service in the trace."""
    last: dict[str, int] = {}
    for row in before:
        service = seats.seats[row.seat].labels.service_name
        last[service] = max(last.get(service, 0), row.place)
    for row in rows:
        if row.kind == "call" and row.calls:
            service = seats.seats[row.seat].labels.service_name
            place = last[service] = last.get(service, 0) + 1
            yield row if row.place == place else row._replace(place=place)
        else:
            yield row


def judged(made: Rows, pricing: Pricing, limits: Limiting) -> Iterator[CountedRow]:
    """The rows, calls with what is kept of them however prices and limits change later.

    That is whether they were within the limits of their model, and what they cost where they are
    billed and their tokens are known.
    """
    for row in made.rows:
        call = made.calls.get(row.seq) if row.kind == "call" else None
        if call is None:
            yield row
            continue
        within = int(is_within(row, limits(call.call.model)))
        if not row.billed or row.usage != UsageState.KNOWN:
            yield row._replace(within_limits=within)
            continue
        usage = Usage(row.input, row.cached, row.cache_write, row.output, row.reasoning)
        price = pricing(CallToPrice(call.call, usage, row.calls, row.arrived,
                                    call.engine is not None))
        yield row._replace(priced=price.source._value_, cost=price.cost,
                           over_cost=int(price.over), within_limits=within)


def _within(rows: Sequence[CountedRow], settlement: Settlement, before: Sequence[CountedRow]
            ) -> Iterator[CountedRow]:
    """The rows as far as the trace's calls and tokens are not counted yet."""
    billed = [counted.call.usage for counted in settlement.rows
              if counted.billed and counted.usage == UsageState.KNOWN]
    used = [row.tokens for row in before if row.billed and row.usage == UsageState.KNOWN]
    calls = sum(counted.calls or 0 for counted in settlement.rows) - sum(
        row.calls for row in before)
    room = [sum(column) - sum(spent) for column, spent in zip(
        _columns(map(tokens_of, billed)), _columns(used), strict=True)]
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


# A row, its spans of its own service, and of others, what it is of where that is a call.
Counting = tuple[CountedRow, Sequence[bytes], Sequence[bytes], CallRow | None]


def _calls(settlement: Settlement, facts: Mapping[bytes, Kept], seats: SeatTable,
           veil: Callable[[str], str]) -> Iterator[Counting]:
    for row, own, others, counted in _bare_calls(settlement, facts, seats, veil):
        if counted is not None and counted.call.checks and row.calls:
            row = row._replace(checks=marks_of(counted.call, [
                step.fact for step in settlement.retrievals]))
        yield row, own, others, counted


def _bare_calls(settlement: Settlement, facts: Mapping[bytes, Kept], seats: SeatTable,
                veil: Callable[[str], str]) -> Iterator[Counting]:
    for counted in settlement.rows:
        call = counted.call
        if len(counted.spans) == 1 and call.span_id in facts:
            row = _call(counted, facts[call.span_id], seats, veil)
            yield row, (call.span_id,), (), counted
            continue
        own: list[bytes] = []
        others: list[bytes] = []
        for span in (call.span_id, *counted.spans):
            if span in facts:
                same = facts[span].fact.service_name == call.service_name
                (own if same else others).append(span)
        if own:
            row = _call(counted, facts[own[0]], seats, veil)
            yield row, own, others, counted


def _steps(settlement: Settlement, facts: Mapping[bytes, Kept], seats: SeatTable,
           veil: Callable[[str], str]) -> Iterator[Counting]:
    steps: Iterable[Step[Any] | RunRow] = chain(
        settlement.runs, settlement.tools, settlement.operations, settlement.retrievals,
        settlement.reranks, settlement.evaluations, settlement.feedback)
    for step in steps:
        fact: Fact = step.fact
        own = (fact.span_id,) if len(step.spans) == 1 and fact.span_id in facts else [
            span for span in (fact.span_id, *step.spans) if span in facts]
        if own:
            row = _step(step, facts[own[0]], seats, veil)
            yield (evaluated(row, fact, settlement, seats) if isinstance(fact, Evaluation)
                   else row), own, (), None


def _call(counted: CallRow, kept: Kept, seats: SeatTable, veil: Callable[[str], str]) -> CountedRow:
    call = counted.call
    tokens = tokens_of(call.usage)
    usage = counted.usage
    if usage == UsageState.KNOWN and tokens[0] is None and tokens[3] is None:
        usage = UsageState.MISSING  # what was told cannot be
    engine = counted.engine
    return CountedRow(
        kept.seq, "call", kept.arrived,
        seats.id_of(("call", call.provider, call.model, call.operation, call.service_name, "")),
        veil(call.user) if call.user else None,
        veil(call.conversation) if call.conversation else None,
        call.outcome._value_, call.error_type._value_,
        counted.calls or 0, int(counted.billed), usage._value_, *tokens,
        duration_of(call), nanoseconds_of(call.time_to_first_token),
        *(phases(engine) if engine else _NO_PHASES), place=1)


def _step(step: Step[Any] | RunRow, kept: Kept, seats: SeatTable, veil: Callable[[str], str]
          ) -> CountedRow:
    """The row of a step; that of an evaluation has its seat from what it is about."""
    fact: Fact = step.fact
    kind, name, otherwise = _KINDS[type(fact)]
    label = getattr(fact, name) if name else ""
    run_calls, run_tools = _in_run(step) if isinstance(step, RunRow) else (None, None)
    if otherwise and not label:
        label = getattr(fact, otherwise)
    if kind == "mcp" and label not in MCP_METHODS:
        label = OTHER_METHOD
    retrieval = fact if isinstance(fact, Retrieval) else None
    rerank = fact if isinstance(fact, Rerank) else None
    return CountedRow(
        kept.seq, kind, kept.arrived,
        0 if kind == "evaluation" else seats.id_of((kind, "", "", "", fact.service_name, label)),
        veil(fact.user) if fact.user else None,
        veil(fact.conversation) if fact.conversation else None,
        fact.outcome._value_, fact.error_type._value_,
        1, 0, "", *_NO_TOKENS, duration_of(fact),
        documents=documents_of(retrieval) if retrieval else None, run_calls=run_calls,
        run_tools=run_tools, observed=int(retrieval is not None or rerank is not None),
        disagreement=billionths_of(rerank.disagreement) if rerank else None,
        top_changed=None if rerank is None or rerank.top_changed is None
        else int(rerank.top_changed))


def _in_run(run: RunRow) -> tuple[Count, Count]:
    """Calls and tools of a run, if it is one as people count them, and no step of another."""
    if run.fact.kind != "agent" and run.is_inner:
        return None, None
    is_seen = run.calls is not None or run.tool_calls  # else nothing was sent of what it did
    return run.calls, run.tool_calls if is_seen else None


def without_names(rows: Iterable[CountedRow], names: Container[str]) -> Iterator[CountedRow]:
    """The rows, without these users and conversations."""
    for row in rows:
        yield row._replace(user=None if row.user in names else row.user,
                           conversation=None if row.conversation in names else row.conversation)

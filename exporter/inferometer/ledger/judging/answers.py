"""Answers as a judge is to see them: read from what the ledger keeps of a trace.

The answer of a trace is its last call that generated something and went well, as votes have it:
the one that people see.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from inferometer.facts import ModelCall, Outcome, Retrieval, ToolCall
from inferometer.ledger.counting import CountedRow
from inferometer.ledger.database import Database
from inferometer.ledger.judging.statements import statements_of
from inferometer.ledger.keys import IN_TRACE_BITS
from inferometer.ledger.store import Forms
from inferometer.ledger.vote_subjects import EMBEDDINGS
from inferometer.quality.judge.interface import JudgeUnit
from inferometer.quality.judge.units import unit_of

MOST_FACTS = 2000  # of a trace, the last ones


class TraceAnswer(NamedTuple):
    """The answer of a trace, with what it was asked and given."""

    call: int  # the number of its counted row
    arrived: int  # Unix nanoseconds
    service_name: str
    model: str
    conversation: str  # a keyed hash, or empty
    unit: JudgeUnit


def answer_of_trace(database: Database, trace_id: bytes, call: int = 0) -> TraceAnswer | None:
    """The answer of a trace, or that of one of its calls; None where nothing of it is kept."""
    connection, statements = database.connection, database.statements
    forms = Forms(database, read_only=True)  # anew: a newer gateway may have written more
    first = database.keys.trace_digest(trace_id)
    digests = first, first + 2**IN_TRACE_BITS - 1
    facts = []
    for row in connection.execute(
            statements.facts_of_trace, (*digests, MOST_FACTS, 0)).fetchall():
        if bytes(row[3]) == trace_id and row[8] is not None:
            facts.append((row[8], forms.kept(row)))
    rows = {one.seq: one for one in (CountedRow(*row) for row in connection.execute(
        statements.calls_of_trace, digests).fetchall()) if one.billed and one.calls}
    calls = [(kept.fact.end, seq) for seq, kept in facts if seq in rows and kept.seq == seq
             and isinstance(kept.fact, ModelCall) and kept.fact.operation != EMBEDDINGS
             and rows[seq].outcome == Outcome.SUCCESS and (not call or seq == call)]
    if not calls:
        return None
    chosen = rows[max(calls)[1]]
    content: dict[str, str] = {}  # of all spans of the call
    steps: list[dict[str, str]] = []
    for seq, kept in sorted(facts, key=lambda one: one[1].seq):
        if seq == chosen.seq or isinstance(kept.fact, Retrieval | ToolCall):
            row = connection.execute(statements.content_of, (kept.seq,)).fetchone()
            if row is not None and seq == chosen.seq:
                content = json.loads(row[0]) | content
            elif row is not None:
                steps.append(json.loads(row[0]))
    unit = unit_of(content, steps) if content else None
    if unit is None:
        return None
    seat = connection.execute(statements_of(database.dialect).seats_between, (
        chosen.seat, chosen.seat)).fetchone()
    return TraceAnswer(chosen.seq, chosen.arrived, seat[5], seat[3], chosen.conversation or "",
                       unit)

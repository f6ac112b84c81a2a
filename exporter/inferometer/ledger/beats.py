"""What a ledger has of a heartbeat, as whoever opens the file beside its writer sees it."""

from __future__ import annotations

from contextlib import closing

from inferometer.config import LedgerSection
from inferometer.heartbeats import BeatState
from inferometer.ledger.keys import IN_TRACE_BITS
from inferometer.ledger.opening import open_beside
from inferometer.ledger.schema import FactState


def beat_state(section: LedgerSection, trace_id: bytes) -> BeatState:
    """Whether it is there, and counted. Raises LedgerError, sqlite3.Error."""
    with closing(open_beside(section)) as database:
        first = database.keys.trace_digest(trace_id)
        for row in database.connection.execute(
                database.statements.facts_of_trace, (first, first + 2**IN_TRACE_BITS - 1, 1, 0)):
            _, _, _, trace, _, _, _, state, counted, *_ = row
            if trace != trace_id:
                break
            if state == FactState.SETTLED and counted is not None and database.connection.execute(
                    database.statements.step_of, (counted,)).fetchone():
                return BeatState.COUNTED
            return BeatState.UNCOUNTED
    return BeatState.MISSING

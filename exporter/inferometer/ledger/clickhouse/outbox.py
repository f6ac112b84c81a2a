"""What a ledger gives out: batches of counted rows, each numbered once and of the same rows since.

Rows leave in the order of their numbers, up to where facts may be pending. A row that is counted
with a number from before that, as its fact had settled as part of nothing, leaves with the batch
that comes next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from inferometer.ledger.counting import CountedRow
from inferometer.ledger.database import Database
from inferometer.ledger.high_water import former_ids

# Kinds of batches: of rows, of batches that are added up together, and of these in turn.
ROWS, SUMMED_BATCHES, SUMMED_CHUNKS = "rows", "sums", "days"
_NONE = (0, 0, 0, 0, 1)


class NumberedBatch(NamedTuple):
    """What a batch is of: facts by their numbers and late rows by their ids, or other batches."""

    number: int
    first: int
    last: int
    first_late: int = 1
    last_late: int = 0
    sent: int = 0


class Outbox:
    """The batches of one ledger, whose gateway may be writing it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def gateway(self) -> str:
        """Whose rows these are."""
        return self._database.gateway

    @property
    def former(self) -> Sequence[str]:
        """The ids under which it gave rows out before a copy of it was put back."""
        return former_ids(self._database)

    def next_rows(self, least: int, most: int, after: int = 0) -> NumberedBatch | None:
        """The batch that is to be sent: the last one, or a new one of at least so many rows.

        None where there are not enough. A new one has a number above `after`.
        """
        with self._database.transaction():
            last = self._last(ROWS)
            if not last.sent:
                return last
            late = self._last_late(last)
            first, end = last.last + 1, self._settled_until()
            number = self._number_at(first, end, most)
            if number is not None:
                end = number
            elif self._waiting(last, end, late) < max(1, least):
                return None
            return self._begin(ROWS, NumberedBatch(
                max(last.number, after) + 1, first, end, last.last_late + 1, late))

    def next_sums(self, kind: str, until: int, after: tuple[int, int], least: int, most: int
                  ) -> NumberedBatch | None:
        """The sums that are to be sent: the last ones, or new ones of so many batches or chunks.

        They are of those up to `until`. New ones have a number above the first of `after`, and
        begin after the other. None where there are too few.
        """
        with self._database.transaction():
            last = self._last(kind)
            if not last.sent:
                return last
            number, end = max(last.number, after[0]), max(last.last, after[1])
            if until - end < max(1, least):
                return None
            return self._begin(kind, NumberedBatch(number + 1, end + 1, min(until, end + most)))

    def rows(self, batch: NumberedBatch) -> Sequence[CountedRow]:
        """Its rows; some may be deleted by now."""
        connection, statements = self._database.connection, self._database.statements
        return [CountedRow(*row) for statement, values in (
            (statements.punctual_rows, (batch.first, batch.last)),
            (statements.late_rows, (batch.first_late, batch.last_late)))
            for row in connection.execute(statement, values)]

    def note_sent(self, kind: str, batch: NumberedBatch) -> None:
        """It is there. Earlier ones are of no use any more."""
        connection, statements = self._database.connection, self._database.statements
        with self._database.transaction():
            connection.execute(statements.note_sent, (self.gateway, kind, batch.number))
            connection.execute(statements.delete_batches, (self.gateway, kind, batch.number))
            if kind == ROWS:
                connection.execute(statements.delete_late, (batch.last_late, batch.last))

    def newest(self, kind: str) -> int:
        """The number of the last that is there, 0 where there was none."""
        last = self._last(kind)
        return last.number if last.sent else last.number - 1

    def waiting(self) -> int:
        """Rows that are counted, and not there."""
        last = self._last(ROWS)
        if not last.sent:  # it may be there, or not
            last = last._replace(last=last.first - 1, last_late=last.first_late - 1)
        return self._waiting(last, self._settled_until(), self._last_late(last))

    def names_to_forget(self) -> Sequence[str]:
        """Hashes that the ledger has forgotten, and the other store not."""
        return [name for (name,) in self._database.connection.execute(
            self._database.statements.all_forget_there)]

    def note_forgotten(self, name: str) -> None:
        """The other store has forgotten it too."""
        with self._database.transaction() as connection:
            connection.execute(self._database.statements.delete_forget_there, (name,))

    def _last(self, kind: str) -> NumberedBatch:
        row = self._database.connection.execute(
            self._database.statements.last_batches, (self.gateway, kind, 1, 0)).fetchone()
        return NumberedBatch(*(row[2:] if row else (0, *_NONE)))

    def _begin(self, kind: str, batch: NumberedBatch) -> NumberedBatch:
        self._database.connection.execute(self._database.statements.insert_batch,
                                      (self.gateway, kind, *batch))
        return batch

    def _settled_until(self) -> int:
        """The number up to which all facts have settled."""
        meta = dict(self._database.connection.execute(
            self._database.statements.all_meta).fetchall())
        return int(meta.get("pending_from", 1)) - 1

    def _last_late(self, last: NumberedBatch) -> int:
        """The id up to which there are late rows; those that were sent may be deleted."""
        statement = self._database.statements.last_late
        return max(last.last_late,
                   int(self._database.connection.execute(statement).fetchone()[0] or 0))

    def _number_at(self, first: int, last: int, rows: int) -> int | None:
        """That of the row after so many; None where there are not so many."""
        row = self._database.connection.execute(
            self._database.statements.punctual_numbers, (first, last, 1, rows - 1)).fetchone()
        return int(row[0]) if row else None

    def _waiting(self, last: NumberedBatch, end: int, late: int) -> int:
        connection, statements = self._database.connection, self._database.statements
        return sum(int(connection.execute(statement, values).fetchone()[0])
                   for statement, values in (
                       (statements.count_punctual, (last.last + 1, end)),
                       (statements.count_late, (last.last_late + 1, late))))

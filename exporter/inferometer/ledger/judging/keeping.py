"""How long what judges say is kept, and how it is forgotten of a user or a conversation.

Words go as what was said goes; verdicts stay as long as sums do, as what figures are made of.
"""

from __future__ import annotations

from inferometer.ledger.database import JUDGING, PURGING, Database
from inferometer.ledger.judging.days import DAY
from inferometer.ledger.judging.statements import statements_of

WORDS_UNTIL = "judged_words_until"  # in the table meta: a day before which no words are left
LOOK = DAY // 48  # nanoseconds between looks for what is too old


class JudgingRetention:
    """What the gateway's own thread asks once in a while."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._look_at = 0

    def purge(self, now: int, days: int, content_days: int, rollup_days: int) -> bool:
        """Delete some of what is too old; whether there may be more. `now`: Unix nanoseconds.

        `days`: of requests; `content_days`: of words; `rollup_days`: of verdicts and labels.
        """
        if now < self._look_at:
            return False
        statements, connection = statements_of(self._database.dialect), self._database.connection
        (first,) = connection.execute(statements.first_day).fetchone()
        if first is not None:
            today = now // DAY
            if first < today - rollup_days:
                self._delete(first)
                return True
            row = connection.execute(statements.find_meta, (WORDS_UNTIL,)).fetchone()
            begin = max(first, int(row[0]) if row else 0)
            if begin < today - content_days:
                self._delete_words(begin)
                return True
            with self._database.transaction(alone=PURGING) as connection:
                connection.execute(statements.delete_requests, (today - days,))
                connection.execute(statements.delete_days, (today - rollup_days,))
        self._look_at = now + LOOK
        return False

    def _delete(self, day: int) -> None:
        statements = statements_of(self._database.dialect)
        with self._database.transaction(alone=JUDGING) as connection:
            for statement in statements.delete_units:
                connection.execute(statement, (day, day + 1))

    def _delete_words(self, day: int) -> None:
        """Of the units of a day; who is being judged is left out when what was said is missing."""
        statements = statements_of(self._database.dialect)
        with self._database.transaction(alone=JUDGING) as connection:
            for statement in statements.delete_words:
                connection.execute(statement, (day, day + 1))
            connection.execute(self._database.statements.put_meta, (WORDS_UNTIL, str(day + 1)))


def forget_trace(database: Database, trace: bytes) -> None:
    """Remove what was said of a trace's answer; one that waits is judged no more.

    The caller's transaction holds it.
    """
    for statement in statements_of(database.dialect).forget_trace:
        database.connection.execute(statement, (trace,))


def forget_conversation(database: Database, hashed: str) -> None:
    """Remove a conversation's hash, in a transaction of its own."""
    with database.transaction(alone=JUDGING) as connection:
        connection.execute(statements_of(database.dialect).forget_conversation, (hashed,))

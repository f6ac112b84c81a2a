"""Partitions of a day each, by the numbers of facts; what is too old is dropped with its day.

A number is its day of arrival, and below it a count that no two gateways share.
"""

from __future__ import annotations

from inferometer.ledger.counting import HOUR, Additions, CountedRow
from inferometer.ledger.database import PURGING
from inferometer.ledger.digests import lock_number
from inferometer.ledger.purging import PURGED
from inferometer.ledger.schema import CONTENTS, COUNTED
from inferometer.ledger.seats import NUMBERS_BITS
from inferometer.ledger.session import Session, Sessions
from inferometer.ledger.shared_relays import delete_old
from inferometer.ledger.statements import BY_DAY
from inferometer.ledger.store import load_all_seats

DAY_BITS = 40  # of a number, below its day
DAY = 24 * HOUR
CHUNK = 5000  # rows that are looked at in a turn
AHEAD = 1  # days whose partitions are made before they come
MAKING = "partitions"
# Who reads a day keeps it from being dropped, and others wait behind us.
_IMPATIENT = "SET LOCAL lock_timeout = '2s'"
_DAYS = """SELECT substring(child.relname FROM '[0-9]+$')::int AS day FROM pg_inherits
    JOIN pg_class AS child ON child.oid = inhrelid WHERE inhparent = 'facts'::regclass
    ORDER BY day"""
_ROWS = f"""SELECT {", ".join(f'"{column.name}"' for column in COUNTED.columns)} FROM counted
    WHERE seq >= %s AND seq < %s AND (seq, kind) > (%s, %s) ORDER BY seq, kind LIMIT {CHUNK}"""
_OLD_IDENTITIES = f"""DELETE FROM identities WHERE digest IN (
    SELECT digest FROM identities WHERE seq < %s LIMIT {CHUNK})"""


class Partitions:
    """The days of a database."""

    def __init__(self, database: Sessions) -> None:
        self._database = database
        self._sum: _DaySum | None = None  # of the day that is to be dropped
        self._identities_until: int | None = None

    def make(self, day: int) -> None:
        """Have partitions for a day, and the next."""
        with self._database.transaction(alone=MAKING) as session:
            made = {row[0] for row in session.execute(_DAYS)}
            for one in {*range(day, day + AHEAD + 1)} - made:
                for table in BY_DAY:
                    # Made apart and attached: so nobody who reads or writes has to wait.
                    name = f"{table.name}_{one}"
                    session.execute(f"CREATE TABLE {name} (LIKE {table.name} INCLUDING ALL)")
                    session.execute(
                        f"ALTER TABLE {table.name} ATTACH PARTITION {name} "
                        f"FOR VALUES FROM ({one << DAY_BITS}) TO ({(one + 1) << DAY_BITS})")

    def purge(self, horizon: int) -> bool:
        """Do a part of what drops days before the horizon; whether there may be more."""
        session = self._database.connection
        if not session.execute("SELECT pg_try_advisory_lock(%s)", (
                lock_number(PURGING),)).fetchone()[0]:
            return False
        try:
            return self._purge(session, horizon)
        finally:
            session.execute("SELECT pg_advisory_unlock(%s)", (lock_number(PURGING),))

    def delete_content(self, horizon: int = 0) -> bool:
        """Delete what was said on the oldest day that is over; whether there was any.

        `horizon`: of days that were over before it; 0: of any.
        """
        session = self._database.connection
        for day in [row[0] for row in session.execute(_DAYS)][:-AHEAD - 1]:
            if horizon and (day + 1) * DAY > horizon:
                return False
            table = f"{CONTENTS.name}_{day}"
            if session.execute(f"SELECT EXISTS (SELECT FROM {table})").fetchone()[0]:
                with self._database.transaction(alone=PURGING):
                    session.execute(_IMPATIENT)
                    session.execute(f"TRUNCATE {table}")
                self._database.measure()
                return True
        return False

    def _purge(self, session: Session, horizon: int) -> bool:
        if delete_old(session):
            return True
        days = [row[0] for row in session.execute(_DAYS)]
        if days and (days[0] + 1) * DAY <= horizon:
            if self._sum is None or self._sum.day != days[0]:
                self._sum = _DaySum(self._database, days[0])
            if self._sum.add():
                return True
            self._drop(self._sum)
            self._sum = None
            return True
        if days and self._identities_until != days[0]:
            if session.execute(_OLD_IDENTITIES, (days[0] << DAY_BITS,)).rowcount:
                return True
            self._identities_until = days[0]
        return False

    def _drop(self, of_day: _DaySum) -> None:
        statements = self._database.statements
        with self._database.transaction() as session:
            session.execute(_IMPATIENT)
            names = dict(session.execute("SELECT number, id FROM gateways").fetchall())
            for table in BY_DAY:
                session.execute(f"DROP TABLE {table.name}_{of_day.day}")
            session.executemany(statements.add_counter, [
                (names[key[0] >> NUMBERS_BITS], *key, 0, value)
                for key, value in sorted(of_day.added.counters.items())])
            session.execute(statements.put_meta, (PURGED, str((of_day.day + 1) * DAY - 1)))


class _DaySum:
    """What the rows of a day came to, added up chunk by chunk: they change no more."""

    def __init__(self, database: Sessions, day: int) -> None:
        self.day = day
        self._database = database
        self._last: tuple[int, str] = (-1, "")
        self.added = Additions(load_all_seats(database).shown)

    def add(self) -> bool:
        """Add a chunk; whether there was any."""
        rows = self._database.connection.execute(_ROWS, (
            self.day << DAY_BITS, (self.day + 1) << DAY_BITS, *self._last)).fetchall()
        for row in rows:
            self.added.add(CountedRow(*row))
        if rows:
            self._last = rows[-1][0], rows[-1][1]
        return bool(rows)


def day_of(arrived: int) -> int:
    """The day of a moment in Unix nanoseconds, UTC."""
    return arrived // DAY

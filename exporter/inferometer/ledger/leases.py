"""Which traces a gateway settles: those in the slots that it holds.

A lease ends by the database's clock unless it is renewed. What it is ours by is checked in the
transaction that settles, under a lock and by its fence: so a gateway that was frozen and comes
back cannot settle what another one has taken over.
"""

from __future__ import annotations

import contextlib
import math

import psycopg

from inferometer.ledger.errors import LedgerLostError
from inferometer.ledger.session import Session, Sessions
from inferometer.ledger.shared_schema import SLOTS

_SEEN = """UPDATE gateways SET seen = clock_timestamp() WHERE id = %s"""
_ALIVE = """SELECT count(*) FROM gateways
    WHERE seen > clock_timestamp() - %s * interval '1 second'"""
_RENEW = """UPDATE leases SET expires = clock_timestamp() + %s * interval '1 second'
    WHERE holder = %s RETURNING slot, fence"""
_TAKE = """UPDATE leases SET holder = %s, fence = fence + 1,
        expires = clock_timestamp() + %s * interval '1 second'
    WHERE slot IN (SELECT slot FROM leases WHERE expires <= clock_timestamp() AND holder <> %s
                   ORDER BY slot LIMIT %s FOR UPDATE SKIP LOCKED)
    RETURNING slot, fence"""
_LEAVE = """UPDATE leases SET holder = '', expires = clock_timestamp()
    WHERE holder = %s AND slot = ANY(%s)"""
_HELD = """SELECT slot, fence FROM leases WHERE holder = %s ORDER BY slot FOR SHARE"""


class Leases:
    """The slots of one gateway."""

    def __init__(self, database: Sessions) -> None:
        self._database, self._seconds = database, database.lease_seconds
        self._fences: dict[int, int] = {}  # by slot

    @property
    def slots(self) -> list[int]:
        """Those that it holds, as far as it knows."""
        return list(self._fences)

    def renew(self) -> None:
        """Have them for longer, and as many as the others."""
        gateway, seconds = self._database.gateway, self._seconds
        with self._database.transaction() as session:
            session.execute(_SEEN, (gateway,))
            alive = session.execute(_ALIVE, (seconds,)).fetchone()[0]
        with self._database.transaction() as session:
            ours = dict(session.execute(_RENEW, (seconds, gateway)).fetchall())
            share = math.ceil(SLOTS / max(1, alive))
            if len(ours) > share:
                left = sorted(ours)[share:]
                session.execute(_LEAVE, (gateway, left))
                for slot in left:
                    del ours[slot]
            elif len(ours) < share:
                ours.update(session.execute(
                    _TAKE, (gateway, seconds, gateway, share - len(ours))).fetchall())
        self._fences = ours

    def lock_ours(self, session: Session) -> list[int]:
        """Those that nobody can take until the transaction ends."""
        return [slot for slot, fence in session.execute(_HELD, (self._database.gateway,))
                if self._fences.get(slot) == fence]

    def close(self) -> None:
        """Leave them to others at once, if that can be said."""
        if self._database.usable:
            with contextlib.suppress(psycopg.Error, LedgerLostError), \
                    self._database.transaction() as session:
                session.execute(_LEAVE, (self._database.gateway, self.slots))
                session.execute("UPDATE gateways SET seen = 'epoch' WHERE id = %s",
                                (self._database.gateway,))

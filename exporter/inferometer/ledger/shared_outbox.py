"""Whose bodies a gateway sends that shares a database: its own, and those of gone gateways.

Who sends for a gateway to a destination has a lock of both their names, for as long as its
connection lives. A gateway is gone when it was stopped, or has not been seen for a while; once it
is back its lock is given back, and it goes on where the other one ended.
"""

from __future__ import annotations

from collections.abc import Sequence

from inferometer.ledger.digests import lock_number
from inferometer.ledger.session import Session, Sessions

GONE_SECONDS = 60.0
# Those with bodies that this destination is to have, and whether they are gone.
_OTHERS = """SELECT cursors.gateway, gateways.seen IS NULL
        OR gateways.seen < clock_timestamp() - %s * interval '1 second'
    FROM outbox_cursors AS cursors LEFT JOIN gateways ON gateways.id = cursors.gateway
    WHERE cursors.destination = %s AND cursors.gateway <> %s AND (EXISTS (
        SELECT FROM outbox WHERE outbox.gateway = cursors.gateway AND outbox.seq > cursors.seq)
        OR EXISTS (SELECT FROM outbox_refused AS refused WHERE refused.gateway = cursors.gateway
                   AND refused.destination = cursors.destination AND refused.again = 1))
    ORDER BY cursors.gateway"""


class SharedOwners:
    """The gateways whose bodies for one destination are sent from here."""

    def __init__(self, database: Sessions, destination: str,
                 gone_seconds: float = GONE_SECONDS) -> None:
        self._database, self._destination = database, destination
        self._gone_seconds = gone_seconds
        self._locked: set[str] = set()
        self._connected = 0  # which connection has the locks

    def __call__(self) -> Sequence[str]:
        """Their names, this gateway's first."""
        session, own = self._database.connection, self._database.gateway
        if self._connected != self._database.connected:
            self._locked, self._connected = set(), self._database.connected
        owners = [own]
        gone = {gateway for gateway, is_gone in session.execute(_OTHERS, (
            self._gone_seconds, self._destination, own)) if is_gone}
        for gateway in self._locked - gone - {own}:
            session.execute("SELECT pg_advisory_unlock(%s)", (self._number(gateway),))
            self._locked.discard(gateway)
        return [gateway for gateway in (*owners, *sorted(gone)) if self._lock(session, gateway)]

    def _lock(self, session: Session, gateway: str) -> bool:
        if gateway not in self._locked and session.execute(
                "SELECT pg_try_advisory_lock(%s)", (self._number(gateway),)).fetchone()[0]:
            self._locked.add(gateway)
        return gateway in self._locked

    def _number(self, gateway: str) -> int:
        return lock_number(f"outbox {self._destination} {gateway}")

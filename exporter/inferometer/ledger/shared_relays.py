"""Calls that one service passed on for another, where several gateways settle traces.

The traces of both may be settled by two gateways at once. So the ids of responses have rows in the
database: who settles one holds its row until its transaction ends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from inferometer.ledger.relays import WITHIN, Billed, Relays
from inferometer.ledger.session import Session, Sessions

CHUNK = 5000  # rows that are deleted at a time
_KNOWN = ("service_name", "arrived", "begun", "ended", "input", "output")
# In the order of digests, so that no two gateways wait for one another.
_HOLD = f"""INSERT INTO responses (digest, held)
    SELECT digest, clock_timestamp() FROM unnest(%s::bytea[]) AS digest ORDER BY digest
    ON CONFLICT (digest) DO UPDATE SET held = excluded.held
    RETURNING digest, {", ".join(_KNOWN)}"""
_PUT = f"""UPDATE responses SET ({", ".join(_KNOWN)}) = ({", ".join(["%s"] * len(_KNOWN))})
    WHERE digest = %s"""
_DELETE_OLD = f"""DELETE FROM responses WHERE digest IN (
    SELECT digest FROM responses
    WHERE held < clock_timestamp() - {2 * WITHIN // 10**9} * interval '1 second' LIMIT {CHUNK})"""


class SharedRelays(Relays):
    """What the database has of the responses that are settled now."""

    def __init__(self, database: Sessions) -> None:
        super().__init__()
        self._database = database
        self._digests: dict[str, bytes] = {}
        self._new: set[str] = set()

    def begin(self, response_ids: Iterable[str]) -> None:
        """Hold these in the transaction, and know what is billed of them."""
        self._digests = {one: _digest_of(one) for one in response_ids}
        self._new.clear()
        self._billed.clear()
        if not self._digests:
            return
        names = {digest: name for name, digest in self._digests.items()}
        for digest, service_name, *figures in self._database.connection.execute(
                _HOLD, ([*names],)):
            if service_name is not None:
                arrived, start, end, *tokens = figures
                self._put(names[digest], Billed(
                    service_name, arrived, start, end, (tokens[0], tokens[1])))

    def note(self, response_id: str, billed: Billed) -> None:
        """See Relays."""
        super().note(response_id, billed)
        self._new.add(response_id)

    def end(self) -> None:
        """Write what was noted, in the same transaction."""
        self._database.connection.executemany(_PUT, [
            (one.service_name, one.arrived, one.start, one.end, *one.tokens, self._digests[name])
            for name, one in self._billed.items()
            if name in self._new and name in self._digests])


def delete_old(session: Session) -> bool:
    """Delete some that nobody asks for any more; whether there may be more."""
    return session.execute(_DELETE_OLD).rowcount >= CHUNK


def _digest_of(response_id: str) -> bytes:
    return hashlib.blake2b(response_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()

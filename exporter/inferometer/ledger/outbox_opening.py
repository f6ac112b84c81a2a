"""Opens one destination's way through the outbox of a ledger."""

from __future__ import annotations

from inferometer.config import LedgerSection
from inferometer.ledger.opening import open_beside
from inferometer.ledger.outbox import DestinationOutbox


def open_outbox(section: LedgerSection, destination: str, signals: frozenset[str]
                ) -> DestinationOutbox:
    """By a connection of its own. Raises LedgerError."""
    database = open_beside(section)
    if not section.dsn_file:
        return DestinationOutbox(database, destination, signals)
    from inferometer.ledger.postgres import Postgres  # of another extra
    from inferometer.ledger.shared_outbox import SharedOwners

    assert isinstance(database, Postgres)
    return DestinationOutbox(database, destination, signals, SharedOwners(database, destination))

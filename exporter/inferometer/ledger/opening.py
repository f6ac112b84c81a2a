"""Opens the ledger that a configuration names: a file of SQLite, or a database of PostgreSQL."""

from __future__ import annotations

import logging
from pathlib import Path

from inferometer.config import LedgerSection
from inferometer.ledger import high_water
from inferometer.ledger.database import Database
from inferometer.ledger.errors import LedgerError

log = logging.getLogger(__name__)


def open_to_write(section: LedgerSection) -> Database:
    """Open it as its gateway; made where there is none. Raises LedgerError."""
    key_path = Path(section.key_path)
    if section.dsn_file:
        require_driver()
        from inferometer.ledger import postgres_opening

        return postgres_opening.open_to_write(
            Path(section.dsn_file), key_path, section.gateway_id)
    from inferometer.ledger import file_opening

    path = Path(section.path)
    return _renewed(file_opening.open_to_write(path, key_path), path)


def _renewed(database: Database, path: Path) -> Database:
    """With a new id, where it is an older copy."""
    if high_water.is_restored(database, path):
        before = database.gateway
        high_water.renew(database, path)
        log.warning("an older copy of the ledger was put here: it has a new id, and its counters "
                    "begin at 0", extra={"id": database.gateway, "before": before})
    return database


def open_beside(section: LedgerSection) -> Database:
    """Open one that gateways may be writing. Raises LedgerError."""
    key_path = Path(section.key_path)
    if section.dsn_file:
        require_driver()
        from inferometer.ledger import postgres_opening

        return postgres_opening.open_beside(
            Path(section.dsn_file), key_path, section.gateway_id)
    from inferometer.ledger import file_opening

    return file_opening.open_beside(Path(section.path), key_path)


def examine(section: LedgerSection) -> None:
    """Raise LedgerError for what a gateway would refuse; asks no server, and changes nothing."""
    if section.dsn_file:
        require_driver()
        from inferometer.ledger import postgres_opening

        postgres_opening.examine(Path(section.dsn_file), Path(section.key_path))
        return
    from inferometer.ledger import file_opening

    file_opening.examine(Path(section.path), Path(section.key_path))


def require_driver() -> None:
    """Raise LedgerError where what speaks to PostgreSQL is missing."""
    try:
        import psycopg  # noqa: F401  # whether it is there
    except ImportError:
        raise LedgerError("ledger.dsn_file needs the packages of the extra: pip install "
                          "'inferometer[gateway,postgres]'") from None

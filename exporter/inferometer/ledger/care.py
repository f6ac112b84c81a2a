"""What may be done about a ledger's file: looked for damage, and made smaller."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from inferometer.ledger.errors import LedgerError
from inferometer.ledger.file import File
from inferometer.ledger.file_opening import alone
from inferometer.ledger.high_water import is_restored

MOST_SHOWN = 100  # faults
PAGES = 1000  # that are given back at a time


class Health(NamedTuple):
    """What a look at the file has shown."""

    faults: list[str]
    bytes: int  # with its log
    unused: int  # bytes of it, that deleted rows have left
    restored: bool  # whether its next start will give it a new id


class Vacuumed(NamedTuple):
    """What a ledger had, and has."""

    before: int  # bytes
    after: int
    rewritten: bool  # whether all of it was written anew


def check(file: File) -> Health:
    """Read all of it. Raises sqlite3.Error where that cannot be done."""
    connection = file.connection
    faults = [str(text) for (text,) in connection.execute(
        f"PRAGMA integrity_check({MOST_SHOWN})").fetchall() if text != "ok"]
    return Health(faults, file.bytes(), _unused(file), is_restored(file, file.path))


def vacuum(file: File) -> Vacuumed:
    """Give back what the file does not use.

    All of it is written anew where no gateway has it and the disk has room for a second one; else
    unused pages are given back in pieces, beside the gateway. Raises sqlite3.Error.
    """
    before, disk = file.bytes(), file.disk()
    with contextlib.ExitStack() as stack:
        rewritten = disk is None or disk[0] > before
        if rewritten:
            try:
                stack.enter_context(alone(file.path))
            except LedgerError:
                rewritten = False
        if rewritten:
            file.connection.execute("VACUUM")
        else:
            unused = _unused(file) + 1
            while (left := _unused(file)) < unused:
                unused = left
                file.give_back(PAGES)
        file.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return Vacuumed(before, file.bytes(), rewritten)


def _unused(file: File) -> int:
    (pages,), (size,) = (file.connection.execute(f"PRAGMA {name}").fetchone()
                         for name in ("freelist_count", "page_size"))
    return int(pages) * int(size)

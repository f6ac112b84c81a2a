"""`inferometer` with a fault of its own, which a drill is to notice.

    python -m tests.e2e.drills.faulty FAULT run ...
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from inferometer.cli import main
from inferometer.facts import Fact
from inferometer.ledger import file_opening
from inferometer.ledger.ballots import Ballots
from inferometer.ledger.errors import LedgerError
from inferometer.ledger.file import File
from inferometer.ledger.ledger import LedgerWriter
from inferometer.ledger.request_queue import WaitingCalls
from inferometer.ledger.retention import Retention
from inferometer.points import MetricPoint
from inferometer.receipt import Receipt

LATE_SECONDS = 1.0


def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Put another function in the place of one, which it is given."""
    setattr(owner, name, make(getattr(owner, name)))


def acknowledge_early() -> None:
    """Senders are answered a second before what they sent is committed."""
    def make(commit: Any) -> Any:
        def commit_late(ledger: LedgerWriter, facts: Sequence[Fact],
                        links: Mapping[bytes, bytes], arrived: int,
                        points: Sequence[MetricPoint] = ()) -> Receipt:
            timer = threading.Timer(LATE_SECONDS, commit, (ledger, facts, links, arrived, points))
            timer.daemon = True
            timer.start()
            done = Receipt()
            done.set_result(None)
            return done
        return commit_late

    replace(LedgerWriter, "commit", make)


def sync_nothing() -> None:
    """The disk is not waited for."""
    def make(begin: Any) -> Any:
        def begin_unsynced(file: File, *arguments: Any) -> None:
            begin(file, *arguments)
            file.connection.execute("PRAGMA synchronous=OFF")
        return begin_unsynced

    replace(File, "__init__", make)


def wait_by_wall_clock() -> None:
    """How long a trace was quiet is taken from the clock that people set."""
    def make(begin: Any) -> Any:
        def begin_by_wall(ledger: LedgerWriter, *arguments: Any, **options: Any) -> None:
            begin(ledger, *arguments, **options, monotonic=time.time)
        return begin_by_wall

    replace(LedgerWriter, "__init__", make)


def forget_repeats() -> None:
    """What came is known for a day."""
    def make(configure: Any) -> Any:
        def configure_short(ledger: LedgerWriter, retention_days: int, *others: int) -> None:
            configure(ledger, 1, *others)
        return configure_short

    replace(LedgerWriter, "configure", make)


def keep_all() -> None:
    """Nothing is ever deleted."""
    replace(Retention, "purge", lambda _: lambda *_: False)


def write_elsewhere() -> None:
    """A ledger that cannot be opened is begun in another place."""
    def make(open_to_write: Any) -> Any:
        def open_anywhere(path: Path, key_path: Path) -> File:
            try:
                return open_to_write(path, key_path)  # type: ignore[no-any-return]
            except LedgerError:
                folder = Path(tempfile.mkdtemp())
                return open_to_write(  # type: ignore[no-any-return]
                    folder / path.name, folder / key_path.name)
        return open_anywhere

    replace(file_opening, "open_to_write", make)
    replace(file_opening, "examine", lambda _: lambda *_: None)


def trust_the_handle() -> None:
    """Whether the file is still where it was is not looked at."""
    replace(File, "require_in_place", lambda _: lambda _: None)


def forget_identities() -> None:
    """Whether a span came before is not looked at."""
    from inferometer.ledger import postgres  # the driver is in an extra

    replace(postgres, "_NEW_FACTS", lambda statement: statement.replace(
        "SELECT digest, seq FROM incoming", "SELECT (random() * 9e18)::int8, seq FROM incoming"))


def keep_slots() -> None:
    """A lease does not end, whatever becomes of who holds it."""
    from inferometer.ledger import postgres  # the driver is in an extra

    replace(postgres, "LEASE_SECONDS", lambda _: 3600.0)


def forget_lines() -> None:
    """What is to be written is taken for written half a second before it is."""
    def make(next_batch: Any) -> Any:
        def next_batch_noted(waiting: WaitingCalls) -> Any:
            batch = next_batch(waiting)
            if batch is not None:
                waiting.note_written(batch)
                time.sleep(LATE_SECONDS / 2)  # as long as a slow disk takes
            return batch
        return next_batch_noted

    replace(WaitingCalls, "next_batch", make)


def forget_nonces() -> None:
    """That a capability was used is not written down."""
    replace(Ballots, "_burn", lambda _: lambda *_: True)


FAULTS: Mapping[str, Callable[[], None]] = {
    "early-ack": acknowledge_early, "no-fsync": sync_nothing, "wall-clock": wait_by_wall_clock,
    "forgets-repeats": forget_repeats, "keeps-all": keep_all, "writes-elsewhere": write_elsewhere,
    "trusts-handle": trust_the_handle, "forgets-identities": forget_identities,
    "keeps-slots": keep_slots, "forgets-lines": forget_lines, "forgets-nonces": forget_nonces,
}

if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    sys.exit(main(sys.argv[2:]))

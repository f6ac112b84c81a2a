"""Whether a file that is open, and what SQLite has beside it, still have their names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from inferometer.ledger.errors import LedgerError

LOGS = "-wal", "-shm"  # beside the file, while it is open
Inode = tuple[int, int]  # of a disk, and of a file on it


class Presence:
    """Which files had the names when it was opened; those beside it, when they were made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inodes: dict[str, Inode | None] = {"": _inode(path), **dict.fromkeys(LOGS)}

    def is_over(self) -> bool:
        """Whether a name is gone. Raises LedgerError where another file has the first one."""
        for ending, inode in self._inodes.items():
            now = _inode(beside(self._path, ending))
            if inode is None:  # the log is made by the first who reads
                self._inodes[ending] = now
            elif now is not None and now != inode and not ending:
                raise LedgerError(f"{self._path} is another file than the one that is open: stop "
                                  "the gateway before a ledger is restored")
            elif now != inode:
                return True
        return False


def beside(path: Path, ending: str) -> Path:
    """What SQLite has beside its file, or the file itself."""
    return path.with_name(path.name + ending)


def is_still(file: IO[bytes]) -> bool:
    """Whether an open file still has its name."""
    status = os.fstat(file.fileno())
    return _inode(Path(file.name)) == (status.st_dev, status.st_ino)


def _inode(path: Path) -> Inode | None:
    """Which file has the name; None where none has it."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino

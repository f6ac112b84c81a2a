"""Libraries in C that stand between a gateway and its machine, by LD_PRELOAD."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
FLAGS = ("-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror")
NANOSECONDS = 10**9


def _compiled(name: str, folder: Path) -> str:
    """The library of this source. Raises AssertionError."""
    library = folder / f"{name}.so"
    done = subprocess.run(
        ["gcc", *FLAGS, "-o", str(library), str(HERE / f"{name}.c"), "-ldl"],
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return str(library)


def _preloaded(library: str) -> str:
    return " ".join([library, *os.environ.get("LD_PRELOAD", "").split()])


class ShiftedClock:
    """A gateway's wall clock, which is ahead of ours by what is said here; others are not."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "ahead"
        self.seconds = 0.0
        self.env: Mapping[str, str] = {
            "LD_PRELOAD": _preloaded(_compiled("shifted_clock", folder)),
            "SHIFTED_CLOCK": str(self._file)}
        self._file.write_bytes(bytes(8))

    def shift(self, seconds: float) -> None:
        """Be ahead by so much from now on, or behind."""
        self.seconds = seconds
        with self._file.open("r+b", buffering=0) as file:  # in place: it is mapped
            file.write(struct.pack("=q", round(seconds * NANOSECONDS)))

    def now(self) -> int:
        """What it shows: Unix nanoseconds."""
        return time.time_ns() + round(self.seconds * NANOSECONDS)


class DroppedWrites:
    """A folder whose power can be cut: what came after a file's last fsync is gone then."""

    def __init__(self, folder: Path, data: Path) -> None:
        self._data, self._copies = data, folder / "copies"
        self.env: Mapping[str, str] = {
            "LD_PRELOAD": _preloaded(_compiled("dropped_writes", folder)),
            "DROPPED_WRITES": f"{data}:{self._copies}"}
        shutil.copytree(data, self._copies)

    def cut(self) -> int:
        """After SIGKILL: leave on the disk what was synced alone. How many files changed by it."""
        changed = sum(path.read_bytes() != (self._copies / path.name).read_bytes()
                      for path in self._data.iterdir()
                      if path.is_file() and (self._copies / path.name).exists())
        shutil.rmtree(self._data)
        shutil.copytree(self._copies, self._data)
        return changed

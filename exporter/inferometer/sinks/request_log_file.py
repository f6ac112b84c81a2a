"""Where lines of the request log go: a file that is rotated by its size, or standard output."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from inferometer.reasons import reason_of

PIECE = 2**16  # bytes that are read at a time of a file's end
LONGEST_LINE = 2**20  # bytes, and more than any has
_BEGINS = (b"{", b"\0")  # a line that was cut off: some disks have zeros after a power failure


class LineFileError(Exception):
    """Lines cannot be written; the message names the file."""


class LineOutput(Protocol):
    """Takes lines, which are durable there when it returns."""

    def configure(self, max_bytes: int, files: int) -> None:
        """Have so many files of so many bytes, where it is files."""
        ...

    def last_ids(self, most: int) -> Collection[str]:
        """The event ids of the last lines, of so many where there are so many."""
        ...

    def write(self, lines: Sequence[bytes]) -> None:
        """Write lines. Raises LineFileError; then some of them may be there."""
        ...


class StandardOutput:
    """Lines on standard output, which whoever started the gateway keeps."""

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._is_cut = False  # the last line

    def configure(self, max_bytes: int, files: int) -> None:
        """See LineOutput."""

    def last_ids(self, most: int) -> Collection[str]:
        """See LineOutput. None: nobody can read them again."""
        return ()

    def write(self, lines: Sequence[bytes]) -> None:
        """See LineOutput; they are the reader's when it returns."""
        try:
            if self._is_cut:
                write_all(self._descriptor, b"\n")
            self._is_cut = True
            write_all(self._descriptor, b"".join(lines))
            self._is_cut = False
        except OSError as error:
            raise LineFileError(f"standard output: {reason_of(error)}") from error


class RotatedFile:
    """A file, and the ones before it as PATH.1, PATH.2, ...: the oldest one goes.

    Whoever moves it away gets a new one. Of a line that was cut off nothing stays: nobody has read
    it, as a line is one once it has its line feed.
    """

    def __init__(self, path: Path, max_bytes: int, files: int) -> None:
        self._path, self._max_bytes, self._files = path, max_bytes, files
        self._handle: int | None = None
        self._size = 0

    def configure(self, max_bytes: int, files: int) -> None:
        """See LineOutput."""
        self._max_bytes, self._files = max_bytes, files

    def last_ids(self, most: int) -> Collection[str]:
        """See LineOutput."""
        ids: list[str] = []
        try:
            for path in self._paths():
                with contextlib.suppress(FileNotFoundError):
                    for line in lines_backwards(path):
                        with contextlib.suppress(ValueError, TypeError, KeyError):  # none of ours
                            ids.append(json.loads(line)["event"]["id"])
                        if len(ids) >= most:
                            return ids
        except OSError as error:
            raise LineFileError(f"{self._path}: {reason_of(error)}") from error
        return ids

    def write(self, lines: Sequence[bytes]) -> None:
        """See LineOutput."""
        try:
            self._write(lines)
        except BaseException as error:
            self._close()
            if isinstance(error, OSError):
                raise LineFileError(f"{self._path}: {reason_of(error)}") from error
            raise

    def _write(self, lines: Sequence[bytes]) -> None:
        if self._handle is not None and not _has_name(self._handle, self._path):
            self._close()
        handle = self._open() if self._handle is None else self._handle
        chunk: list[bytes] = []
        size = 0
        for line in lines:
            if self._size + size and self._size + size + len(line) > self._max_bytes:
                self._append(handle, chunk)
                handle, chunk, size = self._rotated(), [], 0
            chunk.append(line)
            size += len(line)
        self._append(handle, chunk)

    def _append(self, handle: int, lines: Sequence[bytes]) -> None:
        if lines:
            self._size += write_all(handle, b"".join(lines))
            os.fsync(handle)

    def _open(self) -> int:
        is_new = not self._path.exists()
        handle = self._handle = os.open(
            self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self._size = os.fstat(handle).st_size
        end = self._end_of_lines(handle)
        if end != self._size:
            os.ftruncate(handle, end)
            self._size = end
        if is_new:
            _sync_folder(self._path.parent)
        return handle

    def _end_of_lines(self, handle: int) -> int:
        """Where the last complete line ends. Raises LineFileError where no lines are in it."""
        begin = max(0, self._size - LONGEST_LINE)
        end = os.pread(handle, self._size - begin, begin)
        rest = end[end.rfind(b"\n") + 1:]
        if rest and (not rest.startswith(_BEGINS) or (begin and len(rest) == len(end))):
            raise LineFileError(f"{self._path} ends with what is no line of a request log; it is "
                                "left as it is")
        return self._size - len(rest)

    def _rotated(self) -> int:
        """A new file, with the others moved on by one."""
        self._close()
        paths = [*self._paths()]
        for newer, older in zip(reversed(paths[:-1]), reversed(paths[1:]), strict=True):
            with contextlib.suppress(FileNotFoundError):
                os.replace(newer, older)
        return self._open()

    def _paths(self) -> Iterator[Path]:
        """The names of all, the newest first."""
        yield self._path
        for number in range(1, self._files):
            yield self._path.with_name(f"{self._path.name}.{number}")

    def _close(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):  # what could not be written is written again
                os.close(handle)


def write_all(handle: int, data: bytes) -> int:
    """Write all of it. Returns its size. Raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest):]
    return len(data)


def lines_backwards(path: Path) -> Iterator[bytes]:
    """The complete lines of a file, the last one first."""
    with path.open("rb") as file:
        begin = file.seek(0, os.SEEK_END)
        rest = b""
        is_last = True  # what stands behind the last line feed is no line
        while begin and len(rest) <= LONGEST_LINE:
            end, begin = begin, max(0, begin - PIECE)
            file.seek(begin)
            rest, *lines = (file.read(end - begin) + rest).split(b"\n")
            for line in reversed(lines):
                if not is_last:
                    yield line
                is_last = False
        if not is_last and not begin:
            yield rest


def _has_name(handle: int, path: Path) -> bool:
    """Whether it is the file of this name."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    """Have a new name outlive the machine's power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

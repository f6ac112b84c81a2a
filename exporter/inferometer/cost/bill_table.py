"""A bill's file as a header and rows of text: CSV of any delimiter, gzipped or not, or Parquet.

It is read row by row: a bill of 100 MB takes no more memory than one of 100 kB.
"""

from __future__ import annotations

import csv
import gzip
import importlib
import importlib.util
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from inferometer.reasons import reason_of

DELIMITERS = ",;\t|"
LONGEST_CELL = 2**24  # characters
MOST_COLUMNS = 2000
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_ENCODINGS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_BATCH = 10_000  # rows of Parquet at a time

BillCells = Sequence[str]


class BillError(Exception):
    """A bill that cannot be read, or cannot be compared; one line says which and why."""


class BillTable:
    """A file to be read as often as needed, each time from its beginning."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.delimiter = ""  # of CSV

    @contextmanager
    def read(self) -> Iterator[tuple[BillCells, Iterator[tuple[int, BillCells]]]]:
        """Its header, and its rows with their lines. Raises BillError."""
        try:
            with self.path.open("rb") as raw:
                begin = raw.read(4)
                raw.seek(0)
                if begin == _PARQUET:
                    yield _parquet(self.path)
                elif begin.startswith(_GZIP):
                    with gzip.open(raw) as unpacked, _text_of(unpacked) as text:
                        yield self._csv(text)
                else:
                    with _text_of(raw) as text:
                        yield self._csv(text)
        except (OSError, EOFError, zlib.error) as error:
            raise BillError(f"{self.path}: cannot be read: {reason_of(error)}") from error
        except UnicodeError as error:
            raise BillError(f"{self.path}: is neither UTF-8 nor UTF-16; save it as one of these"
                            ) from error

    def _csv(self, text: IO[str]) -> tuple[BillCells, Iterator[tuple[int, BillCells]]]:
        first = _first_line(text)
        if not first.strip():
            raise BillError(f"{self.path}: has no header")
        self.delimiter = max(DELIMITERS, key=first.count)
        csv.field_size_limit(LONGEST_CELL)
        # `first` has whole records: the header may have line breaks in quotes.
        reader = csv.reader(_lines(first, text), delimiter=self.delimiter, strict=True)
        rows = self._rows(reader)
        header = [name.strip() for name in next(rows)[1]]
        if len(header) > MOST_COLUMNS:
            raise BillError(f"{self.path}: has {len(header)} columns, at most {MOST_COLUMNS}")
        return header, rows

    def _rows(self, reader: Any) -> Iterator[tuple[int, BillCells]]:
        try:
            for row in reader:
                if any(row):
                    yield reader.line_num, row
        except csv.Error as error:
            raise BillError(
                f"{self.path}:{reader.line_num}: is not CSV: quotes are not closed or have "
                "something behind them, or a cell is too long") from error


def _text_of(raw: Any) -> io.TextIOWrapper:
    """Bytes as text, by their byte order mark."""
    return io.TextIOWrapper(raw, _ENCODINGS.get(raw.peek(2)[:2], "utf-8-sig"), newline="")


def _first_line(text: IO[str]) -> str:
    """The first line that says anything; Excel's `sep=;` says nothing of the bill."""
    line = text.readline(LONGEST_CELL)
    while line and (not line.strip() or line.lower().startswith("sep=")):
        line = text.readline(LONGEST_CELL)
    return line


def _lines(first: str, text: IO[str]) -> Iterator[str]:
    yield first
    yield from text


def _parquet(path: Path) -> tuple[BillCells, Iterator[tuple[int, BillCells]]]:
    if importlib.util.find_spec("pyarrow") is None:
        raise BillError(f"{path}: is Parquet, which needs a package: pip install pyarrow")
    parquet = importlib.import_module("pyarrow.parquet")  # of no extra: who has such bills has it
    try:
        file = parquet.ParquetFile(path)
    except Exception as error:  # pyarrow has errors of its own, of no common class
        raise BillError(f"{path}: is no Parquet that can be read: {reason_of(error)}") from error
    return list(file.schema_arrow.names), _parquet_rows(file)


def _parquet_rows(file: Any) -> Iterator[tuple[int, BillCells]]:
    number = 0
    for batch in file.iter_batches(batch_size=_BATCH):
        columns = [column.to_pylist() for column in batch.columns]
        for row in zip(*columns, strict=True):
            number += 1
            yield number, ["" if cell is None else _cell(cell) for cell in row]


def _cell(cell: object) -> str:
    iso = getattr(cell, "isoformat", None)  # of days and times
    return str(iso()) if iso is not None else str(cell)

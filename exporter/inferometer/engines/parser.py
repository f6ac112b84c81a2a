"""Reads metrics pages, one after the other. Raises PageError and nothing else."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import compress
from operator import ne

from inferometer.engines.page import (
    KeptSeries,
    LargePageError,
    Page,
    PageError,
    PageShape,
    shape_of,
)
from inferometer.engines.room import ROOM, Room
from inferometer.engines.sheet import ALL, LONGEST_LINE, Sheet, Use

MOST_LINES = 100_000
SMALL_BYTES = 2**19  # of a page that is kept until it has come, and remembered line by line
SMALL_LINES = 10_000  # of a page that is remembered so
BATCH_BYTES = 2**18  # of a larger page that are read at once
BATCH_ROOM = 8 * BATCH_BYTES  # of memory that this takes
LONGEST_REST = 4 * LONGEST_LINE  # bytes of a line that has not ended
FREE_BYTES = 2**16  # of a page that take no room
LINE_BYTES = 200  # of memory for a line that is remembered, beside its text


class Parser:
    """Parses one endpoint's pages. Remembers the last one: most of it returns on every page.

    As many series are kept as `use` says for the name of their family; of others it is remembered
    that they are there. What is kept takes its share of the `room`. A page of more than `small`
    bytes is read as it comes.
    """

    def __init__(self, use: Use = lambda name: ALL, room: Room = ROOM,
                 small: int = SMALL_BYTES) -> None:
        self.room = room
        self.small = small
        self._use = use
        self._share = room.share()
        self._kept = 0  # bytes of it for what is remembered
        self._cost = 0  # of these without the lines
        self._before = 0  # of these for the last one's counts, which are remembered for a page
        self._series: Mapping[str, KeptSeries] = {}
        self._few: Mapping[str, int] = {}  # how many of these of a name, where not all are kept
        self._page = Page(PageShape({}, {}, [], {}), [])
        self._lines: list[str] = []  # of the last page if it was plain, one series to a line
        self._positions: list[tuple[str, int]] = []  # a line: the text before its value, its index

    def parse(self, body: bytes) -> Page:
        """The page that is this whole; see `Arrival` for what is read of it, and what is raised."""
        with self.begin() as arrival:
            for start in range(0, len(body), BATCH_BYTES):
                arrival.take(body[start : start + BATCH_BYTES])
            return arrival.end()

    def begin(self, seconds: float = math.inf) -> Arrival:
        """The next page, which comes piece by piece within so many seconds."""
        return Arrival(self, time.monotonic() + seconds)

    @property
    def holds(self) -> int:
        """About how many bytes the last page takes."""
        return self._kept

    def forget(self) -> None:
        """Remember nothing of the last page."""
        self._kept = self._cost = self._before = 0
        self._series, self._few, self._lines, self._positions = {}, {}, [], []
        self._page = Page(PageShape({}, {}, [], {}), [])

    def ask(self, size: int) -> None:
        """Have room for so many bytes besides those kept. Raises PageError where there is none."""
        if not self._share.resize(self._kept + size):
            raise LargePageError(
                f"the page needs more memory than is left of the {self.room.size >> 20} MiB that "
                "all pages share (engines.max_page_bytes bounds one)")

    def give_back(self) -> None:
        """Have no more room than for what is kept."""
        self._share.resize(self._kept)

    def read_again(self, lines: list[str]) -> Page | None:
        """The page if it differs from the last one in its values alone, which costs little."""
        if len(lines) != len(self._lines):
            return None
        values = [*self._page.values, 0.0]  # the last one is that of all series that are not kept
        changed = compress(zip(lines, self._positions, strict=True), map(ne, lines, self._lines))
        try:
            for line, (series, index) in changed:
                number = line.removeprefix(series)
                if len(number) == len(line):
                    return None
                values[index] = float(number)
        except ValueError:
            return None
        values.pop()
        self._lines = lines
        self._kept, self._before = self._kept - self._before, 0
        self._page = Page(self._page.shape, values)
        return self._page

    def sheet(self, remember: bool = False) -> Sheet:
        """An empty one for the next page."""
        return Sheet(self._series, self._few, self._use, self.ask, remember)

    def keep(self, sheet: Sheet, lines: list[str]) -> Page:
        """The page that the sheet has, remembered; its lines, too, if they are to be."""
        values, shape, series = sheet.values, self._page.shape, self._series
        if sheet.new or len(series) > len(values):  # what has left the page is not kept
            series = {text: sheet.new.get(text) or series[text] for text in values}
            self._few = Counter(entry.name for entry in series.values() if not entry.read)
        if series is not self._series or not sheet.is_shaped(shape):
            shape = shape_of(sheet.kinds, series, sheet.others)
            self._before, self._cost = self._cost // 2, sheet.cost(series)
        else:
            self._before = 0
        shape.others = sheet.others
        self._series = series
        self._kept = self._cost + self._before
        self._page = Page(shape, [values[text] for text in shape.series])
        plain = sheet.plain and len(sheet.positions) == len(lines) and list(values) == shape.series
        size = sum(map(len, lines)) * 2 + LINE_BYTES * len(lines) if plain else 0
        plain = plain and self._share.resize(self._kept + size)
        self._lines, self._positions = (lines, sheet.positions) if plain else ([], [])
        self._kept += size if plain else 0
        return self._page


class Arrival:
    """A page that comes piece by piece, read as it comes once it is a large one.

    Lines that make no sense are passed over. `_created` series are dropped, and of a series printed
    twice the last value holds. All raise PageError: if there are too many lines or families, if
    more lines make no sense than there are series, or if there is no room.
    """

    def __init__(self, parser: Parser, deadline: float) -> None:
        self._parser = parser
        self._deadline = deadline
        self._pieces: list[bytes] = []
        self._size = 0  # bytes of these
        self._asked = FREE_BYTES
        self._lines = 0
        self._sheet: Sheet | None = None  # of a large page

    def __enter__(self) -> Arrival:
        return self

    def __exit__(self, *_: object) -> None:
        self._parser.give_back()

    def take(self, piece: bytes) -> None:
        """Take the next piece."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._sheet is None:
            if self._size <= self._parser.small:
                self._ask_for_small()
                return
            self._parser.ask(BATCH_ROOM)
            self._sheet = self._parser.sheet()
        if self._size >= min(BATCH_BYTES, self._parser.small):
            self._read_lines(self._sheet)

    def end(self, cut: bool = False) -> Page:
        """The page, without its last line if that may be cut off."""
        if self._sheet is not None:
            self._read_lines(self._sheet)
            if not cut:
                self._read(self._sheet, b"".join(self._pieces))
            return self._finish(self._sheet, [])
        body = b"".join(self._pieces)
        if cut:
            body = body[: body.rfind(b"\n") + 1]
        self._count(body)
        lines = _text(body).split("\n")
        return self._parser.read_again(lines) or self._read_anew(lines)

    def _ask_for_small(self) -> None:
        if self._size > self._asked:
            self._asked = 2 * self._size
            self._parser.ask(self._asked)

    def _read_anew(self, lines: list[str]) -> Page:
        with self._turn(large=False):
            sheet = self._parser.sheet(remember=len(lines) <= SMALL_LINES)
            sheet.read(lines)
            return self._finish(sheet, lines)

    def _finish(self, sheet: Sheet, lines: list[str]) -> Page:
        if nonsense := sheet.nonsense():
            self._parser.forget()
            raise PageError(nonsense)
        return self._parser.keep(sheet, lines)

    def _read_lines(self, sheet: Sheet) -> None:
        """Read the lines that have come; of one without end the first byte says what it is."""
        text, end, rest = b"".join(self._pieces).rpartition(b"\n")
        self._pieces = [rest[:1] if len(rest) > LONGEST_REST else rest]
        self._size = len(self._pieces[0])
        if end:
            self._lines += 1
            self._read(sheet, text)

    def _read(self, sheet: Sheet, text: bytes) -> None:
        self._count(text)
        with self._turn(large=True):
            sheet.read(text.decode("utf-8", "replace").split("\n"))

    def _count(self, text: bytes) -> None:
        self._lines += text.count(b"\n")
        if self._lines > MOST_LINES:
            raise LargePageError(f"the page has more than {MOST_LINES} lines")

    @contextlib.contextmanager
    def _turn(self, large: bool) -> Iterator[None]:
        try:
            with self._parser.room.turn(large, self._deadline):
                yield
        except TimeoutError as error:
            raise PageError("too many pages at once to read it in time") from error


def _text(body: bytes) -> str:
    """The page's text; one printed as a JSON string, as by llama.cpp b7010, is unpacked."""
    text = body.decode("utf-8", "replace")
    if body[:1] == b'"' and body.rstrip()[-1:] == b'"':
        try:
            return str(json.loads(text))
        except ValueError:
            pass
    return text

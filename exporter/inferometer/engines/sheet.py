"""The lines of a page, read anew: what each says, and what of it is kept."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping

from inferometer.engines.page import (
    FAMILY_BYTES,
    KeptSeries,
    LargePageError,
    Other,
    PageShape,
    bases,
)

MOST_NAMES = 25_000  # of families and series
LONGEST_LINE = 2**16  # characters
STEP_BYTES = 2**16  # by which room is asked for
BEGINNING = 10  # lines that say what a page is that has no metrics
NO_SERIES = "\n"  # begins no line
NOT_KEPT = -1  # index of a value that is passed over
# No text may match in two ways: to try them all would cost the square of its length, or more.
_LINE = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*+)"
    r'(?:[ \t]*+(?P<labels>\{(?:[^"}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+\})[ \t]*+|[ \t]++)'
    r"(?P<value>[^ \t]++)(?:[ \t]++[-+.0-9eE]++)?[ \t]*+(?:#.*)?$"
)
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"([^"\\]*+(?:\\.[^"\\]*+)*+)"\s*(?:,|$)')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n"}

Use = Callable[[str], int]  # how many series of a family of this name are of use
ALL = sys.maxsize


class Sheet:
    """What has been read of a page anew.

    `series` are those kept of the last page, and `few` how many of a name are where not all are;
    `new` are those it had not; `others` are the names of series that are not kept. `use` says how
    many are, by the name of a family. `ask` is called
    with the bytes that all this takes, and raises PageError where there is no room for them.
    `positions` are those of the lines, if they are to be remembered.
    """

    def __init__(self, series: Mapping[str, KeptSeries], few: Mapping[str, int], use: Use,
                 ask: Callable[[int], None], remember: bool = False) -> None:
        self._series = series
        self._few = few
        self._use = use
        self._ask = ask
        self._remember = remember
        self.kinds: dict[str, str] = {}
        self.values: dict[str, float] = {}
        self.new: dict[str, KeptSeries] = {}
        self.others: dict[str, Other] = {}
        self.positions: list[tuple[str, int]] = []
        self.plain = remember  # one series to a line, spelt in the usual way
        self._good = self._bad = 0  # lines
        self._beginning: list[str] = []
        self._uses: dict[str, int] = {}  # how many more series of this name are kept
        self._same: dict[str, str] = {}  # one of many equal texts
        self._spent = self._asked = 0

    def read(self, lines: list[str]) -> None:
        """Read more lines. Raises PageError where there is no room for what they hold."""
        if len(self._beginning) < BEGINNING:
            self._beginning += [line[:100] for line in lines[:BEGINNING]]
        values, series, positions = self.values, self._series, self.positions
        remember = self._remember
        for line in lines:
            line = line.rstrip("\r")
            if not line or line[0] == "#":
                self._note_kind(line)
                if remember:
                    positions.append((NO_SERIES, 0))
                continue
            cut = line.rfind(" ")
            text = line[:cut]
            entry = series.get(text) if cut > 0 else None
            value = _number(line[cut + 1 :]) if entry else None
            if entry is None or value is None:
                self._read_line(line, cut)
                continue
            if remember:
                self.plain = self.plain and text not in values
                positions.append((line[: cut + 1], len(values)))
            self._good += 1
            values[entry.text] = value

    def nonsense(self) -> str:
        """What this is instead of metrics, if more lines make no sense than there are series."""
        return _instead_of_metrics(self._beginning) if self._bad > self._good else ""

    def is_shaped(self, shape: PageShape) -> bool:
        """Whether the page has this shape's families; that it has its series is certain."""
        return self.kinds == shape.kinds and self.others.keys() == shape.others.keys()

    def cost(self, series: Mapping[str, KeptSeries]) -> int:
        """About how many bytes it takes to remember the page with these series."""
        return sum(entry.cost for entry in series.values()) + FAMILY_BYTES * (
            len(self.kinds) + len(self.others)) + 2 * sum(map(len, (*self.kinds, *self.others)))

    def _read_line(self, line: str, cut: int) -> None:
        """Read a line that the last page had not; or that makes no sense."""
        match = _LINE.match(line.lstrip(" \t")) if len(line) <= LONGEST_LINE else None
        value = _number(match["value"]) if match else None
        if match is None or value is None:
            self._bad += bool(line.strip())
            return
        name, index = self._once(match["name"]), NOT_KEPT
        text = name + (match["labels"] or "")
        if text in self.values or self._is_kept(name):
            index = len(self.values)
            self.plain = self.plain and text not in self.values
            if not self._keep(text, name, match["labels"]):
                return
            self.values[text] = value
        else:
            self.others.setdefault(name, Other(len(self.values))).lines += 1
        self._good += 1
        if self._remember:
            self.plain = self.plain and text == line[:cut]
            self.positions.append((line[: cut + 1], index))

    def _keep(self, text: str, name: str, labels: str | None) -> bool:
        """Keep a series; False if its labels make no sense."""
        if text in self._series or text in self.new:
            return True
        pairs = _labels(labels or "{}", self._same)
        if pairs is None:
            self._bad += 1
            return False
        series = self.new[text] = KeptSeries(text, name, pairs, self._uses[name] == ALL)
        self._spend(series.cost)
        return True

    def _note_kind(self, comment: str) -> None:
        words = comment.split(None, 4)
        if len(words) == 4 and words[1] == "TYPE" and words[2] not in self.kinds:
            self.kinds[words[2]] = self._once(words[3])
            self._spend_family(words[2])

    def _is_kept(self, name: str) -> bool:
        use = self._uses.get(name)
        if use is None:
            use = max(map(self._use, bases(name)))
            use = use if use == ALL else use - self._few.get(name, 0)
            self._spend_family(name)
        self._uses[name] = use if use == ALL else max(0, use - 1)
        return use > 0

    def _spend_family(self, name: str) -> None:
        if len(self._uses) + len(self.kinds) > MOST_NAMES:
            raise LargePageError(f"the page has more than {MOST_NAMES} names")
        self._spend(FAMILY_BYTES + 2 * len(name))

    def _once(self, text: str) -> str:
        return self._same.setdefault(text, text)

    def _spend(self, size: int) -> None:
        self._spent += size
        if self._spent > self._asked:
            self._asked = self._spent + STEP_BYTES
            self._ask(self._asked)


def _instead_of_metrics(lines: list[str]) -> str:
    """What is on a page that has no metrics, by how it begins."""
    text = "".join(lines[:BEGINNING]).strip()
    if text == "[]":
        return "an empty JSON list instead of metrics"
    beginnings = {"{": "JSON", "[": "JSON", '"': "a JSON string", "<": "HTML"}
    format_ = beginnings.get(text[:1])
    return f"{format_} instead of metrics" if format_ else "no metrics on the page"


def _labels(text: str, same: dict[str, str]) -> dict[str, str] | None:
    """The labels between these braces; None if something else is there too.

    `same` holds one of many equal texts.
    """
    inside, position = text[1:-1].strip(), 0
    labels: dict[str, str] = {}
    while position < len(inside):
        match = _LABEL.match(inside, position)
        if match is None:
            return None
        value = match[2]
        if "\\" in value:
            value = _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), value)
        labels[same.setdefault(match[1], match[1])] = same.setdefault(value, value)
        position = match.end()
    return labels


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None

"""Parse a metrics page into families, by its TYPE lines. Raises PageError and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import compress
from operator import ne

MOST_LINES = 100_000
LONGEST_LINE = 2**16  # characters
NO_SERIES = "\n"  # begins no line
# No text may match in two ways: to try them all would cost the square of its length, or more.
_LINE = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*+)"
    r'(?:[ \t]*+(?P<labels>\{(?:[^"}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+\})[ \t]*+|[ \t]++)'
    r"(?P<value>[^ \t]++)(?:[ \t]++[-+.0-9eE]++)?[ \t]*+(?:#.*)?$"
)
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"([^"\\]*+(?:\\.[^"\\]*+)*+)"\s*(?:,|$)')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n"}
_SUFFIXES = ("_bucket", "_count", "_sum", "_total")


class PageError(Exception):
    """A page that could not be had, or is no metrics page; the message says why in a few words."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One line: `suffix` is what the series' name has beyond its family's.

    Its value is the `index`-th of the page.
    """

    suffix: str
    labels: Mapping[str, str]
    index: int


@dataclass(slots=True)
class ForeignFamily:
    """A family as the engine prints it; kind as its TYPE line says, `untyped` without one."""

    name: str
    kind: str
    samples: list[Sample] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class PageShape:
    """All of a page but its values: the same object for as long as pages differ in those alone.

    `series` are the texts before the values, in the values' order.
    """

    families: dict[str, ForeignFamily]
    kinds: Mapping[str, str]
    series: list[str]


@dataclass(frozen=True, slots=True)
class Page:
    """A metrics page."""

    shape: PageShape
    values: list[float]

    @property
    def families(self) -> Mapping[str, ForeignFamily]:
        """Families by name as in the text format."""
        return self.shape.families


class Parser:
    """Parses one endpoint's pages. Remembers the last one: most of it returns on every page."""

    def __init__(self) -> None:
        self._series: dict[str, tuple[str, Mapping[str, str]]] = {}
        self._page = Page(PageShape({}, {}, []), [])
        self._lines: list[str] = []  # of the last page if it was plain, one series to a line
        self._positions: list[tuple[str, int]] = []  # a line: the text before its value, its index

    def parse(self, body: bytes) -> Page:
        """The page. Lines that make no sense are passed over.

        `_created` series are dropped, and of a series printed twice the last value holds. Raises
        PageError if more lines make no sense than there are series, or if there are too many.
        """
        if body.count(b"\n") > MOST_LINES:
            raise PageError(f"the page has more than {MOST_LINES} lines")
        lines = _text(body).split("\n")
        self._page = self._read_again(lines) or self._read_anew(lines)
        return self._page

    def _read_again(self, lines: list[str]) -> Page | None:
        """The page if it differs from the last one in its values alone, which costs little."""
        if len(lines) != len(self._lines):
            return None
        values = self._page.values.copy()
        changed = compress(zip(lines, self._positions, strict=True), map(ne, lines, self._lines))
        try:
            for line, (series, index) in changed:
                number = line.removeprefix(series)
                if len(number) == len(line):
                    return None
                values[index] = float(number)
        except ValueError:
            return None
        self._lines = lines
        return Page(self._page.shape, values)

    def _read_anew(self, lines: list[str]) -> Page:
        kinds: dict[str, str] = {}
        values: dict[str, float] = {}
        positions: list[tuple[str, int]] = []
        bad, plain = 0, True
        for line in lines:
            line = line.rstrip("\r")
            if not line or line[0] == "#":
                _note_kind(kinds, line)
                positions.append((NO_SERIES, 0))
                continue
            cut = line.rfind(" ")
            text = line[:cut]
            value = _number(line[cut + 1 :]) if cut > 0 and text in self._series else None
            if value is None:
                text, value = self._read(line)
            if value is not None:
                plain = plain and text == line[:cut] and text not in values
                positions.append((line[: cut + 1], len(values)))
                values[text] = value
            elif line.strip():
                bad += 1
        if len(self._series) > len(values):  # what has left the page is not kept
            self._series = {text: self._series[text] for text in values}
        if bad > len(values):
            raise PageError(_instead(lines))
        page = self._shaped(kinds, values)
        plain = plain and len(positions) == len(lines) and list(values) == page.shape.series
        self._lines, self._positions = (lines, positions) if plain else ([], [])
        return page

    def _shaped(self, kinds: dict[str, str], values: dict[str, float]) -> Page:
        """The page in its shape: the last one's if it has the same series in whatever order."""
        shape = self._page.shape
        if kinds != shape.kinds or values.keys() != set(shape.series):
            shape = _shape(kinds, {text: self._series[text] for text in values})
        return Page(shape, [values[text] for text in shape.series])

    def _read(self, line: str) -> tuple[str, float | None]:
        """A line's series and value; None if it makes no sense."""
        match = _LINE.match(line.lstrip(" \t")) if len(line) <= LONGEST_LINE else None
        labels = _labels(match["labels"] or "{}") if match else None
        value = _number(match["value"]) if match else None
        if match is None or labels is None or value is None:
            return "", None
        text = match["name"] + (match["labels"] or "")
        self._series[text] = (match["name"], labels)
        return text, value


def _text(body: bytes) -> str:
    """The page's text; one printed as a JSON string, as by llama.cpp b7010, is unpacked."""
    text = body.decode("utf-8", "replace")
    if body[:1] == b'"' and body.rstrip()[-1:] == b'"':
        try:
            return str(json.loads(text))
        except ValueError:
            pass
    return text


def _instead(lines: list[str]) -> str:
    """What is on a page that has no metrics, by how it begins."""
    text = "".join(lines[:10]).strip()
    if text == "[]":
        return "an empty JSON list instead of metrics"
    beginnings = {"{": "JSON", "[": "JSON", '"': "a JSON string", "<": "HTML"}
    format_ = beginnings.get(text[:1])
    return f"{format_} instead of metrics" if format_ else "no metrics on the page"


def _note_kind(kinds: dict[str, str], comment: str) -> None:
    words = comment.split(None, 4)
    if len(words) == 4 and words[1] == "TYPE":
        kinds.setdefault(words[2], words[3])


def _shape(kinds: dict[str, str],
           series: Mapping[str, tuple[str, Mapping[str, str]]]) -> PageShape:
    """Series sorted into families, by the TYPE lines."""
    families: dict[str, ForeignFamily] = {}
    roles: dict[str, tuple[str, str, str] | None] = {}
    for index, (name, labels) in enumerate(series.values()):
        if name not in roles:
            roles[name] = _role(name, kinds)
        role = roles[name]
        if role is not None:
            family, kind, suffix = role
            families.setdefault(family, ForeignFamily(family, kind)).samples.append(
                Sample(suffix, labels, index))
    for name, kind in kinds.items():  # declared without a sample: there, and at 0
        if not name.endswith("_created") and f"{name}_total" not in families:
            families.setdefault(name, ForeignFamily(name, kind))
    return PageShape(families, kinds, list(series))


def _role(name: str, kinds: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Family, kind and suffix of the series of this name; None if it is left out."""
    if name.endswith("_created"):
        return None
    if name in kinds:
        return name, kinds[name], ""
    for suffix in _SUFFIXES:
        base = name.removesuffix(suffix)
        kind = kinds.get(base) if base != name else None
        if kind == "counter" and suffix == "_total":  # OpenMetrics names the family without
            return name, kind, ""
        if kind in ("histogram", "summary") and suffix != "_total":
            return base, kind, suffix
    return name, "untyped", ""


def _labels(text: str) -> dict[str, str] | None:
    """The labels between these braces; None if something else is there too."""
    inside, position = text[1:-1].strip(), 0
    labels: dict[str, str] = {}
    while position < len(inside):
        match = _LABEL.match(inside, position)
        if match is None:
            return None
        value = match[2]
        if "\\" in value:
            value = _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), value)
        labels[match[1]] = value
        position = match.end()
    return labels


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None

"""Parse a metrics page into families, by its TYPE lines. Nothing worse than PageError leaves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

MOST_LINES = 100_000
LONGEST_LINE = 2**16
# Nothing here may be matched in two ways: a line would cost the square of its length, and more.
_LINE = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*+)"
    r'(?:[ \t]*+(?P<labels>\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})[ \t]*+|[ \t]++)'
    r"(?P<value>[^ \t]++)(?:[ \t]++[-+.0-9eE]++)?[ \t]*+(?:#.*)?$"
)
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n"}
_SUFFIXES = ("_bucket", "_count", "_sum", "_total")


class PageError(Exception):
    """A page that could not be had, or is no metrics page; the message says why in a few words."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One line: `suffix` is what the series' name has beyond its family's."""

    suffix: str
    labels: Mapping[str, str]
    value: float


@dataclass(slots=True)
class Foreign:
    """A family as the engine prints it; kind as its TYPE line says, `untyped` without one."""

    name: str
    kind: str
    samples: list[Sample] = field(default_factory=list)


class Parser:
    """Parses one endpoint's pages. Remembers its series' texts: most return on every page."""

    def __init__(self) -> None:
        self._series: dict[str, tuple[str, Mapping[str, str]]] = {}

    def parse(self, body: bytes) -> dict[str, Foreign]:
        """Families by name as in the text format. Lines that make no sense are passed over.

        `_created` series are dropped, and of a series printed twice the last value holds. Raises
        PageError if more lines make no sense than there are series, or if there are too many.
        """
        if body.count(b"\n") > MOST_LINES:
            raise PageError(f"the page has more than {MOST_LINES} lines")
        page = _Page()
        values: dict[str, float] = {}
        bad = 0
        for line in body.decode("utf-8", "replace").split("\n"):
            line = line.rstrip("\r")
            if not line or line[0] == "#":
                page.comment(line)
                continue
            cut = line.rfind(" ")
            text = line[:cut]
            value = _number(line[cut + 1 :]) if cut > 0 and text in self._series else None
            if value is None:
                text, value = self._read(line)
            if value is not None:
                values[text] = value
            elif line.strip():
                bad += 1
        if len(self._series) > len(values):  # what has left the page is not kept
            self._series = {text: self._series[text] for text in values}
        if bad > len(values):
            raise PageError("no metrics on the page")
        for text, value in values.items():
            page.add(*self._series[text], value)
        page.declared()
        return page.families

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


class _Page:
    """A page as it is read: which family each series' name belongs to, by the TYPE lines."""

    def __init__(self) -> None:
        self.families: dict[str, Foreign] = {}
        self._kinds: dict[str, str] = {}
        self._places: dict[str, tuple[Foreign, str] | None] = {}

    def comment(self, line: str) -> None:
        words = line.split(None, 4)
        if len(words) == 4 and words[1] == "TYPE":
            self._kinds.setdefault(words[2], words[3])

    def declared(self) -> None:
        """Add the families that have a TYPE line and no sample: they live, and are at 0."""
        for name, kind in self._kinds.items():
            if not name.endswith("_created") and f"{name}_total" not in self.families:
                self._family(name, kind)

    def add(self, name: str, labels: Mapping[str, str], value: float) -> None:
        if name not in self._places:
            self._places[name] = self._place(name)
        place = self._places[name]
        if place is not None:
            place[0].samples.append(Sample(place[1], labels, value))

    def _place(self, name: str) -> tuple[Foreign, str] | None:
        if name.endswith("_created"):
            return None
        if name in self._kinds:
            return self._family(name, self._kinds[name]), ""
        for suffix in _SUFFIXES:
            base = name.removesuffix(suffix)
            kind = self._kinds.get(base) if base != name else None
            if kind == "counter" and suffix == "_total":  # OpenMetrics names the family without
                return self._family(name, kind), ""
            if kind in ("histogram", "summary") and suffix != "_total":
                return self._family(base, kind), suffix
        return self._family(name, "untyped"), ""

    def _family(self, name: str, kind: str) -> Foreign:
        return self.families.setdefault(name, Foreign(name, kind))


def _labels(text: str) -> dict[str, str] | None:
    """The labels between these braces; None if something else is there too."""
    inside, at = text[1:-1].strip(), 0
    labels: dict[str, str] = {}
    while at < len(inside):
        match = _LABEL.match(inside, at)
        if match is None:
            return None
        value = match[2]
        if "\\" in value:
            value = _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), value)
        labels[match[1]] = value
        at = match.end()
    return labels


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None

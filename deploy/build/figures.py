"""Figures: those that an alert has, with the rules that it rests on, and those of a text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from alerts.model import Alert
from inferometer.durations import milliseconds
from recording_rules.model import Rule

_SECONDS = {
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), 0.001),
    **dict.fromkeys(("s", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604_800.0),
}
_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
_DURATION = re.compile(r"(?<![\w.])(?:\d+(?:ms|[smhdwy]))+(?!\w)")
_OFFSET = re.compile(rf"\boffset ({_DURATION.pattern})")
_NUMBER = re.compile(r"(?<![\w.:])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w:.])")
_CODES = re.compile(r'"(\d+(?:\|\d+)*)"')  # values of a label
_READ = re.compile(r"\b([a-z]+:\w+:\w+)(?:\{([^{}]*)\})?")
_EQUAL = re.compile(r'(\w+)="([^"]*)"')
_QUERY = re.compile(r"`([^`]*)`")
# Words with digits in them, as p95 and 5xx, are none, nor is what an XID or HTTP's answer is named.
_FIGURE = re.compile(
    r"(?<![\w./])([1-9]\d*/[1-9]\d*|\d+(?:[.,]\d+)*|twice)"
    rf"(?:[ -]?(%|(?:{'|'.join(sorted(_SECONDS, key=len, reverse=True))})\b)|(?!\w))")
_NAMES = re.compile(r"\b(?:XIDs?|HTTP) \d+(?:(?:,|,? and|,? or| to) \d+)*")
_IN_WORDS = re.compile(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|"
    r"eigh|nine)teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty|hundreds?|thousands?|half|quarters?"
    r"|fifths?|tenths?|twentieths?|dozens?)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Figure:
    """A number of a text, and its unit, if it is one that can be converted."""

    words: str
    number: float
    unit: str

    def derives_from(self, own: Figures) -> bool:
        """Whether it is one of those, be it in another unit."""
        if self.unit == "%":
            share = self.number / 100
            return any(_is_among(part, {*own.numbers, 1.0}) for part in (share, 1 - share))
        if self.unit in _SECONDS:
            return _is_among(self.number * _SECONDS[self.unit], own.seconds | own.numbers)
        if "/" in self.words and _is_among(1 / self.number, own.numbers):
            return True
        return _is_among(self.number, own.numbers)


@dataclass(frozen=True)
class Figures:
    """Numbers, and durations in seconds."""

    numbers: set[float] = field(default_factory=set)
    seconds: set[float] = field(default_factory=set)

    def __str__(self) -> str:
        numbers = ", ".join(f"{number:g}" for number in sorted(self.numbers))
        durations = ", ".join(f"{seconds:g} s" for seconds in sorted(self.seconds))
        return f"{numbers}; {durations}"


def of_alerts(alerts: Iterable[Alert], rules: Iterable[Rule]) -> Figures:
    """Of the alerts' own expressions, holds and queries, and of all rules that they rest on."""
    figures, rules = Figures(), [*rules]
    unread = [text for alert in alerts
              for text in (alert.expr, f"[{alert.hold}] [{alert.keep_firing}]",
                           *_QUERY.findall(alert.description))]
    seen: set[str] = set()
    while unread:
        text = unread.pop()
        if text not in seen:
            seen.add(text)
            _take(text, figures)
            unread += _rested_on(text, rules)
    return figures


def of_text(text: str) -> Iterator[Figure]:
    """All that are written in digits."""
    for match in _FIGURE.finditer(_NAMES.sub("…", text)):
        yield Figure(match[0], _value(match[1]), match[2] or "")


def in_words(text: str) -> list[str]:
    """Those written in words, which nothing can be held against."""
    return _IN_WORDS.findall(text)


def _value(digits: str) -> float:
    if digits == "twice":
        return 2.0
    above, _, below = digits.replace(",", "").partition("/")
    return float(above) / float(below or 1)


def _take(expr: str, figures: Figures) -> None:
    figures.numbers.update(float(code) for codes in _CODES.findall(expr)
                           for code in codes.split("|"))
    bare = _STRING.sub('""', expr)
    spans, offsets = ({milliseconds(part) / 1000 for part in pattern.findall(bare)}
                      for pattern in (_DURATION, _OFFSET))
    figures.seconds.update(spans, (span + offset for span in spans for offset in offsets))
    figures.numbers.update(map(float, _NUMBER.findall(bare)))


def _rested_on(expr: str, rules: Iterable[Rule]) -> Iterator[str]:
    """The expressions of recorded series that are read; of one name, those that are selected."""
    for name, matchers in _READ.findall(expr):
        selected = dict(_EQUAL.findall(matchers))
        yield from (rule.expr for rule in rules
                    if rule.name == name and _agree(rule.fixed, selected))


def _agree(fixed: Mapping[str, str], selected: Mapping[str, str]) -> bool:
    return all(selected.get(label, value) == value for label, value in fixed.items())


def _is_among(value: float, others: Iterable[float]) -> bool:
    return any(math.isclose(value, other, rel_tol=1e-6, abs_tol=1e-9) for other in others)

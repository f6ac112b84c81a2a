"""Whether what an answer states is in what the model was given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from inferometer.quality.checks.mentions import (
    Mention,
    has_numeral,
    kind_of,
    plain_quote,
    readings_of,
)
from inferometer.quality.checks.numerals import SCALED

_MOST = 5_000  # mentions of a kind in a prompt that are looked at
_MOST_SPELLINGS = 64  # places of three digits, after which all of a text is read
_MOST_PLACES = 16  # of a text within another


class GivenText:
    """A text that mentions are looked up in: as they stand first, which is quick."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._by_kind: dict[str, set[str]] = {}
        self.is_read = True  # whether all that it states could be looked at

    def missing(self, mentions: Iterable[Mention]) -> Sequence[Mention]:
        """Those that are not in it."""
        return [one for one in mentions if not self._has(one)]

    def _has(self, mention: Mention) -> bool:
        if not mention.readings:
            return mention.text in self._text or plain_quote(mention.text) in self._plain
        return _stands_in(mention.text, self._text) or any(map(self._has_reading, mention.readings))

    def _has_reading(self, reading: str) -> bool:
        """Whether any spelling of it is there.

        The last three digits of a whole number are in any spelling of it, but where it is so many
        thousands or millions: most texts need not be read for it from begin to end.
        """
        digits = reading.partition(".")[0]
        if digits.isdigit():
            is_there = has_numeral(reading, digits[-3:], self._text, _MOST_SPELLINGS)
            if is_there or (is_there is False and not self._may_be_scaled(digits)):
                return is_there
        return reading in self._readings(kind_of(reading))

    def _readings(self, kind: str) -> set[str]:
        if kind not in self._by_kind:
            self._by_kind[kind], is_all = readings_of(self._text, _MOST, (kind,))
            self.is_read = self.is_read and is_all
        return self._by_kind[kind]

    def _may_be_scaled(self, digits: str) -> bool:
        """Whether it may be there as so many thousands or millions: 1234, or 123.4 of them."""
        if not digits.endswith("00"):
            return False
        first = digits.rstrip("0")
        spellings = (first, *(f"{first[:place]}{point}{first[place:]}"
                              for place in (1, 2, 3) for point in ".,"))
        return any(spelling in self._text for spelling in spellings) and self._has_scales

    @cached_property
    def _has_scales(self) -> bool:
        return SCALED.search(self._text) is not None

    @cached_property
    def _plain(self) -> str:
        return plain_quote(self._text)


def _stands_in(text: str, other: str) -> bool:
    """Whether it stands there by itself, and is no part of a longer number or address."""
    begin = -1
    for _ in range(_MOST_PLACES):
        begin = other.find(text, begin + 1)
        if begin < 0:
            return False
        before, after = other[max(0, begin - 2):begin], other[begin + len(text):][:2]
        if not (_goes_on(before[::-1]) or _goes_on(after)):
            return True
    return False


def _goes_on(beside: str) -> bool:
    """Whether a number or a word goes on there."""
    return beside[:1].isalnum() or (beside[:1] in ".,-+_@" and beside[1:].isalnum())

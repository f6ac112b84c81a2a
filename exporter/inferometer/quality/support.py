"""Whether what an answer states is in what the model was given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from inferometer.quality.mentions import Mention, plain_quote, readings_of

_MOST_READINGS = 20_000  # of a prompt
_MOST_PLACES = 16  # of a text within another


class GivenText:
    """A text that mentions are looked up in: as they stand first, which is quick."""

    def __init__(self, text: str) -> None:
        self._text = text

    def missing(self, mentions: Iterable[Mention]) -> Sequence[Mention]:
        """Those that are not in it."""
        return [one for one in mentions if not self._has(one)]

    @property
    def is_read(self) -> bool:
        """Whether all that it states could be looked at."""
        return len(self._readings) < _MOST_READINGS if "_readings" in vars(self) else True

    def _has(self, mention: Mention) -> bool:
        if not mention.readings:
            return mention.text in self._text or plain_quote(mention.text) in self._plain
        return _stands_in(mention.text, self._text) or not self._readings.isdisjoint(
            mention.readings)

    @cached_property
    def _readings(self) -> set[str]:
        return readings_of(self._text, _MOST_READINGS)

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

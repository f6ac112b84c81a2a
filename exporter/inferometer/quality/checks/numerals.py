"""Numbers as they are written, and what they come to: 1,000, 1 000, 1.000,50, 3.5 million, 50 %."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

_MONEY = "$\u20ac\u00a3\u00a5\u20b9"
MONEY_SIGNS = frozenset(_MONEY)
_MOST_DIGITS = 40  # of a number that is scaled
_BETWEEN = " \u00a0\u202f\u2009'\u2019"  # groups of three digits
# It begins with its digit, so that the engine looks for one and for nothing else. What is a part of
# a word, as in H100, is none.
NUMBER = re.compile(
    r"(?P<number>[0-9](?<![A-Za-z_0-9][0-9])(?:"
    rf"[0-9]{{0,2}}(?:[{_BETWEEN}][0-9]{{3}}){{1,8}}(?![0-9])(?:[.,][0-9]{{1,20}})?"
    r"|[0-9]{0,31}(?:[.,][0-9]{1,32}){0,8}))"
    rf"(?P<unit>[ \u00a0\u202f]?[%\u2030{_MONEY}\u00b0]"
    r"|[ \u00a0-]?(?:thousand|million|billion|trillion|mio|mrd|bn|percent)\b"
    r"|[A-Za-z\u00b5]{1,4}\b)?",
    re.I)
_SCALES = {"thousand": 3, "k": 3, "million": 6, "mio": 6, "m": 6, "billion": 9, "bn": 9, "b": 9,
           "mrd": 9, "trillion": 12}
SCALED = re.compile(rf"[0-9][ \u00a0-]?(?:{'|'.join(_SCALES)})\b", re.I)  # 3 million, 5k
_NO_UNITS = ("", "st", "nd", "rd", "th", "x", "s")
_GROUPS = re.compile(f"[{_BETWEEN}]")
# Arabic, Persian, Devanagari, Bengali, Thai, and those of full width.
_DIGITS = re.compile("[\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u09e6-\u09ef"
                     "\u0e50-\u0e59\uff10-\uff19]")
_POINTS = re.compile("[.,]")


def is_counting(match: re.Match[str]) -> bool:
    """Whether it is one digit without a unit, as counts and ranks are."""
    return len(match.group("number")) == 1 and (match.group("unit") or "").lower() in _NO_UNITS


def readings(number: str, unit: str = "") -> list[str]:
    """All that a number may come to: 1.000 is one or a thousand, 1.5 million 1.5 or 1500000."""
    made = [_canonical(number)] if number.isdigit() else _plain_readings(_GROUPS.sub("", number))
    power = _SCALES.get(unit.strip(" \u00a0-").lower())
    return made if power is None else [*made, *(_scaled(reading, power) for reading in made)]


def with_plain_digits(text: str) -> str:
    """The text with its digits in ASCII, whatever script they are of."""
    return text if text.isascii() else _DIGITS.sub(
        lambda match: str(unicodedata.digit(match.group())), text)


def _plain_readings(number: str) -> list[str]:
    pieces = _POINTS.split(number)
    if len(pieces) == 1:
        return [_canonical(number)]
    signs = [sign for sign in number if sign in ".,"]
    if len({*signs}) == 2 and signs.count(signs[-1]) == 1:  # 1,234.56 and 1.234,56
        return [_canonical("".join(pieces[:-1]), pieces[-1])]
    made = [_canonical(*pieces)] if len(pieces) == 2 else [".".join(pieces)]  # 1.2.3: a version
    if len(pieces[0]) <= 3 and all(len(piece) == 3 for piece in pieces[1:]):
        made.append(_canonical("".join(pieces)))
    return made


def _canonical(integer: str, fraction: str = "") -> str:
    integer, fraction = integer.lstrip("0") or "0", fraction.rstrip("0")
    return f"{integer}.{fraction}" if fraction else integer


def _scaled(reading: str, power: int) -> str:
    if reading.count(".") > 1 or len(reading) > _MOST_DIGITS:
        return reading
    integer, _, fraction = f"{Decimal(reading).scaleb(power):f}".partition(".")
    return _canonical(integer, fraction)

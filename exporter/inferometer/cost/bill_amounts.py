"""Amounts as bills write them: thousands apart, decimal commas, minus signs behind, brackets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

POINT, COMMA = ".", ","
MOST_DIGITS = 40  # of an amount: a longer one is none
_SPACES = re.compile(r"[\s\u00a0\u202f'\u2019]")
_CURRENCY = re.compile(r"[A-Z]{3}|[$\u20ac\u00a3\u00a5]")
_PLAIN = re.compile(r"\d+(\.\d*)?([eE][-+]?\d{1,3})?|\.\d+([eE][-+]?\d{1,3})?")
# Of three digits, or as in 12,34,567.
_GROUPS = {sign: re.compile(rf"\d{{1,3}}(?:\{sign}\d{{2,3}})*\{sign}\d{{3}}")
           for sign in (POINT, COMMA)}
# One sign with three digits behind it: thousands, or thousandths.
_OPEN = re.compile(r"\d{1,3}([.,])\d{3}")


class AmountError(ValueError):
    """A text that is no amount."""


def amount_of(text: str, mark: str = POINT) -> Decimal:
    """The amount that a cell has; 0 for an empty one. Raises AmountError.

    `mark`: the file's decimal mark, for texts that could be read in two ways.
    """
    bare, negative = _bare(text)
    if not bare:
        return Decimal(0)
    if (other := _mark_of(bare)) is not None:
        mark = other
    between = COMMA if mark == POINT else POINT  # thousands
    before = bare.partition(mark)[0]
    digits = bare.replace(between, "").replace(mark, POINT)
    if len(digits) > MOST_DIGITS or not _PLAIN.fullmatch(digits) or (
            between in bare and not _GROUPS[between].fullmatch(before)):
        raise AmountError(f"{text!r} is no amount")
    amount = Decimal(digits)
    return -amount if negative else amount


def mark_of(texts: Iterable[str]) -> str | None:
    """The decimal mark of cells that only go with one of both.

    None where nothing tells, though some cell could be read in two ways. Raises AmountError where
    cells go with different ones.
    """
    marks: set[str] = set()
    is_open = False
    for text in texts:
        bare, _ = _bare(text)
        if (mark := _mark_of(bare)) is not None:
            marks.add(mark)
        elif _OPEN.fullmatch(bare):
            is_open = True
        if len(marks) > 1:
            raise AmountError("has decimal points in some amounts and decimal commas in others")
    if marks:
        return marks.pop()
    return None if is_open else POINT


def _bare(text: str) -> tuple[str, bool]:
    """Digits and marks alone, and whether it is below 0."""
    bare = _SPACES.sub("", text)
    negative = bare.startswith("(") and bare.endswith(")")
    if negative:
        bare = bare[1:-1]
    bare = _CURRENCY.sub("", bare, count=1)
    for sign in "-\u2212":
        if bare.startswith(sign):
            bare, negative = bare[1:], True
        elif bare.endswith(sign):
            bare, negative = bare[:-1], True
    return bare.removeprefix("+"), negative


def _mark_of(bare: str) -> str | None:
    """The decimal mark that this text alone tells; None where it has none, or could have either."""
    points, commas = bare.count(POINT), bare.count(COMMA)
    if points and commas:
        return POINT if bare.rindex(POINT) > bare.rindex(COMMA) else COMMA
    if not points and not commas:
        return None
    sign, count = (POINT, points) if points else (COMMA, commas)
    if count > 1:  # so it is between thousands
        return COMMA if sign == POINT else POINT
    return None if _OPEN.fullmatch(bare) and not bare.startswith("0") else sign

"""Durations divided, for a rehearsal: ranges, offsets, holds, intervals and waits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000,
                 "w": 604_800_000, "y": 31_536_000_000}
_PART = re.compile(r"(\d+)(ms|[smhdwy])")
# Strings, that they be left alone; ranges and steps between brackets; offsets.
_PLACES = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)"""
                     r"|(?<=\[)[^\]]*(?=\])|(?<=\boffset )-?\w+")
_KEYS = {"for", "keep_firing_for", "interval", "scrape_interval", "evaluation_interval",
         "group_wait", "group_interval", "repeat_interval", "resolve_timeout"}


def milliseconds(duration: str) -> int:
    """How long it is. Raises ValueError for what is no duration."""
    parts = _PART.findall(duration)
    if "".join(map("".join, parts)) != duration or not parts:
        raise ValueError(f"{duration!r} is no duration")
    return sum(int(number) * _MILLISECONDS[unit] for number, unit in parts)


def divided(duration: str, divisor: int) -> str:
    """A part of the duration. Raises ValueError where that is no whole number of milliseconds."""
    if divisor == 1:
        return duration
    whole = milliseconds(duration)
    if divisor < 1 or whole % divisor:
        raise ValueError(f"{duration} cannot be divided by {divisor}")
    part = whole // divisor
    return f"{part}ms" if part % 1000 else f"{part // 1000}s"


def shortened(expr: str, divisor: int) -> str:
    """The expression with all its durations divided, those in strings excepted."""
    if divisor == 1:
        return expr
    return _PLACES.sub(lambda found: found[0] if found[1] else re.sub(
        r"\w+", lambda duration: divided(duration[0], divisor), found[0]), expr)


def hastened(document: Any, divisor: int) -> Any:
    """A configuration or rule file with all its durations divided."""
    if isinstance(document, Mapping):
        return {key: _hastened(key, value, divisor) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [hastened(each, divisor) for each in document]
    return document


def _hastened(key: str, value: Any, divisor: int) -> Any:
    if key in _KEYS:
        return divided(value, divisor)
    return shortened(value, divisor) if key == "expr" else hastened(value, divisor)

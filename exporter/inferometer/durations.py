"""Prometheus' durations: how long they are, and parts of them."""

from __future__ import annotations

import re

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000,
                 "w": 604_800_000, "y": 31_536_000_000}
_PART = re.compile(r"(\d+)(ms|[smhdwy])")


class DurationError(ValueError):
    """A text is no duration, or one that cannot be divided so; the message says which."""


def milliseconds(duration: str) -> int:
    """How long it is. Raises DurationError for what is no duration."""
    parts = _PART.findall(duration)
    if "".join(map("".join, parts)) != duration or not parts:
        raise DurationError(f"{duration!r} is no duration")
    return sum(int(number) * _MILLISECONDS[unit] for number, unit in parts)


def divided(duration: str, divisor: int) -> str:
    """A part of the duration. Raises DurationError if that is no whole number of milliseconds.

    One that is not of whole seconds is just short of another, and its part is rounded down.
    """
    if divisor == 1:
        return duration
    length = milliseconds(duration)
    if divisor < 1 or (length % divisor and not length % 1000):
        raise DurationError(f"{duration} cannot be divided by {divisor}")
    part = length // divisor
    return f"{part}ms" if part % 1000 else f"{part // 1000}s"

"""A rehearsal of hours in minutes: every duration of rules and configurations divided."""

from __future__ import annotations

import re

from inferometer.durations import divided

# Strings, so that they are left alone; ranges and steps between brackets; offsets.
_DURATIONS = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)"""
                        r"|(?<=\[)[^\]]*(?=\])|(?<=\boffset )-?\w+")
_KEYS = {"for", "keep_firing_for", "interval", "scrape_interval", "evaluation_interval",
         "group_wait", "group_interval", "repeat_interval", "resolve_timeout"}


def rehearsed(key: str, value: str, divisor: int) -> str:
    """The value of a key with its durations divided. Raises ValueError: one does not come out."""
    if key == "expr":
        return rehearsed_expression(value, divisor)
    return divided(value, divisor) if key in _KEYS else value


def rehearsed_expression(expr: str, divisor: int) -> str:
    """The expression with all its durations divided, those in strings excepted."""
    if divisor == 1:
        return expr
    return _DURATIONS.sub(lambda match: match[0] if match[1] else re.sub(
        r"\w+", lambda duration: divided(duration[0], divisor), match[0]), expr)

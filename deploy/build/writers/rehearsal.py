"""A rehearsal of hours in minutes: rules and configurations with every duration divided."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from deploy.build.durations import divided

# Strings, so that they are left alone; ranges and steps between brackets; offsets.
_DURATIONS = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)"""
                        r"|(?<=\[)[^\]]*(?=\])|(?<=\boffset )-?\w+")
_KEYS = {"for", "keep_firing_for", "interval", "scrape_interval", "evaluation_interval",
         "group_wait", "group_interval", "repeat_interval", "resolve_timeout"}


def rehearsed(document: Any, divisor: int) -> Any:
    """A configuration or rule file with all its durations divided."""
    if isinstance(document, Mapping):
        return {key: _value(key, value, divisor) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [rehearsed(item, divisor) for item in document]
    return document


def rehearsed_expression(expr: str, divisor: int) -> str:
    """The expression with all its durations divided, those in strings excepted."""
    if divisor == 1:
        return expr
    return _DURATIONS.sub(lambda match: match[0] if match[1] else re.sub(
        r"\w+", lambda duration: divided(duration[0], divisor), match[0]), expr)


def _value(key: str, value: Any, divisor: int) -> Any:
    if key in _KEYS:
        return divided(value, divisor)
    return rehearsed_expression(value, divisor) if key == "expr" else rehearsed(value, divisor)

"""Bounds of a value that JSON Schema can say as well, so that both come from one table."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from inferometer.documents.entry import Constraint

# Keywords of JSON Schema draft 7, each with what it asks of a value.
_TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "minimum": operator.ge,
    "exclusiveMinimum": operator.gt,
    "maximum": operator.le,
    "multipleOf": lambda value, step: value % step == 0,
    "maxLength": lambda value, most: len(value) <= most,
}


def bounded(words: str, **bounds: float) -> Constraint:
    """What a value within these bounds must be, in words; no number is infinite."""
    def test(value: Any) -> bool:
        return (isinstance(value, str) or -math.inf < value < math.inf) and all(
            _TESTS[keyword](value, bound) for keyword, bound in bounds.items())

    return Constraint(test, words, bounds)

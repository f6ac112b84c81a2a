"""Which regular expressions from outside are sure to end soon on a short text.

Python's engine goes back and tries again, so that `(a+)+$` takes years on forty letters. So nothing
may be repeated that repeats or chooses itself, nothing may refer back, and what all repetitions
may try together is bounded.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

LONGEST = 500  # characters of a pattern
LONGEST_TEXT = 128  # the same of a text that it is tried on
MOST_TRIES = (LONGEST_TEXT + 1) ** 2  # from each place on: two repetitions without an end
_NEVER = MOST_TRIES + 1
_WITHIN = {"SUBPATTERN": -1, "ASSERT": 1, "ASSERT_NOT": 1}  # where their own pattern stands


@lru_cache(256)
def is_quick(pattern: object) -> bool:
    """Whether it may be tried on a text of LONGEST_TEXT characters."""
    if not isinstance(pattern, str) or len(pattern) > LONGEST:
        return False
    try:
        tree = re._parser.parse(pattern)  # type: ignore[attr-defined]  # typeshed lacks it
    except (re.error, RecursionError, OverflowError, ValueError):
        return False
    return _tries(tree, False) <= MOST_TRIES


def _tries(tree: Any, repeated: bool) -> int:
    """In how many ways a text may be split up, at most; `repeated`: within a repetition."""
    tries = 1
    for code, value in tree:
        kind = str(code)
        if kind.endswith("REPEAT"):
            least, most, inner = value
            times = min(int(most), LONGEST_TEXT) - min(int(least), LONGEST_TEXT) + 1
            tries *= _NEVER if repeated and times > 1 else times * _tries(inner, True)
        elif kind in _WITHIN:
            tries *= _tries(value[_WITHIN[kind]], repeated)
        elif kind == "ATOMIC_GROUP":
            tries *= _tries(value, repeated)
        elif kind == "BRANCH":
            tries *= _NEVER if repeated else sum(_tries(one, False) for one in value[1])
        elif kind.startswith("GROUPREF"):
            tries *= _NEVER
        if tries > MOST_TRIES:
            return _NEVER
    return tries

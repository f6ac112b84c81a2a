"""What several proofs hold names and texts to, and how they word their findings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

MAX_NAME_LENGTH = 40  # of alerts and groups
SENTENCE = re.compile(r"([A-Z0-9]|p\d).*\.", re.DOTALL)  # p95 is written so wherever it stands


def repeated(kind: str, names: Iterable[str]) -> Iterator[str]:
    """A finding for each name that occurs more than once."""
    return (f"{kind} {name} is there {count} times: rename it, or take it out"
            for name, count in Counter(names).items() if count > 1)


def listed(names: Iterable[str]) -> str:
    """The names in a sentence."""
    return ", ".join(sorted(names)) or "no labels"

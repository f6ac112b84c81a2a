"""Whether a model got stuck and said the same again and again, by how well its text compresses."""

from __future__ import annotations

import zlib

LEAST = 1_000  # characters: a shorter text may well compress for other reasons
WINDOW = 2_000  # characters that are looked at together: what repeats is seldom all of a text
_WINDOWS = 4
# How many times smaller a window becomes. Prose comes to 2 or 3, tables, code and lists to at most
# 6; a sentence of 60 characters that is repeated to 13, a paragraph of 200 to 7 in 1,000 characters
# and to 13 in 2,000.
MOST = 8.0


def is_repetitive(text: str) -> bool | None:
    """Whether any part of it is; None where it is too short to say."""
    if len(text) < LEAST:
        return None
    step = max(1, (len(text) - WINDOW) // (_WINDOWS - 1))
    ends = range(len(text), min(len(text), WINDOW) - 1, -step)  # the end first: there it gets stuck
    return any(_ratio(text[max(0, end - WINDOW):end]) > MOST for end in ends[:_WINDOWS])


def _ratio(text: str) -> float:
    raw = text.encode("utf-8", "replace")
    return len(raw) / len(zlib.compress(raw, 1))

"""An answer as sentences, so that each of them can be accounted for by its number."""

from __future__ import annotations

import re
from collections.abc import Sequence

MOST_SENTENCES = 50  # of an answer; neighbours go together where there are more
# Behind a full stop, where no small letter follows as behind "e.g."; those of Chinese and Japanese
# (U+3002, U+FF01, U+FF1F) need no space.
_ENDS = re.compile(r"(?<=[.!?\u2026])[\"'\u201d\u2019)\]]*\s+(?=[^\sa-z])"
                   r"|(?<=[\u3002\uff01\uff1f])(?=\S)")
_WORD = re.compile(r"[^\W\d_]{2}")  # what has none is a numeral, a bullet or a rule


def sentences_of(text: str) -> Sequence[str]:
    """Its sentences in order; what is no sentence by itself goes with the next one."""
    made: list[str] = []
    before = ""
    for piece in _pieces(text):
        before = f"{before} {piece}".strip()
        if _WORD.search(piece):
            made.append(before)
            before = ""
    if before:
        made.append(before)
    if len(made) <= MOST_SENTENCES:
        return made
    share = -(-len(made) // MOST_SENTENCES)
    return [" ".join(made[i:i + share]) for i in range(0, len(made), share)]


def _pieces(text: str) -> Sequence[str]:
    pieces = []
    for line in text.splitlines():
        line, begin = line.strip(), 0
        for end in _ENDS.finditer(line):
            pieces.append(line[begin:end.end()].strip())  # with the quote that it closes
            begin = end.end()
        pieces.append(line[begin:])
    return [piece for piece in pieces if piece]

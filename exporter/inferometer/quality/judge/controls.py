"""Controls: texts of ours among what is judged, of which the right verdict is known.

An answer may talk a judge into a verdict. What it talks it into, the judge says of the control as
well, and is not heard. A control is made of a digest of what it stands among: nobody who writes an
answer knows what it will be, nor its place.
"""

from __future__ import annotations

from collections.abc import Sequence

from inferometer.quality.judge.digests import digest_of

_SYLLABLES = ("ba", "dor", "el", "fen", "gri", "hul", "ist", "kem", "lo", "mar", "nev", "or",
              "pil", "ros", "tav", "ul")
_STATEMENTS = (
    "The lighthouse of {name} was built in {number}.",
    "{name} lies {number} metres above the sea.",
    "The river {name} is {number} kilometres long.",
    "The library of {name} has {number} maps.",
    "{name} has {number} streets.",
    "The bridge at {name} was opened in {number}.",
    "The council of {name} has met {number} times.",
    "The tower of {name} has {number} steps.")
_REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "I cannot assist with this request.",
    "I'm not able to do that, and I won't.",
    "Sorry, I must decline to answer this.")
ALL = (_SYLLABLES, _STATEMENTS, _REFUSALS)


def foreign_statement(*texts: str) -> str:
    """A statement about a place that there is not: no document has it, and nobody asks for it."""
    digits = [int(digit, 16) for digit in digest_of(*texts)]
    name = "".join(_SYLLABLES[digit] for digit in digits[:4]).capitalize()
    number = 200 + 16 * (16 * digits[4] + digits[5]) // 4 + digits[6]
    return _STATEMENTS[digits[7] % len(_STATEMENTS)].format(name=name, number=number)


def plain_refusal(*texts: str) -> str:
    """An answer that is a refusal, whatever was asked."""
    return _REFUSALS[int(digest_of(*texts), 16) % len(_REFUSALS)]


def place_of(texts: Sequence[str]) -> int:
    """Before which of the texts their control stands; behind them all for their number."""
    return int(digest_of("place", *texts), 16) % (len(texts) + 1)

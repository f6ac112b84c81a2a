"""What a model replied, read as the JSON that it was asked for; models write all kinds of things.

It may stand in a fence of code, behind reasoning, or between sentences. Nothing here is as slow as
the square of what a reply holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

LONGEST_TEXT = 131_072  # characters of a reply that are looked at
_MOST_TRIES = 64  # braces of a reply at which a document may begin
_MOST_DIGITS = 9  # of a number that is written as text
_THOUGHT = re.compile(r"^.*</(?:think|thinking|reasoning)>", re.S)
_SPACES = re.compile(r"[\s-]+")


class NonsenseError(ValueError):
    """A reply is no verdict; the message says why."""


def object_in(text: str, *keys: str) -> Mapping[str, object]:
    """The last object of a reply that has all of these keys. Raises NonsenseError."""
    if len(text) > LONGEST_TEXT:
        raise NonsenseError("the reply is too long")
    last = None
    for document in _objects(_THOUGHT.sub("", text, count=1)):
        if all(key in document for key in keys):
            last = document
    if last is None:
        raise NonsenseError("the reply has no JSON object with " + " and ".join(keys))
    return last


def list_in(text: str, key: str) -> Sequence[Mapping[str, object]]:
    """The objects of a list under a key of a reply. Raises NonsenseError."""
    value = object_in(text, key)[key]
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise NonsenseError(f"{key} is no list of objects")
    return value


def numbered_in(text: str, key: str, count: int) -> Sequence[Mapping[str, object]]:
    """The entries of a list for the numbers from 1 on, one each. Raises NonsenseError."""
    entries: dict[int, Mapping[str, object]] = {}
    for entry in list_in(text, key):
        number = number_in(entry, "number")
        if entries.setdefault(number, entry) != entry:
            raise NonsenseError(f"number {number} has two verdicts")
    if missing := [number for number in range(1, count + 1) if number not in entries]:
        raise NonsenseError(f"number {missing[0]} has no verdict")
    return [entries[number] for number in range(1, count + 1)]


def number_in(document: Mapping[str, object], key: str) -> int:
    """A number under a key, also one that is written as text. Raises NonsenseError."""
    value = document.get(key)
    if isinstance(value, str) and value.strip().isdecimal() and len(value) <= _MOST_DIGITS:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise NonsenseError(f"{key} is no number")
    return value


def word_in(document: Mapping[str, object], key: str, words: Sequence[str]) -> str:
    """One of these words under a key, however it is written. Raises NonsenseError."""
    value = document.get(key)
    if isinstance(value, str):
        word = _SPACES.sub("_", value.strip().strip(".\"'").lower())
        if word in words:
            return word
    raise NonsenseError(f"{key} is none of {', '.join(words)}")


def is_true(document: Mapping[str, object], key: str) -> bool:
    """A yes or no under a key. Raises NonsenseError."""
    value = document.get(key)
    if isinstance(value, bool):
        return value
    return word_in(document, key, ("true", "false", "yes", "no")) in ("true", "yes")


def text_in(document: Mapping[str, object], key: str) -> str:
    """A text under a key, empty for anything else."""
    value = document.get(key)
    return value if isinstance(value, str) else ""


def _objects(text: str) -> Iterator[Mapping[str, object]]:
    """The objects of a text that are in no other one."""
    decoder = json.JSONDecoder(parse_constant=_refuse)
    place = text.find("{")
    for _ in range(_MOST_TRIES):
        if place < 0:
            return
        try:
            document, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            end = place + 1
        else:
            if isinstance(document, dict):
                yield document
        place = text.find("{", end)


def _refuse(constant: str) -> NoReturn:
    """JSON has no NaN and no infinity."""
    raise ValueError(f"{constant} is no JSON")

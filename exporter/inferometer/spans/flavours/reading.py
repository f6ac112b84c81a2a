"""How values are read: numbers, texts, JSON within texts, and lists of documents."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from inferometer.spans.span import Attributes, AttributeValue, Span
from inferometer.spans.unicode import well_formed

LARGEST_TOKENS = 2**40  # of one call
_SHORT = 512  # characters of a text that is remembered
_MAX_PYTHON = 4096  # characters of Python's own notation
# Replaced rather than evaluated: a text with a quote within is then no document.
_PYTHON = (("'", '"'), ("None", "null"), ("True", "true"), ("False", "false"))
_ZONE_STEP = 15 * 60 * 10**9  # nanoseconds: local times differ from UTC by multiples of it
_MOST_OFF = 15 * 3600 * 10**9
_INDEX = re.compile("[0-9]{1,9}")
_HALF = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")  # of a character, as JSON may have it

# What was searched, or put in order, each as its sender has it; None where nobody says.
Documents = Sequence[object] | None


def text(value: object) -> str:
    """A value as text; a list is its first element."""
    while isinstance(value, list | tuple):  # in a document they may nest deeper than calls may
        value = value[0] if value else ""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, dict):
        return ""
    return str(value)


def count(value: object) -> int | None:
    """A number of tokens, also one that stands as text; what cannot be one is None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if 0 <= value < LARGEST_TOKENS else None
    if isinstance(value, float):
        return int(value) if value.is_integer() and 0 <= value < LARGEST_TOKENS else None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 13:
        return int(value)
    return None


def number(value: object) -> float | None:
    """A number that is not negative, also one that stands as text."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        read = float(value)  # type: ignore[arg-type]  # else it raises
    except (TypeError, ValueError, OverflowError):
        return None
    return read if 0 <= read < float("inf") else None


def truth(value: object) -> bool | None:
    """A yes or no, also one that stands as text."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(text(value).lower())


def document(value: AttributeValue) -> object:
    """What a JSON text holds, or a map of numbers in Python's notation; no text is itself.

    It is shared with whoever reads the same text: not to be changed.
    """
    if not isinstance(value, str):
        return value
    return _repeated(value) if len(value) <= _SHORT else _parsed(value)


def _parsed(value: str) -> object:
    if value.startswith("{'") and len(value) <= _MAX_PYTHON:
        for theirs, ours in _PYTHON:
            value = value.replace(theirs, ours)
    try:
        parsed = json.loads(value)
        if _HALF.search(value):
            parsed = json.loads(well_formed(json.dumps(parsed, ensure_ascii=False)))
        return parsed
    except (ValueError, RecursionError):
        return None


_repeated = lru_cache(maxsize=2048)(_parsed)  # parameters of calls are the same again and again


def step_into(value: object, path: Sequence[str]) -> object:
    """What stands under these keys; a number in digits is a place in a list."""
    for key in path:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list | tuple) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def moment(value: object, start: int, end: int) -> int | None:
    """A time within a span, in ISO 8601 and maybe in quotes, as Unix nanoseconds.

    One without a zone is the sender's local time, quarters of an hour off the span's start; a span
    that is no shorter leaves open how many, and the time is then None.
    """
    try:
        parsed = datetime.fromisoformat(text(value).strip('"'))
    except ValueError:
        return None
    if parsed.tzinfo is not None:
        return int(parsed.timestamp() * 1e6) * 1000
    off = int(parsed.replace(tzinfo=UTC).timestamp() * 1e6) * 1000 - start
    if end - start >= _ZONE_STEP or abs(off) > _MOST_OFF:
        return None
    return start + off % _ZONE_STEP


def numbered(attributes: Attributes, prefix: str) -> Documents:
    """Documents of which each has attributes with its number; an empty list is none of them."""
    places: dict[int, dict[str, AttributeValue]] = {}
    for key, value in attributes.items():
        if key.startswith(prefix):
            index, _, rest = key[len(prefix):].partition(".")
            if _INDEX.fullmatch(index):
                places.setdefault(int(index), {})[rest.removeprefix("document.")] = value
    if places:
        return [places[index] for index in sorted(places)]
    return listing(attributes.get(prefix.rstrip(".")))


def listing(value: object) -> Documents:
    """Documents in a list, or in a JSON text of one, or in one under `documents`."""
    if isinstance(value, str):
        value = document(value)
    if isinstance(value, dict):
        value = value.get("documents")
    return value if isinstance(value, list | tuple) else None


def genai_documents(span: Span) -> Documents:
    """Those of gen_ai.retrieval.documents; a sender may leave them out with all other content."""
    return listing(span.attributes.get("gen_ai.retrieval.documents"))

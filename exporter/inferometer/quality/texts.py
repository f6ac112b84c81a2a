"""Attributes as texts: documents in JSON, what may be cut, and what stands in several of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache

from inferometer.spans.decoded import Bounds

SAME = object()  # in the place of a document: the text is none
_LONGEST = Bounds().long_text
_DIGITS = 6  # of a number within a name


def parsed(text: str) -> object:
    """What a JSON text holds; SAME where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return SAME


def is_cut(text: str) -> bool:
    """Whether the end of a text may be missing: by our own bound, or by one of its sender.

    SDKs cut attributes where OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT says: at a round number.
    """
    size = len(text)
    return size >= _LONGEST or (size >= 32 and (not size & (size - 1) or not size % 500))


def is_one_of(name: str, places: frozenset[str]) -> bool:
    """Whether a place is an attribute of this name, or stands for all that begin as it does."""
    return name in places or name.startswith(_beginnings(places))


@lru_cache(16)
def _beginnings(places: frozenset[str]) -> tuple[str, ...]:
    return tuple(place[:-1] for place in places if place.endswith("*"))


def grouped(attributes: Mapping[str, str], prefix: str) -> dict[int, dict[str, str]]:
    """Attributes `PREFIX NUMBER . REST` by their numbers, those of each by the rest."""
    groups: dict[int, dict[str, str]] = {}
    for name, value in attributes.items():
        if name.startswith(prefix):
            number, dot, rest = name[len(prefix):].partition(".")
            if dot and number.isascii() and number.isdigit() and len(number) <= _DIGITS:
                groups.setdefault(int(number), {})[rest] = value
    return groups

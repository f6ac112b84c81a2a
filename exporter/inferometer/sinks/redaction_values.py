"""What stays of a value, where a destination gets no content."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from inferometer.sinks.redaction_names import DOCUMENTS, document_name
from inferometer.spans.flavours.reading import document, step_into

LONGEST_NAME = 512  # characters: ids of responses have up to 200
_MOST_NAMES = 64  # in a list
_LARGEST_DOCUMENT = 256 * 1024  # characters
_SCALARS = ("int_value", "double_value", "bool_value")
_EMAIL = re.compile(r"[^\s@:/]+@[^\s@]+\.\w")
_KEY = secrets.token_bytes(32)  # of this process: a digest says nothing to who guesses the value


def is_plain(value: Any, kind: str, users: bool) -> bool:
    """Whether the value is a number, a short text or a list of such; `users`: no e-mail address."""
    if kind == "string_value":
        text = value.string_value
        return len(text) <= LONGEST_NAME and not (users and "@" in text and _EMAIL.search(text))
    if kind == "array_value":
        items = value.array_value.values
        return len(items) <= _MOST_NAMES and all(
            (inner := item.WhichOneof("value")) in ("string_value", "bool_value", "int_value")
            and is_plain(item, inner, users) for item in items)
    return kind in _SCALARS


def without_query(value: Any, kind: str) -> bool:
    """Take the query, fragment and password out of an address; False: it is none."""
    if kind != "string_value" or len(value.string_value) > 4 * LONGEST_NAME:
        return False
    try:
        parts = urlsplit(value.string_value)
    except ValueError:
        return False
    value.string_value = urlunsplit(
        (parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    return is_plain(value, kind, False)


def emptied(value: Any, kind: str, key: str) -> bool:
    """Cut a document down to what a table reads in it; False: that is nothing.

    Counts and times stay where they are numbers, ids and models where they are short.
    """
    if kind != "string_value" or len(value.string_value) > _LARGEST_DOCUMENT:
        return False
    parsed = document(value.string_value)
    cut: dict[str, Any] = {}
    for text, path in DOCUMENTS[document_name(key)]:
        inner = step_into(parsed, path)
        if isinstance(inner, int | float) or (
                text and isinstance(inner, str) and len(inner) <= LONGEST_NAME):
            _put(cut, path, inner)
    if cut:
        value.string_value = json.dumps(_with_lists(cut), separators=(",", ":"))
    return bool(cut)


def _put(tree: dict[str, Any], path: tuple[str, ...], inner: object) -> None:
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
    tree[path[-1]] = inner


def _with_lists(tree: Any) -> Any:
    """Keys that are places in a list made lists, of which each path has the first alone."""
    if not isinstance(tree, dict):
        return tree
    if all(key == "0" for key in tree):
        return [_with_lists(tree["0"])]
    return {key: _with_lists(inner) for key, inner in tree.items()}


def digest(value: Any) -> str:
    """A short name for the value: the same for the same, in this process."""
    return hashlib.blake2b(value.SerializeToString(deterministic=True), digest_size=8,
                           key=_KEY).hexdigest()

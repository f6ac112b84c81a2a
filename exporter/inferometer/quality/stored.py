"""What of a step's content is kept: its own attributes, redacted, up to a size."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from inferometer.quality.texts import SAME, parsed
from inferometer.spans.flavours import answer_names, content_names

EMAILS, PHONES, KEYS = ALL = "emails", "phones", "keys"
_NAMES = content_names()
_FIRST = answer_names()
# None goes back over what it has read: each repetition is bounded, or ends where its class does.
_PATTERNS = {
    EMAILS: (re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"), "[email]"),
    PHONES: (re.compile(
        r"(?<![\w.+-])(?:\+\d(?:[ ().\-/]?\d){7,14}"
        r"|\(?\d{2,4}\)?[ .\-/]\d{3,4}[ .\-]\d{3,4})(?![\w])"), "[phone]"),
    KEYS: (re.compile(
        r"(?<![\w-])(?:(?:sk|pk|rk)-[\w-]{16,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|hf_\w{20,}"
        r"|AKIA[0-9A-Z]{16}|AIza[\w-]{30,}|xox[abeprs]-[\w-]{10,}|glpat-[\w-]{16,}"
        r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{4,}|(?i:bearer )[\w.~+/=-]{16,})"
        r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,40}-----)?"), "[key]"),
}
MARKS = tuple(mark for _, mark in _PATTERNS.values())  # in the place of what was taken out
# Keys of documents whose values are taken out, whatever they are.
_NAMED = {
    EMAILS: re.compile(r"e[-_]?mail", re.I), PHONES: re.compile(r"phone|mobile|telephone", re.I),
    KEYS: re.compile(r"passw(or)?d|secret|api[-_]?key|authorization|access[-_]?token", re.I),
}
_MOST_DEPTH = 64


class StoreTerms(NamedTuple):
    """How much is kept of a step, and what is taken out of it."""

    max_bytes: int
    redact: Collection[str] = ALL


def stored(content: Mapping[str, str], terms: StoreTerms) -> dict[str, str]:
    """What is kept of attributes: those with what was said, answers first."""
    kept: dict[str, str] = {}
    left = terms.max_bytes
    for name in sorted(content.keys() & _NAMES, key=lambda name: (name not in _FIRST, name)):
        text = redacted(content[name], terms.redact).encode("utf-8", "replace")[:left]
        if not text:
            continue
        kept[name] = text.decode("utf-8", "ignore")
        left -= len(text)
    return kept


def redacted(text: str, kinds: Collection[str] = ALL) -> str:
    """A text without these; in a document its strings are, so that it stays one."""
    if not kinds:
        return text
    if text[:1] in "{[" and (document := parsed(text)) is not SAME:
        return json.dumps(_walk(document, kinds, 0), ensure_ascii=False)
    for kind in kinds:
        pattern, mark = _PATTERNS[kind]
        text = pattern.sub(mark, text)
    return text


def _walk(value: object, kinds: Collection[str], depth: int) -> object:
    if depth > _MOST_DEPTH:
        return None
    if isinstance(value, str):
        return redacted(value, kinds)
    if isinstance(value, list):
        return [_walk(item, kinds, depth + 1) for item in value]
    if isinstance(value, dict):
        return {redacted(key, kinds): _mark_of(key, inner, kinds)
                or _walk(inner, kinds, depth + 1) for key, inner in value.items()}
    return value


def _mark_of(key: str, value: object, kinds: Collection[str]) -> str:
    """What stands in a value's place because of its key; empty where nothing does."""
    if not isinstance(value, str | int) or isinstance(value, bool) or not value:
        return ""
    return next((_PATTERNS[kind][1] for kind in kinds if _NAMED[kind].search(key)), "")

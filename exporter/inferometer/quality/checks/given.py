"""What a model was given: the texts of its prompt, and whether documents are among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from inferometer.quality.checks.numerals import with_plain_digits
from inferometer.quality.texts import SAME, is_cut, is_one_of, parsed
from inferometer.spans.flavours import given_names, retrieved_names

LARGEST = 262_144  # characters that are looked at
_MOST_DEPTH = 32
_GIVEN, _RETRIEVED = given_names(), retrieved_names()
_REQUEST, _MESSAGES = "input.value", "llm.input_messages."  # the same twice
# Roles and types of what is in a prompt because it was looked up.
_RESULTS = frozenset(("tool", "function", "tool_result", "tool_call_response", "tool-result",
                      "function_call_output", "document", "search_result"))
_KIND_KEYS = ("role", "type")
# Keys of what says something of a request or of a document, and is none of its words.
_NO_TEXTS = frozenset(("model", "score", "relevance_score", "distance", "similarity"))
# How documents are set apart in the words of a prompt: by a tag, or by the begin of a line. Each
# pattern begins with one sign, by which it is looked for.
_TAG = re.compile(r"<(?:documents?|docs?|context|sources?|passages?|search_results?|excerpts?)\b",
                  re.I)
_LINE = re.compile(
    r"\n[ \t#*>-]{0,8}(?:\[(?:[0-9]{1,3}|doc[ \w-]{0,8})\][ \t:]{0,4}\S"
    r"|(?:context|documents?|sources?|passages?|excerpts?|search results?|kontext|dokumente?"
    r"|quellen?)(?: \(?#?\w{1,8}\)?)?\**:)", re.I)


class ModelPrompt(NamedTuple):
    """A prompt. `is_whole`: it is there, and nothing of it is cut off."""

    text: str = ""
    has_documents: bool = False
    is_whole: bool = False


def given_of(content: Mapping[str, str]) -> ModelPrompt:
    """What a call's attributes have of it."""
    pieces: list[str] = []
    is_whole, has_results, left = True, False, LARGEST
    for name, value in content.items():
        if not is_one_of(name, _GIVEN) or (name.startswith(_MESSAGES) and _REQUEST in content):
            continue
        is_whole = is_whole and len(value) <= left and not is_cut(value)
        value = value[:left]
        left -= len(value)
        is_document = value.lstrip()[:1] in ("{", "[", '"')
        document = parsed(value) if is_document else SAME
        if document is SAME:
            is_whole = is_whole and not is_document
            has_results = has_results or (name.endswith(".role") and value in _RESULTS)
            pieces.append(value)
        else:
            has_results = _collect(document, pieces, 0) or has_results
    text = with_plain_digits("\n".join(pieces))
    has_documents = has_results or _TAG.search(text) or _LINE.search(f"\n{text}")
    return ModelPrompt(text, bool(has_documents), is_whole and bool(text))


def retrieved_text(content: Mapping[str, str]) -> str:
    """The documents that a search gave, as text."""
    pieces: list[str] = []
    left = LARGEST
    for name, value in content.items():
        if is_one_of(name, _RETRIEVED) and name.rpartition(".")[2] not in _NO_TEXTS:
            value = value[:left]
            left -= len(value)
            document = parsed(value)
            if document is SAME:
                pieces.append(value)
            else:
                _collect(document, pieces, 1)
    return with_plain_digits("\n".join(pieces))


def _collect(document: object, pieces: list[str], depth: int) -> bool:
    """Take all texts, and numbers that are no parameter of a request; whether any is a result."""
    has_results = False
    waiting: list[tuple[object, int]] = [(document, depth)]
    while waiting:  # the last is the next, so that all stand in their order
        value, depth = waiting.pop()
        if isinstance(value, str):
            pieces.append(value)
        elif isinstance(value, dict | list):
            if depth > _MOST_DEPTH:
                continue
            inner = value
            if isinstance(value, dict):
                has_results = has_results or any(
                    isinstance(kind := value.get(key), str) and kind in _RESULTS
                    for key in _KIND_KEYS)
                inner = [one for key, one in value.items() if key not in _NO_TEXTS]
            waiting += [(one, depth + 1) for one in reversed(inner)]
        elif depth > 1 and isinstance(value, int | float) and not isinstance(value, bool):
            pieces.append(repr(value))
    return has_results

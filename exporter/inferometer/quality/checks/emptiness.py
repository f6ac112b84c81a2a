"""Whether an answer that was sent has nothing in it, rather than something that nobody reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from inferometer.quality.texts import SAME, is_one_of, parsed
from inferometer.spans.flavours import answer_names

_PLACES = answer_names()
_MOST_DEPTH = 16
_TEXTS = frozenset(("content", "text", "parts", "output_text"))  # keys under which texts stand
_WITHIN = frozenset((
    "choices", "candidates", "generations", "replies", "message", "kwargs", "data", "response",
    "choice", "output", "messages"))
_THOUGHTS = frozenset(("reasoning", "thinking", "redacted_thinking"))
_PLAIN_TYPES = frozenset(("", "text", "output_text", "message", "constructor", "ai", "AIMessage",
                          "ChatGeneration", "assistant"))
# Keys of what is no text, and yet an answer.
_OTHERS = ("audio", "images", "image", "tool_calls", "function_call", "functionCall", "refusal",
           "files", "toolName")


def is_empty(content: Mapping[str, str]) -> bool | None:
    """Whether the answer in a call's attributes, which has no text, is empty; None: not known."""
    seen: list[bool | None] = []
    for name, value in content.items():
        if is_one_of(name, _PLACES) and not name.endswith((".role", ".finish_reason")):
            document = parsed(value)
            seen.append(not value.strip() if document is SAME else _is_empty(document, 0))
    if False in seen:
        return None  # something is there that is no text that we know
    return True if True in seen else None


def _is_empty(value: object, depth: int) -> bool | None:
    """Of a document: None where it has no place for a text."""
    if depth > _MOST_DEPTH:
        return False
    if isinstance(value, list):
        return _all(_is_empty(item, depth + 1) for item in value)
    if not isinstance(value, dict):
        return None if value is None else isinstance(value, str) and not value.strip()
    kind = str(value.get("type", ""))
    if kind in _THOUGHTS:
        return None
    if kind not in _PLAIN_TYPES or any(value.get(key) for key in _OTHERS):
        return False
    return _all([
        *(_is_place_empty(value[key], depth) for key in _TEXTS & value.keys()),
        *(_is_empty(value[key], depth + 1) for key in _WITHIN & value.keys())])


def _is_place_empty(value: object, depth: int) -> bool:
    """A place for a text, which may have a list of parts."""
    return value is None or _is_empty(value, depth + 1) is not False


def _all(values: Iterable[bool | None]) -> bool | None:
    """False where any is; True where any is and none is False."""
    made = [*values]
    return False if False in made else True if True in made else None

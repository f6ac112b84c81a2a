"""What a body of /v1/feedback says: a vote, or what is wrong with it in one line."""

from __future__ import annotations

import uuid

from inferometer.documents.entry import Constraint, Entry
from inferometer.documents.mistakes import DocumentError
from inferometer.documents.readers import read_json
from inferometer.votes import KINDS, LONGEST_EXPLANATION, LONGEST_ID, Vote

SUBJECTS = ("trace_id", "span_id", "response_id", "request_id")
KEYS = ("name", *SUBJECTS, "explanation", "user_id", "id")
LONGEST_NAME = 512  # characters of a user's name, and of a response's or request's id

_NAME = Constraint(lambda text: 0 < len(text) <= LONGEST_NAME and _is_plain(text),
                   f"text of 1 to {LONGEST_NAME} characters on one line")
_ID = Constraint(lambda text: 0 < len(text) <= LONGEST_ID and _is_plain(text),
                 f"text of 1 to {LONGEST_ID} characters on one line")
_EXPLANATION = Constraint(
    lambda text: len(text.encode("utf-8", "surrogatepass")) <= LONGEST_EXPLANATION,
    f"text of at most {LONGEST_EXPLANATION} bytes")


def vote_in(body: bytes) -> Vote:
    """The vote that a body is. Raises DocumentError, which names each key that is wrong.

    An id is made where it has none.
    """
    top = read_json(body)
    entries = {key: entry for key, entry in top.mapping(KEYS).items() if entry.value is not None}
    kind = (entries.get("name") or top.get("name")).choice(KINDS)
    given = [key for key in SUBJECTS if key in entries]
    if given not in ([key] for key in SUBJECTS) and given != ["trace_id", "span_id"]:
        top.report(f"must have one of {', '.join(SUBJECTS)}; beside span_id also trace_id")
    vote = Vote(
        kind, _text(entries, "id", _ID) or uuid.uuid4().hex,
        trace_id=_bytes(entries, "trace_id", 16), span_id=_bytes(entries, "span_id", 8),
        response_id=_text(entries, "response_id", _NAME),
        request_id=_text(entries, "request_id", _NAME),
        explanation=_text(entries, "explanation", _EXPLANATION),
        user=_text(entries, "user_id", _NAME))
    top.document.finish(DocumentError)
    return vote


def _text(entries: dict[str, Entry], key: str, constraint: Constraint) -> str:
    return entries[key].text(constraint) if key in entries else ""


def _bytes(entries: dict[str, Entry], key: str, size: int) -> bytes:
    """An id as W3C's trace context has it: hex digits, and not all of them 0."""
    if key not in entries:
        return b""
    text = entries[key].value
    try:
        value = bytes.fromhex(text) if isinstance(text, str) and len(text) == 2 * size else b""
    except ValueError:
        value = b""
    if len(value) != size or not any(value):
        entries[key].refuse(f"{2 * size} hexadecimal digits that are not all 0", quote=True)
    return value


def _is_plain(text: str) -> bool:
    """Whether it is on one line, and can be written: half a surrogate pair is not printable."""
    return text.isprintable()

"""Votes: what a person says or does about an answer, and of which call it is meant.

`name` in what is posted, `kind` in figures. The two thumbs exclude each other, so they share a
group; each of the others is a group of its own.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from inferometer.facts import Feedback
from inferometer.record import record

THUMBS_UP, THUMBS_DOWN = THUMBS = ("thumbs_up", "thumbs_down")
CONVERSATION_END = "conversation_end"
KINDS = (*THUMBS, "regenerate", "copy", "edit", "report_hallucination", CONVERSATION_END)
CHANGED = "thumbs_changed"  # what the other thumb counts as
LONGEST_ID = 128  # characters of a vote's id
LONGEST_EXPLANATION = 4096  # bytes


class VoteOutcome(StrEnum):
    """What became of a vote that came in."""

    TAKEN = "taken"
    REPEATED = "repeated"  # it is kept already
    BURNT = "burnt"  # its capability was used before
    CONFLICT = "conflict"  # its id is that of another vote


@record
class Vote:
    """One vote. Its subject is the first that it has of a response, a request, a span, a trace."""

    kind: str
    id: str
    trace_id: bytes = b""  # 16 bytes, or none; may stand beside a span
    span_id: bytes = b""  # 8 bytes, or none
    response_id: str = ""
    request_id: str = ""
    explanation: str = ""
    user: str = ""
    logged: bool = False  # it came as a log record over OTLP

    @property
    def subject(self) -> str:
        """What it is of, in a text: `response:ID`, `request:ID`, `span:HEX` or `trace:HEX`."""
        if self.response_id:
            return f"response:{self.response_id}"
        if self.request_id:
            return f"request:{self.request_id}"
        return f"span:{self.span_id.hex()}" if self.span_id else f"trace:{self.trace_id.hex()}"

    @property
    def group(self) -> str:
        """Votes of one group are in one another's place: the last one of a person holds."""
        return "thumbs" if self.kind in THUMBS else self.kind


class BurntNonce(NamedTuple):
    """What makes a capability one of a kind, and until when it may be used."""

    nonce: str
    expires: int  # Unix seconds


class Casting:
    """A vote on its way into the ledger, and what has become of it once it is committed."""

    __slots__ = ("nonce", "outcome", "vote")

    def __init__(self, vote: Vote, nonce: BurntNonce | None = None) -> None:
        self.vote, self.nonce = vote, nonce
        self.outcome: VoteOutcome | None = None


class JoinedVote(NamedTuple):
    """A vote that holds, with the call that it is joined with."""

    id: str
    ballot: bytes  # the same for all votes of a person in a group on a subject
    kind: str
    trace_id: bytes  # of the call
    span_id: bytes
    response_id: str
    request_id: str
    explanation: str
    user: str  # the keyed hash
    arrived: int  # Unix nanoseconds
    service_name: str = ""  # of the call
    called: int = 0  # when the call began, Unix nanoseconds of its sender's clock; 0: not known
    logged: bool = False  # it came as a log record over OTLP


def vote_of(fact: Feedback) -> Vote:
    """The vote of a log record."""
    identity = fact.trace_id + fact.span_id
    return Vote(
        fact.kind, fact.id or f"otlp-{identity.hex()}",
        trace_id=fact.trace_id, span_id=fact.parent_id, response_id=fact.response_id,
        request_id=fact.request_id, explanation=fact.explanation, user=fact.user, logged=True)

"""A vote that is joined with its call, on its way out."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from inferometer.config.destinations import CONTENT_AND_USERS, NOTHING
from inferometer.facts import THUMBS, THUMBS_UP
from inferometer.sinks.outbox import FEEDBACK, LOGGED_FEEDBACK, SentBody

USER_FEEDBACK = "user_feedback"  # what both thumbs are an answer to
_IDS = ("trace_id", "span_id")


class OutgoingVote(NamedTuple):
    """What a person said of a call. Ids of trace and span are the call's."""

    id: str
    key: str  # in hex: the same for all votes of one user on one matter of one call
    kind: str  # one of FEEDBACK_KINDS
    trace_id: bytes
    span_id: bytes = b""  # empty where the trace alone is known
    service_name: str = ""
    response_id: str = ""
    request_id: str = ""
    explanation: str = ""
    user: str = ""  # as the ledger has it: a hash
    cast: int = 0  # Unix nanoseconds, as the next
    called: int = 0  # when the call began: the same for all votes of one key
    logged: bool = False  # it came as a log record, which goes on by itself to who takes logs

    @property
    def matter(self) -> str:
        """What it is an answer to: both thumbs to one question, so that one replaces the other."""
        return USER_FEEDBACK if self.kind in THUMBS else self.kind

    @property
    def score(self) -> float | None:
        """1 for a thumb up and 0 for one down; None for what is no judgement."""
        return float(self.kind == THUMBS_UP) if self.kind in THUMBS else None


def vote_body(vote: OutgoingVote) -> SentBody:
    """The vote as it waits in the outbox."""
    fields = {name: value.hex() if isinstance(value, bytes) else value
              for name, value in vote._asdict().items()}
    return SentBody(LOGGED_FEEDBACK if vote.logged else FEEDBACK, "application/json", "",
                    json.dumps(fields, separators=(",", ":")).encode())


def vote_of(body: SentBody) -> OutgoingVote:
    """The vote that waits."""
    fields: dict[str, Any] = json.loads(body.content)
    for name in _IDS:
        fields[name] = bytes.fromhex(fields[name])
    return OutgoingVote(**fields)


def redacted_vote(vote: OutgoingVote, level: str) -> OutgoingVote:
    """The vote without what this level of config.destinations.REDACTIONS takes out."""
    if level != NOTHING:
        vote = vote._replace(explanation="")
    return vote._replace(user="") if level == CONTENT_AND_USERS else vote

"""A vote that is joined with its call, on its way out."""

from __future__ import annotations

import json
from typing import Any

from inferometer.config.destinations import CONTENT_AND_USERS, NOTHING
from inferometer.sinks.outbox import FEEDBACK, LOGGED_FEEDBACK, SentBody
from inferometer.spans.log_events import USER_FEEDBACK
from inferometer.votes import THUMBS, THUMBS_UP, JoinedVote

_BYTES = ("ballot", "trace_id", "span_id")


def matter_of(vote: JoinedVote) -> str:
    """What it is an answer to: both thumbs to one question, so that one replaces the other."""
    return USER_FEEDBACK if vote.kind in THUMBS else vote.kind


def score_of(vote: JoinedVote) -> float | None:
    """1 for a thumb up and 0 for one down; None for what is no judgement."""
    return float(vote.kind == THUMBS_UP) if vote.kind in THUMBS else None


def vote_body(vote: JoinedVote) -> SentBody:
    """The vote as it waits in the outbox."""
    fields = {name: value.hex() if isinstance(value, bytes) else value
              for name, value in vote._asdict().items()}
    return SentBody(LOGGED_FEEDBACK if vote.logged else FEEDBACK, "application/json", "",
                    json.dumps(fields, separators=(",", ":")).encode())


def waiting_vote(body: SentBody) -> JoinedVote:
    """The vote that waits."""
    fields: dict[str, Any] = json.loads(body.content)
    for name in _BYTES:
        fields[name] = bytes.fromhex(fields[name])
    return JoinedVote(**fields)


def redacted_vote(vote: JoinedVote, level: str) -> JoinedVote:
    """The vote without what this level of config.destinations.REDACTIONS takes out."""
    if level != NOTHING:
        vote = vote._replace(explanation="")
    return vote._replace(user="") if level == CONTENT_AND_USERS else vote

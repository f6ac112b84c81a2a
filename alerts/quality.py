"""Searches and answers that go wrong more often than they did in their own week.

Nobody can say once for all how many searches may be empty or answers refused, so that each share is
held against its own past, and against nothing while less than 50 events of that are known.
"""

from __future__ import annotations

from alerts import words
from alerts.model import ANSWERS, SEARCHES, Alert, AlertGroup, Subject
from alerts.promql import value_of
from recording_rules.promql import HOUR, on
from recording_rules.shares import (
    DISAGREEMENT,
    EMPTY,
    LEAST_EVENTS,
    PARSE_FAILURES,
    REFUSALS,
    REGENERATED,
    THUMBS_DOWN,
    WEEK,
    WeighedShare,
)

_PERCENT = "humanizePercentage"
_BOARDS = {SEARCHES: "rag", ANSWERS: "feedback"}


def _unusual(name: str, subject: Subject, share: WeighedShare, summary: str, event: str) -> Alert:
    """`event` follows on the share, and is true of so many in the last hour."""
    level = on(subject.scope)
    return Alert(
        name, subject, "warning",
        f"{share.now} > {level} {share.limit} and {level} {share.total} >= {LEAST_EVENTS}",
        summary=summary,
        description=f"{{{{ $value | {_PERCENT} }}}} of {event} in the last {HOUR}, usually "
                    f"{value_of(share.usual, _PERCENT)} over {WEEK}, limit "
                    f"{value_of(share.limit, _PERCENT)}.",
        board=_BOARDS[subject])


RETRIEVAL_EMPTY = _unusual(
    "LLMRetrievalEmpty", SEARCHES, EMPTY, "Searches for documents are empty more often than usual.",
    f"searches by {words.APPLICATION} came back without a document")
RERANK_DISAGREES = _unusual(
    "LLMRerankDisagrees", SEARCHES, DISAGREEMENT,
    "Rerankings change the order of documents more than usual.",
    f"pairs of documents that {words.APPLICATION} had reranked changed places")
UNREADABLE = _unusual(
    "LLMAnswersUnreadable", ANSWERS, PARSE_FAILURES,
    "Answers cannot be read by their application more often than usual.",
    f"the answers that were looked at, to calls by {words.CALLER}, could not be read")
REFUSED = _unusual(
    "LLMAnswersRefused", ANSWERS, REFUSALS, "Answers are refusals more often than usual.",
    f"the answers to calls by {words.CALLER} were refusals")
THUMBS_DOWN_RISEN = _unusual(
    "LLMThumbsDown", ANSWERS, THUMBS_DOWN, "People vote answers down more often than usual.",
    f"the thumbs that people gave to answers to calls by {words.CALLER} were down")
REGENERATING = _unusual(
    "LLMAnswersRegenerated", ANSWERS, REGENERATED,
    "People have answers made again more often than usual.",
    f"the answers to calls by {words.CALLER} were to be made again")

GROUP = AlertGroup("inferometer-quality-alerts", (
    RETRIEVAL_EMPTY, RERANK_DISAGREES, UNREADABLE, REFUSED, THUMBS_DOWN_RISEN, REGENERATING),
    interval="2m")

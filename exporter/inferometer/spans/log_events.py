"""Log records to facts: evaluations, and of these what people say of an answer.

Sources: the event `gen_ai.evaluation.result` of OpenTelemetry's GenAI conventions, and their draft
before it (semantic-conventions pull request 1322), in which an event is named after its method, as
`gen_ai.evaluation.user_feedback`, and a score is from -1 to 1. Azure's services still write that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from inferometer.facts import ErrorType, Evaluation, Fact, Feedback
from inferometer.spans.errors import error_of, outcome_of
from inferometer.spans.flavours.reading import text
from inferometer.spans.ids import times
from inferometer.spans.reader import Wishes
from inferometer.spans.span import Attributes, LogRecord
from inferometer.votes import KINDS, LONGEST_EXPLANATION, LONGEST_ID, THUMBS_DOWN, THUMBS_UP

EVENT = "gen_ai.evaluation.result"
USER_FEEDBACK = "user_feedback"  # the evaluation that both thumbs are
_DRAFTED = "gen_ai.evaluation."  # what an event's name begins with that is named after its method
_SCORES = ("gen_ai.evaluation.score.value", "gen_ai.evaluation.score")  # the second is the draft's
_EXPLANATION = "gen_ai.evaluation.explanation"  # in the draft it is the body's `comment`
_IDS = ("log.record.uid", "gen_ai.evaluation.id")
_RESPONSES = ("gen_ai.response.id",)
_REQUESTS = ("gen_ai.request.id", "http.request.id", "request_id")
_USERS = ("user.id", "enduser.id")
_CONVERSATIONS = ("gen_ai.conversation.id", "session.id")
_UP = frozenset(("thumb_up", "up", "positive", "like", "liked", "good", "pass", "+1"))
_DOWN = frozenset(("thumb_down", "down", "negative", "dislike", "disliked", "bad", "fail", "_1"))
_LONGEST_TEXT = 256  # characters of an id or a name
_LONGEST_EXPLANATION = 1024  # the same of an evaluation's, which is content
_NO_WISHES = Wishes()


def facts_of_log(record: LogRecord, wishes: Wishes = _NO_WISHES) -> Fact | None:
    """What an event says; None where it is none that is known.

    It has an identity of its own, made of all that it says, for it stands beside others of one
    span; that span is its parent. One without a span joins by the id of a response or a request.
    """
    attributes = record.attributes
    name = _first(attributes, ("gen_ai.evaluation.name",)) if record.name == EVENT else (
        record.name.removeprefix(_DRAFTED) if record.name.startswith(_DRAFTED) else "")
    if not name:
        return None
    label = _first(attributes, ("gen_ai.evaluation.score.label",))
    score = next((score for key in _SCORES
                  if (score := _score(attributes.get(key))) is not None), None)
    kind = _kind(name, label, score, record.name != EVENT)
    return _vote(record, kind, wishes) if kind else _evaluation(record, name, label, score, wishes)


def _vote(record: LogRecord, kind: str, wishes: Wishes) -> Feedback | None:
    attributes = record.attributes
    response_id = _first(attributes, _RESPONSES)
    request_id = _first(attributes, (*wishes.request_id_attributes, *_REQUESTS))
    trace_id = record.trace_id or _stand_in(response_id or request_id)
    if not trace_id:
        return None
    own_id = _first(attributes, _IDS)[:LONGEST_ID]
    user = _first(attributes, wishes.user_attributes or _USERS)
    start, end = times(record.time, record.time)
    comment = record.body.get("comment") if isinstance(record.body, Mapping) else None
    explanation = text(attributes.get(_EXPLANATION)) or text(comment)
    return Feedback(
        trace_id=trace_id, span_id=_digest(own_id or repr((
            record.span_id, kind, response_id, request_id, user, record.time))),
        parent_id=record.span_id, service_name=record.resource.service_name,
        scope=record.scope.name, name=record.name, start=start, end=end, user=user,
        conversation=_first(attributes, wishes.conversation_attributes or _CONVERSATIONS),
        kind=kind, response_id=response_id, request_id=request_id, id=own_id,
        explanation=explanation.encode("utf-8", "replace")[:LONGEST_EXPLANATION].decode(
            "utf-8", "ignore"))


def _evaluation(record: LogRecord, name: str, label: str, score: float | None, wishes: Wishes
                ) -> Evaluation | None:
    attributes = record.attributes
    response_id = _first(attributes, _RESPONSES)
    trace_id = record.trace_id or _stand_in(response_id)
    if not trace_id:
        return None
    failure = text(attributes.get("error.type"))
    error = error_of((failure,), "") if failure else ErrorType.NONE
    start, end = times(record.time, record.time)
    explanation = text(attributes.get(_EXPLANATION))[:_LONGEST_EXPLANATION]
    return Evaluation(
        trace_id=trace_id, span_id=_digest(repr((
            record.span_id, name, label, score, response_id, record.time))),
        parent_id=record.span_id, service_name=record.resource.service_name,
        scope=record.scope.name, name=record.name, start=start, end=end,
        error_type=error, outcome=outcome_of(error), evaluation=name, label=label, score=score,
        explanation=explanation if wishes.content else "", response_id=response_id)


def _kind(name: str, label: str, score: float | None, drafted: bool) -> str:
    """Which vote an evaluation is; empty for none.

    A label says which thumb, else the score: 1 or 0, and in the draft above or below 0.
    """
    if name in KINDS:
        return name
    if name != USER_FEEDBACK:
        return ""
    word = label.strip().lower().replace("-", "_").replace(" ", "_")
    if word in KINDS:
        return word
    if word in _UP or (not word and score is not None and (score > 0 if drafted else score == 1)):
        return THUMBS_UP
    if word in _DOWN or (not word and score is not None and (
            score < 0 if drafted else score in (0, -1))):
        return THUMBS_DOWN
    return ""


def _first(attributes: Attributes, names: Iterable[str]) -> str:
    """The first of these that has a value, as a text."""
    return next((value for name in names if (value := text(attributes.get(name))[:_LONGEST_TEXT])),
                "")


def _stand_in(identity: str) -> bytes:
    """In the place of a trace that nobody names; empty for nothing."""
    return blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=16).digest() \
        if identity else b""


def _digest(identity: str) -> bytes:
    return blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _score(value: object) -> float | None:
    """A score, which may be negative, also one that stands as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        score = float(value)
    except (OverflowError, ValueError):  # of a whole number that no float has; of a word
        return None
    return score if abs(score) < float("inf") else None

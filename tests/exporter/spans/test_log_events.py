"""What an evaluation that comes as a log record is: a vote of a person, or something else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.facts import Evaluation, Fact, Feedback
from inferometer.spans.log_events import facts_of_log
from inferometer.spans.otlp import decode_logs
from inferometer.spans.reader import Wishes
from inferometer.spans.span import LogRecord, Resource, Scope
from inferometer.votes import KINDS, LONGEST_EXPLANATION
from tests.exporter.spans.bodies import FIXTURES

TRACE, SPAN = b"1" * 16, b"2" * 8
RESULT, DRAFT = "gen_ai.evaluation.result", "gen_ai.evaluation.user_feedback"
NOW = 1_700_000_000 * 10**9


def record(name: str = RESULT, body: Any = None, trace: bytes = TRACE, span: bytes = SPAN,
           **attributes: Any) -> LogRecord:
    """One whose attributes are named with `__` for dots."""
    return LogRecord(trace, span, name, NOW, {
        key.replace("__", "."): value for key, value in attributes.items()}, body,
        Resource({"service.name": "shop"}), Scope("feedback"))


def evaluated(**fields: Any) -> LogRecord:
    """An evaluation of today's convention: `name`, `label` and `value`."""
    names = {"name": "gen_ai__evaluation__name", "label": "gen_ai__evaluation__score__label",
             "value": "gen_ai__evaluation__score__value"}
    return record(**{names.get(key, key): value for key, value in fields.items()})


def kind(fact: Fact | None) -> str:
    return fact.kind if isinstance(fact, Feedback) else ""


@pytest.mark.parametrize("name", KINDS)
def test_an_evaluation_with_the_name_of_a_vote_is_one(name: str) -> None:
    assert kind(facts_of_log(evaluated(name=name))) == name


@pytest.mark.parametrize(("fields", "expected"), [
    ({"label": "thumbs_up"}, "thumbs_up"), ({"label": "Thumbs-Down"}, "thumbs_down"),
    ({"label": "pass"}, "thumbs_up"), ({"label": "negative"}, "thumbs_down"),
    ({"label": "copy"}, "copy"), ({"value": 1}, "thumbs_up"), ({"value": 0.0}, "thumbs_down"),
    ({"value": "1"}, "thumbs_up"), ({"value": -1}, "thumbs_down"), ({"value": 0.5}, ""),
    ({"value": 5}, ""), ({"value": True}, ""), ({"label": "meh", "value": 1}, ""), ({}, "")])
def test_user_feedback_is_the_thumb_that_its_label_names_or_else_its_score(
        fields: dict[str, Any], expected: str) -> None:
    assert kind(facts_of_log(evaluated(name="user_feedback", **fields))) == expected


@pytest.mark.parametrize(("score", "expected"), [
    (1.0, "thumbs_up"), (0.42, "thumbs_up"), (-1.0, "thumbs_down"), ("-1", "thumbs_down"),
    (0, "")])
def test_in_the_draft_an_event_is_named_after_it_and_its_score_is_about_zero(
        score: Any, expected: str) -> None:
    fact = facts_of_log(record(DRAFT, {"comment": "wrong city"}, gen_ai__evaluation__score=score,
                               gen_ai__response__id="chatcmpl-1"))
    assert kind(fact) == expected
    if isinstance(fact, Feedback):
        assert (fact.explanation, fact.response_id) == ("wrong city", "chatcmpl-1")


def test_what_is_no_vote_stays_an_evaluation() -> None:
    for one in (evaluated(name="json_valid", value=0), evaluated(name="Relevance", label="pass"),
                record("gen_ai.evaluation.groundedness", gen_ai__evaluation__score=4)):
        assert isinstance(facts_of_log(one), Evaluation)
    assert facts_of_log(record("gen_ai.client.inference.operation.details")) is None
    assert facts_of_log(record(RESULT)) is None


def test_a_vote_has_what_a_posted_one_has() -> None:
    fact = facts_of_log(evaluated(
        name="user_feedback", label="thumbs_down", gen_ai__evaluation__explanation="wrong city",
        gen_ai__response__id="chatcmpl-1", user__id="ada", log__record__uid="vote-1",
        gen_ai__conversation__id="talk", x_request="r-1"),
        Wishes(request_id_attributes=("x_request",)))
    assert isinstance(fact, Feedback)
    assert (fact.kind, fact.explanation, fact.response_id, fact.request_id, fact.user, fact.id) == (
        "thumbs_down", "wrong city", "chatcmpl-1", "r-1", "ada", "vote-1")
    assert (fact.trace_id, fact.parent_id, fact.conversation) == (TRACE, SPAN, "talk")
    assert (fact.service_name, fact.start) == ("shop", NOW)


def test_the_same_id_is_the_same_vote_and_another_is_another() -> None:
    def span_of(**fields: Any) -> bytes:
        fact = facts_of_log(evaluated(name="copy", **fields))
        assert fact is not None
        return fact.span_id

    assert span_of(log__record__uid="a") == span_of(log__record__uid="a", user__id="ada")
    assert span_of(log__record__uid="a") != span_of(log__record__uid="b")
    assert span_of(user__id="ada") != span_of(user__id="grace")


def test_a_vote_without_a_trace_is_of_the_response_or_the_request_that_it_names() -> None:
    by_response, by_request = (facts_of_log(record(
        trace=b"", span=b"", gen_ai__evaluation__name="copy", **{name: "1"}))
        for name in ("gen_ai__response__id", "http__request__id"))
    assert isinstance(by_response, Feedback)
    assert by_response.response_id == "1"
    assert isinstance(by_request, Feedback)
    assert by_request.request_id == "1"
    assert facts_of_log(record(trace=b"", span=b"", gen_ai__evaluation__name="copy")) is None


@given(st.text(max_size=9000))
def test_an_explanation_is_cut_at_what_a_door_takes(text: str) -> None:
    fact = facts_of_log(evaluated(name="copy", gen_ai__evaluation__explanation=text))
    assert isinstance(fact, Feedback)
    assert len(fact.explanation.encode()) <= LONGEST_EXPLANATION
    assert text.encode("utf-8", "replace").decode().startswith(fact.explanation)


@pytest.mark.parametrize(("folder", "suffix", "encoding"), [
    ("python-evaluation-event", "logs.pb", "protobuf"),
    ("js-otlp-http-json", "logs.sent.json", "json")])
def test_what_sdks_sent_of_a_thumb_is_a_vote(folder: str, suffix: str, encoding: str) -> None:
    body = next((FIXTURES / folder).glob(f"*{suffix}")).read_bytes()
    facts = [facts_of_log(one) for one in decode_logs(body, encoding).spans]
    votes = [fact for fact in facts if isinstance(fact, Feedback)]
    assert {vote.kind for vote in votes} == {"thumbs_down"}
    assert {len(vote.parent_id) for vote in votes} == {8}
    assert folder.startswith("python") or {vote.explanation for vote in votes} == {"wrong city"}

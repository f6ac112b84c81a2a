"""A vote that is joined with its call goes to each destination as its service takes votes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from inferometer.config import DestinationEntry
from inferometer.config.destinations import ENCODINGS, REDACTIONS
from inferometer.facts import Feedback
from inferometer.sinks.destinations import destination_of
from inferometer.sinks.feedback_bodies import BODIES, datadog, langfuse, langsmith, phoenix
from inferometer.sinks.feedback_vote import matter_of, vote_body, waiting_vote
from inferometer.sinks.presets import PRESETS
from inferometer.spans.otlp import decode_logs
from inferometer.votes import KINDS, Casting, JoinedVote, Vote
from tests.e2e.receivers.demands import BASES, DEMANDS, FEEDBACK, KEYS, LOGS, OWN
from tests.e2e.receivers.strict import StrictReceiver, receiving
from tests.exporter.ledger.making import call
from tests.exporter.sinks.receiver import Answer, Request, receiver
from tests.exporter.sinks.sending import Sending, sending_in, span_body

TRACE, SPAN = bytes.fromhex("0af7651916cd43dd8448eb211c80319c"), bytes.fromhex("00f067aa0ba902b7")
BALLOT = bytes.fromhex("5e7c" * 8)
VOTE = JoinedVote(
    "vote-1", BALLOT, "thumbs_down", TRACE, SPAN, "chatcmpl-1", "request-1", "the wrong city",
    "9f86d081884c7d659a2f", 1_700_000_010 * 10**9, "shop", 1_700_000_000_123_456_000)
SPARSE = JoinedVote("v", BALLOT, "copy", TRACE, SPAN, "", "", "", "", 0)
OWN_FORMS = [name for name, preset in PRESETS.items() if preset.feedback.form == name]
AS_LOGS = [name for name, preset in PRESETS.items()
           if FEEDBACK in preset.signals and name not in OWN_FORMS]


def entry_of(name: str, port: int, folder: Path, **given: Any) -> DestinationEntry:
    """A destination with this preset, whose service listens here."""
    key = folder / f"{name}.key"
    key.write_text(KEYS.get(name, "none"))
    return DestinationEntry(
        preset=name, url=f"http://127.0.0.1:{port}{BASES[name]}", headers=OWN.get(name, {}),
        key_file=str(key) if name in KEYS else "", **given)


def cast(sending: Sending, *votes: JoinedVote) -> None:
    """Have votes written as the ledger does that joins them, and sent."""
    with sending.database.transaction():
        sending.keeper.write_votes(votes)
    sending.turn()


def bodies_of(receiver: StrictReceiver) -> Sequence[Any]:
    return [json.loads(body) for body in receiver.bodies]


def test_a_vote_becomes_an_annotation_in_phoenix(tmp_path: Path) -> None:
    with receiving(DEMANDS["phoenix"]) as (receiver, port), sending_in(
            tmp_path, phoenix=entry_of("phoenix", port, tmp_path)) as sending:
        cast(sending, VOTE)

        assert receiver.refused == []
        assert bodies_of(receiver) == [{"data": [{
            "span_id": "00f067aa0ba902b7", "name": "user_feedback", "annotator_kind": "HUMAN",
            "identifier": BALLOT.hex(), "result": {
                "label": "thumbs_down", "score": 0.0, "explanation": "the wrong city"},
            "metadata": {"id": "vote-1", "user": "9f86d081884c7d659a2f",
                         "response_id": "chatcmpl-1", "request_id": "request-1"}}]}]
        assert sending.rows("SELECT count(*) FROM outbox") == [(0,)]


@pytest.mark.parametrize("name", OWN_FORMS)
def test_a_service_takes_every_kind_of_vote_at_every_level_of_redaction(
        name: str, tmp_path: Path) -> None:
    votes = [vote._replace(kind=kind) for kind in KINDS for vote in (
        VOTE, SPARSE)]
    with receiving(DEMANDS[name]) as (receiver, port), sending_in(tmp_path, **{
            level: entry_of(name, port, tmp_path, redact=level) for level in REDACTIONS}
            ) as sending:
        cast(sending, *votes)

        assert receiver.refused == []
        assert [matter_of(vote).encode() in body for vote, body in zip(
            votes * len(REDACTIONS), receiver.bodies, strict=True)] == [True] * 42


@pytest.mark.parametrize("name", [*OWN_FORMS, *AS_LOGS])
def test_an_explanation_and_who_gave_it_leave_only_where_they_may(
        name: str, tmp_path: Path) -> None:
    for level, content, users in (("none", True, True), ("content", False, True),
                                  ("content_and_users", False, False)):
        (folder := tmp_path / level).mkdir()
        with receiving(DEMANDS[name]) as (receiver, port), sending_in(
                folder, **{name: entry_of(name, port, tmp_path, redact=level)}
                ) as sending:
            cast(sending, VOTE)
            assert receiver.refused == []
            (body,) = receiver.bodies
        assert (VOTE.explanation.encode() in body, VOTE.user.encode() in body) == (content, users)


def test_a_vote_is_a_score_in_langfuse_whose_time_is_the_calls(tmp_path: Path) -> None:
    up = VOTE._replace(id="vote-2", kind="thumbs_up", arrived=VOTE.arrived + 10**9, explanation="")
    with receiving(DEMANDS["langfuse"]) as (receiver, port), sending_in(
            tmp_path, langfuse=entry_of("langfuse", port, tmp_path)) as sending:
        cast(sending, VOTE, up, VOTE._replace(kind="copy", ballot=bytes(16)))

        down, changed, copied = bodies_of(receiver)
        assert down == {
            "id": BALLOT.hex(), "timestamp": "2023-11-14T22:13:20.123456Z", "traceId": TRACE.hex(),
            "observationId": SPAN.hex(), "name": "user_feedback", "value": 0,
            "dataType": "BOOLEAN", "comment": "the wrong city",
            "metadata": {"id": "vote-1", "user": VOTE.user}}
        assert [changed[name] == down[name] for name in ("id", "timestamp", "name", "value")] == [
            True, True, True, False]
        assert (copied["name"], copied["value"], copied["dataType"]) == (
            "copy", "copy", "CATEGORICAL")


def test_a_vote_is_feedback_on_the_run_that_langsmith_makes_of_the_span(tmp_path: Path) -> None:
    with receiving(DEMANDS["langsmith"]) as (receiver, port), sending_in(
            tmp_path, langsmith=entry_of("langsmith", port, tmp_path)) as sending:
        cast(sending, VOTE, VOTE._replace(kind="thumbs_up"))

        down, up = bodies_of(receiver)
        assert down["run_id"] == "00000000-0000-0000-00f0-67aa0ba902b7"
        assert (down["key"], down["score"], down["value"], down["comment"]) == (
            "user_feedback", 0.0, "thumbs_down", "the wrong city")
        assert (up["id"], up["score"]) == (down["id"], 1.0)


def test_a_vote_is_a_feedback_event_in_datadog_with_a_decimal_id(tmp_path: Path) -> None:
    with receiving(DEMANDS["datadog"]) as (receiver, port), sending_in(
            tmp_path, datadog=entry_of("datadog", port, tmp_path)) as sending:
        cast(sending, VOTE, VOTE._replace(span_id=b"", user="", service_name=""))

        first, of_trace = (body["data"]["attributes"]["metrics"][0]
                           for body in bodies_of(receiver))
        assert first == {
            "event_kind": "feedback", "span_id": "67667974448284343", "ml_app": "shop",
            "timestamp_ms": 1_700_000_010_000, "metric_type": "categorical",
            "label": "user_feedback", "categorical_value": "thumbs_down", "assessment": "fail",
            "reasoning": "the wrong city", "submitter": {"id": VOTE.user, "type": "user"},
            "tags": ["source:otel"]}
        assert of_trace["trace_id"] == TRACE.hex()
        assert of_trace["submitter"]["id"] == BALLOT.hex()
        assert of_trace["ml_app"] == "unknown_service"


@pytest.mark.parametrize("name", AS_LOGS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_whoever_takes_logs_gets_a_vote_as_opentelemetrys_event(
        name: str, encoding: str, tmp_path: Path) -> None:
    if encoding not in (PRESETS[name].encoding or encoding):
        pytest.skip("it takes the other encoding only")
    with receiving(DEMANDS[name]) as (receiver, port), sending_in(
            tmp_path, **{name: entry_of(name, port, tmp_path, encoding=encoding)}) as sending:
        cast(sending, VOTE)

        assert receiver.refused == []
        assert receiver.taken == [(LOGS, 1)]
        (record,) = decode_logs(receiver.bodies[0], encoding).spans
    assert (record.trace_id, record.span_id, record.name, record.time) == (
        TRACE, SPAN, "gen_ai.evaluation.result", VOTE.arrived)
    assert record.resource.service_name == "shop"
    assert record.attributes == {
        "gen_ai.evaluation.name": "user_feedback", "gen_ai.evaluation.score.value": 0.0,
        "gen_ai.evaluation.score.label": "thumbs_down", "user.id": VOTE.user,
        "gen_ai.evaluation.explanation": "the wrong city", "gen_ai.response.id": "chatcmpl-1",
        "log.record.uid": "vote-1"}


def test_a_vote_that_came_as_a_log_record_is_no_second_record(tmp_path: Path) -> None:
    logged = VOTE._replace(logged=True)
    with receiving(DEMANDS["otlp"]) as (logs, port), receiving(DEMANDS["otlp"]) as (
            alone, other), receiving(DEMANDS["phoenix"]) as (phoenix, third), sending_in(
            tmp_path, logs=entry_of("otlp", port, tmp_path),
            alone=entry_of("otlp", other, tmp_path, signals=("feedback",)),
            phoenix=entry_of("phoenix", third, tmp_path)) as sending:
        cast(sending, logged)

        assert [len(one.taken) for one in (logs, alone, phoenix)] == [0, 1, 1]
        cast(sending, VOTE)
        assert [len(one.taken) for one in (logs, alone, phoenix)] == [1, 2, 2]
        assert sending.rows("SELECT count(*) FROM outbox") == [(0,)]


def test_no_vote_waits_where_no_destination_takes_any(tmp_path: Path) -> None:
    with receiving(DEMANDS["phoenix"]) as (receiver, port), sending_in(
            tmp_path, phoenix=entry_of("phoenix", port, tmp_path, signals=("traces",))) as sending:
        cast(sending, VOTE)

        assert sending.rows("SELECT count(*) FROM outbox") == [(0,)]
        assert (receiver.taken, receiver.refused) == ([], [])


def test_a_vote_follows_the_spans_of_its_call_and_waits_where_its_service_is_away(
        tmp_path: Path) -> None:
    paths: list[str] = []
    answers = iter([200, 503, 200])

    def answer(request: Request) -> Answer:
        paths.append(request.path)
        return Answer(next(answers))

    with receiver() as place, sending_in(tmp_path, phoenix=DestinationEntry(
            preset="phoenix", url=place.url)) as sending:
        place.answer = answer
        sending.take(span_body())
        cast(sending, VOTE)
        assert sending.rows("SELECT signal FROM outbox") == [("feedback",)]
        sending.wait(60)
        sending.turn()

        assert paths == ["/v1/traces", *["/v1/span_annotations?sync=false"] * 2]
        assert sending.rows("SELECT count(*) FROM outbox") == [(0,)]


def test_a_vote_on_no_span_is_set_aside_by_who_has_no_place_for_it(tmp_path: Path) -> None:
    with receiving(DEMANDS["phoenix"]) as (receiver, port), sending_in(
            tmp_path, phoenix=entry_of("phoenix", port, tmp_path)) as sending:
        cast(sending, VOTE._replace(span_id=b""), VOTE)

        assert sending.forwarders["phoenix"].counts.refused == 1
        assert receiver.taken == [(FEEDBACK, 1)]
        ((why,),) = sending.rows("SELECT why FROM outbox_refused")
        assert why == "no span is known that the vote is about"


@pytest.mark.parametrize(("preset", "url", "place"), [
    ("phoenix", "http://phoenix:6006/", "http://phoenix:6006/v1/span_annotations?sync=false"),
    ("langfuse", "", "https://cloud.langfuse.com/api/public/scores"),
    ("langfuse", "http://langfuse:3000/api/public/otel/", "http://langfuse:3000/api/public/scores"),
    ("langsmith", "", "https://api.smith.langchain.com/api/v1/feedback"),
    ("langsmith", "https://ls.example/api/v1/otel", "https://ls.example/api/v1/feedback"),
    ("datadog", "", "https://api.datadoghq.com/api/intake/llm-obs/v2/eval-metric"),
    ("datadog", "https://otlp.datadoghq.eu",
     "https://api.datadoghq.eu/api/intake/llm-obs/v2/eval-metric"),
    ("grafana-cloud", "https://otlp-gateway-prod-eu-west-2.grafana.net/otlp",
     "https://otlp-gateway-prod-eu-west-2.grafana.net/otlp/v1/logs"),
])
def test_votes_go_where_the_service_takes_them(preset: str, url: str, place: str) -> None:
    assert destination_of(DestinationEntry(preset=preset, url=url)).urls["feedback"] == place


def test_each_form_has_a_body_and_each_row_its_page() -> None:
    places = {preset.feedback for preset in PRESETS.values()}
    assert {place.form for place in places} == set(BODIES)
    for place in places:
        assert place.docs.startswith("https://")
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", place.read)


@pytest.mark.parametrize("change", [
    {"span_id": "xyz"}, {"name": "note"}, {"annotator_kind": "PERSON"}, {"result": {}},
    {"result": {"label": 1}}, {"identifier": ""}, {"extra": 1}])
def test_phoenix_as_the_tests_have_it_refuses_another_body(change: Any, tmp_path: Path) -> None:
    good = phoenix(VOTE)["data"][0]
    assert DEMANDS["phoenix"].votes({"data": [good]}) == ""
    assert DEMANDS["phoenix"].votes({"data": [{**good, **change}]})


@pytest.mark.parametrize(("name", "make", "change"), [
    ("langfuse", langfuse, {"value": 2}), ("langfuse", langfuse, {"traceId": "TRACE"}),
    ("langfuse", langfuse, {"timestamp": "2026-11-30T00:00:00"}),
    ("langsmith", langsmith, {"run_id": SPAN.hex()}), ("langsmith", langsmith, {"vote": "up"}),
    ("langsmith", langsmith, {"feedback_source": {"type": "user"}})])
def test_other_services_as_the_tests_have_them_refuse_another_body(
        name: str, make: Any, change: Any) -> None:
    assert DEMANDS[name].votes(make(VOTE)) == ""
    assert DEMANDS[name].votes({**make(VOTE), **change})


@pytest.mark.parametrize("change", [
    {"span_id": SPAN.hex()}, {"join_on": {}}, {"trace_id": "1"}, {"tags": []}, {"submitter": {}},
    {"metric_type": "score"}, {"label": "user feedback"}, {"assessment": "bad"}])
def test_datadog_as_the_tests_have_it_refuses_another_body(change: Any) -> None:
    body = datadog(VOTE)
    assert DEMANDS["datadog"].votes(body) == ""
    body["data"]["attributes"]["metrics"][0].update(change)
    assert DEMANDS["datadog"].votes(body)


def test_what_waits_is_read_as_it_was_written() -> None:
    assert waiting_vote(vote_body(VOTE)) == VOTE


def cast_by(sending: Sending, kind: str, **fields: Any) -> None:
    """Have the ledger take a vote, as the feedback door does."""
    sending.commit(votes=[Casting(Vote(kind, os.urandom(8).hex(), **fields))])


def settled(sending: Sending) -> None:
    sending.passed += 20
    sending.ledger.settle_due()


def test_a_vote_goes_out_when_its_call_has_come_and_a_changed_one_writes_over_it(
        tmp_path: Path) -> None:
    asked = call(TRACE, SPAN, response_id="chatcmpl-1")
    with receiving(DEMANDS["phoenix"]) as (receiver, port), sending_in(
            tmp_path, phoenix=entry_of("phoenix", port, tmp_path)) as sending:
        cast_by(sending, "thumbs_up", response_id="chatcmpl-1", user="ada", explanation="right")
        settled(sending)
        sending.turn()
        assert receiver.taken == []
        sending.commit(asked)
        settled(sending)
        cast_by(sending, "thumbs_down", response_id="chatcmpl-1", user="ada")
        cast_by(sending, "thumbs_down", response_id="chatcmpl-1", user="grace")
        cast_by(sending, "copy", trace_id=TRACE, user="ada")
        settled(sending)
        sending.turn()

        assert receiver.refused == []
        sent = [body["data"][0] for body in bodies_of(receiver)]
        assert {one["span_id"] for one in sent} == {SPAN.hex()}
        assert [(one["name"], one["result"]["label"]) for one in sent] == [
            ("user_feedback", "thumbs_up"), ("user_feedback", "thumbs_down"),
            ("user_feedback", "thumbs_down"), ("copy", "copy")]
        assert sent[0]["result"]["explanation"] == "right"
        assert sent[0]["identifier"] == sent[1]["identifier"]
        assert len({one["identifier"] for one in sent}) == 3
        assert "'ada'" not in str(sent)


def test_a_vote_that_came_as_an_event_goes_out_as_one_that_was_posted(tmp_path: Path) -> None:
    fact = Feedback(TRACE, bytes(8), SPAN, kind="thumbs_down", id="event-1", explanation="no")
    with receiving(DEMANDS["phoenix"]) as (phoenix_receiver, port), receiving(
            DEMANDS["otlp"]) as (logs, other), sending_in(
            tmp_path, phoenix=entry_of("phoenix", port, tmp_path),
            otlp=entry_of("otlp", other, tmp_path)) as sending:
        sending.commit(call(TRACE, SPAN), fact)
        settled(sending)
        sending.commit(fact)  # the same once more
        settled(sending)
        sending.turn()

        (one,) = bodies_of(phoenix_receiver)
        assert one["data"][0]["span_id"] == SPAN.hex()
        assert one["data"][0]["result"] == {
            "label": "thumbs_down", "score": 0.0, "explanation": "no"}
        assert logs.taken == []

"""Bodies without what was said, and without who said it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from inferometer.facts import Fact, ModelCall
from inferometer.sinks.encoding import (
    CONTENT_TYPES,
    LOGS,
    METRICS,
    SIGNALS,
    TRACES,
    NotOtlpError,
    body_of,
    encoding_of,
    message_of,
)
from inferometer.sinks.redaction import CONTENT, CONTENT_AND_USERS, LEVELS, NONE, redacted
from inferometer.spans.decoded import JSON, PROTOBUF
from inferometer.spans.normalise import facts_of
from inferometer.spans.otlp import decode_traces
from tests.exporter.sinks.captured import SentBody, bodies
from tests.exporter.sinks.planting import (
    CONTENT_KEYS,
    MARK,
    USER_KEYS,
    numbered,
    plant_attributes,
    plant_where_said,
)
from tests.exporter.spans.otlp_strategies import captured, mistaken, odd_bodies

AS_PROTOBUF, AS_JSON = CONTENT_TYPES[PROTOBUF], CONTENT_TYPES[JSON]
BY_FOLDER: dict[str, list[SentBody]] = defaultdict(list)
for each_body in bodies():
    BY_FOLDER[each_body.name.partition("/")[0]].append(each_body)
PLANTED = 1000


def holders(message: Any, signal: str) -> Iterator[Any]:
    """What has attributes about a call: spans, their events and links, records, scopes."""
    for resource in getattr(message, f"resource_{_ROOTS[signal]}"):
        for scope in getattr(resource, f"scope_{_ROOTS[signal]}"):
            yield scope.scope
            if signal == TRACES:
                for span in scope.spans:
                    yield span
                    yield from span.events
                    yield from span.links
            elif signal == LOGS:
                yield from scope.log_records


_ROOTS = {TRACES: "spans", LOGS: "logs", METRICS: "metrics"}


def resources(message: Any, signal: str) -> list[Any]:
    return [one.resource for one in getattr(message, f"resource_{_ROOTS[signal]}")]


def pairs(attributes: Any) -> dict[str, AnyValue]:
    return {pair.key: pair.value for pair in attributes}


@pytest.mark.parametrize(("level", "encoding"), [(CONTENT, PROTOBUF), (CONTENT_AND_USERS, JSON)])
@pytest.mark.parametrize("folder", sorted(BY_FOLDER))
def test_none_of_a_thousand_planted_texts_is_in_a_redacted_body(
        folder: str, level: str, encoding: str) -> None:
    text = numbered()
    keys = CONTENT_KEYS + (USER_KEYS if level == CONTENT_AND_USERS else [])
    of_body, total = -(-PLANTED // len(BY_FOLDER[folder])), 0
    for sent in BY_FOLDER[folder]:
        message = message_of(sent.body, sent.content_type, sent.signal)
        plant_where_said(message, text)
        places = list(holders(message, sent.signal))
        plant_attributes(places, keys, of_body, text)
        plant_attributes(resources(message, sent.signal), CONTENT_KEYS[:60], 60, text)
        if sent.signal == TRACES:
            for span in (place for place in places if hasattr(place, "span_id")):
                if hasattr(span, "status"):
                    span.status.message = f"Error code: 429 - {text()}"
        if sent.signal == LOGS:
            for record in (place for place in places if hasattr(place, "body")):
                record.body.string_value = text()
        planted = body_of(message, encoding)
        total += planted.count(MARK.encode())

        made = redacted(planted, CONTENT_TYPES[encoding], sent.signal, level)

        assert MARK.encode() not in made, made[made.index(MARK.encode()) - 80:][:160]
        assert message_of(made, CONTENT_TYPES[encoding], sent.signal)
    assert total >= PLANTED  # else the test is of nothing


def test_words_that_were_said_are_found_in_most_captured_conventions() -> None:
    with_words = {folder for folder, sent_bodies in BY_FOLDER.items() for sent in sent_bodies
             if plant_where_said(message_of(sent.body, sent.content_type, sent.signal), numbered())}

    assert len(with_words) > len(BY_FOLDER) * 0.7  # the others leave content out


@pytest.mark.parametrize("folder", sorted(BY_FOLDER))
def test_a_redacted_body_has_the_same_calls_models_tokens_and_times(folder: str) -> None:
    kept = ("trace_id", "span_id", "parent_id", "start", "end", "operation", "provider",
            "request_model", "response_model", "streamed", "time_to_first_token",
            "prompt_name", "prompt_version", "service", "conversation")
    for sent in (sent for sent in BY_FOLDER[folder] if sent.signal == TRACES):
        before = calls(sent.body, sent.content_type)
        after = calls(redacted(sent.body, sent.content_type, TRACES, CONTENT), sent.content_type)

        assert len(before) == len(after)
        for one, other in zip(before, after, strict=True):
            for name in kept:
                if hasattr(one, name):
                    assert getattr(one, name) == getattr(other, name), name
            assert (one.usage.input, one.usage.output) == (other.usage.input, other.usage.output)


def calls(body: bytes, content_type: str) -> list[ModelCall]:
    facts: list[Fact | None] = [
        facts_of(span) for span in decode_traces(body, encoding_of(content_type)).spans]
    return [fact for fact in facts if isinstance(fact, ModelCall)]


def span_with(*attributes: tuple[str, AnyValue], **fields: Any) -> Any:
    """A request with one span."""
    request = message_of(b"", AS_PROTOBUF, TRACES)
    span = request.resource_spans.add().scope_spans.add().spans.add(
        trace_id=b"\1" * 16, span_id=b"\1" * 8, **fields)
    span.attributes.extend(KeyValue(key=key, value=value) for key, value in attributes)
    return request


def redacted_span(request: Message, level: str = CONTENT) -> Any:
    made = redacted(request.SerializeToString(), AS_PROTOBUF, TRACES, level)
    return message_of(made, AS_PROTOBUF, TRACES).resource_spans[0].scope_spans[0].spans[0]


def string(text: str) -> AnyValue:
    return AnyValue(string_value=text)


def vector(*numbers: float) -> AnyValue:
    value = AnyValue()
    value.array_value.values.extend(AnyValue(double_value=number) for number in numbers)
    return value


def test_names_ids_numbers_and_the_status_stay() -> None:
    span = redacted_span(span_with(
        ("gen_ai.request.model", string("gpt-4o")), ("gen_ai.response.id", string("resp_1")),
        ("gen_ai.usage.input_tokens", AnyValue(int_value=7)),
        ("unknown.number", AnyValue(double_value=0.5)),
        ("unknown.truth", AnyValue(bool_value=False)),
        ("error.type", string("RateLimitError")), ("http.route", string("/v1/chat")),
        ("user.id", string("u1")),
        name="chat gpt-4o", kind=3, start_time_unix_nano=1, end_time_unix_nano=2,
        status={"code": 2, "message": "the prompt was: hi"}))

    assert (span.name, span.kind, span.start_time_unix_nano, span.end_time_unix_nano) == (
        "chat gpt-4o", 3, 1, 2)
    assert (span.status.code, span.status.message) == (2, "")
    assert sorted(pairs(span.attributes)) == [
        "error.type", "gen_ai.request.model", "gen_ai.response.id", "gen_ai.usage.input_tokens",
        "http.route", "unknown.number", "unknown.truth", "user.id"]
    assert span.dropped_attributes_count == 0


def test_vectors_go_and_what_went_is_counted() -> None:
    request = span_with(
        ("embedding.embeddings.0.embedding.vector", vector(0.25, 0.5)),
        ("unknown.vector", vector(0.125)), ("gen_ai.tool.call.result", AnyValue(int_value=42)),
        ("gen_ai.request.model", string("m")), dropped_attributes_count=2)

    span = redacted_span(request)

    assert list(pairs(span.attributes)) == ["gen_ai.request.model"]
    assert span.dropped_attributes_count == 5


def test_the_query_and_the_password_of_an_address_go_and_with_users_all_of_it() -> None:
    request = span_with(("url.full", string("https://me:secret@api.example/v1/chat?q=hi#there")),
                        ("http.target", string("/users/7/chat?q=hi")))

    assert {key: value.string_value for key, value in pairs(
        redacted_span(request).attributes).items()} == {
            "url.full": "https://api.example/v1/chat", "http.target": "/users/7/chat"}
    assert not redacted_span(request, CONTENT_AND_USERS).attributes


def test_a_document_is_cut_down_to_what_a_table_reads_in_it() -> None:
    span = redacted_span(span_with(
        ("llm.invocation_parameters", string(
            '{"model": "gpt-4o", "user": "u1", "stop": ["hi"], "stream": true}')),
        ("mlflow.spanOutputs", string('{"id": "hi", "usage": {"prompt_tokens": 7}, "text": 1}')),
        ("haystack.component.output", string('{"replies": [{"text": "hi"}]}')),
        ("llm.openai.usage", string("{'prompt_tokens': 120, 'note': 'hi'}"))))

    assert {key: json.loads(value.string_value) for key, value in pairs(
        span.attributes).items()} == {
            "llm.invocation_parameters": {"model": "gpt-4o", "stream": True},
            "mlflow.spanOutputs": {"usage": {"prompt_tokens": 7}},
            "llm.openai.usage": {"prompt_tokens": 120}}


def test_a_known_name_with_more_than_a_name_in_it_goes() -> None:
    span = redacted_span(span_with(
        ("gen_ai.response.id", string("x" * 513)), ("gen_ai.agent.name", string("y" * 512)),
        ("gen_ai.request.model", AnyValue(bytes_value=b"hi"))))

    assert list(pairs(span.attributes)) == ["gen_ai.agent.name"]


def test_fields_that_are_newer_than_the_definitions_go() -> None:
    body = span_with(name="a").SerializeToString()
    newer = b"\xfa\x7f\x05said!"  # field 2047, five bytes

    assert newer not in redacted(body + newer, AS_PROTOBUF, TRACES, CONTENT)
    as_json = b'{"resourceSpans": [], "newer": "said!"}'
    assert b"said!" not in redacted(as_json, AS_JSON, TRACES, CONTENT)


def test_with_users_go_their_ids_as_numbers_and_their_e_mail_addresses() -> None:
    request = span_with(
        ("user.id", AnyValue(int_value=7)), ("app.customerId", AnyValue(int_value=7)),
        ("session_id", AnyValue(int_value=7)), ("gen_ai.agent.name", string("jo@example.org")),
        ("thread.id", AnyValue(int_value=7)), ("gen_ai.request.model", string("m@1")))

    assert list(pairs(redacted_span(request, CONTENT_AND_USERS).attributes)) == [
        "thread.id", "gen_ai.request.model"]
    assert len(redacted_span(request).attributes) == 6


def test_what_says_who_sent_it_stays_but_for_command_lines() -> None:
    request = span_with(name="a")
    request.resource_spans[0].resource.attributes.extend(
        KeyValue(key=key, value=string(text)) for key, text in (
            ("service.name", "chatbot"), ("team", "search"), ("openinference.project.name", "p"),
            ("process.command_line", "python app.py --prompt hi"),
            ("gen_ai.unknown", "hi"), ("long", "x" * 600)))

    made = redacted(request.SerializeToString(), AS_PROTOBUF, TRACES, CONTENT_AND_USERS)

    resource = message_of(made, AS_PROTOBUF, TRACES).resource_spans[0].resource
    assert list(pairs(resource.attributes)) == [
        "service.name", "team", "openinference.project.name"]
    assert resource.dropped_attributes_count == 3


def test_points_of_a_metric_stay_apart_though_their_users_go() -> None:
    request = message_of(b"", AS_PROTOBUF, METRICS)
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="tokens")
    for user in ("ann", "bob", "ann"):
        point = metric.sum.data_points.add(as_int=1)
        point.attributes.append(KeyValue(key="user.id", value=string(user)))
        point.attributes.append(KeyValue(key="gen_ai.request.model", value=string("m")))
        point.exemplars.add().filtered_attributes.append(
            KeyValue(key="gen_ai.prompt", value=string("hi")))

    made = message_of(redacted(request.SerializeToString(), AS_PROTOBUF, METRICS,
                               CONTENT_AND_USERS), AS_PROTOBUF, METRICS)

    points = made.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points
    users = [pairs(point.attributes)["user.id"].string_value for point in points]
    assert users[0] == users[2] != users[1]
    assert not {"ann", "bob"} & set(users)
    assert all(pairs(point.attributes)["gen_ai.request.model"].string_value == "m"
               and not point.exemplars[0].filtered_attributes for point in points)


@pytest.mark.parametrize("sent", [sent for sent in bodies() if sent.signal != METRICS],
                         ids=lambda sent: sent.name)
def test_a_redacted_body_has_as_many_items_and_redacting_it_again_changes_nothing(
        sent: SentBody) -> None:
    made = redacted(sent.body, sent.content_type, sent.signal, CONTENT_AND_USERS)

    before, after = (message_of(body, sent.content_type, sent.signal) for body in (sent.body, made))
    assert len(list(holders(before, sent.signal))) == len(list(holders(after, sent.signal)))
    assert redacted(made, sent.content_type, sent.signal, CONTENT_AND_USERS) == made


@settings(max_examples=50, deadline=None, database=None)
@given(odd_bodies())
def test_an_odd_body_is_redacted_or_refused_and_nothing_else(body: bytes) -> None:
    with suppress(NotOtlpError):
        made = redacted(body, AS_JSON, TRACES, CONTENT_AND_USERS)
        assert redacted(made, AS_JSON, TRACES, CONTENT_AND_USERS) == made


def test_a_body_with_mistakes_is_redacted_or_refused_and_nothing_else() -> None:
    dice = Random(20261130)
    for body, encoding in captured():
        for _ in range(3):
            with suppress(NotOtlpError):
                redacted(mistaken(body, dice), CONTENT_TYPES[encoding], TRACES, CONTENT)


@pytest.mark.parametrize("signal", SIGNALS)
def test_without_redaction_not_a_byte_is_touched(signal: str) -> None:
    assert redacted(b"\xff", AS_PROTOBUF, signal, NONE) == b"\xff"


def test_a_level_that_is_none_and_a_body_that_is_none_are_refused() -> None:
    assert LEVELS == (NONE, CONTENT, CONTENT_AND_USERS)
    with pytest.raises(ValueError, match="some is no level of redaction"):
        redacted(b"", AS_PROTOBUF, TRACES, "some")
    with pytest.raises(NotOtlpError):
        redacted(b"\xff", AS_PROTOBUF, TRACES, CONTENT)

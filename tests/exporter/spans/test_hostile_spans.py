"""Whatever a body has, reading it refuses it, leaves spans out, or gives facts that can be kept."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.facts import Fact, Rerank, Usage
from inferometer.spans.flavours.reading import numbered, text
from inferometer.spans.log_events import facts_of_log
from inferometer.spans.normalise import facts_of
from inferometer.spans.once import settle
from inferometer.spans.otlp import Refused, decode_logs, decode_traces
from inferometer.spans.reader import Wishes
from inferometer.spans.span import Event, Kind, LogRecord, Resource, Scope, Span, Status
from tests.exporter.spans import otlp_strategies as odd
from tests.exporter.spans.test_otlp import NOW, as_json, span

quick = settings(max_examples=150, deadline=None, derandomize=True, database=None)
MISTAKES = 12  # of each captured body
WISHES = Wishes(content=True, user_attributes=("user.id",))


def check_facts(facts: Iterable[Fact]) -> None:
    """Fail unless each can be written down, and has no more tokens than numbers may have."""
    for fact in facts:
        repr(fact).encode()
        for field in fields(fact):
            value = getattr(fact, field.name)
            if isinstance(value, str):
                value.encode()
            elif isinstance(value, Usage):
                for part in ("input", "cached", "cache_write", "output", "reasoning"):
                    tokens = getattr(value, part)
                    assert tokens is None or (type(tokens) is int and 0 <= tokens < 2**53)
            elif isinstance(value, Mapping):
                for part in value.values():
                    part.encode()
            elif isinstance(value, tuple):
                for part in value:
                    part.encode()
        assert 0 <= fact.start <= fact.end < 2**63


def facts_in(body: bytes, encoding: str) -> Sequence[Fact]:
    """The facts of a body that may be broken; none where it is refused."""
    facts: list[Fact] = []
    try:
        for read in decode_traces(body, encoding, content=True).spans:
            if (fact := facts_of(read, WISHES)) is not None:
                facts.append(fact)
    except Refused:
        return facts
    return facts


@quick
@given(odd.odd_bodies())
def test_a_body_with_anything_in_it_gives_facts_that_can_be_kept(body: bytes) -> None:
    facts = facts_in(body, "json")
    check_facts(facts)
    by_trace: dict[bytes, list[Fact]] = {}
    for fact in facts:
        by_trace.setdefault(fact.trace_id, []).append(fact)
    for same in by_trace.values():
        rows = settle(same, {}).rows
        assert sum(row.calls or 0 for row in rows) <= len({fact.span_id for fact in same})


@quick
@given(st.sampled_from(odd.SCOPES), st.dictionaries(odd.keys, odd.anything, max_size=8),
       st.sampled_from(odd.EVENTS), st.dictionaries(odd.keys, odd.anything, max_size=3))
def test_a_table_makes_a_fact_or_none_of_any_value_at_any_key(
        scope: str, attributes: dict[str, Any], event: str, more: dict[str, Any]) -> None:
    read = Span(b"1" * 16, b"2" * 8, b"", "chat", Kind.CLIENT, NOW, NOW + 10**9, Status.ERROR, "",
                attributes, (Event(event, NOW + 1, more),), Resource({}), Scope(scope))
    try:
        fact = facts_of(read, Wishes())
    except Exception as error:
        raise AssertionError(f"{scope} {attributes} {event} {more}") from error
    assert fact is None or fact.span_id == b"2" * 8
    if fact is not None:
        usage = getattr(fact, "usage", None) or Usage()
        for part in ("input", "cached", "cache_write", "output", "reasoning"):
            tokens = getattr(usage, part)
            assert tokens is None or (type(tokens) is int and 0 <= tokens < 2**53)


@quick
@given(st.dictionaries(st.sampled_from((
    "gen_ai.evaluation.name", "gen_ai.evaluation.score.label", "gen_ai.evaluation.score.value",
    "gen_ai.response.id", "error.type")), odd.anything), st.integers(0, 2**64 - 1))
def test_an_evaluation_of_any_values_is_a_fact_or_none(attributes: dict[str, Any],
                                                       time: int) -> None:
    record = LogRecord(b"1" * 16, b"2" * 8, "gen_ai.evaluation.result", time, attributes, None,
                       Resource({}), Scope())
    fact = facts_of_log(record)
    assert fact is None or 0 <= fact.start <= fact.end < 2**63


@pytest.mark.parametrize("decode", [decode_traces, decode_logs])
def test_captured_bodies_with_mistakes_are_refused_or_cost_what_is_broken(decode: Any) -> None:
    dice = random.Random(1)
    for body, encoding in odd.captured():
        for _ in range(MISTAKES):
            made = odd.mistaken(body, dice)
            if decode is decode_traces:
                check_facts(facts_in(made, encoding))
                continue
            with suppress(Refused):
                for record in decode(made, encoding).spans:
                    facts_of_log(record)


def read_with(attributes: Mapping[str, Any], **fields: Any) -> Sequence[Fact]:
    """The facts of a call with these attributes, each an AnyValue in JSON, and one beside it."""
    pairs = [{"key": key, "value": value} for key, value in (
        {"gen_ai.operation.name": {"stringValue": "chat"}} | dict(attributes)).items()]
    return facts_in(as_json(span(attributes=pairs, **fields), span(spanId="1" * 16)), "json")


@pytest.mark.parametrize("name", ["²", "٤٢٩", "\ud800"])
def test_an_error_whose_name_is_digits_of_another_script_is_an_error(name: str) -> None:
    assert len(read_with({"error.type": {"stringValue": name}})) == 2


@pytest.mark.parametrize(("key", "value"), [
    ("gen_ai.response.time_to_first_chunk", {"intValue": "9" * 400}),
    ("gen_ai.usage.input_tokens", {"intValue": 2**64}),
    ("gen_ai.response.finish_reasons", {"kvlistValue": {"values": [{"key": 7}]}}),
])
def test_a_value_that_protobuf_could_not_have_costs_its_own_span(key: str, value: Any) -> None:
    assert [fact.span_id for fact in read_with({key: value})] == [b"\x11" * 8]


def test_a_map_with_a_value_that_has_no_key_is_read() -> None:
    value = {"kvlistValue": {"values": [{"value": {"stringValue": "stop"}}]}}
    assert len(read_with({"gen_ai.response.finish_reasons": value})) == 2


def test_an_event_at_a_time_that_no_clock_has_costs_its_own_span() -> None:
    event = {"name": "gen_ai.content.completion.chunk", "timeUnixNano": str(10**400)}
    assert len(read_with({}, events=[event])) == 1


@pytest.mark.parametrize("model", ["\ud800", "a\udfff", "\udc00\ud800"])
def test_half_a_character_becomes_a_question_mark(model: str) -> None:
    facts = read_with({"gen_ai.request.model": {"stringValue": model},
                       "user.id": {"stringValue": model}})
    check_facts(facts)
    assert facts[0].user == "".join("?" if char > "\ud7ff" else char for char in model)


def test_half_a_character_within_a_document_becomes_a_question_mark() -> None:
    orders = [json.dumps([{"id": name}, {"id": "\U0001f600"}]) for name in ("\ud800", "?")]
    facts = facts_in(as_json(span(attributes=[
        {"key": f"inferometer.rerank.{place}", "value": {"stringValue": order}}
        for place, order in zip(("before", "after"), orders, strict=True)])), "json")
    assert isinstance(facts[0], Rerank)
    assert (facts[0].documents, facts[0].disagreement, facts[0].top_changed) == (2, 0.0, False)


@pytest.mark.parametrize("seconds", [1e307, 10**12])
def test_a_duration_longer_than_any_span_leaves_the_times_as_they_are(seconds: float) -> None:
    fact = facts_of(Span(
        b"1" * 16, b"2" * 8, b"", "chat m", Kind.CLIENT, NOW, NOW, Status.UNSET, "",
        {"duration": seconds, "gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}, (),
        Resource({}), Scope("logfire.openai")))
    assert fact is not None
    assert (fact.start, fact.end) == (NOW, NOW)


def test_an_evaluation_of_no_possible_time_has_none() -> None:
    fact = facts_of_log(LogRecord(
        b"1" * 16, b"2" * 8, "gen_ai.evaluation.result", 2**64 - 1, {
            "gen_ai.evaluation.name": "e", "gen_ai.evaluation.score.value": 10**400}, None,
        Resource({}), Scope()))
    assert fact is not None
    assert (fact.start, getattr(fact, "score", 1)) == (0, None)


def test_lists_that_nest_deeper_than_calls_may_have_their_innermost_text() -> None:
    nested: Any = "x"
    for _ in range(5000):
        nested = [nested]
    assert text(nested) == "x"


def test_an_index_of_thousands_of_digits_is_no_documents_number() -> None:
    assert numbered({"d." + "9" * 5000 + ".id": "a", "d.0.id": "b"}, "d.") == [{"id": "b"}]

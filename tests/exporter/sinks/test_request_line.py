"""A line has what the table of fields says, what is known alone, and nothing of what was said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.facts import ModelCall
from inferometer.sinks.request_line import (
    DATASET,
    FIELDS,
    LONGEST,
    SettledCall,
    fields_of,
    line_of,
)

SECOND = 10**9
BEGIN = 1_700_000_000 * SECOND
TYPES = {"keyword": str, "match_only_text": str, "date": str, "long": int, "double": float,
         "boolean": bool}
CALL = ModelCall(
    trace_id=bytes(range(16)), span_id=bytes(range(8)), service_name="shop", scope="openai",
    name="chat gpt-4o", start=BEGIN, end=BEGIN + 2 * SECOND, operation="chat", provider="openai",
    request_model="gpt-4o", response_model="gpt-4o-2024-08-06", streamed=True,
    finish_reason="stop", tries=2, response_id="chatcmpl-1", request_id="req-1",
    prompt_name="greet", prompt_version="3", server_address="api.openai.com",
    service_tier="default", content={"prompt": "a secret"}, user="ann", conversation="talk")
SETTLED = SettledCall(
    CALL, BEGIN + 3 * SECOND, "0123456789abcdef0123", "3210fedcba9876543210", "success", "", 1, 1,
    "known", 100, 40, 5, 20, 7, 2 * SECOND, SECOND // 4, 10**6, 2 * 10**6, 3 * 10**6, "hosted",
    1_500_000, 0, 1)
BARE = SETTLED._replace(
    call=ModelCall(trace_id=bytes(16), span_id=bytes(8)), user=None, conversation=None,
    usage="missing", duration=None, first_token=None, queue=None, prefill=None, decode=None,
    priced="", cost=None)


def flat(line: Mapping[str, Any], above: str = "") -> dict[str, object]:
    """The fields of a line by their dotted names."""
    fields: dict[str, object] = {}
    for name, value in line.items():
        fields |= flat(value, f"{above}{name}.") if isinstance(value, dict) else {
            f"{above}{name}": value}
    return fields


def test_a_full_call_has_every_field_but_the_one_of_failures_and_each_is_of_its_type() -> None:
    fields = flat(json.loads(line_of(SETTLED)))
    assert [*fields_of(SETTLED)] == [
        field.name for field in FIELDS if field.name != "error.type"]
    assert fields == fields_of(SETTLED)
    for field in FIELDS:
        values = fields.get(field.name, [])
        for value in values if isinstance(values, list) else [values]:
            assert type(value) is TYPES[field.type], field.name


def test_what_a_line_says_of_a_call() -> None:
    fields = fields_of(SETTLED)
    assert fields["@timestamp"] == "2023-11-14T22:13:22.000Z"
    assert fields["event.created"] == "2023-11-14T22:13:23.000Z"
    assert fields["event.id"] == "000102030405060708090a0b0c0d0e0f-0001020304050607"
    assert fields["event.dataset"] == DATASET
    assert fields["event.duration"] == 2 * SECOND
    assert fields["http.request.id"] == "req-1"
    assert fields["llm.cost.usd"] == 0.0015
    assert fields["llm.ttft_ms"] == 250.0
    assert fields["gen_ai.response.finish_reasons"] == ["stop"]
    assert fields["message"] == "chat gpt-4o-2024-08-06: success in 2.000 s"


def test_nothing_that_was_said_and_no_name_of_a_user_is_in_a_line() -> None:
    line = line_of(SETTLED)
    for name in (b"a secret", b"ann", b"talk"):
        assert name not in line


def test_what_is_not_known_is_left_out() -> None:
    fields = fields_of(BARE)
    assert fields["@timestamp"] == fields["event.created"]  # no other moment is known
    assert fields["message"] == "call: success"
    for name in ("event.start", "event.duration", "user.hash", "service.name", "llm.cost.usd",
                 "gen_ai.usage.input_tokens", "llm.streamed", "llm.ttft_ms"):
        assert name not in fields


@pytest.mark.parametrize(("outcome", "expected", "level", "types"), [
    ("success", "success", "info", ["access"]),
    ("error", "failure", "error", ["access", "error"]),
    ("rejected", "failure", "error", ["access", "error"]),
    ("invalid", "failure", "warn", ["access", "error"]),
    ("abort", "unknown", "warn", ["access"]),
])
def test_how_a_call_ended_in_the_words_of_ecs(outcome: str, expected: str, level: str,
                                              types: list[str]) -> None:
    fields = fields_of(SETTLED._replace(outcome=outcome, error_type="timeout"))
    assert fields["event.outcome"] == expected
    assert fields["log.level"] == level
    assert fields["event.type"] == types
    assert fields["llm.outcome"] == outcome
    assert fields["error.type"] == "timeout"


@pytest.mark.parametrize("one", [SETTLED._replace(billed=0), SETTLED._replace(usage="estimated")])
def test_tokens_that_add_to_no_sum_are_in_no_line(one: SettledCall) -> None:
    assert not any(name.startswith("gen_ai.usage.") for name in fields_of(one))


def test_no_name_is_the_beginning_of_another_one() -> None:
    """Else a line could not be nested, and no index could have both."""
    names = [field.name for field in FIELDS]
    assert len({*names}) == len(names)
    assert [(one, other) for one in names for other in names if other.startswith(f"{one}.")] == []


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_categories=())), st.integers(-2**70, 2**70))
def test_whatever_a_sender_writes_a_line_is_one_bounded_line_of_json(text: str, moment: int
                                                                     ) -> None:
    call = ModelCall(
        trace_id=bytes(16), span_id=bytes(8), service_name=text * 3000, operation=text,
        request_model=text, request_id=text, finish_reason=text, start=moment, end=moment)
    line = line_of(SETTLED._replace(call=call))
    assert line.count(b"\n") == 1
    assert line.isascii()
    for value in flat(json.loads(line)).values():
        for one in value if isinstance(value, list) else [value]:
            assert not isinstance(one, str) or len(one) <= LONGEST
            assert not isinstance(one, str) or one.encode("utf-8")  # no half of a pair

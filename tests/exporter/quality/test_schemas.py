"""Schemas from outside: decided where they can be, and never a stall, a fetch or a crash."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest

from inferometer.quality import schemas
from inferometer.quality.patterns import is_quick
from inferometer.quality.schemas import SchemaBudget, fits

PERSON = {"type": "object", "required": ["name"], "additionalProperties": False,
          "properties": {"name": {"type": "string", "minLength": 1}, "age": {"type": "integer"},
                         "mail": {"type": "string", "pattern": "^[^@]+@[^@]+$"}}}


def deep(levels: int) -> dict[str, Any]:
    """A schema whose alternatives double at each level."""
    return {"$defs": {f"l{level}": {"allOf": [{"$ref": f"#/$defs/l{level + 1}"}] * 2}
                      for level in range(levels)} | {f"l{levels}": {"type": "string"}},
            "$ref": "#/$defs/l0"}


@pytest.mark.parametrize(("schema", "value", "verdict"), [
    (PERSON, {"name": "Ada"}, True),
    (PERSON, {"name": "Ada", "age": 36, "mail": "ada@example.org"}, True),
    (PERSON, {"name": ""}, False),
    (PERSON, {}, False),
    (PERSON, {"name": "Ada", "age": "36"}, False),
    (PERSON, {"name": "Ada", "more": 1}, False),
    (PERSON, {"name": "Ada", "mail": "nowhere"}, False),
    ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "number"}}}, 1.5, True),
    ({"$ref": "#/definitions/n", "definitions": {"n": {"type": "number"}}}, "1", False),
    ({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}],
      "additionalItems": False}, ["a", 1], False),
    ({"$schema": "http://json-schema.org/draft-04/schema#", "maximum": 5,
      "exclusiveMaximum": True}, 5, False),
    ({"anyOf": [{"type": "null"}, {"enum": ["a", "b"]}]}, "c", False),
    ({"type": "string", "format": "email"}, "no address", True),
    ({"patternProperties": {"^x_": {"type": "integer"}}}, {"x_1": "one"}, False),
    ({"uniqueItems": True}, [1, 1], False),
    ({}, [], True),
], ids=json.dumps)
def test_a_value_fits_its_schema_or_does_not(schema: object, value: object, verdict: bool) -> None:
    assert fits(schema, value, SchemaBudget()) is verdict


def long_list(size: int) -> list[Any]:
    return [{"a": number} for number in range(size)]


@pytest.mark.parametrize(("schema", "value"), [
    ({"$ref": "#"}, {}),
    ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, 1),
    ({"$ref": "http://127.0.0.1:9/schema.json"}, {}),
    ({"$ref": "file:///etc/passwd"}, {}),
    ({"$ref": "other.json"}, {}),
    ({"$id": "http://127.0.0.1:9/", "$ref": "#/nowhere"}, {}),
    ({"properties": {"a": {"$schema": "http://json-schema.org/draft-07/schema#",
                           "pattern": "(a+)+$"}}}, {"a": "a" * 40 + "!"}),
    (deep(64), "a"),
    ({"type": 5}, {}),
    ({"properties": 5}, {}),
    ({"enum": 5}, {}),
    ({"multipleOf": 0}, 1),
    ({"minLength": "two"}, "a"),
    ({"uniqueItems": True}, long_list(5000)),
    ({"patternProperties": {"(a+)+$": {}}}, {"a" * 40 + "!": 1}),
    ({"patternProperties": {str(number): {} for number in range(1000)}},
     {str(number): 1 for number in range(1000)}),
    ([], {}),
    (True, {}),
    ({"anyOf": [{"const": number} for number in range(10_000)]}, "a"),
    ({"items": {"anyOf": [*[{"type": "null"}] * 100, {}]}}, ["x" * 100] * 10_000),
], ids=lambda value: json.dumps(value)[:60])
def test_a_hostile_schema_decides_nothing_and_takes_no_time(
        schema: object, value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", _no_network)
    fits({"type": "object"}, {}, SchemaBudget())  # what is loaded once
    begin = time.thread_time()
    assert fits(schema, value, SchemaBudget()) is None
    assert time.thread_time() - begin < 20 * schemas.CPU_SECONDS


def _no_network(*_: object) -> None:
    raise AssertionError("a schema is to fetch nothing")


@pytest.mark.parametrize("pattern", [
    "(a+)+$", "(a*)*b", "(a|aa)+$", "(a|a)*$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*)(.*)(.*)x",
    r"(a+)\1", "a{1,60}a{1,60}a{1,60}", "(x+x+)+y", "(", "a" * 501, r"(?=(a+)+b)c"])
def test_a_pattern_that_may_take_long_is_not_tried(pattern: str) -> None:
    assert not is_quick(pattern)
    begin = time.thread_time()
    assert fits({"type": "string", "pattern": pattern}, "a" * 40 + "!", SchemaBudget()) is True
    assert time.thread_time() - begin < 1.0


@pytest.mark.parametrize("pattern", [
    "^[a-z]+$", r"^\d{4}-\d{2}-\d{2}$", "^[^@]+@[^@]+$", "^(red|green|blue)$", "^x_", "[0-9]{3}",
    "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"])
def test_a_usual_pattern_is_tried(pattern: str) -> None:
    assert is_quick(pattern)


def test_the_slowest_pattern_that_is_tried_ends_soon() -> None:
    begin = time.thread_time()
    fits({"pattern": "a*a*b"}, "a" * 128, SchemaBudget())
    assert time.thread_time() - begin < 1.0


def test_what_was_spent_is_left_to_nobody_else() -> None:
    ticks = iter(range(10**6))
    budget = SchemaBudget(seconds=5, clock=lambda: float(next(ticks)))
    assert fits({"items": {"type": "integer"}}, [1] * 20, budget) is None
    assert fits({"type": "integer"}, 1, budget) is None
    assert budget.spent > 5

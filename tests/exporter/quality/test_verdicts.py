"""What an answer comes to: what is known counts, and nothing else does."""

from __future__ import annotations

import json

import pytest

from inferometer.facts import ModelCall, Outcome
from inferometer.quality import verdicts
from inferometer.quality.refusals import is_refusal
from inferometer.quality.texts import is_cut
from inferometer.quality.verdicts import judged, verdict_of
from tests.exporter.ledger.making import call

MESSAGES = "gen_ai.output.messages"


def answering(text: str = "", asked: object = None, tools: list[object] | None = None,
         **fields: object) -> ModelCall:
    """A call that answered so, by OpenTelemetry's conventions."""
    parts: list[object] = [{"type": "text", "content": text}] if text else []
    content = {MESSAGES: json.dumps([{"role": "assistant", "parts": [*parts, *(tools or [])]}])}
    if asked is not None:
        content["gen_ai.output.type"] = "json"
        content["llm.invocation_parameters"] = json.dumps({"response_format": asked})
    return call(**{"content": content, **fields})  # type: ignore[arg-type]  # as call has it


def tool(arguments: object, name: str = "look_up") -> dict[str, object]:
    return {"type": "tool_call", "name": name, "arguments": arguments}


JSON = {"type": "json_object"}


@pytest.mark.parametrize(("text", "valid"), [
    ('{"a": 1}', True), ("```json\n{}\n```", True), ("```\n[1]\n```", True),
    ("```JSON {}```", True), ('"text"', True), ("{'a': 1}", False), ('{"a": NaN}', False),
    ('{"a": 1} and so on', False),
    ("Here it is: {}", False), ("{", False), ("[" * 100_000, None), ("1" * 5000, None)])
def test_an_answer_that_was_to_be_json_is_or_is_not(text: str, valid: bool | None) -> None:
    assert verdict_of(answering(text, JSON)).json_valid is valid


def test_of_an_answer_that_was_to_be_text_it_is_not_known() -> None:
    verdict = verdict_of(answering("It is Paris."))
    assert verdict.is_read
    assert verdict.json_valid is None


def test_a_text_whose_end_a_sender_may_have_cut_off_is_no_failure() -> None:
    text = '{"text": "' + "x" * 1014
    assert is_cut(text)
    for end, valid in (("", None), ("x", False)):
        assert verdict_of(call(content={
            "ai.response.text": text + end, "ai.operationId": "ai.generateObject.doGenerate",
        })).json_valid is valid


def test_a_document_that_was_cut_off_is_no_answer() -> None:
    complete = answering('{"a": 1}', JSON)
    cut = {**complete.content, MESSAGES: complete.content[MESSAGES][:-4]}
    assert verdict_of(call(content=cut)).json_valid is None


def test_a_call_that_failed_has_no_answer_to_be_read() -> None:
    verdict = verdict_of(answering("{", JSON, outcome=Outcome.ABORT))
    assert verdict.json_valid is None


def test_a_refusal_in_its_field_is_no_broken_json() -> None:
    message = {"choices": [{"message": {"content": None, "refusal": "I can't help with that."}}]}
    verdict = verdict_of(call(content={
        "output.value": json.dumps(message),
        "llm.invocation_parameters": json.dumps({"response_format": JSON})}))
    assert (verdict.refusal, verdict.refused, verdict.json_valid) == ("field", True, None)


def test_why_a_call_ended_goes_before_what_it_says() -> None:
    verdict = verdict_of(answering("I'm sorry, but I can't help with that.", refusal="provider"))
    assert verdict.refusal == "provider"


@pytest.mark.parametrize(("text", "refusal"), [
    ("I'm sorry, but I can't help with that.", True),
    ("  **I\u2019m sorry, but I can\u2019t help with that.**", True),
    ("I CANNOT ASSIST WITH this request.", True),
    ("They said: I'm sorry, but I can't help with that.", False),
    ("I can't help but admire it.", False),
    ("I'm sorry for the delay. It is Paris.", False), ("", False)])
def test_a_refusal_is_what_begins_as_one(text: str, refusal: bool) -> None:
    assert is_refusal(text) is refusal


@pytest.mark.parametrize(("arguments", "good"), [
    ({"a": 1}, True), ('{"a": 1}', True), ('"{\\"a\\": 1}"', True), ("", False), ("{", False),
    ({"a": "1"}, False), ({}, False), (None, False)])
def test_arguments_of_a_tool_are_held_against_what_it_declared(arguments: object, good: bool
                                                               ) -> None:
    definitions = json.dumps([{"name": "look_up", "parameters": {
        "type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}}])
    made = answering(tools=[tool(arguments)])
    verdict = verdict_of(call(content={**made.content, "gen_ai.tool.definitions": definitions}))
    assert (verdict.good_tools, verdict.bad_tools) == (
        (("look_up",), ()) if good else ((), ("look_up",)))


def test_arguments_of_a_tool_that_declares_nothing_are_to_be_json() -> None:
    verdict = verdict_of(answering(tools=[tool("{"), tool("{}", "other")]))
    assert (verdict.good_tools, verdict.bad_tools) == (("other",), ("look_up",))


def test_content_from_outside_never_breaks_it() -> None:
    for document in ("null", "5", "[]", "{}", '"', "[[[[]]]]", '{"choices": 5}',
                     '{"choices": [5]}', '{"content": {"type": "text"}}', "[" * 5000 + "]" * 5000,
                     '[{"role": "assistant", "parts": 5}]', '{"tool_calls": [5, {"function": 5}]}',
                     '{"generations": [[{"message": {"kwargs": 5}}]]}'):
        for name in (MESSAGES, "output.value", "gen_ai.completion", "mlflow.spanOutputs"):
            for asked in (document, '{"response_format": 5, "tools": 5}', '{"tools": [5, {}]}'):
                verdict_of(call(content={name: document, "llm.invocation_parameters": asked,
                                         "gen_ai.tool.definitions": asked}))


def test_the_schemas_of_a_body_have_a_bound_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "BODY_SECONDS", 0.0)
    schema = {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}
    made = judged([answering("{}", schema)])[0]
    assert isinstance(made, ModelCall)
    assert (made.json_valid, made.schema_valid) == (True, None)

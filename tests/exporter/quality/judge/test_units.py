"""What a judge is given of a call: its question, answer and sources, whoever sent it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.facts import Fact, ModelCall, Rerank, Retrieval, ToolCall
from inferometer.quality.judge.given import documents_in
from inferometer.quality.judge.interface import JudgeUnit
from inferometer.quality.judge.units import (
    CONTEXT,
    LONGEST_ANSWER,
    LONGEST_DOCUMENTS,
    LONGEST_QUESTION,
    MOST_DOCUMENTS,
    unit_of,
)
from inferometer.quality.stored import StoreTerms, stored
from inferometer.spans.flavours import content_names
from inferometer.spans.normalise import facts_of
from inferometer.spans.otlp import decode_traces
from inferometer.spans.reader import Wishes
from tests.exporter.quality.planting import SENDERS, Sender, planted
from tests.exporter.spans.bodies import bodies

TERMS = StoreTerms(65536)
ANSWER = "Ghent has 3 archives, as far as I can see; none is open on Monday."
QUESTIONS = ("Capital of France?", "hi", "NOTOOL Capital of France?")
WITHOUT_PROMPT = {"handwritten-genai-0.1.0"}  # its captured bodies have none
PARIS = ["Paris is the capital of France.", "Lyon is a city.", "Berlin is in Germany."]


def facts(body: bytes, encoding: str = "protobuf") -> Iterator[Fact]:
    for span in decode_traces(body, encoding, content=True, answers=True).spans:
        fact = facts_of(span, Wishes(content=True, answers=True))
        if fact is not None:
            yield fact


def kept(fact: Fact) -> Mapping[str, str]:
    return stored(fact.content, TERMS)


@pytest.mark.parametrize("sender", SENDERS, ids=lambda one: one.folder)
def test_each_sender_has_its_question_and_its_answer(sender: Sender) -> None:
    (call,) = [one for one in facts(planted(sender, "shop", ANSWER)) if isinstance(one, ModelCall)]
    unit = unit_of(kept(call))
    assert unit is not None
    assert unit.answer == ANSWER
    assert unit.documents == []
    assert not unit.answer_is_cut
    assert unit.question in QUESTIONS or sender.folder in WITHOUT_PROMPT
    assert bool(unit.question) != (sender.folder in WITHOUT_PROMPT)


@pytest.mark.parametrize(("folder", "kind", "texts"), [
    ("openinf-langgraph-0.1.80", Retrieval, PARIS), ("mlflow-3.17.2", Retrieval, PARIS),
    ("traceloop-langgraph-0.62.4", Retrieval, PARIS), ("mlflow-3.17.2", Rerank, PARIS[:2]),
    ("langsmith-0.15.1", Retrieval, ["a", "b"]),
    ("langgraph", ToolCall, ["18C and sunny"]), ("pydantic-ai-2.68.0", ToolCall, ["18C and sunny"]),
    ("vercel-ai-7.0.173-otel", ToolCall, ["18C"]), ("langfuse-5.0.4-nested", ToolCall, ["18C"])])
def test_documents_are_those_that_searches_and_tools_gave(
        folder: str, kind: type[Fact], texts: list[str]) -> None:
    folder = {"langgraph": "openinf-langgraph-0.1.80"}.get(folder, folder)
    steps = [one for body, encoding in bodies(folder) for one in facts(body, encoding)
             if isinstance(one, kind) and kept(one)]
    assert steps
    assert texts in [[*documents_in(kept(one)).texts] for one in steps]


@pytest.mark.parametrize("folder", ["official-genai-openai-1.3b0-content", "langfuse-5.0.4"])
def test_documents_without_their_texts_are_missing(folder: str) -> None:
    (step, *_) = [one for body, encoding in bodies(folder) for one in facts(body, encoding)
                  if isinstance(one, Retrieval) and kept(one)]
    assert documents_in(kept(step)) == ((), True)


def content(*messages: tuple[str, str], answer: str = "It is in Ghent.") -> dict[str, str]:
    """A call by OpenTelemetry's conventions."""
    return {"gen_ai.input.messages": json.dumps([
        {"role": role, "parts": [{"type": "text", "content": text}]} for role, text in messages]),
        "gen_ai.output.messages": json.dumps([
            {"role": "assistant", "parts": [{"type": "text", "content": answer}]}])}


def search(*texts: str) -> dict[str, str]:
    return {"gen_ai.retrieval.documents": json.dumps([
        {"id": f"d{i}", "content": text} for i, text in enumerate(texts)])}


def made(call: Mapping[str, str], *steps: Mapping[str, str]) -> JudgeUnit:
    unit = unit_of(call, steps)
    assert unit is not None
    return unit


FIRST, SECOND = "The archive stands in Ghent. " * 25, "It was opened in 1911. " * 20


def test_what_was_found_is_taken_out_of_the_prompt_it_stands_in() -> None:
    prompt = f"Answer by these:\n{FIRST}\n---\n{SECOND}\nQuestion: where is it?"
    unit = made(content(("system", "Be brief."), ("user", prompt)), search(FIRST, SECOND))
    assert unit.documents == [FIRST, SECOND, (
        "Be brief.\n\nAnswer by these:\n[document 1]\n---\n[document 2]\nQuestion: where is it?")]
    assert unit.question == (
        "Answer by these:\n[document 1]\n---\n[document 2]\nQuestion: where is it?")
    assert not unit.documents_are_cut


def test_what_was_found_but_not_given_to_the_model_is_no_source() -> None:
    unit = made(content(("user", f"{FIRST}\nWhere is it?")), search(FIRST, SECOND))
    assert unit.documents == [FIRST, "[document 1]\nWhere is it?"]


def test_where_the_prompt_is_not_sent_all_that_was_found_is() -> None:
    call = content(("user", "x"))
    del call["gen_ai.input.messages"]
    unit = made(call, search(FIRST), search(FIRST, SECOND))
    assert unit.documents == [FIRST, SECOND]
    assert unit.question == ""


def test_a_prompt_with_its_own_context_is_a_document() -> None:
    context = "The archive stands in Ghent. " * 30
    assert len(context) > CONTEXT
    unit = made(content(("system", context), ("user", "Where is it?")))
    assert unit.question == "Where is it?"
    assert unit.documents == [f"{context}\n\nWhere is it?"]


def test_a_bare_question_has_no_document_to_be_faithful_to() -> None:
    assert made(content(("system", "Be brief."), ("user", "Where is it?"))).documents == []


def test_the_last_question_is_the_one_that_is_answered() -> None:
    unit = made(content(("user", "Hello"), ("assistant", "Hi! How may I help?"),
                        ("user", "Where is it?"), ("user", "In which town?")))
    assert unit.question == "Where is it?\nIn which town?"


@pytest.mark.parametrize("messages", [
    [{"role": "user", "content": "Where?"}, {"role": "assistant", "tool_calls": [{"id": "1"}]},
     {"role": "tool", "content": "Ghent", "tool_call_id": "1"}],
    [{"role": "user", "parts": [{"type": "text", "content": "Where?"}]},
     {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": "Ghent"}]}],
    [{"role": "user", "content": [{"type": "text", "text": "Where?"}]},
     {"role": "user", "content": [{"type": "tool_result", "content": [
         {"type": "text", "text": "Ghent"}]}]}]])
def test_what_a_tool_gave_is_a_document_and_no_question(messages: object) -> None:
    unit = made({**content(), "gen_ai.input.messages": json.dumps(messages)})
    assert unit.question == "Where?"
    assert unit.documents[0] == "Ghent"


def test_an_answer_of_tools_alone_is_none_to_judge() -> None:
    calls = json.dumps([{"role": "assistant", "parts": [
        {"type": "tool_call", "name": "f", "arguments": {}}]}])
    assert unit_of({"gen_ai.output.messages": calls}) is None
    assert unit_of({}) is None
    assert unit_of({"gen_ai.output.messages": "[{"}) is None


def test_long_documents_share_the_budget_and_short_ones_stay_whole() -> None:
    long, other = "a" * 60_000, "b" * 90_000
    unit = made({"gen_ai.completion": "It is."}, search("short", long, other))
    assert unit.documents_are_cut
    assert sum(map(len, unit.documents)) <= LONGEST_DOCUMENTS
    assert unit.documents[0] == "short"
    assert len(unit.documents[1]) == len(unit.documents[2]) > LONGEST_DOCUMENTS // 2 - 10


def test_too_many_documents_are_noted() -> None:
    few, many = (made({"gen_ai.completion": "It is."}, search(*(f"Text {i}." for i in range(size))))
                 for size in (MOST_DOCUMENTS, MOST_DOCUMENTS + 1))
    assert not few.documents_are_cut
    assert many.documents_are_cut
    assert len(many.documents) == MOST_DOCUMENTS


def test_a_long_answer_and_a_long_question_are_cut_and_noted() -> None:
    unit = made(content(("user", "Begin " + "x" * 9000 + " where is it?"),
                        answer="It is. " * 3000))
    assert unit.answer_is_cut
    assert unit.question_is_cut
    assert (len(unit.answer), len(unit.question)) == (LONGEST_ANSWER, LONGEST_QUESTION)
    assert unit.question.startswith("Begin")
    assert unit.question.endswith("where is it?")


def test_content_that_was_cut_to_be_kept_is_noted() -> None:
    call = content(("system", FIRST * 2), ("user", "Where is it?"))
    unit = made(stored(call, StoreTerms(len(call["gen_ai.output.messages"]) + 500)),
                search(FIRST))
    assert unit.documents_are_cut
    assert not unit.answer_is_cut
    answer = made(stored({"gen_ai.completion": "x" * 2000}, StoreTerms(1024)))
    assert answer.answer_is_cut


_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(
        ["role", "type", "content", "parts", "text", "messages", "id", "kwargs", "documents",
         "page_content", "tool_result", "user", "tool", "output"]), inner, max_size=5),
    max_leaves=25)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(content_names())), _VALUE | st.text(), max_size=5))
def test_no_content_makes_it_fail(values: Mapping[str, object]) -> None:
    texts = {name: value if isinstance(value, str) else json.dumps(value)
             for name, value in values.items()}
    unit = unit_of(texts, [texts])
    assert unit is None or unit.answer.strip()


@pytest.mark.parametrize("value", ["[" * 50_000, '{"content":' * 50_000, "a" * 300_000,
                                   json.dumps([[[["x"] * 50] * 50] * 50])])
def test_hostile_content_is_read_within_bounds(value: str) -> None:
    unit = made({"gen_ai.completion": "It is.", "gen_ai.input.messages": value}, {
        "gen_ai.retrieval.documents": value})
    assert sum(map(len, unit.documents)) <= LONGEST_DOCUMENTS

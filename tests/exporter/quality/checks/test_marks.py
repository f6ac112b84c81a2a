"""What an answer is looked at for: what is decided, what is unknown, and what is not looked at."""

from __future__ import annotations

import itertools
import json
import time

import pytest

from inferometer.evaluations import CHECKS, labels_of
from inferometer.facts import ModelCall, Outcome, Retrieval
from inferometer.quality import verdicts
from inferometer.quality.checks.citations import citations_of
from inferometer.quality.checks.repetition import LEAST, is_repetitive
from inferometer.quality.verdicts import judged, verdict_of
from tests.exporter.ledger.making import call

ANSWER, ASKED = "gen_ai.output.messages", "gen_ai.input.messages"
DOCUMENTS = "Answer from these.\n[1] It is 330 m high.\n[2] It opened in 1889."


def answering(parts: object, prompt: str = "", **fields: object) -> ModelCall:
    """A call that answered so: with a text, or with parts."""
    parts = [{"type": "text", "content": parts}] if isinstance(parts, str) else parts
    content = {ANSWER: json.dumps([{"role": "assistant", "parts": parts}])}
    if prompt:
        content[ASKED] = json.dumps([
            {"role": "user", "parts": [{"type": "text", "content": prompt}]}])
    return call(**{"content": content, **fields})  # type: ignore[arg-type]  # as call has it


def labels(one: ModelCall) -> dict[str, str]:
    return dict(labels_of(verdict_of(one).checks))


def test_a_plain_answer_is_looked_at_for_little() -> None:
    assert labels(answering("It is Paris.")) == {
        "not_refused": "pass", "not_repetitive": "unknown", "not_empty": "pass"}


@pytest.mark.parametrize(("parts", "label"), [
    ("", "fail"), (" \n", "fail"), ([], "fail"),
    ([{"type": "reasoning", "content": "Hm."}], "fail"),
    ("x", "pass"), ([{"type": "tool_call", "name": "look_up", "arguments": {}}], None),
    ([{"type": "blob", "content": "AAAA"}], "pass"), ([{"type": "uri", "uri": "https://x"}], None)])
def test_an_answer_is_empty_where_nothing_is_in_it(parts: object, label: str | None) -> None:
    assert labels(answering(parts)).get("not_empty") == label


@pytest.mark.parametrize(("content", "label"), [
    ({"output.value": '{"choices": [{"message": {"role": "assistant", "content": ""}}]}'}, "fail"),
    ({"output.value": '{"choices": [{"message": {"role": "assistant", "content": null}}]}'},
     "fail"),
    ({"output.value": '{"choices": [{"message": {"content": null, "audio": {"id": "a"}}}]}'}, None),
    ({"output.value": '{"choices": [{"message": {"content": null, "tool_calls": [{"function": '
                      '{"name": "f", "arguments": "{}"}}]}}]}'}, None),
    ({"llm.output_messages.0.message.role": "assistant",
      "llm.output_messages.0.message.content": ""}, "fail"),
    ({"ai.response.text": ""}, "fail"),
    ({"ai.response.text": "", "ai.response.toolCalls": '[{"toolName": "f", "args": "{}"}]'}, None),
    ({"mlflow.spanOutputs": '{"choices": [{"message": {"content": ""}}]}'}, "fail"),
    ({"output.value": "null"}, None), ({"output.value": "{}"}, None), ({}, None)])
def test_an_empty_answer_is_known_as_each_sender_writes_it(
        content: dict[str, str], label: str | None) -> None:
    assert labels(call(content=content)).get("not_empty") == label


def test_a_refusal_is_neither_empty_nor_its_facts_looked_at() -> None:
    refused = call(content={"output.value": json.dumps({"choices": [{"message": {
        "content": None, "refusal": "I can't help with 4711."}}]})})
    assert labels(refused) == {"not_refused": "fail"}
    assert labels(answering([], refusal="provider")) == {"not_refused": "fail"}


def test_of_a_call_that_failed_nothing_is_looked_at() -> None:
    assert labels(answering("It is 4711.", outcome=Outcome.ERROR)) == {}
    assert labels(answering("It is 4711.", operation="embeddings")) == {}


SENTENCE = "The tower stands on the left bank of the river and is open all day. "
PROSE = " ".join(
    f"Visitor {i} came from {name} by {way}, stayed {i * 7 % 11} hours and liked {liking}."
    for i, (name, way, liking) in enumerate(itertools.product(
        ("Oslo", "Rome", "Lima", "Cairo"), ("train", "bus"), ("the view", "the lift", "the food"))))
COLOURS = "red", "blue", "green"
TABLE = "| id | name | price | stock |\n|---|---|---|---|\n" + "\n".join(
    f"| {i} | {COLOURS[i % 3]} chair {i * 31 % 97} | {i * 13 % 89}.50 | yes |"
    for i in range(80))
RECORDS = json.dumps([{"id": i, "name": f"chair {i * 31 % 97}", "price": i * 13 % 89 + 0.5,
                       "in_stock": bool(i % 3)} for i in range(60)], indent=2)


@pytest.mark.parametrize(("text", "repeats"), [
    (SENTENCE * 40, True), (PROSE + SENTENCE * 40, True), ((SENTENCE * 40) + PROSE[:1500], True),
    ("na " * 1000, True), (PROSE, False), (TABLE, False), (RECORDS, False),
    (SENTENCE * 3, None), ("x" * (LEAST - 1), None)])
def test_a_text_is_repetitive_by_how_well_it_compresses(text: str, repeats: bool | None) -> None:
    assert is_repetitive(text) is repeats
    label = {True: "fail", False: "pass", None: "unknown"}[repeats]
    assert labels(answering(text))["not_repetitive"] == label


def test_what_is_cut_off_passes_for_nothing() -> None:
    text = (PROSE * 3)[:2048]  # as a sender's limit cuts
    content = {"ai.response.text": text, "ai.prompt": json.dumps(
        {"prompt": f"Context: {PROSE}"})}
    verdict = verdict_of(call(content=content))
    assert dict(labels_of(verdict.checks))["not_repetitive"] == "unknown"
    assert verdict.given == "part"
    assert verdict.mentions == ("-",)


@pytest.mark.parametrize(("answer", "numbers", "names"), [
    ("So it is [1][2], [4, 5] and [7-9].", {1, 2, 4, 5, 7, 8, 9}, set()), ("[^3]", {3}, set()),
    ("【4†source】 and 【4:0†report.pdf】", {4}, set()), ("[doc 2] [Source_3]", {2, 3}, set()),
    ("[report.pdf] and [a-b.md, p. 3]", set(), {"report.pdf", "a-b.md"}),
    ("`a[0]` is [1]\n```\nb[7]\n```", {1}, set()), ("none", set(), set()),
    ("[2019] [x] [ ] [link](http://a)", set(), set())])
def test_citations_are_read_as_they_are_written(answer: str, numbers: set[int], names: set[str]
                                                ) -> None:
    citations = citations_of(answer)
    assert ({*citations.numbers}, {*citations.names}) == (numbers, names)


@pytest.mark.parametrize(("prompt", "answer", "label"), [
    (DOCUMENTS, "It is high [1], and opened long ago [2].", "pass"),
    (DOCUMENTS, "It is high [3].", "fail"), (DOCUMENTS, "It is high.", None),
    ("Document 1: It is high.\nDocument 2: It is old.", "So [2].", "pass"),
    ('<document index="1">High.</document>', "So [1].", "pass"),
    ('<document index="1">High.</document>', "So [2].", "fail"),
    ('[{"id": 7, "text": "High."}]', "So [7].", "pass"), ("How high is it?", "So [1].", "unknown"),
    ("Context: Tower.pdf says: high.", "So [tower.pdf].", "pass"),
    ("Context: Tower.pdf says: high.", "So [bridge.pdf].", "fail")])
def test_citations_are_held_against_the_documents_of_the_prompt(
        prompt: str, answer: str, label: str | None) -> None:
    assert labels(answering(answer, prompt)).get("citations_known") == label


@pytest.mark.parametrize(("prompt", "given", "mentions"), [
    (DOCUMENTS, "documents", ()), ("How high is it?", "prompt", ("330",)),
    ("", "", ("330",)), ("Context: 330", "documents", ()), ("<context>331</context>",
                                                            "documents", ("330",))])
def test_it_is_known_what_there_was_to_look_into(prompt: str, given: str,
                                                 mentions: tuple[str, ...]) -> None:
    verdict = verdict_of(answering("It is 330 m high.", prompt))
    assert (verdict.given, verdict.mentions) == (given, mentions)


def test_a_result_of_a_tool_is_a_document_and_parameters_of_a_request_are_none() -> None:
    content = {ANSWER: answering("It is 21 degrees, 100 at most.").content[ANSWER],
               "input.value": json.dumps({"max_tokens": 100, "messages": [
                   {"role": "user", "content": "How warm?"},
                   {"role": "tool", "content": '{"celsius": 21}'}]})}
    verdict = verdict_of(call(content=content))
    assert (verdict.given, verdict.mentions) == ("documents", ("100",))


def test_what_a_search_gave_is_read_as_it_is_sent() -> None:
    sent = Retrieval(bytes(16), bytes(8), documents=1, content={
        "gen_ai.retrieval.documents": json.dumps([
            {"id": "a", "content": "330 m, x@y.example", "score": 0.47}])})
    (made,) = judged([sent])
    assert isinstance(made, Retrieval)
    assert made.mentions == ("330", "x@y.example")
    assert judged([sent], checks=("not_empty",)) == [sent]


@pytest.mark.parametrize("check", CHECKS)
def test_each_check_can_be_switched_off(check: str) -> None:
    one = answering(json.dumps({"a": f"330 [1] {PROSE}"}), DOCUMENTS)
    one = call(content={**one.content, "gen_ai.output.type": "json"})
    every = dict(labels_of(verdict_of(one).checks))
    others = [name for name in CHECKS if name != check]
    assert dict(labels_of(verdict_of(one, checks=others).checks)) == {
        name: label for name, label in every.items() if name != check}
    assert {*every} >= {"facts_supported", "citations_known", "json_valid", "not_refused",
                        "not_repetitive", "not_empty"}
    assert verdict_of(one, checks=()).json_valid is True  # which llm_parse_checks_total has


def test_what_a_body_may_take_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [answering(f"It is {i + 1000} high.", DOCUMENTS) for i in range(3)]
    assert all("facts_supported" in dict(labels_of(made.checks)) for made in judged(calls)
               if isinstance(made, ModelCall))
    monkeypatch.setattr(verdicts, "CHECK_SECONDS", 0.0)
    first, *others = (made for made in judged(calls) if isinstance(made, ModelCall))
    assert "facts_supported" in dict(labels_of(first.checks))
    for made in others:
        assert dict(labels_of(made.checks)) == {"not_refused": "pass", "not_empty": "pass"}


def test_no_answer_takes_long() -> None:
    for text in ("[1" * 2**17, "[1," * 2**16, "1 " * 2**17, "+1" * 2**17, "\u3010" * 2**18,
                 "a" * 2**18, "12:" * 2**16, "`" * 2**18, "[a-" * 2**16, "> " * 2**17):
        begin = time.thread_time()
        verdict_of(answering(text + " It is 330 [7].", f"Context:\n{text}"))
        assert time.thread_time() - begin < 1.0, text[:8]

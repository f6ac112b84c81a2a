"""What a judge cannot see, as it was cut off or taken out, is not held against an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inferometer.evaluations import JudgementResult
from inferometer.quality.judge.faithfulness import MOST_STATEMENTS, faithfulness
from inferometer.quality.judge.questions import answer_relevance, refusal, self_contradiction
from tests.exporter.quality.judge.asking import as_sentences, of_two, replying, unit, verdicts

OPEN = (None, None, JudgementResult.JUDGED)


@pytest.mark.parametrize(("words", "expected"), [
    (("supported", "not_in_documents"), OPEN),
    (("supported", "contradicted"), (True, 0.5, JudgementResult.JUDGED)),
    (("supported", "supported"), (False, 1.0, JudgementResult.JUDGED))])
def test_what_cut_documents_do_not_say_is_open(words: tuple[str, ...], expected: object) -> None:
    verdict = faithfulness(unit(documents_are_cut=True), replying(
        statements=as_sentences, verdicts=verdicts(*words)))
    assert (verdict.flagged, verdict.score, verdict.result) == expected
    assert "the documents were cut" in verdict.reasons


@pytest.mark.parametrize(("words", "flagged"), [
    (("supported", "supported"), None), (("supported", "not_in_documents"), True)])
def test_the_rest_of_a_cut_answer_is_open(words: tuple[str, ...], flagged: bool | None) -> None:
    verdict = faithfulness(unit(answer_is_cut=True), replying(
        statements=as_sentences, verdicts=verdicts(*words)))
    assert (verdict.flagged, verdict.score) == (flagged, None)
    assert "the answer was cut" in verdict.reasons


def test_more_statements_than_are_judged_leave_the_rest_open() -> None:
    many = {"sentences": [{"number": 1, "statements": [
        f"Number {i} is in Ghent." for i in range(MOST_STATEMENTS + 5)]}]}
    verdict = faithfulness(unit("It has numbers in Ghent."), replying(
        statements=many, verdicts=verdicts(*["supported"] * MOST_STATEMENTS)))
    assert (verdict.flagged, verdict.score) == (None, None)


@pytest.mark.parametrize("cut", ["answer_is_cut", "question_is_cut"])
@pytest.mark.parametrize(("word", "flagged"), [("not", None), ("fully", False)])
def test_a_cut_answer_is_not_irrelevant(cut: str, word: str, flagged: bool | None) -> None:
    fields: dict[str, Any] = {cut: True}
    verdict = answer_relevance(unit(**fields), replying(
        answer_relevance=of_two("addresses", word, "not")))
    assert verdict.flagged is flagged


def test_a_cut_answer_may_contradict_itself_later() -> None:
    for contradicts, flagged in ((False, None), (True, True)):
        verdict = self_contradiction(unit(answer_is_cut=True), replying(self_contradiction={
            "contradicts": contradicts, "first": 1, "second": 2}))
        assert verdict.flagged is flagged
    assert refusal(unit(answer_is_cut=True), replying(
        refusal=of_two("refuses", False, True))).flagged is False


@pytest.mark.parametrize(("mark", "documents", "word", "flagged"), [
    ("[email]", ("Write to [email].",), "not_in_documents", None),
    ("[email]", ("Write to [email].",), "contradicted", None),
    ("[phone]", ("Call [phone] or [email].",), "not_in_documents", None),
    ("[key]", ("The key is [key].",), "not_in_documents", None),
    ("[email]", ("There is no address.",), "not_in_documents", True),
    ("[phone]", ("Write to [email].",), "not_in_documents", True)])
def test_what_was_taken_out_of_both_may_be_the_same(
        mark: str, documents: tuple[str, ...], word: str, flagged: bool | None) -> None:
    verdict = faithfulness(unit(f"You reach us by {mark}.", documents=documents), replying(
        statements=as_sentences, verdicts=verdicts(word)))
    assert (verdict.flagged, verdict.result) == (flagged, JudgementResult.JUDGED)
    word = "open" if flagged is None else word
    assert json.loads(verdict.reasons)["statements"][0]["verdict"] == word


def test_another_statement_of_the_same_answer_is_flagged_all_the_same() -> None:
    verdict = faithfulness(
        unit("Write to [email]. It is in Oslo.", documents=("Write to [email].",)),
        replying(statements=as_sentences,
                 verdicts=verdicts("not_in_documents", "not_in_documents")))
    assert (verdict.flagged, verdict.score) == (True, None)

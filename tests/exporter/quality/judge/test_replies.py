"""What models write in the place of the JSON that they are asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.evaluations import JUDGED, JudgementResult
from inferometer.quality.judge.faithfulness import faithfulness
from inferometer.quality.judge.interface import JudgeReply
from inferometer.quality.judge.prompted import PromptedJudge
from inferometer.quality.judge.questions import refusal, self_contradiction
from inferometer.quality.judge.replies import LONGEST_TEXT
from tests.exporter.quality.judge.asking import as_sentences, of_two, replying, unit, verdicts

PLAIN = '{"contradicts": true, "first": 1, "second": 2, "reason": "x"}'


@pytest.mark.parametrize("text", [
    PLAIN, f"```json\n{PLAIN}\n```", f"```\n{PLAIN}\n```", f"  \n{PLAIN}\n\n",
    f"Here is my verdict:\n\n{PLAIN}\n\nI hope this helps!",
    f'<think>Perhaps {{"contradicts": false}}? No.</think>\n{PLAIN}',
    f'Let me see. First {{x}} and {{"a": 1}}, then {{"contradicts": false}}.\nSo: {PLAIN}',
    f'reasoning without a begin {{"contradicts": false}}</think>{PLAIN}',
    PLAIN.replace("true", '"Yes"').replace("1,", '"1",').replace("2,", "2.0,"),
    f"\ufeff{PLAIN}", PLAIN.replace('"reason": "x"', '"reason": null, "more": {"contradicts": 3}'),
])
def test_a_verdict_is_read_however_it_is_wrapped(text: str) -> None:
    verdict = self_contradiction(unit(), replying(self_contradiction=text))
    assert (verdict.flagged, verdict.result) == (True, JudgementResult.JUDGED)
    assert json.loads(verdict.reasons)["sentences"] == [
        "The archive is in Ghent.", "It was opened in 1911."]


@pytest.mark.parametrize("text", [
    "", "   ", "yes", "I cannot judge this.", "{", "}{", "[]", "null", "NaN", '"supported"',
    PLAIN[:-1], PLAIN[:20], PLAIN.replace(":", "="), PLAIN.replace("true", "NaN"),
    PLAIN.replace("true", "null"), PLAIN.replace("true", "[true]"), PLAIN.replace("true", "2"),
    PLAIN.replace("true", '"perhaps"'), PLAIN.replace("contradicts", "verdict"),
    PLAIN.replace('"first": 1', '"first": 0'), PLAIN.replace('"first": 1', '"first": 9'),
    PLAIN.replace('"first": 1', '"first": -1'), PLAIN.replace('"first": 1', '"first": "one"'),
    PLAIN.replace('"first": 1', '"first": true'), PLAIN.replace('"first": 1, ', ""),
    PLAIN.replace('"first": 1', f'"first": {"9" * 5000}'),
    PLAIN.replace('"first": 1', f'"first": "{"9" * 5000}"'),
    PLAIN.replace('"first": 1', '"first": 1e400'),
    "{" * 100_000, '{"a":' * 20_000, "[" * 100_000, '{"a":"' + "x" * LONGEST_TEXT + '"}',
    "\ud800{", f"{PLAIN[:-1]}, \x00}}"])
def test_what_is_no_verdict_is_nonsense(text: str) -> None:
    began = time.monotonic()
    verdict = self_contradiction(unit(), replying(self_contradiction=text))
    assert (verdict.flagged, verdict.score, verdict.result) == (
        None, None, JudgementResult.NONSENSE)
    assert json.loads(verdict.reasons)["note"]
    assert time.monotonic() - began < 5


def entry(**fields: object) -> Mapping[str, object]:
    return {"number": 1, "statements": ["The archive is in Ghent."]} | fields


@pytest.mark.parametrize("sentences", [
    "none", {}, [1], [[]], ["text"], [entry(number="x")], [entry(number=0)], [entry(number=3)],
    [entry(number=None)], [entry(statements="one")], [entry(statements=[1])],
    [entry(statements=None)], [{"number": 1}], [entry(statements={"a": "b"})]])
def test_statements_of_another_form_are_nonsense(sentences: object) -> None:
    verdict = faithfulness(unit(), replying(statements={"sentences": sentences}, verdicts=""))
    assert verdict.result is JudgementResult.NONSENSE


def changed(change: Any) -> Any:
    """Good verdicts on two statements and the control, then changed."""
    def reply(material: Mapping[str, Any]) -> object:
        document: Any = verdicts("supported", "supported")(material)
        change(document["verdicts"])
        return document
    return reply


@pytest.mark.parametrize("change", [
    lambda listed: listed.pop(), lambda listed: listed.clear(),
    lambda listed: listed[0].pop("verdict"), lambda listed: listed[0].pop("number"),
    lambda listed: listed[0].update(verdict="maybe"), lambda listed: listed[0].update(verdict=1),
    lambda listed: listed[0].update(verdict=["supported"]),
    lambda listed: listed[0].update(verdict="supported", document=3),
    lambda listed: listed[0].update(verdict="supported", document=0),
    lambda listed: listed[0].update(verdict="supported", document=-1),
    lambda listed: listed[0].update(verdict="contradicted", document=None),
    lambda listed: listed[0].update(verdict="supported", document="the second"),
    lambda listed: listed.append({"number": 1, "verdict": "no_claim", "document": 0}),
    lambda listed: listed.append("and so on")])
def test_verdicts_that_leave_one_out_or_name_what_is_not_there_are_nonsense(change: Any) -> None:
    verdict = faithfulness(unit(), replying(statements=as_sentences, verdicts=changed(change)))
    assert (verdict.flagged, verdict.score, verdict.result) == (
        None, None, JudgementResult.NONSENSE)


@pytest.mark.parametrize("change", [
    lambda listed: listed.reverse(),
    lambda listed: listed.append({"number": 9, "verdict": "supported", "document": 1}),
    lambda listed: listed.append(dict(listed[0])),
    lambda listed: [one.update(verdict=one["verdict"].upper().replace("_", " ") + ".",
                               number=str(one["number"])) for one in listed]])
def test_verdicts_that_say_all_that_is_asked_are_taken(change: Any) -> None:
    verdict = faithfulness(unit(), replying(statements=as_sentences, verdicts=changed(change)))
    assert (verdict.flagged, verdict.score) == (False, 1.0)


@pytest.mark.parametrize(("words", "flagged", "score"), [
    (("supported", "not_in_documents"), True, 0.5), (("contradicted", "supported"), True, 0.5),
    (("no_claim", "supported"), False, 1.0), (("no_claim", "no_claim"), False, None),
    (("not_in_documents", "contradicted"), True, 0.0)])
def test_an_answer_fails_if_a_statement_does(words: tuple[str, ...], flagged: bool,
                                             score: float | None) -> None:
    verdict = faithfulness(unit(), replying(statements=as_sentences, verdicts=verdicts(*words)))
    assert (verdict.flagged, verdict.score) == (flagged, score)


@pytest.mark.parametrize("result", [JudgementResult.TIMEOUT, JudgementResult.FAILED,
                                    JudgementResult.NONSENSE])
@pytest.mark.parametrize("step", ["statements", "verdicts"])
def test_where_no_reply_came_the_verdict_says_which(result: JudgementResult, step: str) -> None:
    missing = JudgeReply(result=result, reason="because")
    verdict = faithfulness(unit(), replying(
        **{"statements": as_sentences, "verdicts": "", step: missing}))
    assert (verdict.flagged, verdict.score, verdict.result) == (None, None, result)
    assert "because" in verdict.reasons


def test_reasons_can_be_written_wherever_a_ledger_is() -> None:
    """SQLite takes no half of a pair, PostgreSQL no zero."""
    verdict = refusal(unit(), replying(refusal=of_two("refuses", True, True)))
    assert verdict.flagged is True
    odd = '{"contradicts": false, "first": 0, "second": 0, "reason": "a \\ud800 b \\u0000 c"}'
    reasons = self_contradiction(unit(), replying(self_contradiction=odd)).reasons
    assert reasons.encode()
    assert "\x00" not in reasons
    assert json.loads(reasons)["note"].startswith("a ? b")


def test_what_asking_raises_is_not_swallowed() -> None:
    def ask(request: object) -> JudgeReply:
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        refusal(unit(), ask)


def test_a_reply_without_an_end_says_so() -> None:
    cut_off = JudgeReply('{"verdicts": [', reason="it ended where its tokens ran out")
    assert "tokens ran out" in refusal(unit(), replying(refusal=cut_off)).reasons
    assert refusal(unit(), replying(refusal=of_two("refuses", True, True))).flagged is True


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(
        ["supported", "number", "verdicts", "fully", "not"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(
        ["verdicts", "sentences", "number", "statements", "verdict", "document", "addresses",
         "refuses", "contradicts", "first", "second", "reason"]) | st.text(), inner, max_size=6),
    max_leaves=20)


@settings(max_examples=150, deadline=None)
@given(_JSON | st.text(), st.text())
def test_no_reply_makes_a_judge_fail(reply: object, answer: str) -> None:
    text = reply if isinstance(reply, str) else json.dumps(reply)
    for statements in (as_sentences, text):
        ask = replying(statements=statements, verdicts=text, answer_relevance=text, refusal=text,
                       self_contradiction=text)
        one = unit(answer)
        judge = PromptedJudge("m")
        made = judge.judge(one, JUDGED, ask)
        assert [verdict.evaluation for verdict in made] == judge.applicable(one, JUDGED)
        for verdict in made:
            assert json.loads(verdict.reasons) is not None
            assert verdict.score is None or 0 <= verdict.score <= 1
            if verdict.result is not JudgementResult.JUDGED:
                assert verdict.flagged is verdict.score is None

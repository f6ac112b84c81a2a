"""What a judge is asked in one request each: relevance, refusal, self-contradiction."""

from __future__ import annotations

from collections.abc import Mapping

from inferometer.evaluations import (
    ANSWER_RELEVANCE,
    REFUSAL,
    SELF_CONTRADICTION,
    JudgementResult,
)
from inferometer.quality.judge.controls import foreign_statement, place_of, plain_refusal
from inferometer.quality.judge.faithfulness import nonsense, reasons_of, unanswered
from inferometer.quality.judge.interface import AnswerVerdict, Ask, JudgeReply, JudgeUnit
from inferometer.quality.judge.prompts import (
    CONTRADICTS,
    FULLY,
    NOT,
    PARTLY,
    REFUSES,
    RELEVANCE,
    RELEVANCE_WORDS,
    numbered,
    request_of,
)
from inferometer.quality.judge.replies import (
    NonsenseError,
    is_true,
    number_in,
    numbered_in,
    object_in,
    text_in,
    word_in,
)
from inferometer.quality.judge.sentences import sentences_of

LONGEST_REASON = 1000  # characters
_SCORES = {FULLY: 1.0, PARTLY: 0.5, NOT: 0.0}


def answer_relevance(unit: JudgeUnit, ask: Ask) -> AnswerVerdict:
    """Whether the answer is about what was asked; a control beside it is not."""
    control = foreign_statement(unit.question, unit.answer)
    reply, place = _asked_of_two(RELEVANCE, unit, control, ask)
    if reply.result is not JudgementResult.JUDGED:
        return unanswered(ANSWER_RELEVANCE, reply)
    try:
        entries = numbered_in(reply.text, "verdicts", 2)
        words = [word_in(entry, "addresses", RELEVANCE_WORDS) for entry in entries]
        if words[place] != NOT:
            raise NonsenseError("it takes for relevant what has nothing to do with the question")
    except NonsenseError as error:
        return nonsense(ANSWER_RELEVANCE, error, reply)
    word = words[1 - place]
    flagged = word == NOT
    is_open = flagged and (unit.answer_is_cut or unit.question_is_cut)
    return AnswerVerdict(ANSWER_RELEVANCE, None if is_open else flagged,
                         None if is_open else _SCORES[word], JudgementResult.JUDGED,
                         _reasons(entries[1 - place], addresses=word))


def refusal(unit: JudgeUnit, ask: Ask) -> AnswerVerdict:
    """Whether the answer declines to do what was asked; a control beside it does."""
    reply, place = _asked_of_two(REFUSES, unit, plain_refusal(unit.answer), ask)
    if reply.result is not JudgementResult.JUDGED:
        return unanswered(REFUSAL, reply)
    try:
        entries = numbered_in(reply.text, "verdicts", 2)
        refuses = [is_true(entry, "refuses") for entry in entries]
        if not refuses[place]:
            raise NonsenseError("it takes a plain refusal for none")
    except NonsenseError as error:
        return nonsense(REFUSAL, error, reply)
    return AnswerVerdict(REFUSAL, refuses[1 - place], None, JudgementResult.JUDGED,
                         _reasons(entries[1 - place]))


def self_contradiction(unit: JudgeUnit, ask: Ask) -> AnswerVerdict:
    """Whether two sentences of the answer, which must be there, cannot both be true."""
    sentences = sentences_of(unit.answer)
    reply = ask(request_of(CONTRADICTS, {"sentences": numbered(sentences)}))
    if reply.result is not JudgementResult.JUDGED:
        return unanswered(SELF_CONTRADICTION, reply)
    try:
        document = object_in(reply.text, "contradicts")
        flagged = is_true(document, "contradicts")
        pair = [number_in(document, key) for key in ("first", "second")] if flagged else []
        if flagged and not all(1 <= number <= len(sentences) for number in pair):
            raise NonsenseError("the sentences that contradict each other are not there")
    except NonsenseError as error:
        return nonsense(SELF_CONTRADICTION, error, reply)
    is_open = unit.answer_is_cut and not flagged
    return AnswerVerdict(
        SELF_CONTRADICTION, None if is_open else flagged, None, JudgementResult.JUDGED,
        _reasons(document, sentences=[sentences[number - 1] for number in pair]))


def _asked_of_two(step: str, unit: JudgeUnit, control: str, ask: Ask) -> tuple[JudgeReply, int]:
    """The reply about the answer and a control, and which of the two that is."""
    place = place_of([unit.answer])
    answers = [control, unit.answer] if place == 0 else [unit.answer, control]
    return ask(request_of(step, {"question": unit.question, "answers": numbered(answers)})), place


def _reasons(document: Mapping[str, object], **more: object) -> str:
    return reasons_of(" ".join(text_in(document, "reason").split())[:LONGEST_REASON], **more)

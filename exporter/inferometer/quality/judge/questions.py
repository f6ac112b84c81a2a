"""What a judge is asked in one request each: relevance, refusal, self-contradiction."""

from __future__ import annotations

from inferometer.evaluations import (
    ANSWER_RELEVANCE,
    REFUSAL,
    SELF_CONTRADICTION,
    JudgementResult,
)
from inferometer.quality.judge.faithfulness import nonsense, reasons_of, unanswered
from inferometer.quality.judge.interface import AnswerVerdict, Ask, JudgeUnit
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
    object_in,
    text_in,
    word_in,
)
from inferometer.quality.judge.sentences import sentences_of

LONGEST_REASON = 1000  # characters
_SCORES = {FULLY: 1.0, PARTLY: 0.5, NOT: 0.0}


def answer_relevance(unit: JudgeUnit, ask: Ask) -> AnswerVerdict:
    """Whether the answer is about what was asked."""
    reply = ask(request_of(RELEVANCE, {"question": unit.question, "answer": unit.answer}))
    if reply.result is not JudgementResult.JUDGED:
        return unanswered(ANSWER_RELEVANCE, reply)
    try:
        document = object_in(reply.text, "addresses")
        word = word_in(document, "addresses", RELEVANCE_WORDS)
    except NonsenseError as error:
        return nonsense(ANSWER_RELEVANCE, error)
    flagged = word == NOT
    is_open = flagged and (unit.answer_is_cut or unit.question_is_cut)
    return AnswerVerdict(ANSWER_RELEVANCE, None if is_open else flagged,
                         None if is_open else _SCORES[word], JudgementResult.JUDGED,
                         _reasons(document, addresses=word))


def refusal(unit: JudgeUnit, ask: Ask) -> AnswerVerdict:
    """Whether the answer declines to do what was asked; it is in its beginning, if anywhere."""
    reply = ask(request_of(REFUSES, {"question": unit.question, "answer": unit.answer}))
    if reply.result is not JudgementResult.JUDGED:
        return unanswered(REFUSAL, reply)
    try:
        document = object_in(reply.text, "refuses")
        flagged = is_true(document, "refuses")
    except NonsenseError as error:
        return nonsense(REFUSAL, error)
    return AnswerVerdict(REFUSAL, flagged, None, JudgementResult.JUDGED, _reasons(document))


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
        return nonsense(SELF_CONTRADICTION, error)
    is_open = unit.answer_is_cut and not flagged
    return AnswerVerdict(
        SELF_CONTRADICTION, None if is_open else flagged, None, JudgementResult.JUDGED,
        _reasons(document, sentences=[sentences[number - 1] for number in pair]))


def _reasons(document: object, **more: object) -> str:
    reason = text_in(document, "reason") if isinstance(document, dict) else ""
    return reasons_of(" ".join(reason.split())[:LONGEST_REASON], **more)

"""Faithfulness in two requests: which statements an answer makes, and which of them the documents
support.

The second request has no answer in it. A statement counts as supported by a document that there
is; one that no document can support is put among them, and a judge that supports it is not heard.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from inferometer.evaluations import FAITHFULNESS, JudgementResult
from inferometer.quality.judge.controls import foreign_statement, place_of
from inferometer.quality.judge.interface import AnswerVerdict, Ask, JudgeReply, JudgeUnit
from inferometer.quality.judge.prompts import (
    ABSENT,
    CONTRADICTED,
    NO_CLAIM,
    STATEMENTS,
    SUPPORTED,
    VERDICT_WORDS,
    VERDICTS,
    numbered,
    request_of,
)
from inferometer.quality.judge.replies import (
    NonsenseError,
    list_in,
    number_in,
    numbered_in,
    word_in,
)
from inferometer.quality.judge.sentences import sentences_of
from inferometer.quality.stored import MARKS

MOST_STATEMENTS = 60  # of an answer that are judged
MOST_KEPT = 20  # of them in the reasons, those that are not supported first
LONGEST_STATEMENT = 1000  # characters
LONGEST_SILENCE = 60  # words of an answer that may state nothing
_NUMBERS, _WORDS = re.compile(r"\d+"), re.compile(r"[^\W\d_]{4,}")
# Numbers that state nothing: of sources, and of a list.
_NO_CLAIMS = re.compile(r"\[\d{1,3}(?:[,; ]+\d{1,3})*\]|^\d{1,3}[.)] ")
OPEN = "open"  # a verdict of ours: what is missing may be the reason


class JudgedStatement(NamedTuple):
    """A statement and what became of it."""

    statement: str
    verdict: str  # one of VERDICT_WORDS, or OPEN
    document: int  # its number from 1 on; 0 for none


def faithfulness(unit: JudgeUnit, ask: Ask) -> AnswerVerdict:
    """Whether the documents support all that the answer says."""
    sentences = sentences_of(unit.answer)
    reply = ask(request_of(STATEMENTS, {
        "question": unit.question, "sentences": numbered(sentences)}))
    if reply.result is not JudgementResult.JUDGED:
        return unanswered(FAITHFULNESS, reply)
    try:
        statements = statements_in(reply.text, sentences)
    except NonsenseError as error:
        return nonsense(FAITHFULNESS, error, reply)
    is_cut = unit.answer_is_cut or len(statements) > MOST_STATEMENTS
    statements = statements[:MOST_STATEMENTS]
    if not statements:
        is_open = is_cut or len(unit.answer.split()) > LONGEST_SILENCE
        return AnswerVerdict(FAITHFULNESS, None if is_open else False, None,
                             JudgementResult.JUDGED, reasons_of("it states nothing"))
    place, control = place_of(statements), foreign_statement(*statements)
    reply = ask(request_of(VERDICTS, {
        "documents": numbered(unit.documents),
        "statements": numbered([*statements[:place], control, *statements[place:]])}))
    if reply.result is not JudgementResult.JUDGED:
        return unanswered(FAITHFULNESS, reply)
    try:
        verdicts = verdicts_in(reply.text, len(statements) + 1, len(unit.documents))
    except NonsenseError as error:
        return nonsense(FAITHFULNESS, error, reply)
    if verdicts.pop(place)[0] not in (ABSENT, CONTRADICTED):
        return nonsense(FAITHFULNESS, NonsenseError("it supports what no document says"), reply)
    return summed(unit, is_cut, [
        with_open(statement, *verdict, unit)
        for statement, verdict in zip(statements, verdicts, strict=True)])


def statements_in(text: str, sentences: Sequence[str]) -> list[str]:
    """The statements of a reply, and the sentences of which it leaves something out.

    So an answer that talks a model into passing over a sentence gains nothing.
    Raises NonsenseError.
    """
    by_sentence: dict[int, list[str]] = {}
    for entry in list_in(text, "sentences"):
        number = number_in(entry, "number")
        if not 1 <= number <= len(sentences):
            raise NonsenseError(f"there is no sentence {number}")
        listed = entry.get("statements")
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            raise NonsenseError("statements is no list of texts")
        by_sentence.setdefault(number, []).extend(listed)
    made: list[str] = []
    for number, sentence in enumerate(sentences, start=1):
        made += by_sentence.get(number, ())
        if number not in by_sentence or not _covers(by_sentence[number], sentence):
            made.append(sentence)
    return [*dict.fromkeys(" ".join(one.split())[:LONGEST_STATEMENT] for one in made
                           if one.strip())]


def _covers(statements: Sequence[str], sentence: str) -> bool:
    """Whether they have the sentence's numbers, and any long word of it if there are any."""
    text, claim = " ".join(statements).lower(), _NO_CLAIMS.sub("", sentence.lower())
    words = _WORDS.findall(claim)
    return all(number in text for number in _NUMBERS.findall(claim)) and (
        not text or not words or any(_is_in(word, text) for word in words))


def _is_in(word: str, text: str) -> bool:
    """Where words stand without spaces, two signs of one that stand together are enough."""
    return word in text if word.isascii() else any(
        word[i:i + 2] in text for i in range(len(word) - 1))


def verdicts_in(text: str, statements: int, documents: int) -> list[tuple[str, int]]:
    """A verdict for each statement, with its document. Raises NonsenseError."""
    made = []
    for entry in numbered_in(text, "verdicts", statements):
        word, document = word_in(entry, "verdict", VERDICT_WORDS), 0
        if word in (SUPPORTED, CONTRADICTED):
            document = number_in(entry, "document")
            if not 1 <= document <= documents:
                raise NonsenseError(f"there is no document {document}")
        made.append((word, document))
    return made


def unanswered(evaluation: str, reply: JudgeReply) -> AnswerVerdict:
    """The verdict where no reply came."""
    return AnswerVerdict(evaluation, None, None, reply.result, reasons_of(reply.reason))


def nonsense(evaluation: str, error: NonsenseError, reply: JudgeReply) -> AnswerVerdict:
    """The verdict where a reply is none."""
    note = f"{error}: {reply.reason}" if reply.reason else str(error)
    return AnswerVerdict(evaluation, None, None, JudgementResult.NONSENSE, reasons_of(note))


def reasons_of(note: str, **more: object) -> str:
    """What a reviewer is shown, as JSON that any database takes."""
    text = json.dumps({**({"note": note} if note else {}), **more}, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()


def with_open(statement: str, verdict: str, document: int, unit: JudgeUnit) -> JudgedStatement:
    """A statement with its verdict; open where what is missing or taken out may be why."""
    given = (unit.question, *unit.documents)
    is_missing = verdict == ABSENT and unit.documents_are_cut
    is_taken_out = verdict in (ABSENT, CONTRADICTED) and any(
        mark in statement and any(mark in text for text in given) for mark in MARKS)
    return JudgedStatement(statement, OPEN if is_missing or is_taken_out else verdict, document)


def summed(unit: JudgeUnit, is_cut: bool, judged: Sequence[JudgedStatement]) -> AnswerVerdict:
    """The answer fails if a statement does; what is open, or was cut off, may be one that does."""
    count = {word: sum(one.verdict == word for one in judged)
             for word in (*VERDICT_WORDS, OPEN)}
    claims = len(judged) - count[NO_CLAIM]
    flagged: bool | None = count[ABSENT] + count[CONTRADICTED] > 0
    if not flagged and (count[OPEN] or is_cut):
        flagged = None
    score = count[SUPPORTED] / claims if claims and not count[OPEN] and not is_cut else None
    note = "; ".join(words for words, applies in (
        ("the documents were cut", unit.documents_are_cut), ("the answer was cut", is_cut))
        if applies)
    return AnswerVerdict(FAITHFULNESS, flagged, score, JudgementResult.JUDGED,
                         reasons_of(note, statements=[one._asdict() for one in sorted(
                             judged, key=lambda one: one.verdict == SUPPORTED)[:MOST_KEPT]]))

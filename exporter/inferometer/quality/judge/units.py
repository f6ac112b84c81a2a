"""The unit of judging: an answer with what it was asked and given, read from what was kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from inferometer.quality.answer import answer_of
from inferometer.quality.judge.given import (
    ASSISTANT,
    TOOL,
    USER,
    GivenMessage,
    documents_in,
    messages_in,
)
from inferometer.quality.judge.interface import JudgeUnit

# Characters that a judge is to read at most; a token has three or four.
LONGEST_QUESTION, LONGEST_ANSWER, LONGEST_DOCUMENTS = 4_000, 12_000, 48_000
MOST_DOCUMENTS = 50
CONTEXT = 600  # characters of a prompt from which on it is a document by itself
_GAP = " […] "
_LEAST_COPY = 40  # characters of a document that is taken out of a question


def unit_of(call: Mapping[str, str], steps: Iterable[Mapping[str, str]] = ()) -> JudgeUnit | None:
    """The unit of the content of a call and of its trace's searches and tools, in their order.

    None where the call has no answer in words. All that the model was given counts as a document:
    what was found, what tools gave, and the prompt, where there is more to it than a question.
    """
    answer = answer_of(call)
    text = answer.text or answer.refusal
    if not text.strip():
        return None
    messages, is_cut = messages_in(call)
    prompt = "\n\n".join(one.text for one in messages if one.role != TOOL)
    results = [documents_in(step) for step in steps]
    documents = [*dict.fromkeys(text for one in results for text in one.texts)]
    if is_cut or len(prompt) < CONTEXT:  # else all that the model saw is in its prompt
        is_cut |= any(one.are_cut for one in results)
    else:
        documents = [one for one in documents if one in prompt]
    documents += dict.fromkeys(one.text for one in messages if one.role == TOOL)
    rest = _without(prompt, documents)
    question = _without(_question(messages), documents)
    if documents or len(prompt) >= CONTEXT:
        documents.append(rest)
    kept, were_cut = _fitting([one for one in documents if one.strip()])
    return JudgeUnit(
        _middle_cut(question), kept, text[:LONGEST_ANSWER],
        question_is_cut=len(question) > LONGEST_QUESTION,
        documents_are_cut=bool(kept) and (is_cut or were_cut),
        answer_is_cut=len(text) > LONGEST_ANSWER or not answer.is_complete)


def _question(messages: Sequence[GivenMessage]) -> str:
    """What the user wrote last: the parts of one message stand side by side."""
    texts: list[str] = []
    for message in reversed(messages):
        if message.role == USER:
            texts.append(message.text)
        elif message.role == ASSISTANT and texts:
            break
    return "\n".join(reversed(texts))


def _without(text: str, documents: Sequence[str]) -> str:
    """A text with documents taken out that stand in it, as they do in most prompts of a search."""
    for number, document in enumerate(documents, start=1):
        if len(document) >= _LEAST_COPY:
            text = text.replace(document, f"[document {number}]")
    return text


def _middle_cut(text: str) -> str:
    """Its begin and its end, where most questions stand."""
    if len(text) <= LONGEST_QUESTION:
        return text
    begin = LONGEST_QUESTION // 4
    return text[:begin] + _GAP + text[-(LONGEST_QUESTION - begin - len(_GAP)):]


def _fitting(documents: Sequence[str]) -> tuple[Sequence[str], bool]:
    """Those that fit: the short ones whole, of the long ones an equal share; and if any are cut."""
    chosen = documents[:MOST_DOCUMENTS]
    left, share = LONGEST_DOCUMENTS, 0
    for i, size in enumerate(sorted(map(len, chosen))):
        share = left // (len(chosen) - i)
        if size > share:
            break
        left -= size
    else:
        share = LONGEST_DOCUMENTS
    kept = [one if len(one) <= share else one[:share] for one in chosen]
    return kept, len(documents) > len(chosen) or any(len(one) > share for one in chosen)

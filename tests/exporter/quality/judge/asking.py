"""Units to judge, and replies by hand in the place of a model's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from inferometer.quality.judge.interface import (
    Ask,
    JudgeReply,
    JudgeRequest,
    JudgeUnit,
)
from tests.scripted_judge import control_in

QUESTION = "Where is the archive, and when was it opened?"
DOCUMENTS = ("The archive stands in Ghent.", "It was opened to the public in 1911.")
ANSWER = "The archive is in Ghent. It was opened in 1911."
_DATA = re.compile(r"^<data ([0-9a-f]+)>\n(.*)\n</data \1>$", re.M | re.S)


def unit(answer: str = ANSWER, **fields: Any) -> JudgeUnit:
    """An answer with two documents."""
    return JudgeUnit(**{"question": QUESTION, "documents": DOCUMENTS, "answer": answer} | fields)


def material_of(request: JudgeRequest) -> Mapping[str, Any]:
    """The document that a request is about."""
    match = _DATA.search(request.prompt)
    assert match
    document: Mapping[str, Any] = json.loads(match[2])
    return document


def replying(**replies: object) -> Ask:
    """What answers each step with a text, a document, or what a function makes of its material.

    Steps by the end of their names; verdicts are without the control's, which is put in its place.
    """
    def ask(request: JudgeRequest) -> JudgeReply:
        reply = replies[request.step.rpartition(".")[2]]
        if callable(reply):
            reply = reply(material_of(request))
        return reply if isinstance(reply, JudgeReply) else JudgeReply(
            reply if isinstance(reply, str) else json.dumps(reply))
    return ask


def as_sentences(material: Mapping[str, Any]) -> object:
    """Every sentence is its own statement."""
    return {"sentences": [{"number": one["number"], "statements": [one["text"]]}
                          for one in material["sentences"]]}


def verdicts(*words: str, document: int = 1, control: str = "not_in_documents"
             ) -> Callable[[Mapping[str, Any]], object]:
    """These verdicts on the statements in their order, and this one on the control."""
    def reply(material: Mapping[str, Any]) -> object:
        place = control_in([one["text"] for one in material["statements"]])
        listed = [*words[:place - 1], control, *words[place - 1:]]
        return {"verdicts": [{"number": i, "verdict": word, "document": document if word in (
            "supported", "contradicted") else 0} for i, word in enumerate(listed, start=1)]}
    return reply


def of_two(field: str, value: object, control: object) -> Callable[[Mapping[str, Any]], object]:
    """A verdict on the answer and one on the control beside it."""
    def reply(material: Mapping[str, Any]) -> object:
        place = control_in([one["text"] for one in material["answers"]])
        return {"verdicts": [{"number": i, "reason": "r", field: control if i == place else value}
                             for i in (1, 2)]}
    return reply


def texts(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """The texts of a numbered list."""
    return [one["text"] for one in documents]

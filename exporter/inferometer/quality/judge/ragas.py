"""Ragas' faithfulness as a judge: its prompts and its score, by requests of ours.

It is the extra `ragas`, and large: it is loaded when such a judge is made. Its requests go through
`ask` as all do, so that budget, keys, TLS and what is paid for already are the same. It reports
its use to its makers unless it is told not to, which is done here.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.metadata import version
from math import isfinite
from typing import Any, cast

from inferometer.evaluations import FAITHFULNESS, JudgementResult
from inferometer.quality.judge.faithfulness import (
    nonsense,
    reasons_of,
    summed,
    unanswered,
    with_open,
)
from inferometer.quality.judge.interface import (
    AnswerVerdict,
    Ask,
    JudgeReply,
    JudgeRequest,
    JudgeUnit,
    JudgeVersion,
)
from inferometer.quality.judge.prompts import ABSENT, SUPPORTED
from inferometer.quality.judge.replies import NonsenseError, object_in

_SYSTEM = "Reply with one JSON object of the form that is asked for, and with nothing else."


class RagasMissingError(ValueError):
    """Ragas cannot be loaded."""


class _NoReplyError(Exception):
    """A reply did not come, or is none; it ends what Ragas does."""


class RagasJudge:
    """A model with Ragas' prompts. Raises RagasMissingError where it is not installed."""

    def __init__(self, model: str) -> None:
        self._metric, self._base, release = _loaded()
        self.version = JudgeVersion(model, f"ragas-{release}")

    def applicable(self, unit: JudgeUnit, evaluations: Collection[str]) -> Sequence[str]:
        """Its faithfulness alone: its relevance takes a model of embeddings."""
        has_all = unit.question.strip() and unit.answer.strip() and any(
            text.strip() for text in unit.documents)
        return [FAITHFULNESS] if has_all and FAITHFULNESS in evaluations else []

    def judge(self, unit: JudgeUnit, evaluations: Collection[str], ask: Ask
              ) -> Sequence[AnswerVerdict]:
        """Its verdict, if that is applicable."""
        return [self._faithfulness(unit, ask) for _ in self.applicable(unit, evaluations)]

    def _faithfulness(self, unit: JudgeUnit, ask: Ask) -> AnswerVerdict:
        asking = _Asking(ask)
        metric = self._metric(llm=_model_of(self._base, asking.generate))
        try:
            score = asyncio.run(metric.ascore(
                user_input=unit.question, response=unit.answer,
                retrieved_contexts=[*unit.documents])).value
        except _NoReplyError:
            if asking.wrong is not None:
                return nonsense(FAITHFULNESS, asking.wrong, asking.reply)
            return unanswered(FAITHFULNESS, asking.reply)
        if score is None or not isfinite(score):
            return AnswerVerdict(FAITHFULNESS, None, None, JudgementResult.JUDGED,
                                 reasons_of("it found no statement"))
        verdict = summed(unit, unit.answer_is_cut, [
            with_open(str(one.statement), SUPPORTED if one.verdict else ABSENT, 0, unit)
            for one in asking.last.statements])
        return verdict if verdict.score is None else verdict._replace(score=float(score))


class _Asking:
    """What asks for Ragas, and remembers what came of it."""

    def __init__(self, ask: Ask) -> None:
        self._ask, self._steps = ask, 0
        self.reply, self.wrong = JudgeReply(), cast("NonsenseError | None", None)
        self.last: Any = None  # the object that Ragas had last

    def generate(self, prompt: str, form: Any) -> Any:
        """An object of a form, which is one of Ragas' classes. Raises _NoReplyError."""
        self._steps += 1
        schema = _strict(form.model_json_schema())
        self.reply = self._ask(JudgeRequest(f"ragas.{FAITHFULNESS}.{self._steps}", _SYSTEM, prompt,
                                            schema))
        if self.reply.result is not JudgementResult.JUDGED:
            raise _NoReplyError
        try:
            document = object_in(self.reply.text, *cast("list[str]", schema["required"]))
            self.last = form.model_validate_json(json.dumps(document))
        except NonsenseError as error:
            self.wrong = error
            raise _NoReplyError from error
        except ValueError as error:  # pydantic's own is one, in words of its own
            self.wrong = NonsenseError(f"it is no {form.__name__}")
            raise _NoReplyError from error
        return self.last


def _loaded() -> tuple[Any, Any, str]:
    """Ragas' metric, the class of models that it takes, and its release."""
    os.environ["RAGAS_DO_NOT_TRACK"] = "true"
    try:
        from ragas.llms.base import InstructorBaseRagasLLM
        from ragas.metrics.collections import Faithfulness
    except ImportError as error:
        raise RagasMissingError(
            "Ragas is not installed, or with a langchain-community from 0.4 on, with which it does "
            "not import: pip install 'inferometer[ragas]'") from error
    return Faithfulness, InstructorBaseRagasLLM, version("ragas")


def _model_of(base: Any, generate: Callable[[str, Any], Any]) -> Any:
    """A model as Ragas takes it; its class can be made only where Ragas is."""
    async def agenerate(_: object, prompt: str, response_model: Any) -> Any:
        return generate(prompt, response_model)

    return type("AskingModel", (base,), {
        "generate": lambda _, prompt, response_model: generate(prompt, response_model),
        "agenerate": agenerate})()


def _strict(schema: object) -> Mapping[str, object]:
    """A schema whose objects have no other keys, as endpoints want them that hold to it."""
    def walk(value: object) -> object:
        if isinstance(value, list):
            return [walk(one) for one in value]
        if not isinstance(value, dict):
            return value
        made = {key: walk(inner) for key, inner in value.items()}
        return {**made, "additionalProperties": False} if made.get("type") == "object" else made
    return cast("Mapping[str, object]", walk(schema))

"""The judge that comes with this: its own prompts, to any model that speaks chat completions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from inferometer.evaluations import (
    ANSWER_RELEVANCE,
    FAITHFULNESS,
    JUDGED,
    REFUSAL,
    SELF_CONTRADICTION,
)
from inferometer.quality.judge.faithfulness import faithfulness
from inferometer.quality.judge.interface import AnswerVerdict, Ask, JudgeUnit, JudgeVersion
from inferometer.quality.judge.prompts import PROMPTS
from inferometer.quality.judge.questions import answer_relevance, refusal, self_contradiction
from inferometer.quality.judge.sentences import sentences_of

_ASKING: Mapping[str, Callable[[JudgeUnit, Ask], AnswerVerdict]] = {
    FAITHFULNESS: faithfulness, ANSWER_RELEVANCE: answer_relevance, REFUSAL: refusal,
    SELF_CONTRADICTION: self_contradiction}


class PromptedJudge:
    """A model with our prompts."""

    def __init__(self, model: str) -> None:
        self.version = JudgeVersion(model, PROMPTS)

    def applicable(self, unit: JudgeUnit, evaluations: Collection[str]) -> Sequence[str]:
        """Without documents nothing can be faithful to any, without a question nothing relevant."""
        has = {FAITHFULNESS: any(text.strip() for text in unit.documents),
               ANSWER_RELEVANCE: bool(unit.question.strip()),
               REFUSAL: True,
               SELF_CONTRADICTION: len(sentences_of(unit.answer)) > 1}
        return [one for one in JUDGED
                if one in evaluations and has[one] and unit.answer.strip()]

    def judge(self, unit: JudgeUnit, evaluations: Collection[str], ask: Ask
              ) -> Sequence[AnswerVerdict]:
        """A verdict for each that is applicable, one after the other."""
        return [_ASKING[one](unit, ask) for one in self.applicable(unit, evaluations)]

"""Which judges there are."""

from __future__ import annotations

from inferometer.config.judge import OWN, RAGAS
from inferometer.quality.judge.interface import AnswerJudge
from inferometer.quality.judge.prompted import PromptedJudge
from inferometer.quality.judge.ragas import RagasJudge


def judge_of(model: str, library: str = OWN) -> AnswerJudge:
    """A judge by this model. Raises RagasMissingError where its library is not installed."""
    return RagasJudge(model) if library == RAGAS else PromptedJudge(model)

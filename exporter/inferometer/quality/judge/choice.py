"""Which judges there are."""

from __future__ import annotations

from inferometer.quality.judge.interface import AnswerJudge
from inferometer.quality.judge.prompted import PromptedJudge
from inferometer.quality.judge.ragas import RagasJudge

OWN, RAGAS = LIBRARIES = ("own", "ragas")


def judge_of(model: str, library: str = OWN) -> AnswerJudge:
    """A judge by this model. Raises RagasMissingError where its library is not installed."""
    return RagasJudge(model) if library == RAGAS else PromptedJudge(model)

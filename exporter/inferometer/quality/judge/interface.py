"""What a judge is given, what it asks of a model, and what it makes of the model's replies.

A judge sends nothing by itself. It calls what it is given as `ask`, a step at a time, so that each
reply can be kept before the next is paid for: who asks it of the same unit again gets the same
requests under the same names of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from inferometer.evaluations import JudgementResult


class JudgeVersion(NamedTuple):
    """Which judge it is: figures of one are never added to another's."""

    model: str
    prompts: str  # a digest of all that is asked, and of how replies are read


class JudgeUnit(NamedTuple):
    """An answer with what it was asked and given, cut to what a judge is to read."""

    question: str
    documents: Sequence[str]  # what was found or brought for the answer; empty for nothing
    answer: str
    question_is_cut: bool = False
    documents_are_cut: bool = False  # some text of them is missing, or some of them are
    answer_is_cut: bool = False


class JudgeRequest(NamedTuple):
    """One request to a model."""

    step: str  # unique among those of one unit, as in faithfulness.statements
    system: str
    prompt: str
    schema: Mapping[str, object]  # of the JSON that is to come back


class JudgeReply(NamedTuple):
    """What came of one request."""

    text: str = ""  # as the model wrote it; the one part that need be kept
    result: JudgementResult = JudgementResult.JUDGED  # judged: a text came, whatever it holds
    reason: str = ""  # why none came, or what is wrong with it, for people
    input_tokens: int | None = None  # as the endpoint counts them
    output_tokens: int | None = None
    retry_after: float | None = None  # seconds, where the endpoint asks for it


class AnswerVerdict(NamedTuple):
    """What a judge says of one answer, for one evaluation."""

    evaluation: str
    flagged: bool | None  # True: the answer fails. None: left open, or no verdict came
    score: float | None  # 0 to 1; None where the evaluation has none, or it is left open
    result: JudgementResult
    reasons: str  # JSON with what was said, for who reviews it; a part of content


Ask = Callable[[JudgeRequest], JudgeReply]


class AnswerJudge(Protocol):
    """Something that judges answers."""

    @property
    def version(self) -> JudgeVersion:
        """Which judge it is."""
        ...

    def applicable(self, unit: JudgeUnit, evaluations: Collection[str]) -> Sequence[str]:
        """Those of the evaluations that can be made of the unit, in their order."""
        ...

    def judge(self, unit: JudgeUnit, evaluations: Collection[str], ask: Ask
              ) -> Sequence[AnswerVerdict]:
        """A verdict for each that is applicable. Raises what `ask` raises, and nothing else.

        Where a reply did not come (timeout, failed), the verdict has its result: ask again later,
        with the replies that did come.
        """
        ...

"""Verdicts of a judge, one after the other."""

from __future__ import annotations

from itertools import count
from typing import Any

from inferometer.evaluations import FAITHFULNESS, RANDOM, JudgedAnswer, JudgementResult
from inferometer.quality.rates.labels import AnswerStream

DAY = 86_400 * 10**9
STREAM = AnswerStream("shop", "m", FAITHFULNESS)
BEGIN = 20_000 * DAY  # the 4th of a month
_NUMBERS = count(1)


def verdict(flagged: bool | None, judged: int, **fields: Any) -> JudgedAnswer:
    """A verdict on an answer of the shop, one number after the last one."""
    number = next(_NUMBERS)
    values: dict[str, Any] = {
        "number": number, "unit": number, "service_name": "shop", "model": "m",
        "evaluation": FAITHFULNESS, "stratum": RANDOM, "probability": 0.01, "conversation": "",
        "flagged": flagged, "score": None, "result": JudgementResult.JUDGED, "judge": 1,
        "judged": judged, "arrived": judged}
    return JudgedAnswer(**values | fields)

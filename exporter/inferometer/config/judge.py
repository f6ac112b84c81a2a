"""The section `judge` of inferometer.yml: the model that is asked whether answers are good."""

from __future__ import annotations

from dataclasses import dataclass

from inferometer.addresses import URL, is_engine_url
from inferometer.config.keys import key
from inferometer.config.limits import USD
from inferometer.documents.bounds import bounded
from inferometer.documents.entry import Constraint
from inferometer.evaluations import ANSWER_RELEVANCE, FAITHFULNESS, JUDGED, REFUSAL

OWN, RAGAS = LIBRARIES = ("own", "ragas")  # whose prompts are sent

_PLACE = Constraint(lambda url: not url or is_engine_url(url), f"{URL}, or nothing",
                    {"pattern": "^(https?://[^/?#@ ]+([/?][^# ]*)?)?$"})
_NAME = bounded("text of at most 200 characters", maxLength=200)
_RATIO = bounded("a ratio above 0 and at most 1", exclusiveMinimum=0, maximum=1)
_EVALUATION = Constraint(lambda name: name in JUDGED, f"one of {', '.join(JUDGED)}",
                         {"enum": list(JUDGED)})
_LIBRARY = Constraint(lambda name: name in LIBRARIES, f"one of {', '.join(LIBRARIES)}",
                      {"enum": list(LIBRARIES)})
_CALLS = bounded("a whole number of calls from 1 to 10000000", minimum=1, maximum=10**7)
_AT_ONCE = bounded("a whole number from 1 to 64", minimum=1, maximum=64)
_TIMEOUT = bounded("a number of seconds above 0 and at most 600", exclusiveMinimum=0, maximum=600)
_LIMIT = bounded("a ratio above 0 and below 1", exclusiveMinimum=0, maximum=0.999)


@dataclass(frozen=True)
class JudgeSection:
    """The judge, how much of the answers it sees, and what its verdicts are held against."""

    enabled: bool = key("Whether this gateway judges; else `inferometer judge run` may.", False,
                        next_start=True)
    url: str = key("http:// or https:// of what answers as OpenAI's /v1/chat/completions does; "
                   "nobody judges without one.", "", _PLACE, next_start=True)
    model: str = key("The model to ask for.", "", _NAME, next_start=True)
    library: str = key("Whose prompts it is sent: own ones, or those of Ragas.", OWN, _LIBRARY,
                       next_start=True)
    key_file: str = key("A file with the key that lets in.", "", next_start=True)
    ca_file: str = key("Certificate authorities to trust.", "", next_start=True)
    sample_ratio: float = key("Of all traces with an answer, those that are judged.", 0.01, _RATIO)
    evaluations: tuple[str, ...] = key(
        "What it is asked.", (FAITHFULNESS, ANSWER_RELEVANCE, REFUSAL), _EVALUATION,
        next_start=True)
    daily_usd: float = key("What its calls may cost in a day (UTC), by the prices of calls.", 5.0,
                           USD)
    daily_calls: int = key("How many calls it may have in a day (UTC).", 10_000, _CALLS)
    concurrency: int = key("Answers that are judged at a time.", 2, _AT_ONCE, next_start=True)
    timeout_seconds: float = key("It has for a call.", 60.0, _TIMEOUT, next_start=True)
    max_unfaithful_ratio: float = key(
        "Of answers, those that may have statements without support.", 0.05, _LIMIT)
    max_irrelevant_ratio: float = key(
        "Those that may be about something else than was asked.", 0.05, _LIMIT)
    max_refusal_ratio: float = key("Those that may be refusals.", 0.05, _LIMIT)
    max_self_contradiction_ratio: float = key(
        "Those that may contradict themselves.", 0.05, _LIMIT)
    max_score_drop: float = key(
        "How far the daily mean of a score may fall below what it was weeks ago.", 0.05, _LIMIT)

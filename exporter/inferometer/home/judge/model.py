"""What a judgement is: an alert of the shipped rules, and how the page knows that it is pending."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from inferometer.home.judge.evidence import Evidence

PROBLEM, OVER = "problem", "over_limit"
SEVERITIES = ("critical", "warning", "info")  # as of alerts, the worst first

# Whom it is about: "engine" and its target, "gpu" and its UUID or index, "model" with engine and
# model, or one word for what there is but once.
Owner = tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """One thing that is amiss; `since` in Unix seconds where it is known better than by looking."""

    owner: Owner
    text: str
    since: float | None = None


Finder = Callable[[Evidence], Iterable[Finding]]


@dataclass(frozen=True)
class Judgement:
    """One rule of an alert; `window` tells apart those of one name, as its label does."""

    alert: str
    severity: str
    state: str
    judge: Finder
    window: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a judgement found, and since when it has been so. Unix seconds."""

    alert: str
    severity: str
    state: str
    owner: Owner
    text: str
    since: float

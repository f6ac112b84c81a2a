"""What is amiss, thing by thing: what cards show, and what was judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from inferometer.home.content import BAD, LEVELS, NOTE, OVER, Card, Problem
from inferometer.home.judge.model import OVER as OVER_LIMIT
from inferometer.home.judge.model import PROBLEM, SEVERITIES, Owner, Verdict

# What says of an engine or a GPU no more than its card does: the card has the reason.
_AS_CARDS = frozenset((
    "LLMModelDown", "LLMWorkloadDown", "LLMEngineDown", "LLMReplicasBelowLimit", "LLMModelMissing",
    "GpuLost", "GpuXidNeedsDrain"))
_PLACES: Mapping[str, tuple[str, str]] = {  # name and anchor of what has no card
    "driver": ("GPU driver", "gpus"), "gpus": ("GPUs", "gpus"), "cost": ("Cost", "cost"),
    "configuration": ("Configuration", "exporter"),
}


def of_verdicts(verdicts: Iterable[Verdict], cards: Sequence[Card],
                targets: Mapping[Owner, Sequence[str]]) -> list[Problem]:
    """All verdicts, in the words of the page; and cards that are amiss without any.

    `targets`: of each model, the engine endpoints that serve it.
    """
    by_owner = {card.owner: card for card in cards}
    problems = [_problem(verdict, by_owner, targets) for verdict in verdicts]
    judged = {problem.anchor for problem in problems if problem.level == BAD}
    problems += [Problem(BAD, PROBLEM, card.name, f"{card.state}: {card.why}", card.anchor)
                 for card in cards if card.failed and card.anchor not in judged]
    return sorted(problems, key=lambda problem: (
        LEVELS.index(problem.level), SEVERITIES.index(problem.severity)))


def _problem(verdict: Verdict, cards: Mapping[Owner, Card],
             targets: Mapping[Owner, Sequence[str]]) -> Problem:
    subject, anchor, card = _place(verdict.owner, cards, targets)
    text = verdict.text
    if card and card.failed and verdict.alert in _AS_CARDS:
        text = f"{card.state}: {card.why}"
    level = NOTE if verdict.severity == "info" else BAD if verdict.state == PROBLEM else OVER
    return Problem(level, verdict.state, subject, text, anchor, verdict.alert, verdict.severity,
                   verdict.since)


def _place(owner: Owner, cards: Mapping[Owner, Card], targets: Mapping[Owner, Sequence[str]]
           ) -> tuple[str, str, Card | None]:
    """What it is called, where its link leads to, and the card that is its own."""
    if owner in cards:
        return cards[owner].name, cards[owner].anchor, cards[owner]
    if owner[0] == "model":
        served = [cards["engine", target] for target in targets.get(owner, ())
                  if ("engine", target) in cards]
        if len(served) == 1 and sum(owner[:1] == model[:1] and targets[owner] == targets[model]
                                    for model in targets) == 1:
            return served[0].name, served[0].anchor, served[0]
        return owner[2] or owner[1], served[0].anchor if served else "engines", None
    name, anchor = _PLACES.get(owner[0], (" ".join(owner).capitalize(), "exporter"))
    return name, anchor, None


def state_of(problems: Iterable[Problem]) -> str:
    """The whole exporter's: "problem", "over_limit" or "ok"."""
    states = {problem.state for problem in problems if problem.level != NOTE}
    return next((state for state in (PROBLEM, OVER_LIMIT) if state in states), "ok")


@dataclass(frozen=True)
class ProblemRow:
    """A line of the page: what is amiss with how many things alike, and the alerts about it."""

    level: str
    text: str
    places: Sequence[tuple[str, str]]  # subject and anchor
    alerts: Sequence[str]
    since: float | None

    @property
    def group(self) -> tuple[bool, str]:
        """What it stands together with: the same thing, but notes apart."""
        return self.level == NOTE, self.places[0][1] + str(len(self.places))


def rows(problems: Iterable[Problem]) -> list[ProblemRow]:
    """Those with one text are one line; lines about the same stand together, the worst first."""
    alike: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        key = next((key for key in ((level, problem.text) for level in (BAD, OVER, NOTE))
                    if key in alike), (problem.level, problem.text))
        alike.setdefault(key, []).append(problem)
    lines = [*_merged(alike)]
    worst: dict[tuple[bool, str], int] = {}
    for line in lines:
        place = worst.setdefault(line.group, len(LEVELS))
        worst[line.group] = min(place, LEVELS.index(line.level))
    order = [*worst]
    return sorted(lines, key=lambda line: (
        worst[line.group], order.index(line.group), LEVELS.index(line.level)))


def _merged(alike: Mapping[tuple[str, str], Sequence[Problem]]) -> Iterator[ProblemRow]:
    for (level, text), problems in alike.items():
        times = [problem.since for problem in problems if problem.since is not None]
        yield ProblemRow(
            level, text, list(dict.fromkeys((one.subject, one.anchor) for one in problems)),
            list(dict.fromkeys(one.alert for one in problems if one.alert)),
            min(times, default=None))

"""All content of the page: sections of cards, what is amiss, cost and the exporter itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from inferometer import catalogue as c
from inferometer.families import Family
from inferometer.home import applications, problems
from inferometer.home.cards import CARDS, Latest, Sight, plain
from inferometer.home.content import (
    BAD,
    LEVELS,
    Card,
    Content,
    Exporter,
    Problem,
    Section,
    by_metric,
    collectors,
    costs,
    folded,
    total,
)
from inferometer.home.history import History, by_owner
from inferometer.home.judge.model import PROBLEM, Owner, Verdict
from inferometer.home.judge.verdicts import Assessment, Judge
from inferometer.home.totals import TOTALS
from inferometer.parts import Part, Watch


def gather(families: Iterable[Family], history: History, exporter: Exporter,
           parts: Sequence[tuple[Part, bool]], judge: Judge | None = None) -> Content:
    """All content: from what a scrape says, from the last hour, and from parts that watch things.

    With each part comes whether it runs in the exporter's role.
    """
    families = list(families)
    totals, latest = by_metric(families), {**by_owner(families), **applications.by_owner(families)}
    assessment = judge.assess(families, exporter.now) if judge else Assessment()
    targets = _targets(latest)
    sight = Sight(latest, history, exporter.now, assessment,
                  _by_owner(assessment.verdicts, targets), targets)
    watches = [(part, part.watch() if runs else None) for part, runs in parts if part.title]
    watches.sort(key=lambda entry: _order(entry[0].kind))
    sections = [_section(part, watch, sight) for part, watch in watches]
    cards = [card for section in sections for card in section.cards]
    return Content(
        exporter, history.step, history.recordings, sections,
        costs(totals.get(c.COST, {})), _idle(latest),
        sorted({product for part, watch in watches if watch
                for product in _unpriced(part.kind, watch, latest)}),
        collectors(totals), folded(totals.get(c.LABELS_FOLDED, {})),
        total(totals.get(c.CONFIG_RELOAD_OK)) != 0.0,
        [*_left_out(sections), *problems.of_verdicts(assessment.verdicts, cards, targets)],
        assessment)


def _targets(latest: Latest) -> Mapping[Owner, Sequence[str]]:
    """The engine endpoints that serve each model."""
    targets: dict[Owner, dict[str, None]] = {}
    for (kind, target), points in latest.items():
        for metric, values in points.items() if kind == "engine" else ():
            for key in values if metric.label_names[1:3] == ("engine", "model") else ():
                targets.setdefault(("model", key[1], key[2]), {})[target] = None
    return {model: [*names] for model, names in targets.items()}


def _by_owner(verdicts: Iterable[Verdict], targets: Mapping[Owner, Sequence[str]]
              ) -> Mapping[Owner, Sequence[Verdict]]:
    """What is amiss with each engine and GPU; with an engine also what is with its models."""
    mine: dict[Owner, list[Verdict]] = {}
    for verdict in verdicts:
        owners: list[Owner] = [("engine", target) for target in targets.get(verdict.owner, ())]
        owners = owners or [verdict.owner]
        for owner in owners:
            mine.setdefault(owner, []).append(verdict)
    return mine


def _order(kind: str) -> int:
    return [*CARDS].index(kind) if kind in CARDS else len(CARDS)


def _section(part: Part, watch: Watch | None, sight: Sight) -> Section:
    if watch is None:
        return Section(_heading(part), part.noun, False,
                       asked=part.kind not in applications.KINDS)
    make = CARDS.get(part.kind, plain)
    cards = [make((part.kind, watched.key), f"{part.noun.lower()}-{number}", watched, sight)
             for number, watched in enumerate(watch.watched[:watch.most], start=1)]
    mine = {owner: points for owner, points in sight.latest.items() if owner[0] == part.kind}
    totals = TOTALS[part.kind](cards, mine) if part.kind in TOTALS else []
    return Section(_heading(part), part.noun, True, _worst_first(cards), watch.when_empty,
                   watch.footnote, max(0, len(watch.watched) - watch.most), totals,
                   asked=part.kind not in applications.KINDS)


def _left_out(sections: Iterable[Section]) -> list[Problem]:
    return [Problem(BAD, PROBLEM, section.title,
                    f"{section.left_out} more than may be watched are left out", section.anchor)
            for section in sections if section.left_out]


def _heading(part: Part) -> str:
    return part.title[:1].upper() + part.title[1:]


def _idle(latest: Latest) -> float | None:
    """USD for all GPUs while they did nothing; None if it is known of none."""
    return total({key: usd for points in latest.values()
                  for key, usd in points.get(c.COST_IDLE, {}).items()})


def _unpriced(kind: str, watch: Watch, latest: Latest) -> Iterable[str]:
    """Products that have no price, of what is still there."""
    for watched in watch.watched[:watch.most]:
        if watched.product and not watched.gone and (
                c.GPU_PRICE not in latest.get((kind, watched.key), {})):
            yield watched.product


def _worst_first(cards: Sequence[Card]) -> list[Card]:
    return sorted(cards, key=lambda card: (LEVELS.index(card.level), not card.failed))

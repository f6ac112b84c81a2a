"""What is shown of the streams of a judge: rates with their intervals, the judge's errors, alarms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from inferometer.quality.rates.estimates import (
    Corrected,
    Interval,
    LabelCounts,
    corrected_rate,
    effective,
    judged_rate,
)
from inferometer.quality.rates.labels import AnswerStream
from inferometer.quality.rates.stream import NO_LABELS, QualityLimits
from inferometer.quality.rates.watch import QualityWatch

MOST_UNJUDGED = 0.1  # of the sample; beyond it the others may be a choice, and there is no rate
SEED = 20


class StreamFigures(NamedTuple):
    """What is known of one stream."""

    stream: AnswerStream
    judged: int  # in the sample of the present rate
    labelled: int
    unjudged: float  # a part of the sample
    rate: Interval | None  # as judged
    corrected: Corrected | None
    alarms: Mapping[tuple[str, str], float]  # by detector and estimate; 1 is an alarm


class QualityFigures(NamedTuple):
    """What is known of all of them; nothing before the first verdict."""

    streams: Sequence[StreamFigures] = ()
    limits: QualityLimits | None = None


def figures_of(watch: QualityWatch, now: int) -> Sequence[StreamFigures]:
    """Streams of which anything was judged in the 28 days before, those with most of it first."""
    counts = watch.labels_at(now)
    figures = []
    for stream, watched in watch.streams.items():
        verdicts, labels = watched.recent.verdicts(now), counts.get(stream, NO_LABELS)
        lost = watched.recent.unjudged(now)
        if not (total := len(verdicts) + lost):
            continue
        usable = verdicts if lost <= MOST_UNJUDGED * total else ()
        figures.append(StreamFigures(
            stream, len(verdicts), sum(labels), lost / total, judged_rate(usable),
            _corrected(*effective(usable), labels), watched.alarms))
    return sorted(figures, key=lambda one: (-one.judged, one.stream))


@lru_cache(maxsize=256)
def _corrected(flagged: float, judged: float, labels: LabelCounts) -> Corrected | None:
    """Drawn anew only where something is another: it takes a tenth of a second."""
    return corrected_rate(flagged, judged, labels, SEED)

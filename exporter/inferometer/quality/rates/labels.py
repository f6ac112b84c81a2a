"""What people say of judged answers, beside what the judge says of the same ones."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from inferometer.quality.rates.estimates import LabelCounts


class AnswerStream(NamedTuple):
    """Answers that are reckoned together: of one service and model, judged for one evaluation."""

    service_name: str
    model: str
    evaluation: str


class LabelledAnswer(NamedTuple):
    """A label of one reviewer, with the judge's verdict on the same answer."""

    stream: AnswerStream
    unit: int
    reviewer: str
    flagged: bool  # by the reviewer
    judged_flagged: bool
    labelled: int  # Unix nanoseconds


def counts_of(labels: Iterable[LabelledAnswer]) -> Mapping[AnswerStream, LabelCounts]:
    """How many answers have which verdict and which label.

    An answer counts once: what most of its reviewers say holds, of as many on both sides what was
    said last.
    """
    by_answer: dict[tuple[AnswerStream, int], list[LabelledAnswer]] = defaultdict(list)
    for label in labels:
        by_answer[label.stream, label.unit].append(label)
    counts: dict[AnswerStream, Counter[tuple[bool, bool]]] = defaultdict(Counter)
    for (stream, _), of_answer in by_answer.items():
        counts[stream][of_answer[0].judged_flagged, _majority(of_answer)] += 1
    return {stream: LabelCounts(*(of_stream[verdict, label] for verdict in (True, False)
                                  for label in (True, False)))
            for stream, of_stream in counts.items()}


def errors_of(ratio: float, labels: LabelCounts) -> tuple[float | None, float | None]:
    """Sensitivity and specificity of a judge that flags this part of the answers.

    None where no label has an answer that it could see. Of labels that are enough.
    """
    precision = labels.flagged_bad / (labels.flagged_bad + labels.flagged_good)
    omission = labels.unflagged_bad / (labels.unflagged_bad + labels.unflagged_good)
    bad = ratio * precision + (1 - ratio) * omission
    return (ratio * precision / bad if bad > 0 else None,
            (1 - ratio) * (1 - omission) / (1 - bad) if bad < 1 else None)


def _majority(labels: list[LabelledAnswer]) -> bool:
    lead = sum(1 if label.flagged else -1 for label in labels)
    newest = max(labels, key=lambda label: (label.labelled, label.reviewer))
    return lead > 0 if lead else newest.flagged

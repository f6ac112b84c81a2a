"""The actions of `inferometer review`, on a ledger that is open."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from inferometer.cli.ledger_tables import TableCell, moment, print_as, table
from inferometer.cli.verbs import FAILED, OK, complain
from inferometer.config import Config
from inferometer.documents.mistakes import MOST_LISTED, DocumentError, Mistake
from inferometer.ledger.database import Database
from inferometer.ledger.judging import labels
from inferometer.ledger.judging.making import require_gateway
from inferometer.ledger.judging.rates import JudgeReplay, quality_limits
from inferometer.ledger.judging.reading import labels_of, present_judge
from inferometer.outside import shown
from inferometer.quality.rates.estimates import ENOUGH_LABELS, Interval
from inferometer.quality.rates.figures import StreamFigures, figures_of
from inferometer.quality.rates.labels import counts_of
from inferometer.quality.rates.sample import WINDOW
from inferometer.quality.rates.stream import MEAN, RATE
from inferometer.quality.sheet import SheetRow, labels_in, sheet_of

MOST_BYTES = 64 * 2**20  # of a sheet
RATES = ("service", "model", "evaluation", "judged", "unjudged", "rate", "lower", "upper",
         "labelled", "corrected", "corrected_lower", "corrected_upper", "sensitivity",
         "specificity", "held_against", "alarm", "score_alarm")


def draw_answers(database: Database, evaluation: str, many: int, reviewer: str,
                 out: Path | None) -> int:
    """Write a sheet of answers for the reviewer."""
    if out is not None and out.exists():
        complain(f"{out} exists already")
        return FAILED
    drawn = labels.draw(database, evaluation, many, reviewer, time.time_ns())
    if drawn.without_content:
        complain(f"{drawn.without_content} answers were drawn of which nothing that was said is "
                 "kept any more (content.retention_days): they are left out")
    if not drawn.answers:
        complain(f"no judged answer of {evaluation} is there that {reviewer} has not labelled")
        return FAILED
    if not drawn.is_complete:
        complain(f"{len(drawn.answers)} answers, not {many}: there are no more, half of those that "
                 "the judge flagged and half of the others")
    text = sheet_of(SheetRow(
        one.unit, one.evaluation, one.content.question,
        [document for document in one.content.documents if document != one.content.question],
        one.content.answer) for one in drawn.answers)
    if out is None:
        sys.stdout.write(text)
    else:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        # With a mark by which spreadsheets know the encoding.
        with open(handle, "w", encoding="utf-8-sig", newline="") as file:
            file.write(text)
        print(f"{out}: {len(drawn.answers)} answers. Write pass, fail or skip into its column "
              f"label, then: inferometer review label {out}")
    return OK


def take_labels(database: Database, path: Path, reviewer: str) -> int:
    """Write the labels of a sheet into the ledger. Raises OSError, DocumentError, LedgerError."""
    require_gateway(database)
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise DocumentError(Mistake("", f"has more than {MOST_BYTES} bytes", document=str(path)))
    try:
        sheet = labels_in(data.decode(), str(path))
    except UnicodeDecodeError as error:
        raise DocumentError(Mistake("", "is not in UTF-8: save it as CSV UTF-8",
                                    document=str(path))) from error
    try:
        written = labels.write(database, [
            labels.NewLabel(one.unit, one.evaluation, one.flagged, one.note)
            for one in sheet.labels], reviewer, time.time_ns)
    except labels.UnknownAnswersError as error:
        lines = {(one.unit, one.evaluation): one.line for one in sheet.labels}
        mistakes = [Mistake("id", f"{unit} is no answer that was judged for {evaluation}",
                            lines[unit, evaluation], str(path))
                    for unit, evaluation in error.answers]
        raise DocumentError(*mistakes[:MOST_LISTED],
                            more=max(0, len(mistakes) - MOST_LISTED)) from error
    print(f"labels of {reviewer}: {written.new} new, {written.changed} changed, {written.same} as "
          f"before; {sheet.skipped} skipped, {sheet.unlabelled} without a label")
    _show_progress(database)
    return OK


def _show_progress(database: Database) -> None:
    """Print how many labels there are by now, of what correct a rate."""
    judge, now = present_judge(database), time.time_ns()
    if judge is None:
        return
    counts = counts_of(label for label in labels_of(database, judge.number)
                       if label.labelled > now - WINDOW)
    for stream, of_stream in sorted(counts.items()):
        flagged = of_stream.flagged_bad + of_stream.flagged_good
        print(f"{shown(' '.join(stream))}: {flagged} labels of flagged answers and "
              f"{sum(of_stream) - flagged} of others in 28 days; {ENOUGH_LABELS} of either "
              "make a corrected rate")


def show_rates(database: Database, config: Config, form: str) -> int:
    """Print what judges and people find, reckoned anew from all rows."""
    now = time.time_ns()
    with database.snapshot():
        judge = present_judge(database)
        if judge is None:
            complain("nothing was judged yet")
            return FAILED
        replay = JudgeReplay(judge.number, quality_limits(config.judge))
        replay.go_on(database, now)
    watch = replay.watch
    figures = figures_of(watch, now)
    rows = [_row(one) for one in figures]
    if form == "table":
        print("\n".join(table(RATES, rows)))
        print(f"By {judge.model}, prompts {judge.prompts}: {watch.answers} verdicts of the random "
              f"sample since {moment(watch.since)}, the last one number {watch.number}. "
              f"One false alarm in {watch.expected:,.0f} answers.")
    else:
        print_as(form, RATES, rows, {
            "judge": judge.model, "prompts": judge.prompts, "verdicts": watch.answers,
            "since": moment(watch.since), "last_number": watch.number,
            "answers_to_a_false_alarm": watch.expected,
            "rates": [dict(zip(RATES, row, strict=True)) for row in rows]})
    return OK


def _row(figures: StreamFigures) -> list[TableCell]:
    corrected = figures.corrected
    alarms = {detector: (estimate, ratio) for (detector, estimate), ratio
              in figures.alarms.items()}
    estimate, alarm = alarms.get(RATE, ("", None))
    return [*figures.stream, figures.judged, figures.unjudged, *_cells(figures.rate),
            figures.labelled, *_cells(corrected.rate if corrected else None),
            corrected.sensitivity if corrected else None,
            corrected.specificity if corrected else None,
            estimate, alarm, alarms.get(MEAN, ("", None))[1]]


def _cells(interval: Interval | None) -> list[TableCell]:
    return [*interval] if interval is not None else [None] * 3

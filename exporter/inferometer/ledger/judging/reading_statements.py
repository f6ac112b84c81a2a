"""Statements about judged answers and their labels. Values are bound by position."""

from __future__ import annotations

from functools import cache

from sqlalchemy import bindparam, delete, func, literal_column, select
from sqlalchemy.sql import ColumnElement

from inferometer.evaluations import RANDOM, JudgementResult
from inferometer.ledger.compiling import Compiler
from inferometer.ledger.schema import ANSWER_LABELS, JUDGED_UNITS, JUDGEMENTS

_UNITS, _JUDGED, _LABELS = JUDGED_UNITS.c, JUDGEMENTS.c, ANSWER_LABELS.c
_RANDOM: ColumnElement[str] = literal_column(f"'{RANDOM}'")
_OF_ANSWER = (  # the fields of JudgedAnswer
    _JUDGED.number, _JUDGED.unit, _UNITS.service_name, _UNITS.model, _JUDGED.evaluation,
    _UNITS.stratum, _UNITS.probability, _UNITS.conversation, _JUDGED.flagged, _JUDGED.score,
    _JUDGED.result, _JUDGED.judge, _JUDGED.judged, _UNITS.arrived)


class JudgedStatements(Compiler):
    """The statements in one database's dialect."""

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        text = self._text
        with_units = JUDGEMENTS.join(JUDGED_UNITS, _UNITS.id == _JUDGED.unit)
        of_judge = _JUDGED.judge == bindparam("judge_")
        is_judged = _JUDGED.result == literal_column(f"'{JudgementResult.JUDGED}'")
        verdict = _JUDGED.flagged.is_not(None), _UNITS.stratum == _RANDOM, is_judged
        # (judge, number): verdicts of a judge after one, in the order of judging
        self.judged_after = text(select(*_OF_ANSWER).select_from(with_units).where(
            of_judge, _UNITS.stratum == _RANDOM, _JUDGED.number > bindparam("number_")
            ).order_by(_JUDGED.number))
        # (judge, number, number): how many of a judge there are after one, up to another
        self.count_between = text(select(func.count()).select_from(with_units).where(
            of_judge, _UNITS.stratum == _RANDOM, _JUDGED.number > bindparam("number_"),
            _JUDGED.number <= bindparam("until_")))
        # (judge): labels beside the judge's verdicts
        with_labels = with_units.join(ANSWER_LABELS, (_LABELS.unit == _JUDGED.unit) & (
            _LABELS.evaluation == _JUDGED.evaluation))
        self.labels = text(select(
            _UNITS.service_name, _UNITS.model, _JUDGED.evaluation, _JUDGED.unit, _LABELS.reviewer,
            _LABELS.flagged, _JUDGED.flagged, _LABELS.labelled).select_from(with_labels).where(
            # By the labels, which are few: else all verdicts are read.
            _JUDGED.unit.in_(select(_LABELS.unit)), of_judge, *verdict).order_by(
            _LABELS.labelled, _JUDGED.unit, _LABELS.reviewer))
        # (judge, evaluation, since, reviewer): what may be drawn, and whether it is flagged
        self.drawable = text(select(_JUDGED.unit, _JUDGED.flagged).select_from(with_units).where(
            of_judge, _JUDGED.evaluation == bindparam("evaluation_"),
            _JUDGED.judged > bindparam("since_"), *verdict,
            ~select(_LABELS.unit).where(
                _LABELS.unit == _JUDGED.unit, _LABELS.evaluation == _JUDGED.evaluation,
                _LABELS.reviewer == bindparam("reviewer_")).exists()))
        # (unit): the trace, and the number of the fact that is the answer
        self.unit = text(select(_UNITS.trace, _UNITS.call).where(
            _UNITS.id == bindparam("unit_")))
        # (unit, evaluation): service, model and stratum of an answer on which there is a verdict
        self.stream_of = text(select(
            _UNITS.service_name, _UNITS.model, _UNITS.stratum).select_from(with_units).where(
            _JUDGED.unit == bindparam("unit_"), is_judged,
            _JUDGED.evaluation == bindparam("evaluation_")))
        key = (_LABELS.unit == bindparam("unit_"), _LABELS.evaluation == bindparam("evaluation_"),
               _LABELS.reviewer == bindparam("reviewer_"))
        # (unit, evaluation, reviewer)
        self.find_label = text(select(
            _LABELS.flagged, _LABELS.note, _LABELS.labelled).where(*key))
        # (unit, evaluation, 1, 0): whether anybody has labelled it
        self.find_any_label = text(select(_LABELS.reviewer).where(*key[:2]).limit(
            bindparam("many_")).offset(bindparam("from_")))
        self.delete_label = text(delete(ANSWER_LABELS).where(*key))
        # The columns of the table.
        self.put_label = text(self._upsert(ANSWER_LABELS, set_=("flagged", "labelled", "note")))


statements_of = cache(JudgedStatements)

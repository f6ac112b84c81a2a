"""Statements of judging. Values are bound by position, in the order of columns unless said
otherwise.
"""

from __future__ import annotations

from functools import cache

from sqlalchemy import (
    BindParameter,
    bindparam,
    delete,
    exists,
    func,
    literal_column,
    null,
    select,
    tuple_,
    update,
)

from inferometer.evaluations import RANDOM, VOTED
from inferometer.ledger.compiling import Compiler
from inferometer.ledger.schema import (
    ANSWER_LABELS,
    COUNTED,
    COUNTERS,
    FACTS,
    JUDGE_DAYS,
    JUDGE_REQUESTS,
    JUDGED_UNITS,
    JUDGEMENTS,
    JUDGES,
    META,
    SEATS,
    VOTES,
)
from inferometer.votes import THUMBS_DOWN

WAITING, ENDED, LEFT_OUT = range(3)  # states of a unit: the last has no verdict, and gets none
CURSOR = "judged_until"  # in the table meta: the last call that was looked at
REPORTED = "report_hallucination"
_UNITS, _REQUESTS, _DAYS = JUDGED_UNITS.c, JUDGE_REQUESTS.c, JUDGE_DAYS.c
_ID: BindParameter[int] = bindparam("id_")
_DAY: BindParameter[int] = bindparam("day_")
_MANY: BindParameter[int] = bindparam("many_")
_FROM: BindParameter[int] = bindparam("from_")
_SUMS = ("calls", "voted_calls", "cost", "priced_calls")


class JudgingStatements(Compiler):
    """The statements in one database's dialect."""

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        self._for_choosing()
        self._for_asking()
        self._for_reading()
        self._for_retention()

    def _for_choosing(self) -> None:
        """Those by which answers come into the sample."""
        text = self._text
        # Calls that have settled, in their order: see SettledCalls.
        calls = select(COUNTED.c.seq, COUNTED.c.arrived, FACTS.c.trace).join_from(
            COUNTED, FACTS, FACTS.c.seq == COUNTED.c.seq).where(
            COUNTED.c.kind == literal_column("'call'"))
        if self._dialect == "sqlite":
            # (number, number before which all have settled, how many, 0)
            calls = calls.where(COUNTED.c.seq > bindparam("after_"),
                                COUNTED.c.seq < bindparam("until_")).order_by(COUNTED.c.seq)
        else:
            # (arrival, arrival, number, arrival before which all have settled, how many, 0)
            calls = calls.where(
                COUNTED.c.arrived >= bindparam("since_"),
                tuple_(COUNTED.c.arrived, COUNTED.c.seq) > tuple_(
                    bindparam("arrived_"), bindparam("after_")),
                COUNTED.c.arrived < bindparam("until_")).order_by(
                COUNTED.c.arrived, COUNTED.c.seq)
        self.settled_calls = text(calls.limit(_MANY).offset(_FROM))
        # (number, 1, 0): the first fact from there on
        self.fact_from = text(select(FACTS.c.seq, FACTS.c.arrived).where(
            FACTS.c.seq >= _ID).order_by(FACTS.c.seq).limit(_MANY).offset(_FROM))
        self.find_meta = text(select(META.c.value).where(META.c.name == bindparam("name_")))
        # (arrival, how many, 0): calls that are voted down or reported, and are no unit yet
        self.voted_calls = text(select(VOTES.c.call, FACTS.c.arrived, FACTS.c.trace).join(
            FACTS, FACTS.c.seq == VOTES.c.call).where(
            VOTES.c.arrived >= bindparam("since_"), VOTES.c.final == literal_column("1"),
            VOTES.c.kind.in_([literal_column(f"'{kind}'") for kind in (THUMBS_DOWN, REPORTED)]),
            ~exists().where(_UNITS.call == VOTES.c.call,
                            _UNITS.stratum == literal_column(f"'{VOTED}'"))).distinct().order_by(
            VOTES.c.call).limit(_MANY).offset(_FROM))
        of_day = (_UNITS.day == _DAY, _UNITS.stratum == literal_column(f"'{RANDOM}'"))
        # (trace, stratum)
        self.find_unit = text(select(_UNITS.id).where(
            _UNITS.trace == bindparam("trace_"), _UNITS.stratum == bindparam("stratum_")))
        # (day, conversation), and (day, digest): of the random sample
        self.find_conversation = text(select(_UNITS.id).where(
            *of_day, _UNITS.conversation == bindparam("conversation_")))
        self.find_digest = text(select(_UNITS.id).where(
            *of_day, _UNITS.digest == bindparam("digest_")))
        self.last_unit = text(select(func.max(_UNITS.id)))
        self.insert_unit = text(self._insert(JUDGED_UNITS).on_conflict_do_nothing())
        # (day, arrival): how many came into the random sample since, and the first of them, by
        # their probability
        self.sum_sample = text(select(
            _UNITS.probability, func.count(), func.min(_UNITS.arrived)).where(
            _UNITS.stratum == literal_column(f"'{RANDOM}'"), _UNITS.day >= _DAY,
            _UNITS.arrived >= bindparam("since_")).group_by(_UNITS.probability))

    def _for_asking(self) -> None:
        """Those of who has a unit judged."""
        text = self._text
        # (stratum, now, 1, 0)
        self.next_unit = text(select(*_UNITS).where(
            _UNITS.state == literal_column(str(WAITING)), _UNITS.stratum == bindparam("stratum_"),
            _UNITS.due <= bindparam("now_")).order_by(_UNITS.due, _UNITS.id).limit(
            _MANY).offset(_FROM))
        ours = (_UNITS.id == _ID, _UNITS.tries == bindparam("tries_before"),
                _UNITS.state == literal_column(str(WAITING)))
        # (tries, until when it is ours, id, tries before)
        self.take_unit = text(update(JUDGED_UNITS).where(*ours).values(
            {"tries": bindparam("tries_"), "due": bindparam("due_")}))
        # (state, tries, due, id, tries before)
        self.leave_unit = text(update(JUDGED_UNITS).where(*ours).values(
            {"state": bindparam("state_"), "tries": bindparam("tries_"),
             "due": bindparam("due_")}))
        # Values: unit. Those of a judge to one.
        self.requests_of = text(select(
            _REQUESTS.id, _REQUESTS.step, _REQUESTS.judge, _REQUESTS.result, _REQUESTS.input,
            _REQUESTS.output, _REQUESTS.answer).where(
            _REQUESTS.unit == bindparam("unit_")).order_by(_REQUESTS.id))
        self.last_request = text(select(func.max(_REQUESTS.id)))
        self.insert_request = text(self._insert(JUDGE_REQUESTS))
        # (result, input, output, cost, answer, id)
        self.end_request = text(update(JUDGE_REQUESTS).where(
            _REQUESTS.id == _ID, _REQUESTS.result.is_(None)).values({
                name: bindparam(f"{name}_") for name in (
                    "result", "input", "output", "cost", "answer")}))
        self.forget_answers = text(update(JUDGE_REQUESTS).where(
            _REQUESTS.unit == bindparam("unit_")).values(answer=null()))
        self.find_day = text(select(*_DAYS).where(_DAYS.day == _DAY))
        self.add_to_day = text(self._upsert(JUDGE_DAYS, add=_SUMS))
        # (day, ratio, 0, 0, 0, 0)
        self.put_ratio = text(self._upsert(JUDGE_DAYS, set_=("ratio",)))
        # Values: day; requests of it on their way, or lost.
        self.count_open = text(select(func.count()).select_from(JUDGE_REQUESTS).where(
            _REQUESTS.day == _DAY, _REQUESTS.result.is_(None)))
        # Values: how many, and how many of these are judged, of requests since a day.
        self.count_asked = text(select(
            func.count(), func.count(_REQUESTS.unit.distinct())).where(
            _REQUESTS.day >= _DAY))
        self.last_judgement = text(select(func.max(JUDGEMENTS.c.number)))
        self.insert_judgement = text(self._insert(JUDGEMENTS).on_conflict_do_nothing())
        # (model, prompts)
        self.find_judge = text(select(JUDGES.c.id).where(
            JUDGES.c.model == bindparam("model_"), JUDGES.c.prompts == bindparam("prompts_")))
        self.last_judge = text(select(func.max(JUDGES.c.id)))
        self.put_judge = text(self._upsert(JUDGES, set_=("seen",)))
        # (first number, last number) of label tuples
        self.seats_between = text(select(*SEATS.c).where(
            SEATS.c.id.between(bindparam("first_"), bindparam("last_"))))

    def _for_reading(self) -> None:
        """Those for figures."""
        text = self._text
        # Values: gateway.
        self.counters_of = text(select(
            COUNTERS.c.seat, COUNTERS.c.name, COUNTERS.c.part, COUNTERS.c.value).where(
            COUNTERS.c.gateway == bindparam("gateway_")))
        self.count_waiting = text(select(_UNITS.stratum, func.count()).where(
            _UNITS.state == literal_column(str(WAITING))).group_by(_UNITS.stratum))
        # (1, 0): the judge that was seen last
        self.present_judge = text(select(JUDGES.c.id, JUDGES.c.model, JUDGES.c.prompts).order_by(
            JUDGES.c.seen.desc(), JUDGES.c.id.desc()).limit(_MANY).offset(_FROM))

    def _for_retention(self) -> None:
        """Those that delete, and forget. Of days: the first, and the one after the last."""
        text = self._text
        units = select(_UNITS.id).where(
            _UNITS.day >= bindparam("since_"), _UNITS.day < bindparam("until_"))
        self.first_day = text(select(func.min(_UNITS.day)))
        self.delete_words = [
            text(update(table).where(table.c.unit.in_(units), column.is_not(None)).values(
                {column: null()})) for table, column in (
                (JUDGEMENTS, JUDGEMENTS.c.reasons), (JUDGE_REQUESTS, _REQUESTS.answer),
                (ANSWER_LABELS, ANSWER_LABELS.c.note))]
        self.delete_units = [
            *(text(delete(table).where(table.c.unit.in_(units))) for table in (
                JUDGEMENTS, JUDGE_REQUESTS, ANSWER_LABELS)),
            text(delete(JUDGED_UNITS).where(
                _UNITS.day >= bindparam("since_"), _UNITS.day < bindparam("until_")))]
        self.delete_requests = text(delete(JUDGE_REQUESTS).where(_REQUESTS.day < _DAY))
        self.delete_days = text(delete(JUDGE_DAYS).where(_DAYS.day < _DAY))
        of_trace = select(_UNITS.id).where(_UNITS.trace == bindparam("trace_"))
        # Values: a trace. What was said of its answer, and the answer is judged no more.
        self.forget_trace = [
            *(text(update(table).where(table.c.unit.in_(of_trace)).values({column: null()}))
              for table, column in ((JUDGEMENTS, JUDGEMENTS.c.reasons),
                                    (JUDGE_REQUESTS, _REQUESTS.answer),
                                    (ANSWER_LABELS, ANSWER_LABELS.c.note))),
            text(update(JUDGED_UNITS).where(
                _UNITS.trace == bindparam("trace_"),
                _UNITS.state == literal_column(str(WAITING))).values(
                state=literal_column(str(LEFT_OUT))))]
        self.forget_conversation = text(update(JUDGED_UNITS).where(
            _UNITS.conversation == bindparam("conversation_")).values(
            conversation=literal_column("''")))


statements_of = cache(JudgingStatements)

"""Every statement of the ledger, for SQLite and PostgreSQL alike, by SQLAlchemy Core.

They are compiled once: what runs thousands of times a second takes the text and the driver's own
cursor. Values are bound by position, in the order of the table's columns unless said otherwise.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BindParameter,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.sql import ColumnElement

from inferometer.ledger.compiling import Compiler
from inferometer.ledger.conversation_statements import ConversationStatements
from inferometer.ledger.counting import MEASURES, OURS, TOKENS, CountedRow
from inferometer.ledger.ranking_statements import RankingStatements, totals_by
from inferometer.ledger.schema import (
    BATCHES,
    CONTENTS,
    COUNTED,
    COUNTERS,
    FACTS,
    FORGET_THERE,
    FORGOTTEN,
    FORMS,
    GROWTHS,
    LATE_ROWS,
    LINKS,
    META,
    METRIC_BOUNDS,
    ROLLUPS,
    SEATS,
    SPAN_SENDERS,
    STREAMS,
    TRACES,
    FactState,
)

_SEQ: BindParameter[int] = bindparam("seq_")
# What `top` groups by, and the column of the table `seats` that has it.
GROUPS = {"model": "model", "service": "service_name", "user": "", "provider": "provider",
          "operation": "operation", "tool": "name", "agent": "name"}
# The hour from which on. Of all gateways: the key begins with them.
_SINCE = (ROLLUPS.c.gateway.in_(select(COUNTERS.c.gateway)), ROLLUPS.c.hour >= bindparam("hour_"))
_ROLLUP_KEY = (ROLLUPS.c.gateway, ROLLUPS.c.hour, ROLLUPS.c.seat)
# What is the same in all rows of steps, and in those of calls that no engine tells of.
_OF_STEPS: dict[str, Any] = {
    **CountedRow._field_defaults, **dict.fromkeys(TOKENS), "calls": 1, "billed": 0, "usage": ""}
for _own in ("duration", "documents", "observed", "disagreement", "top_changed", "checks", "score"):
    del _OF_STEPS[_own]
_OF_CALLS = {"kind": "call", **dict.fromkeys(
    ("queue", "prefill", "decode", "documents", "run_calls", "run_tools", "disagreement",
     "top_changed", "relay", "remainder", "score")), "observed": 0}
STEP_COLUMNS, CALL_COLUMNS = ([name for name in CountedRow._fields if name not in fixed]
                              for fixed in (_OF_STEPS, _OF_CALLS))
TRACES_AT_ONCE = 32  # that one statement asks for
STREAMS_AT_ONCE = 100
BY_DAY = (CONTENTS, COUNTED, TRACES, FACTS)  # tables of which a database has a part for each day


class Statements(Compiler):
    """The statements in one database's dialect.

    `identities` is the table in which a digest stands once, with the number of its fact.
    """

    def __init__(self, dialect: str = "sqlite", identities: Table = FACTS) -> None:
        super().__init__(dialect)
        text, new = self._text, self._insertion
        # Values are bound at a price: what is the same for all is none.
        pending = {"state": int(FactState.PENDING), "counted": None}
        self.insert_fact = text(self._fixed(FACTS, **pending).on_conflict_do_nothing(
            index_elements=["digest"]))
        self.insert_nameless_fact = text(self._fixed(
            FACTS, **pending, user=None, conversation=None).on_conflict_do_nothing(
            index_elements=["digest"]))
        self.insert_content = new(CONTENTS)
        self.insert_links = new(LINKS)
        self.insert_counted = new(COUNTED)
        self.insert_counted_call = new(COUNTED, **_OF_CALLS)
        self.insert_counted_step = new(COUNTED, **_OF_STEPS)
        self.insert_seat = new(SEATS)
        self.insert_form = new(FORMS)
        self.put_meta = text(self._upsert(META, set_=("value",)))
        self.put_forgotten = text(self._upsert(FORGOTTEN, set_=("until",)))
        self.put_trace = text(self._upsert(TRACES, set_=("links",)))
        self.add_counter = text(self._upsert(COUNTERS, add=("value", "purged")))
        self.add_rollup = text(self._upsert(ROLLUPS, add=MEASURES))
        # (state, counted, seq)
        self.settle_fact = text(update(FACTS).where(FACTS.c.seq == _SEQ).values(
            state=bindparam("state_"), counted=bindparam("counted_")))
        # (first number, last number): each is a row of its own
        self.settle_own = text(update(FACTS).where(_chunk(FACTS)).values(
            state=literal_column(str(int(FactState.SETTLED))), counted=FACTS.c.seq))
        # (queue, prefill, decode, relay, remainder, number)
        self.put_phases = text(update(COUNTED).where(
            COUNTED.c.seq == _SEQ, COUNTED.c.kind == literal_column("'call'")).values({
                name: bindparam(f"{name}_") for name in (
                "queue", "prefill", "decode", "relay", "remainder")}))
        # Values: digest.
        self.find_fact = text(select(identities.c.seq).where(
            identities.c.digest == bindparam("digest_")))
        # (first digest, last digest) of a trace
        in_trace = identities.c.digest.between(bindparam("first_"), bindparam("last_"))
        numbers_in_trace = select(identities.c.seq).where(in_trace)
        # The same of TRACES_AT_ONCE traces, one after another.
        self.count_of_traces = text(select(*(
            select(func.count()).select_from(identities).where(identities.c.digest.between(
                bindparam(f"first_{i}"), bindparam(f"last_{i}"))).scalar_subquery()
            for i in range(TRACES_AT_ONCE))))
        # (first digest, last digest, how many, 0): the last of them
        self.facts_of_trace = text(select(*FACTS.c).where(
            in_trace if identities is FACTS else FACTS.c.seq.in_(numbers_in_trace)).order_by(
            FACTS.c.seq.desc()).limit(bindparam("many_")).offset(bindparam("from_")))
        self.calls_of_trace = text(select(*COUNTED.c).where(
            COUNTED.c.kind == literal_column("'call'"), COUNTED.c.seq.in_(numbers_in_trace)))
        self.links_of_trace = text(select(TRACES.c.links).where(
            TRACES.c.seq.in_(numbers_in_trace)))
        # Values: the number from which on facts may be pending.
        self.pending_facts = text(select(*FACTS.c).where(
            FACTS.c.seq >= _SEQ, FACTS.c.state == literal_column(str(int(FactState.PENDING)))
        ).order_by(FACTS.c.seq))
        # Values: how many, 0; the last calls whose tokens count, the newest first.
        self.last_billed = text(select(
            *FACTS.c, COUNTED.c.usage, COUNTED.c.input, COUNTED.c.output).join_from(
            FACTS, COUNTED, COUNTED.c.seq == FACTS.c.counted).where(
            COUNTED.c.kind == literal_column("'call'"),
            COUNTED.c.billed == literal_column("1")).order_by(FACTS.c.seq.desc()).limit(
            bindparam("many_")).offset(bindparam("from_")))
        self.count_pending = text(select(func.count()).select_from(FACTS).where(
            FACTS.c.seq >= _SEQ, FACTS.c.state == literal_column(str(int(FactState.PENDING)))))
        self.last_fact = text(select(func.max(FACTS.c.seq)))
        self.last_links = text(select(func.max(LINKS.c.id)))
        self.all_links = text(select(LINKS.c.links).order_by(LINKS.c.id))
        self.delete_links = text(delete(LINKS).where(LINKS.c.id < _SEQ))
        self.all_meta = text(select(META.c.name, META.c.value))
        self.all_forms = text(select(*FORMS.c))
        self.all_seats = text(select(*SEATS.c))
        # Values: gateway.
        self.all_counters = text(select(
            COUNTERS.c.seat, COUNTERS.c.name, COUNTERS.c.part, COUNTERS.c.value,
            COUNTERS.c.purged).where(COUNTERS.c.gateway == bindparam("gateway_")))
        # Values: the hour from which on; of each kind of row what it comes to, by one label.
        self.totals_by = {label: text(self._totals(label)) for label in GROUPS}
        # (hour, hour, how many, 0): the same of so many users, those of most input tokens.
        self.totals_of_leaders = text(self._totals("user").where(ROLLUPS.c.user.in_(
            select(ROLLUPS.c.user).where(*_SINCE).group_by(ROLLUPS.c.user).order_by(
                func.sum(ROLLUPS.c.input).desc()).limit(
                bindparam("many_")).offset(bindparam("from_")))))
        # (gateway, hour): what known users cost, but for those who cost nothing.
        self.user_costs = text(select(ROLLUPS.c.user, func.sum(ROLLUPS.c.cost)).where(
            ROLLUPS.c.gateway == bindparam("gateway_"), ROLLUPS.c.hour == bindparam("hour_"),
            ROLLUPS.c.user != literal_column("''"),
            ROLLUPS.c.cost > literal_column("0")).group_by(ROLLUPS.c.user))
        # Retention: (how many, 0); the oldest rows.
        self.oldest_facts = text(select(FACTS.c.seq, FACTS.c.arrived, FACTS.c.state).order_by(
            FACTS.c.seq).limit(bindparam("many_")).offset(bindparam("from_")))
        self.counted_until = text(select(*COUNTED.c).where(COUNTED.c.seq <= _SEQ))
        self.delete_until = [text(delete(table).where(table.c.seq <= _SEQ))
                             for table in (LATE_ROWS, *BY_DAY)]
        self.delete_rollups = text(delete(ROLLUPS).where(ROLLUPS.c.hour < bindparam("hour_")))
        # Verification, and looking for one user or conversation.
        self.all_identities = text(select(
            FACTS.c.seq, FACTS.c.digest, FACTS.c.trace, FACTS.c.span, FACTS.c.state,
            FACTS.c.counted).order_by(FACTS.c.seq))
        self.all_counted = text(select(*COUNTED.c).order_by(COUNTED.c.seq))
        # Of all gateways: each has label tuples of its own, so that no two have one key.
        self.every_counter = text(select(*list(COUNTERS.c)[1:]))
        self.every_rollup = text(select(*list(ROLLUPS.c)[1:]))
        self.counted_of = text(select(*COUNTED.c).where(or_(
            COUNTED.c.user == bindparam("user_"),
            COUNTED.c.conversation == bindparam("conversation_"))).order_by(COUNTED.c.seq))
        # (first number, last number, name) of users and conversations
        names = [(table, table.c[name]) for table in (FACTS, COUNTED)
                 for name in ("user", "conversation")]
        self.forget_names = [
            text(update(table).where(_chunk(table), column == bindparam("name_")).values(
                {column: null()})) for table, column in names]
        # The same: traces that they are in; (first digest, last digest) of one.
        self.traces_of = [text(select(FACTS.c.trace).distinct().where(
            _chunk(FACTS), column == bindparam("name_"))) for _, column in names[:2]]
        self.delete_contents_of_trace = text(delete(CONTENTS).where(
            CONTENTS.c.seq.in_(numbers_in_trace)))
        self.all_forgotten = text(select(*FORGOTTEN.c))
        # Values: the number from which on facts may be pending.
        self.delete_forgotten = text(delete(FORGOTTEN).where(FORGOTTEN.c.until < _SEQ))
        self.rollups_of = text(select(*_ROLLUP_KEY).where(ROLLUPS.c.user == bindparam("user_")))
        # (gateway, hour, seat, user)
        this = [column == bindparam(f"{column.name}_") for column in (*_ROLLUP_KEY, ROLLUPS.c.user)]
        self.find_rollup = text(select(*(ROLLUPS.c[name] for name in MEASURES)).where(*this))
        self.delete_rollup = text(delete(ROLLUPS).where(*this))
        self._for_other_stores()
        self.ranking = RankingStatements(dialect)
        self._for_streams()
        self.conversations = ConversationStatements(dialect)
        self.step_of = text(select(*COUNTED.c).where(COUNTED.c.seq == _SEQ))
        # (how many, 0): the oldest. And up to a number.
        self.oldest_contents = text(select(CONTENTS.c.seq, FACTS.c.arrived).join_from(
            CONTENTS, FACTS, FACTS.c.seq == CONTENTS.c.seq).order_by(CONTENTS.c.seq).limit(
            bindparam("many_")).offset(bindparam("from_")))
        self.delete_contents_until = text(delete(CONTENTS).where(CONTENTS.c.seq <= _SEQ))
        # (new gateway, the one before): see high_water.
        self.renew_counters = text(update(COUNTERS).where(
            COUNTERS.c.gateway == bindparam("before_")).values(
            gateway=bindparam("gateway_"), purged=COUNTERS.c.purged - COUNTERS.c.value,
            value=literal_column("0")))
        self.renew_rollups = text(update(ROLLUPS).where(
            ROLLUPS.c.gateway == bindparam("before_")).values(gateway=bindparam("gateway_")))
        self.content_of = text(select(CONTENTS.c.content).where(CONTENTS.c.seq == _SEQ))

    def _for_other_stores(self) -> None:
        """Those of batches that leave for another store."""
        text, of_kind = self._text, (BATCHES.c.gateway == bindparam("gateway_"),
                                     BATCHES.c.kind == bindparam("kind_"))
        self.insert_batch = text(self._insert(BATCHES))
        # (gateway, kind, how many, 0): the last of them
        self.last_batches = text(select(*BATCHES.c).where(*of_kind).order_by(
            BATCHES.c.number.desc()).limit(bindparam("many_")).offset(bindparam("from_")))
        # (gateway, kind, number)
        self.note_sent = text(update(BATCHES).where(
            *of_kind, BATCHES.c.number == bindparam("number_")).values(sent=literal_column("1")))
        self.delete_batches = text(delete(BATCHES).where(
            *of_kind, BATCHES.c.number < bindparam("number_")))
        self.insert_late = text(self._insert(LATE_ROWS).on_conflict_do_nothing())
        self.last_late = text(select(func.max(LATE_ROWS.c.id)))
        # (last id, last number): those that were sent, and that no batch to come is of
        self.delete_late = text(delete(LATE_ROWS).where(
            LATE_ROWS.c.id <= bindparam("id_"), LATE_ROWS.c.seq <= bindparam("seq_")))
        of_applications = and_(*(COUNTED.c.kind != literal_column(f"'{kind}'") for kind in OURS))
        # (first number, last number)
        punctual = _chunk(COUNTED), of_applications, ~exists().where(
            LATE_ROWS.c.seq == COUNTED.c.seq, LATE_ROWS.c.kind == COUNTED.c.kind)
        self.punctual_rows = text(select(*COUNTED.c).where(*punctual).order_by(COUNTED.c.seq))
        # The same, how many, how many to pass over: their numbers.
        self.punctual_numbers = text(select(COUNTED.c.seq).where(*punctual).order_by(
            COUNTED.c.seq).limit(bindparam("many_")).offset(bindparam("over_")))
        self.count_punctual = text(select(func.count()).select_from(COUNTED).where(*punctual))
        # (first id, last id)
        late = LATE_ROWS.c.id.between(bindparam("from_"), bindparam("to_"))
        self.late_rows = text(select(*COUNTED.c).join(LATE_ROWS, and_(
            LATE_ROWS.c.seq == COUNTED.c.seq, LATE_ROWS.c.kind == COUNTED.c.kind)).where(
            late, of_applications).order_by(COUNTED.c.seq))
        self.count_late = text(select(func.count()).select_from(LATE_ROWS).where(late))
        self.renew_batches = text(update(BATCHES).where(
            BATCHES.c.gateway == bindparam("before_")).values(gateway=bindparam("gateway_")))
        self.insert_forget_there = text(self._insert(FORGET_THERE).on_conflict_do_nothing())
        self.all_forget_there = text(select(*FORGET_THERE.c))
        self.delete_forget_there = text(delete(FORGET_THERE).where(
            FORGET_THERE.c.name == bindparam("name_")))

    def _for_streams(self) -> None:
        """Those of metrics that senders sum up themselves."""
        text = self._text
        # STREAMS_AT_ONCE keys
        self.find_streams = text(select(STREAMS.c.stream, STREAMS.c.state).where(
            STREAMS.c.stream.in_([bindparam(f"stream_{i}") for i in range(STREAMS_AT_ONCE)])))
        self.put_stream = text(self._upsert(STREAMS, set_=("seen", "start", "state")))
        self.count_streams = text(select(func.count()).select_from(STREAMS))
        # (how many, 0): those that were not seen for longest
        self.oldest_streams = text(select(STREAMS.c.stream, STREAMS.c.start).order_by(
            STREAMS.c.seen).limit(bindparam("many_")).offset(bindparam("from_")))
        self.delete_stream = text(delete(STREAMS).where(STREAMS.c.stream == bindparam("stream_")))
        self.delete_streams = text(delete(STREAMS))
        self.insert_growths = text(self._insert(GROWTHS))
        self.last_growths = text(select(func.max(GROWTHS.c.id)))
        # (until when they arrived, and from when on, how many, 0)
        self.due_growths = text(select(*GROWTHS.c).where(or_(
            GROWTHS.c.arrived <= bindparam("until_"), GROWTHS.c.arrived > bindparam("after_"))
            ).order_by(GROWTHS.c.id).limit(bindparam("many_")).offset(bindparam("from_")))
        self.delete_growths = text(delete(GROWTHS).where(GROWTHS.c.id == bindparam("id_")))
        self.delete_all_growths = text(delete(GROWTHS))
        self.put_span_sender = text(self._upsert(SPAN_SENDERS, set_=("seen",)))
        self.find_span_sender = text(select(SPAN_SENDERS.c.seen).where(
            SPAN_SENDERS.c.service_name == bindparam("service_")))
        self.put_bounds = text(self._insert(METRIC_BOUNDS).on_conflict_do_nothing())
        # (service, name)
        self.find_bounds = text(select(METRIC_BOUNDS.c.bounds).where(
            METRIC_BOUNDS.c.service_name == bindparam("service_"),
            METRIC_BOUNDS.c.name == bindparam("name_")))

    def _totals(self, label: str) -> Select[Any]:
        column = ROLLUPS.c.user if label == "user" else SEATS.c[GROUPS[label]]
        return totals_by(column).where(*_SINCE)


def _chunk(table: Table) -> ColumnElement[bool]:
    return table.c.seq.between(bindparam("from_"), bindparam("to_"))

"""Statements of votes. Values are bound by position, in the order of columns unless said otherwise.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    Select,
    bindparam,
    case,
    delete,
    distinct,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.sql import ColumnElement

from inferometer.ledger.compiling import Compiler
from inferometer.ledger.schema import (
    BURNT_NONCES,
    CALL_SUBJECTS,
    COUNTED,
    FACTS,
    ROLLUPS,
    SEATS,
    VOTES,
    WAITING_VOTES,
)

SUBJECTS_AT_ONCE = 100  # that one statement asks for
_VOTES, _WAITING, _CALLS = VOTES.c, WAITING_VOTES.c, CALL_SUBJECTS.c
_ID: BindParameter[str] = bindparam("id_")
_BEFORE: BindParameter[int] = bindparam("before_")


class VoteStatements(Compiler):
    """The statements in one database's dialect."""

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        text = self._text
        self.insert_vote = text(self._insert(VOTES))
        self.insert_waiting = text(self._insert(WAITING_VOTES).on_conflict_do_nothing())
        self.insert_nonce = text(self._insert(BURNT_NONCES).on_conflict_do_nothing())
        put = self._insert(CALL_SUBJECTS)
        self.put_subject = text(put.on_conflict_do_update(
            index_elements=["subject"], where=put.excluded.rank >= _CALLS.rank,
            set_={name: put.excluded[name] for name in ("seq", "seat", "arrived", "rank")}))
        # Values: id; kind and subject of a vote that is kept.
        self.find_vote = text(select(_VOTES.kind, _VOTES.subject).where(_VOTES.id == _ID))
        self.any_vote = text(select(_VOTES.id).limit(bindparam("many_")).offset(
            bindparam("from_")))
        # Values: ballot; the kind of the vote that holds.
        self.find_final = text(select(_VOTES.kind).where(*_of_ballot()))
        self.supersede = text(update(VOTES).where(*_of_ballot()).values(
            final=literal_column("0")))
        self._for_calls()
        self._for_retention()
        self._for_ratios()

    def _for_calls(self) -> None:
        """Those that join votes with calls."""
        text = self._text
        # (1, 0): whether any waits
        self.any_waiting = text(select(_WAITING.vote).limit(bindparam("many_")).offset(
            bindparam("from_")))
        # Of each vote that may be joined: itself, the call, and the call's labels.
        joinable: Select[Any] = select(
            _WAITING.vote, _CALLS.seq, _CALLS.arrived, _CALLS.seat, SEATS.c.model,
            SEATS.c.service_name, _VOTES.counts_as, _VOTES.final, _WAITING.rank).select_from(
            WAITING_VOTES.join(CALL_SUBJECTS, _CALLS.subject == _WAITING.subject)
            .join(SEATS, SEATS.c.id == _CALLS.seat)
            .join(VOTES, _VOTES.id == _WAITING.vote)).order_by(
            _WAITING.rank)
        self.all_joinable = text(joinable)
        # SUBJECTS_AT_ONCE subjects
        self.joinable = text(joinable.where(_WAITING.subject.in_(
            [bindparam(f"subject_{i}") for i in range(SUBJECTS_AT_ONCE)])))
        # (call, its arrival, its label tuple, id)
        self.join_vote = text(update(VOTES).where(_VOTES.id == _ID).values(
            call=bindparam("call_"), called=bindparam("called_"), seat=bindparam("seat_")))
        self.delete_waiting = text(delete(WAITING_VOTES).where(_WAITING.vote == _ID))
        # (first number of a trace, its last one): hashes of the conversations it is of
        self.conversations_of_trace = text(select(COUNTED.c.conversation).where(
            COUNTED.c.seq.between(bindparam("first_"), bindparam("last_")),
            COUNTED.c.conversation.is_not(None)).distinct())
        # Values: id, of a vote that is joined: what goes on, and the fact of its call.
        self.joined_vote = text(select(
            _VOTES.id, _VOTES.ballot, _VOTES.kind, _VOTES.explanation, _VOTES.user,
            _VOTES.arrived, _VOTES.logged, *FACTS.c).join(FACTS, FACTS.c.seq == _VOTES.call).where(
            _VOTES.id == _ID))

    def _for_retention(self) -> None:
        """Those that delete, and forget."""
        text = self._text
        # (arrival, how many, 0): votes that have waited for too long
        self.overdue = text(select(_WAITING.vote).where(
            _WAITING.arrived < _BEFORE).distinct().limit(bindparam("many_")).offset(
            bindparam("from_")))
        self.delete_old = [text(delete(table).where(key.in_(
            select(key).where(column < _BEFORE).limit(bindparam("many_")).offset(
                bindparam("from_"))))) for table, key, column in (
            (CALL_SUBJECTS, _CALLS.subject, _CALLS.arrived),
            (BURNT_NONCES, BURNT_NONCES.c.nonce, BURNT_NONCES.c.expires),
            (VOTES, _VOTES.id, _VOTES.arrived))]
        # Values: a user; the votes that are known to be theirs, and how many.
        self.votes_of = text(select(_VOTES.id).where(_VOTES.user == bindparam("name_")))
        self.count_of_voter = text(select(func.count()).select_from(VOTES).where(
            _VOTES.user == bindparam("name_")))
        # (a ballot of its own, id)
        self.forget_voter = text(update(VOTES).where(_VOTES.id == _ID).values(
            ballot=bindparam("ballot_"), user=null(), explanation=null()))
        # (first call, last call, first, last, name, name): on calls of a user or a conversation
        chunk = COUNTED.c.seq.between(bindparam("first_"), bindparam("last_"))
        self.forget_on_calls = text(update(VOTES).where(
            _VOTES.call.between(bindparam("from_"), bindparam("to_")),
            _VOTES.explanation.is_not(None), _VOTES.call.in_(
                select(COUNTED.c.seq).where(chunk, or_(
                    COUNTED.c.user == bindparam("user_"),
                    COUNTED.c.conversation == bindparam("conversation_"))))).values(
            explanation=null()))

    def _for_ratios(self) -> None:
        """Those that add up. Votes are those that hold, of calls that arrived in some time."""
        text = self._text
        of_final = _VOTES.final == literal_column("1"), _VOTES.call.is_not(None)
        # (from, until): by service, model and kind, on how many calls, and how many
        self.sum_votes = text(select(
            SEATS.c.service_name, SEATS.c.model, _VOTES.kind, func.count(distinct(_VOTES.call)),
            func.count()).join(SEATS, SEATS.c.id == _VOTES.seat).where(
            *of_final, _VOTES.called >= bindparam("from_"), _VOTES.called < bindparam("until_")
            ).group_by(SEATS.c.service_name, SEATS.c.model, _VOTES.kind))
        # Of services: the kinds that any vote ever kept has.
        self.kinds_by_service = text(select(SEATS.c.service_name, _VOTES.kind).join(
            VOTES, _VOTES.seat == SEATS.c.id).distinct())
        # (hour, hour): calls that generated something, by service and model
        generates = case((SEATS.c.operation == literal_column("'embeddings'"),
                          literal_column("0")), else_=ROLLUPS.c.ended)
        self.sum_calls = text(select(
            SEATS.c.service_name, SEATS.c.model, func.sum(generates)).join(
            SEATS, SEATS.c.id == ROLLUPS.c.seat).where(
            SEATS.c.kind == literal_column("'call'"),
            ROLLUPS.c.hour >= bindparam("hour_"), ROLLUPS.c.hour < bindparam("end_")).group_by(
            SEATS.c.service_name, SEATS.c.model))


def _of_ballot() -> tuple[ColumnElement[bool], ...]:
    return _VOTES.ballot == bindparam("ballot_"), _VOTES.final == literal_column("1")


statements_of = cache(VoteStatements)

"""Statements of the outbox. Values are bound by position."""

from __future__ import annotations

from sqlalchemy import and_, bindparam, delete, exists, func, literal_column, select, update

from inferometer.ledger.compiling import Compiler
from inferometer.ledger.schema import OUTBOX, OUTBOX_CURSORS, OUTBOX_REFUSED

_GATEWAY, _DESTINATION = "gateway_", "destination_"
_BODIES, _CURSORS, _REFUSED = OUTBOX.c, OUTBOX_CURSORS.c, OUTBOX_REFUSED.c
MOST_SIGNALS = 5  # that a statement binds


class OutboxStatements(Compiler):
    """The statements in one database's dialect."""

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        text = self._text
        of_gateway = _BODIES.gateway == bindparam(_GATEWAY)
        after = _BODIES.seq > bindparam("after_")
        of_signals = _BODIES.signal.in_([bindparam(f"signal_{i}") for i in range(MOST_SIGNALS)])
        self.insert_body = self._insertion(OUTBOX)
        # Values: gateway. The last number that a body or a cursor has.
        self.last_body = text(select(func.max(_BODIES.seq)).where(of_gateway))
        self.last_cursor = text(select(func.max(_CURSORS.seq)).where(
            _CURSORS.gateway == bindparam(_GATEWAY)))
        # (gateway, number, signals, 1, 0): the first body after the number
        self.next_body = text(select(*OUTBOX.c).where(of_gateway, after, of_signals).order_by(
            _BODIES.seq).limit(bindparam("many_")).offset(bindparam("from_")))
        # (gateway, number, signals): how many after it, their bytes, their first arrival
        self.sum_waiting = text(select(
            func.count(), func.sum(_BODIES.size), func.min(_BODIES.arrived)).where(
            of_gateway, after, of_signals))
        # Values: gateway. Bytes of all, and the first arrival.
        # (gateway, number): the same of all signals
        self.sum_after = text(select(
            func.count(), func.coalesce(func.sum(_BODIES.size), literal_column("0")),
            func.min(_BODIES.arrived)).where(of_gateway, after))
        self.sum_bodies = text(select(
            func.count(), func.sum(_BODIES.size), func.min(_BODIES.arrived)).where(of_gateway))
        # (gateway, how many, 0): of the oldest
        self.oldest_bodies = text(select(
            _BODIES.seq, _BODIES.signal, _BODIES.size, _BODIES.arrived).where(of_gateway).order_by(
            _BODIES.seq).limit(bindparam("many_")).offset(bindparam("from_")))
        # (gateway, number)
        self.delete_bodies_until = text(delete(OUTBOX).where(
            of_gateway, _BODIES.seq <= bindparam("until_")))
        self.delete_refused_until = text(delete(OUTBOX_REFUSED).where(
            _REFUSED.gateway == bindparam(_GATEWAY), _REFUSED.seq <= bindparam("until_")))
        # (gateway, arrival): of others, that are older
        self.delete_old_of_others = text(delete(OUTBOX).where(
            _BODIES.gateway != bindparam(_GATEWAY), _BODIES.arrived < bindparam("before_")))
        # (gateway, first number, last number): those that no destination needs
        self.delete_done = text(delete(OUTBOX).where(
            of_gateway, _BODIES.seq.between(bindparam("first_"), bindparam("last_")),
            ~exists().where(_CURSORS.gateway == _BODIES.gateway, _CURSORS.seq < _BODIES.seq),
            ~exists().where(_REFUSED.gateway == _BODIES.gateway, _REFUSED.seq == _BODIES.seq)))
        self.all_cursors = text(select(*OUTBOX_CURSORS.c).order_by(
            _CURSORS.gateway, _CURSORS.destination))
        self.put_cursor = text(self._upsert(OUTBOX_CURSORS, set_=("seq",)))
        # (number, gateway, destination, number): never back
        self.move_cursor = text(update(OUTBOX_CURSORS).where(
            _CURSORS.gateway == bindparam(_GATEWAY), _CURSORS.destination == bindparam(
                _DESTINATION), _CURSORS.seq < bindparam("less_")).values(seq=bindparam("seq_")))
        # (gateway, destination)
        one = (_CURSORS.gateway == bindparam(_GATEWAY),
               _CURSORS.destination == bindparam(_DESTINATION))
        self.cursor_of = text(select(_CURSORS.seq).where(*one))
        self.delete_cursor = text(delete(OUTBOX_CURSORS).where(*one))
        self._for_refused()

    def _for_refused(self) -> None:
        """Those of bodies that are set aside."""
        text = self._text
        one = (_REFUSED.gateway == bindparam(_GATEWAY),
               _REFUSED.destination == bindparam(_DESTINATION), _REFUSED.seq == bindparam("seq_"))
        self.put_refused = text(self._upsert(OUTBOX_REFUSED, set_=("status", "why", "again")))
        self.delete_refused = text(delete(OUTBOX_REFUSED).where(*one))
        # (gateway, destination)
        of_destination = one[:2]
        self.delete_refused_of = text(delete(OUTBOX_REFUSED).where(*of_destination))
        self.count_refused = text(select(func.count()).select_from(OUTBOX_REFUSED).where(
            *of_destination))
        # (gateway, destination, 1, 0): the first that is to be sent again
        self.next_again = text(select(*OUTBOX.c).join(OUTBOX_REFUSED, and_(
            _REFUSED.gateway == _BODIES.gateway, _REFUSED.seq == _BODIES.seq)).where(
            *of_destination, _REFUSED.again == literal_column("1")).order_by(_BODIES.seq).limit(
            bindparam("many_")).offset(bindparam("from_")))
        self.all_refused = text(select(
            _REFUSED.gateway, _REFUSED.destination, _REFUSED.seq, _REFUSED.status, _REFUSED.why,
            _REFUSED.again, _BODIES.signal, _BODIES.size, _BODIES.arrived).join(
            OUTBOX, and_(_REFUSED.gateway == _BODIES.gateway, _REFUSED.seq == _BODIES.seq)
            ).order_by(_REFUSED.gateway, _REFUSED.seq, _REFUSED.destination))
        self.send_again = text(update(OUTBOX_REFUSED).where(*one).values(
            again=literal_column("1")))

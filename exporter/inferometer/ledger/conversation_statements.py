"""Statements about conversations that go on."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, func, literal_column, or_, select, update

from inferometer.ledger.compiling import Compiler
from inferometer.ledger.schema import CONVERSATIONS as TABLE


class ConversationStatements(Compiler):
    """Those of one database's dialect."""

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        text = self._text
        last = TABLE.c.last
        # (service, hash, turns more, when the last one came)
        self.add = text(self._upsert(TABLE, set_=("last",), add=("turns",)))
        # (when the last turn came at the latest, or after when, how many, 0)
        self.ended = text(select(*TABLE.c).where(or_(
            last <= bindparam("rest_"), last > bindparam("after_"))).order_by(last).limit(
            bindparam("many_")).offset(bindparam("from_")))
        # (how many, 0): those whose last turn is the oldest
        self.resting = text(select(*TABLE.c).order_by(last).limit(
            bindparam("many_")).offset(bindparam("from_")))
        self.count = text(select(func.count()).select_from(TABLE))
        # (service, hash)
        self.delete = text(delete(TABLE).where(
            TABLE.c.service_name == bindparam("service_"),
            TABLE.c.conversation == bindparam("conversation_")))
        # Values: hash.
        self.end = text(update(TABLE).where(
            TABLE.c.conversation == bindparam("conversation_")).values(last=literal_column("0")))

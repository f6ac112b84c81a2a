"""Spans whose ids the ledger has already: sent once more, or others under ids used again."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from inferometer.ledger.database import Database
from inferometer.ledger.parcel import FactRow
from inferometer.threads import REPEATED_LOG_SECONDS

NAMED_COLUMNS = 10  # of a row that has a user or a conversation; another lacks these two

log = logging.getLogger(__name__)


class Repeats:
    """Tells the ones from the others, by the rows themselves: what is new costs nothing more."""

    def __init__(self, database: Database, forms: Collection[int],
                 monotonic: Callable[[], float]) -> None:
        self._database = database
        self._forms = forms  # of facts as they are packed now
        self._monotonic = monotonic
        self._logged_at, self._logged = -math.inf, 0
        self.reused = 0  # rows that say other things than the one that is kept

    def note(self, rows: Iterable[FactRow]) -> None:
        """Count those of such rows that are not the same again."""
        for row in rows:
            kept = self._database.connection.execute(
                self._database.statements.facts_of_trace, (row[1], row[1], 1, 0)).fetchone()
            if kept and self._is_another(kept, row):
                self.reused += 1
                self._log(row)

    def _is_another(self, kept: Sequence[Any], row: Sequence[object]) -> bool:
        _, _, _, *ids, form, _, _, user, conversation, fact = kept
        _, _, _, *new_ids, new_form, new_user, new_conversation, new_fact = (
            row if len(row) == NAMED_COLUMNS else [*row[:-1], None, None, row[-1]])
        if ids != new_ids:  # also two with one digest: the second is not counted either
            return True
        # A name that is gone from the row may have been forgotten.
        if any(name is not None and name != new_name
               for name, new_name in ((user, new_user), (conversation, new_conversation))):
            return True
        # What an earlier version packed has other fields, and cannot be compared.
        return form in self._forms and (form, fact) != (new_form, new_fact)

    def _log(self, row: Sequence[object]) -> None:
        now = self._monotonic()
        if now - self._logged_at < REPEATED_LOG_SECONDS:
            return
        _, _, _, trace, span, *_ = row
        log.warning("a span came under the ids of another one, and is not counted", extra={
            "trace": _hex(trace), "span": _hex(span), "times": self.reused - self._logged})
        self._logged_at, self._logged = now, self.reused


def _hex(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)

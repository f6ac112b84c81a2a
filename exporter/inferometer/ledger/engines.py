"""Engines' own view of calls, joined across traces by the id of the response.

An instrumentation that does not pass its trace on to the engine leaves the engine's span in a trace
of its own. Both come within seconds, so that the last ones are remembered and no others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TypeVar

from inferometer.facts import EngineCall
from inferometer.ledger.counting import CountedRow
from inferometer.ledger.settling import phases

T = TypeVar("T")
MOST = 20_000  # response ids that are remembered of either side
Phases = tuple[int | None, int | None, int | None, int]  # queue, prefill, decode; a row's number


class Engines:
    """Calls that wait for their engine, and engines that wait for their call."""

    def __init__(self) -> None:
        self._rows: OrderedDict[str, int] = OrderedDict()
        self._engines: OrderedDict[str, EngineCall] = OrderedDict()

    def joined(self, rows: Iterable[tuple[str, CountedRow]], engines: Sequence[EngineCall]
               ) -> list[Phases]:
        """What is known now of calls: given new rows by response id, and new engines' calls."""
        phases_of_rows: list[Phases] = []
        for response_id, row in rows:
            if row.decode is not None:
                continue  # its own trace has the engine's span
            engine = self._engines.pop(response_id, None)
            if engine is not None:
                phases_of_rows.append((*phases(engine), row.seq))
            else:
                _put(self._rows, response_id, row.seq)
        for engine in engines:
            seq = self._rows.pop(engine.response_id, None)
            if seq is not None:
                phases_of_rows.append((*phases(engine), seq))
            elif engine.response_id:
                _put(self._engines, engine.response_id, engine)
        return phases_of_rows


def _put(waiting: OrderedDict[str, T], key: str, value: T) -> None:
    waiting[key] = value
    if len(waiting) > MOST:
        waiting.popitem(last=False)

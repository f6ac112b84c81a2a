"""Engines' own view of calls, joined across traces by the id of the response.

An instrumentation that does not pass its trace on to the engine leaves the engine's span in a trace
of its own. Both come within seconds, so that the last ones are remembered and no others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TypeVar

from inferometer.facts import EngineCall
from inferometer.ledger.columns import phases
from inferometer.ledger.parts_of_calls import DividedCall, JoinedCall, parts_of

T = TypeVar("T")
MOST = 20_000  # response ids that are remembered of either side


class Engines:
    """Calls that wait for their engine, and engines that wait for their call."""

    def __init__(self) -> None:
        self._calls: OrderedDict[str, DividedCall] = OrderedDict()
        self._engines: OrderedDict[str, EngineCall] = OrderedDict()

    def joined(self, calls: Iterable[tuple[str, DividedCall]], engines: Sequence[EngineCall]
               ) -> list[JoinedCall]:
        """What is known now: given new calls without an engine by response id, and new engines'."""
        joined: list[JoinedCall] = []
        for response_id, call in calls:
            engine = self._engines.pop(response_id, None)
            if engine is not None:
                joined.append(JoinedCall(call, parts_of(call, *phases(engine))))
            else:
                _put(self._calls, response_id, call)
        for engine in engines:
            waiting = self._calls.pop(engine.response_id, None)
            if waiting is not None:
                joined.append(JoinedCall(waiting, parts_of(waiting, *phases(engine))))
            elif engine.response_id:
                _put(self._engines, engine.response_id, engine)
        return joined


def _put(waiting: OrderedDict[str, T], key: str, value: T) -> None:
    waiting[key] = value
    if len(waiting) > MOST:
        waiting.popitem(last=False)

"""Calls that one service passed on for another, each in a trace of its own.

A proxy that takes no trace context leaves two traces of one call, with one response's id. Both
services count it; the one that settles later has no tokens to add. The last calls are remembered,
and read from the file again at a start.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from inferometer.facts import ModelCall
from inferometer.ledger.counting import KNOWN, CountedRow

MOST = 20_000  # calls that are remembered
WITHIN = 600 * 10**9  # nanoseconds between the arrivals of both
SKEW = 10 * 10**9  # nanoseconds that the clocks of two machines may differ


class Billed(NamedTuple):
    """A call whose tokens count."""

    service_name: str
    arrived: int
    start: int
    end: int
    tokens: tuple[int | None, int | None]  # input, output; None: not known


class Relays:
    """The last calls that are billed, by the id of their response."""

    def __init__(self, calls: Iterable[tuple[ModelCall, int, str, int | None, int | None]] = ()
                 ) -> None:
        self._billed: OrderedDict[str, Billed] = OrderedDict()
        for call, arrived, usage, tokens, output in calls:
            if call.response_id:
                self._put(call.response_id, Billed(
                    call.service_name, arrived, call.start, call.end,
                    (tokens, output) if usage == KNOWN else (None, None)))

    def begin(self, response_ids: Iterable[str]) -> None:
        """Get ready for calls with these ids. Here all there is to know is in memory."""

    def end(self) -> None:
        """Keep what was noted since."""

    def repeats(self, response_id: str, row: CountedRow, call: ModelCall) -> bool:
        """Whether another service's call had these tokens; one that is new is remembered."""
        tokens = (row.input, row.output) if row.usage == KNOWN else (None, None)
        new = Billed(call.service_name, row.arrived, call.start, call.end, tokens)
        earlier = self._billed.get(response_id)
        if earlier is not None and _one_call(earlier, new):
            return True
        if row.billed:
            self.note(response_id, new)
        return False

    def note(self, response_id: str, billed: Billed) -> None:
        """Remember a call whose tokens count."""
        self._put(response_id, billed)

    def _put(self, response_id: str, billed: Billed) -> None:
        self._billed[response_id] = billed
        if len(self._billed) > MOST:
            self._billed.popitem(last=False)


def _one_call(earlier: Billed, new: Billed) -> bool:
    """Whether two services speak of one call, and the tokens of the new one are nothing new."""
    return (earlier.service_name != new.service_name
            and abs(new.arrived - earlier.arrived) <= WITHIN
            and new.start <= earlier.end + SKEW and earlier.start <= new.end + SKEW
            and all(mine is None or mine == theirs
                    for mine, theirs in zip(new.tokens, earlier.tokens, strict=True)))

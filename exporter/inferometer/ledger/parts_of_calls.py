"""Where the time of a call went, once the engine's own span is joined with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from inferometer.ledger.counting import CountedRow
from inferometer.spans.settlement import CallRow


class DividedCall(NamedTuple):
    """A call as far as its parts are reckoned from it."""

    seq: int  # its row's number
    seat: int
    duration: int | None  # nanoseconds; None where its parts are not counted
    passed_on: int | None  # how long the service took that it was passed on by; None: by none


class CallParts(NamedTuple):
    """Nanoseconds, in the order of PARTS_OF_CALLS; all None where they are not known."""

    relay: int | None = None
    queue: int | None = None
    prefill: int | None = None
    decode: int | None = None
    remainder: int | None = None


class JoinedCall(NamedTuple):
    """A call that is counted, and what its engine tells of it now."""

    call: DividedCall
    parts: CallParts


def divided(row: CountedRow, passed_on: int | None) -> DividedCall:
    """The row of a call. Only what succeeded has all parts, and of several rows of a call one.

    That is the one which is billed: by the service that asked.
    """
    is_divided = row.calls and row.billed and row.outcome == "success"
    return DividedCall(row.seq, row.seat, row.duration if is_divided else None, passed_on)


def parts_of(call: DividedCall, queue: int | None, prefill: int | None, decode: int | None
             ) -> CallParts:
    """Where its time went, by what the engine tells. No part is less than 0.

    Each is a difference of durations, not of times: clocks of several machines need not agree.
    """
    if call.duration is None or queue is None or prefill is None or decode is None:
        return CallParts(None, queue, prefill, decode)
    engine = queue + prefill + decode
    relay = None if call.passed_on is None else max(0, call.passed_on - engine)
    return CallParts(relay, queue, prefill, decode,
                     max(0, call.duration - engine - (relay or 0)))


def decomposed(rows: Iterable[CountedRow], calls: Mapping[int, CallRow]) -> Iterator[CountedRow]:
    """The rows, with the parts of those whose engine's span is in their own trace."""
    for row in rows:
        if row.kind != "call" or row.decode is None:
            yield row
            continue
        call = calls.get(row.seq)
        parts = parts_of(divided(row, call.passed_on if call else None),
                         row.queue, row.prefill, row.decode)
        yield row._replace(relay=parts.relay, remainder=parts.remainder)

"""Ids and times of spans, as both encodings must have them."""

from __future__ import annotations

from inferometer.spans.decoded import BadSpan

TRACE_ID, SPAN_ID = 16, 8  # bytes
_NO_TRACE, _NO_SPAN = bytes(TRACE_ID), bytes(SPAN_ID)
LONGEST = 7 * 86_400 * 10**9  # nanoseconds of one span
_EARLIEST = 946_684_800 * 10**9  # the year 2000
_LATEST = 4_102_444_800 * 10**9  # the year 2100


def check_ids(trace_id: bytes, span_id: bytes) -> None:
    """Raise BadSpan unless they are ids of W3C's trace context."""
    if len(trace_id) != TRACE_ID or len(span_id) != SPAN_ID or trace_id == _NO_TRACE \
            or span_id == _NO_SPAN:
        raise BadSpan("bad_id")


def parent(parent_id: bytes, span_id: bytes) -> bytes:
    """The parent's id; empty where there is none, or none that can be."""
    if len(parent_id) != SPAN_ID or parent_id in (_NO_SPAN, span_id):
        return b""
    return parent_id


def times(start: int, end: int) -> tuple[int, int]:
    """Start and end; both 0, which is unknown, where they cannot be."""
    if _EARLIEST < start <= end < _LATEST and end - start <= LONGEST:
        return start, end
    return 0, 0

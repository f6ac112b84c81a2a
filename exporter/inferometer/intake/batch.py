"""What is in a body: the facts, and which span is whose child."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, NamedTuple

from inferometer.evaluations import CHECKS
from inferometer.facts import Fact
from inferometer.intake.answer import JSON, PROTOBUF
from inferometer.intake.body import BodyRefusedError
from inferometer.points import MetricPoint
from inferometer.quality.refusals import PHRASES
from inferometer.quality.stored import StoreTerms, stored
from inferometer.quality.verdicts import judged
from inferometer.spans import decoded, otlp
from inferometer.spans.log_events import facts_of_log
from inferometer.spans.normalise import facts_of
from inferometer.spans.reader import Wishes

NO_PARENT = bytes(8)
_ENCODINGS = {PROTOBUF: decoded.PROTOBUF, JSON: decoded.JSON}
_DECODERS: Mapping[str, Callable[..., decoded.Decoded[Any]]] = {
    "traces": otlp.decode_traces, "logs": otlp.decode_logs}


class Wish(NamedTuple):
    """How a body is to be read."""

    signal: str  # traces, logs or metrics
    encoding: str
    coding: str
    body_bytes: int  # that it may have, unpacked
    wishes: Wishes
    phrases: tuple[str, ...] = PHRASES  # that refusals begin with
    checks: tuple[str, ...] = CHECKS  # that answers are looked at for
    store: StoreTerms | None = None  # what is kept of what was said


class Delivery(NamedTuple):
    """What one body has."""

    facts: Sequence[Fact] = ()
    links: Mapping[bytes, bytes] = {}  # by trace: each id, its parent's
    entries: int = 0  # spans, records or data points that were read
    rejected: Mapping[str, int] = {}  # and that were not, by reason
    points: Sequence[MetricPoint] = ()
    is_checked: bool = False  # whether it is known what answers come to


def batch_of(wish: Wish, body: bytes) -> Delivery:
    """Read an unpacked body. Raises BodyRefusedError for no OTLP, and beyond its bounds."""
    try:
        if wish.signal == "metrics":
            return _points(wish, body)
        items = _DECODERS[wish.signal](body, _ENCODINGS[wish.encoding],
                                       content=wish.wishes.content, also=wish.wishes.attributes,
                                       answers=wish.wishes.answers,
                                       sources=wish.wishes.sources)
        traces, wishes = wish.signal == "traces", wish.wishes
        make: Callable[..., Fact | None] = facts_of if traces else facts_of_log
        facts: list[Fact] = []
        links: dict[bytes, bytearray] = {}
        count = 0
        for item in items.spans:
            count += 1
            if traces:
                pairs = links.get(item.trace_id)
                if pairs is None:
                    pairs = links[item.trace_id] = bytearray()
                pairs += item.span_id
                pairs += item.parent_id or NO_PARENT
            fact = make(item, wishes)
            if fact is not None:
                facts.append(fact)
    except decoded.Refused as error:
        raise BodyRefusedError(HTTPStatus(error.status), error.message) from error
    return Delivery(facts, {trace: bytes(pairs) for trace, pairs in links.items()}, count,
                 dict(items.rejected))


def is_to_check(batch: Delivery) -> bool:
    """Whether it has answers of which nobody knows yet what they come to."""
    return not batch.is_checked and any(fact.content for fact in batch.facts)


def checked(wish: Wish, batch: Delivery) -> Delivery:
    """The same with what answers come to, and of what was said only what is to be kept."""
    facts = judged(batch.facts, wish.phrases, wish.checks) if wish.wishes.answers else batch.facts
    return batch._replace(is_checked=True, facts=[
        replace(fact, content=stored(fact.content, wish.store) if wish.store else {})
        if fact.content else fact for fact in facts])


def _points(wish: Wish, body: bytes) -> Delivery:
    """Raises Refused."""
    decoded_points = otlp.decode_metrics(body, _ENCODINGS[wish.encoding])
    points = list(decoded_points.spans)
    return Delivery(entries=len(points), rejected=dict(decoded_points.rejected), points=points)

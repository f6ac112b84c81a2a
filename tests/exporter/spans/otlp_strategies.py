"""OTLP in JSON as a hostile or a broken sender may write it, and captured bodies with mistakes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

from hypothesis import strategies as st

from inferometer.spans.flavours import FLAVOURS
from inferometer.spans.flavours.table import as_origin
from tests.exporter.spans.bodies import FOLDERS, bodies

KEYS = sorted({as_origin(source).attribute.replace("*", "0") for flavour in FLAVOURS
               for sources in flavour.fields.values() for source in sources}
              | {step.attribute for flavour in FLAVOURS for step in flavour.steps}
              | {mark for flavour in FLAVOURS for mark in flavour.marks}
              | {name for flavour in FLAVOURS for name in (*flavour.content, *flavour.long)})
MEANINGS = sorted({str(value) for flavour in FLAVOURS for step in flavour.steps
                   for value in step.means})
SCOPES = sorted({scope.replace("*", "x") for flavour in FLAVOURS for scope in flavour.scopes})
EVENTS = sorted({name for flavour in FLAVOURS
                 for name in (*flavour.first_token_events, *flavour.events)} | {"exception"})
# What a reader may stumble over: digits that are no number, halves of characters, huge numbers.
TEXTS = ("", "²", "٣", "\ud800", "a\udfffb", "\0", "NaN", "1e999", "9" * 5000, "-1", "1_0", "[]",
         "{}", '{"input": 1e999}', '{"input": 9%s}' % ("9" * 400), '["\\ud800"]', "[" * 3000,
         "[" * 3000 + "]" * 3000, "{'a': None}", '[{"id": "\\udc00"}]', "0001-01-01T00:00:00+23:59",
         "9999-12-31T23:59:59-23:59", "true", "429", "resp_1")
NUMBERS = (0, -1, 1, 2**31, 2**40, 2**53, 2**63 - 1, -2**63, 2**64, 10**400, 1e308, -1e308,
           float("nan"), float("inf"), 0.1)

texts = st.sampled_from((*TEXTS, *MEANINGS)) | st.text(max_size=8)
numbers = st.sampled_from(NUMBERS)
plain = st.none() | st.booleans() | texts | numbers
anything = st.recursive(plain, lambda inner: st.lists(inner, max_size=3)
                        | st.dictionaries(texts, inner, max_size=3), max_leaves=6)
keys = st.sampled_from(KEYS) | st.sampled_from(tuple(
    key + suffix for key in KEYS for suffix in (".0.document.id", ".99", "." + "9" * 5000)))


def wrapped(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Lists and maps of values."""
    pair = st.fixed_dictionaries({}, optional={"key": texts, "value": inner})
    return st.one_of(
        st.builds(lambda items: {"arrayValue": {"values": items}}, st.lists(inner, max_size=3)),
        st.builds(lambda pairs: {"kvlistValue": {"values": pairs}}, st.lists(pair, max_size=3)))


values = st.recursive(st.one_of(
    st.builds(lambda text: {"stringValue": text}, texts),
    st.builds(lambda number: {"intValue": number}, numbers | st.sampled_from(("12", "9" * 400))),
    st.builds(lambda number: {"doubleValue": number}, numbers),
    st.builds(lambda truth: {"boolValue": truth}, st.booleans()),
    st.builds(lambda text: {"bytesValue": text}, st.sampled_from(("", "AA==", "é", "=")))),
    wrapped, max_leaves=5)
pairs = st.lists(st.fixed_dictionaries({"key": keys, "value": values | anything}), max_size=6)
times = st.sampled_from((0, 1, "1800000000000000000", "1800000001000000000", 10**400, -1,
                         str(16_725_225_600 * 10**9), 2**64 - 1, 1e300, float("inf"), "soon"))
odd_spans = st.fixed_dictionaries({
    "traceId": st.sampled_from(("0" * 31 + "1", "0" * 32, "zz", "", 7, "1" * 32)),
    "spanId": st.sampled_from(("0" * 15 + "1", "0" * 16, "1" * 16, "2" * 16))}, optional={
    "parentSpanId": st.sampled_from(("1" * 16, "2" * 16, "", "x")), "name": texts | anything,
    "kind": st.sampled_from((0, 3, 99, -1, "SPAN_KIND_CLIENT", "x")),
    "startTimeUnixNano": times, "endTimeUnixNano": times, "attributes": pairs,
    "status": st.fixed_dictionaries({}, optional={"code": anything, "message": texts}),
    "events": st.lists(st.fixed_dictionaries({
        "name": st.sampled_from(EVENTS), "timeUnixNano": times, "attributes": pairs}), max_size=2)})


@st.composite
def odd_bodies(draw: st.DrawFn) -> bytes:
    """A body in JSON whose frame is right; of what is in it anything may be wrong."""
    return json.dumps({"resourceSpans": [{
        "resource": {"attributes": [
            *draw(pairs), {"key": "service.name", "value": draw(values)}]},
        "scopeSpans": [{"scope": {"name": draw(st.sampled_from(SCOPES))},
                        "spans": draw(st.lists(odd_spans, max_size=4))}]}]}).encode()


def captured() -> Iterator[tuple[bytes, str]]:
    """All captured bodies, with their encodings."""
    for folder in FOLDERS:
        yield from bodies(folder)


def mistaken(body: bytes, dice: Random) -> bytes:
    """The body with a few mistakes: other bytes, cuts, pieces moved or doubled, other sizes."""
    made = bytearray(body)
    for _ in range(dice.randint(1, 6)):
        if not made:
            break
        place, other = dice.randrange(len(made)), dice.randrange(len(made))
        piece = made[other:other + dice.randint(1, 64)]
        edit = dice.randrange(6)
        if edit == 0:
            made[place] = dice.randrange(256)
        elif edit == 1:
            made[place] ^= 1 << dice.randrange(8)
        elif edit == 2:
            del made[place:place + dice.randint(1, 64)]
        elif edit == 3:
            made[place:place] = piece
        elif edit == 4:
            made[place:place + len(piece)] = piece
        else:
            made[place:place + 1] = dice.choice((
                b"\xff" * 9 + b"\x01", b"\x0b", b"\x80", b"\x0b\x0c" * 99, b"9" * 400, b"\\ud800",
                b"\xed\xa0\x80", b"null", b"{}", b"[]", b"1e999", b"-1"))
    return bytes(made)

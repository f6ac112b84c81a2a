"""What a preset sends on is what its service takes: every captured body, in the right form."""

from __future__ import annotations

import pytest

from inferometer.sinks.encoding import encoding_of, message_of
from inferometer.sinks.presets import PRESETS
from inferometer.sinks.redaction import CONTENT_AND_USERS, NONE
from inferometer.spans.decoded import JSON, PROTOBUF
from tests.e2e.receivers.demands import BASES, DEMANDS, KEYS, OWN, TRACES
from tests.e2e.receivers.sending import pass_on, post
from tests.e2e.receivers.strict import items_in, receiving
from tests.exporter.sinks.captured import TYPES, SentBody, bodies

HEAVY = 200_000  # bytes: larger ones say nothing that the others do not


def number(sent: SentBody) -> int:
    """Of the spans, records or metrics of a body."""
    message = message_of(sent.body, sent.content_type, sent.signal)
    return items_in(message.SerializeToString(), TYPES[".pb"], sent.signal)


@pytest.mark.parametrize(("name", "level"), [
    *((name, NONE) for name in sorted(PRESETS)), ("langfuse", CONTENT_AND_USERS),
    ("phoenix", CONTENT_AND_USERS)])
def test_every_captured_body_reaches_its_service_whole(name: str, level: str) -> None:
    preset = PRESETS[name]
    with receiving(DEMANDS[name]) as (receiver, port):
        for sent in bodies():
            if sent.signal in preset.signals and len(sent.body) < HEAVY:
                status = pass_on(preset, sent, f"http://127.0.0.1:{port}{BASES[name]}",
                                 KEYS.get(name, ""), OWN.get(name), level)
                assert status == 200, (sent.name, receiver.refused)

    assert sorted({signal for signal, _ in receiver.taken}) == sorted(preset.signals)
    assert receiver.number(TRACES) == sum(
        number(sent) for sent in bodies() if sent.signal == TRACES and len(sent.body) < HEAVY)


def test_each_preset_is_held_against_its_service_and_no_other_is() -> None:
    assert set(DEMANDS) == set(PRESETS)
    for name, demand in DEMANDS.items():
        assert set(demand.paths.values()) == set(PRESETS[name].signals)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_service_refuses_what_its_preset_does_not_send(name: str) -> None:
    preset, demand = PRESETS[name], DEMANDS[name]
    sent = next(one for one in bodies() if encoding_of(one.content_type) == PROTOBUF)
    good = {**preset.headers_with(KEYS.get(name, "")), **OWN.get(name, {}),
            "content-type": TYPES[".pb"]}
    with receiving(demand) as (receiver, port):
        base = f"http://127.0.0.1:{port}{BASES[name]}"
        url = preset.url_of(TRACES, base)
        assert post(url, sent.body, good) == 200
        assert post(url + "/", sent.body, good) == 404
        assert post(url, sent.body[:-1], good) == 400
        assert post(url, b"", good) == 400
        assert post(url, sent.body, {**good, "content-type": "text/plain"}) == 415
        assert post(url, sent.body, {**good, "content-encoding": "gzip"}) == 400
        assert post(url, sent.body, {**good, "content-encoding": "br"}) == 415
        for header in demand.headers:
            assert post(url, sent.body, {**good, header: "?"}) == demand.unauthorized
        if TYPES[".json"] not in demand.types:
            assert post(url, sent.body, {**good, "content-type": TYPES[".json"]}) == 415
        assert len(receiver.taken) == 1


def test_ids_in_json_that_are_base64_are_refused() -> None:
    sent = next(one for one in bodies() if one.signal == TRACES
                and encoding_of(one.content_type) == JSON)
    body = sent.body.replace(b'"spanId":"', b'"spanId":"AA', 1)
    assert body != sent.body
    with receiving(DEMANDS["otlp"]) as (receiver, port):
        url = f"http://127.0.0.1:{port}/v1/traces"
        assert post(url, body, {"content-type": TYPES[".json"]}) == 400
        assert receiver.refused == [(400, "an id that is not hex, or an enum that is no number")]

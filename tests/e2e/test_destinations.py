"""What a preset sends on is what its service takes: every captured body, in the right form."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from inferometer.sinks.encoding import encoding_of
from inferometer.sinks.presets import PRESETS
from inferometer.sinks.redaction import CONTENT, CONTENT_AND_USERS
from inferometer.spans.decoded import JSON, PROTOBUF
from tests.e2e.receivers.demands import BASES, DEMANDS, FEEDBACK, KEYS, LOGS, OWN, TRACES
from tests.e2e.receivers.sending import PASSED_SECONDS, gateway_before, post, send_all
from tests.e2e.receivers.strict import receiving
from tests.exporter.sinks.captured import TYPES, bodies
from tests.exporter.support import wait_for


@pytest.mark.timeout(900)
def test_every_captured_body_reaches_every_service_through_a_gateway(tmp_path: Path) -> None:
    levels = {"langfuse": CONTENT_AND_USERS, "phoenix": CONTENT_AND_USERS, "honeycomb": CONTENT}
    with ExitStack() as stack:
        receivers, places = {}, {}
        for name in PRESETS:
            receivers[name], port = stack.enter_context(receiving(DEMANDS[name]))
            places[name] = f"http://127.0.0.1:{port}{BASES[name]}"
        gateway = stack.enter_context(gateway_before(tmp_path, places, levels))
        sent = send_all(gateway, bodies())
        sums = {name: {signal: sent[signal] for signal in sorted(preset.signals) if signal in sent}
                for name, preset in PRESETS.items()}

        wait_for(lambda: all(receivers[name].number(signal) >= number
                             for name in PRESETS for signal, number in sums[name].items()),
                 PASSED_SECONDS, 0.5)

        assert {name: receiver.refused for name, receiver in receivers.items()
                if receiver.refused} == {}
        assert {name: {signal: receiver.number(signal)
                       for signal in sorted(PRESETS[name].signals) if signal in sent}
                for name, receiver in receivers.items()} == sums
        with_content = [any(b"Capital of France" in body for body in receiver.bodies)
                for receiver in map(receivers.get, ("otlp", *levels)) if receiver]
        assert with_content == [True, False, False, False]


def test_each_preset_is_held_against_its_service_and_no_other_is() -> None:
    assert set(DEMANDS) == set(PRESETS)
    for name, demand in DEMANDS.items():
        signals = set(PRESETS[name].signals)
        assert set(demand.paths.values()) == (signals - {FEEDBACK} if LOGS in signals else signals)


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

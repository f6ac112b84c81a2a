"""Every captured body reaches real programs, and they have as many spans as were sent."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from random import Random, randbytes
from time import time_ns
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from inferometer.sinks.encoding import message_of, reencoded
from inferometer.spans.decoded import PROTOBUF
from inferometer.votes import Casting, Vote
from tests.e2e.gateways import METHODS
from tests.e2e.receivers.demands import DEMANDS, LOGS, METRICS, TRACES
from tests.e2e.receivers.programs import (
    INSTALLED,
    PROJECT,
    Receiver,
    agent,
    ask,
    collector,
    mlflow,
    of_agent,
    of_mlflow,
    of_phoenix,
    phoenix,
)
from tests.e2e.receivers.sending import (
    PASSED_SECONDS,
    SECONDS,
    gateway_before,
    number,
    post,
    send_all,
    with_new_ids,
)
from tests.e2e.receivers.strict import receiving
from tests.exporter.intake.gateways import Gateway
from tests.exporter.sinks.captured import SentBody, bodies
from tests.exporter.support import wait_for

ALL = (TRACES, LOGS, METRICS)
STORED_SECONDS = 900.0  # Phoenix answers before it has stored
with_agent = pytest.mark.skipif(not (INSTALLED / "test-agent" / "installed").exists(),
                                reason="make receivers installs the test agent")


def renewed() -> list[SentBody]:
    """All captured bodies with ids that no receiver has seen."""
    dice = Random()
    return [with_new_ids(sent, dice) for sent in bodies()]


@with_agent
@pytest.mark.timeout(900)
def test_every_captured_body_reaches_the_test_agent_of_datadog(tmp_path: Path) -> None:
    with agent(tmp_path) as receiver, \
            gateway_before(tmp_path, {"datadog-agent": receiver.url}, {}) as gateway:
        sent = send_all(gateway, bodies())

        wait_for(lambda: all(of_agent(receiver, signal) >= sent[signal] for signal in ALL),
                 PASSED_SECONDS, 1.0)
        assert {signal: of_agent(receiver, signal) for signal in ALL} == sent
        again = next(body for body in bodies() if body.signal == TRACES)
        send_all(gateway, [again])
        wait_for(lambda: of_agent(receiver, TRACES) == sent[TRACES] + number(again),
                 PASSED_SECONDS, 1.0)


@with_agent
@pytest.mark.timeout(600)
def test_the_test_agent_takes_the_same_bodies_over_grpc(tmp_path: Path) -> None:
    numbers = dict.fromkeys(ALL, 0)
    with agent(tmp_path) as receiver, \
            grpc.insecure_channel(f"127.0.0.1:{receiver.grpc}") as channel:
        for sent in bodies():
            method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
                METHODS[sent.signal])
            method(reencoded(sent.body, sent.content_type, sent.signal, PROTOBUF),
                   timeout=SECONDS, wait_for_ready=True)
            numbers[sent.signal] += number(sent)

        assert {signal: of_agent(receiver, signal) for signal in ALL} == numbers


@pytest.mark.heavy
@pytest.mark.timeout(3600)
def test_every_captured_body_reaches_phoenix_mlflow_and_who_is_behind_a_collector(
        tmp_path: Path) -> None:
    with ExitStack() as stack:
        behind, port = stack.enter_context(receiving(DEMANDS["otlp"]))
        running = {name: stack.enter_context(started) for name, started in (
            ("phoenix", phoenix(made(tmp_path / "phoenix"))),
            ("mlflow", mlflow(made(tmp_path / "mlflow"))),
            ("otlp", collector(made(tmp_path / "otlp"), f"http://127.0.0.1:{port}")))}
        gateway = stack.enter_context(gateway_before(
            tmp_path, {name: receiver.url for name, receiver in running.items()}, {}))
        all_bodies = renewed()
        sent = send_all(gateway, all_bodies)

        wait_for(lambda: sum(count for _, count in behind.taken) >= sum(sent.values()),
                 PASSED_SECONDS, 0.5)
        assert {signal: behind.number(signal) for signal in ALL} == sent
        assert behind.refused == []
        wait_for(lambda: of_mlflow(running["mlflow"]) >= sent[TRACES], STORED_SECONDS, 1.0)
        assert of_mlflow(running["mlflow"]) == sent[TRACES]
        storable = sent[TRACES] - sum(map(with_bytes, all_bodies))
        wait_for(lambda: of_phoenix(running["phoenix"]) >= storable, STORED_SECONDS, 1.0)
        assert of_phoenix(running["phoenix"]) == storable

        # The same once more, and then others, so that it is known when the same was looked at.
        again = next(body for body in all_bodies if body.signal == TRACES)
        other = with_new_ids(again, Random())
        send_all(gateway, [again, other])
        more = sent[TRACES] + number(other)
        stored = storable + number(other)
        wait_for(lambda: of_mlflow(running["mlflow"]) >= more
                 and of_phoenix(running["phoenix"]) >= stored, STORED_SECONDS, 1.0)
        assert (of_mlflow(running["mlflow"]), of_phoenix(running["phoenix"])) == (more, stored)


def with_bytes(sent: SentBody) -> int:
    """The spans with an attribute of bytes, as ddtrace's: Phoenix cannot store them."""
    if sent.signal != TRACES:
        return 0
    message = message_of(sent.body, sent.content_type, TRACES)
    return sum(any(pair.value.WhichOneof("value") == "bytes_value" for pair in span.attributes)
               for resource in message.resource_spans for scope in resource.scope_spans
               for span in scope.spans)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.heavy
@pytest.mark.timeout(3600)
def test_a_vote_is_an_annotation_of_the_calls_span_in_phoenix_and_a_changed_one_the_same(
        tmp_path: Path) -> None:
    trace, spans = randbytes(16), {name: randbytes(8) for name in ("GET /chat", "chat m")}
    with phoenix(made(tmp_path / "phoenix")) as receiver, \
            gateway_before(tmp_path, {"phoenix": receiver.url}, {}) as gateway:
        send(gateway, TRACES, asked(trace, spans))
        send(gateway, LOGS, evaluated(trace, spans["chat m"], "thumbs_up", "first"))
        wait_for(lambda: annotations_of(receiver, spans["chat m"]), STORED_SECONDS, 1.0)
        send(gateway, LOGS, evaluated(trace, spans["chat m"], "thumbs_down", "second"))
        copied = Casting(Vote("copy", "third", trace_id=trace, user="ada"))
        gateway.ledger.cast(copied, time_ns()).result(SECONDS)

        wait_for(lambda: {one["result"]["label"] for one in annotations_of(
            receiver, spans["chat m"])} == {"thumbs_down", "copy"}, STORED_SECONDS, 1.0)
        thumb, copy = sorted(annotations_of(receiver, spans["chat m"]),
                             key=lambda one: str(one["name"]), reverse=True)
        assert (thumb["name"], thumb["annotator_kind"], thumb["result"]["score"]) == (
            "user_feedback", "HUMAN", 0.0)
        assert thumb["result"]["explanation"] == "not second"
        assert (copy["name"], copy["result"]["score"]) == ("copy", None)
        assert annotations_of(receiver, spans["GET /chat"]) == []


def annotations_of(receiver: Receiver, span_id: bytes) -> list[Any]:
    """What Phoenix has of a span; nothing while it has no such project."""
    try:
        return list(ask(receiver, f"/v1/projects/{PROJECT}/span_annotations"
                                  f"?span_ids={span_id.hex()}")["data"])
    except AssertionError:
        return []


def send(gateway: Gateway, signal: str, body: bytes) -> None:
    status = post(f"{gateway.intake.url}/v1/{signal}", body,
                  {"content-type": "application/x-protobuf"})
    assert status == 200


def asked(trace: bytes, spans: Mapping[str, bytes]) -> bytes:
    """A request, and in it a call to a model."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    now, parent = time_ns(), b""
    for name, span_id in spans.items():
        span = scope.spans.add(
            trace_id=trace, span_id=span_id, parent_span_id=parent, name=name,
            start_time_unix_nano=now - 10**9, end_time_unix_nano=now)
        parent = span_id
    for key, value in (("gen_ai.operation.name", "chat"), ("gen_ai.request.model", "m"),
                       ("gen_ai.provider.name", "openai")):
        span.attributes.add(key=key).value.string_value = value
    return bytes(request.SerializeToString())


def evaluated(trace: bytes, span: bytes, label: str, uid: str) -> bytes:
    """An event as OpenTelemetry has it for what a person says."""
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add(
        trace_id=trace, span_id=span, time_unix_nano=time_ns(),
        event_name="gen_ai.evaluation.result")
    for key, value in (("gen_ai.evaluation.name", "user_feedback"), ("user.id", "ada"),
                       ("gen_ai.evaluation.score.label", label), ("log.record.uid", uid),
                       ("gen_ai.evaluation.explanation", f"not {uid}")):
        record.attributes.add(key=key).value.string_value = value
    return bytes(request.SerializeToString())

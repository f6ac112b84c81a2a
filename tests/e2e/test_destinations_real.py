"""Every captured body reaches real programs, and they have as many spans as were sent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random

import grpc
import pytest

from inferometer.sinks.encoding import message_of, reencoded
from inferometer.sinks.presets import PRESETS
from inferometer.spans.decoded import PROTOBUF
from tests.e2e.gateways import METHODS
from tests.e2e.receivers.demands import DEMANDS, LOGS, METRICS, TRACES
from tests.e2e.receivers.programs import (
    INSTALLED,
    PROJECT,
    Receiver,
    agent,
    collector,
    mlflow,
    of_agent,
    of_mlflow,
    of_phoenix,
    phoenix,
)
from tests.e2e.receivers.sending import SECONDS, pass_on, with_new_ids
from tests.e2e.receivers.strict import items_in, receiving
from tests.exporter.sinks.captured import TYPES, SentBody, bodies
from tests.exporter.support import wait_for

ALL = (TRACES, LOGS, METRICS)
STORED_SECONDS = 120.0  # Phoenix answers before it has stored
with_agent = pytest.mark.skipif(not (INSTALLED / "test-agent" / "installed").exists(),
                                reason="make receivers installs the test agent")


def number(sent: SentBody) -> int:
    """Of the spans, records or metrics of a body."""
    message = message_of(sent.body, sent.content_type, sent.signal)
    return items_in(message.SerializeToString(), TYPES[".pb"], sent.signal)


def pass_all_on(name: str, receiver: Receiver,
                headers: Mapping[str, str] | None = None) -> dict[str, int]:
    """All bodies that the preset is for; the number of what was in them, by signal."""
    preset, dice = PRESETS[name], Random()
    numbers = dict.fromkeys(preset.signals, 0)
    for sent in (sent for sent in bodies() if sent.signal in preset.signals):
        assert pass_on(preset, with_new_ids(sent, dice), receiver.url, headers=headers) == 200, \
            sent.name
        numbers[sent.signal] += number(sent)
    return numbers


@with_agent
@pytest.mark.timeout(600)
def test_every_captured_body_reaches_the_test_agent_of_datadog(tmp_path: Path) -> None:
    with agent(tmp_path) as receiver:
        sent = pass_all_on("datadog-agent", receiver)

        assert {signal: of_agent(receiver, signal) for signal in ALL} == sent


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
@pytest.mark.timeout(1800)
def test_every_captured_body_reaches_phoenix(tmp_path: Path) -> None:
    with phoenix(tmp_path) as receiver:
        sent = pass_all_on("phoenix", receiver, {"x-project-name": PROJECT})

        wait_for(lambda: of_phoenix(receiver) >= sent[TRACES], STORED_SECONDS, 1.0)
        assert of_phoenix(receiver) == sent[TRACES]


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_every_captured_body_reaches_mlflow(tmp_path: Path) -> None:
    with mlflow(tmp_path) as receiver:
        sent = pass_all_on("mlflow", receiver, {"x-mlflow-experiment-id": "0"})

        wait_for(lambda: of_mlflow(receiver) >= sent[TRACES], STORED_SECONDS, 1.0)
        assert of_mlflow(receiver) == sent[TRACES]


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_every_captured_body_reaches_who_is_behind_a_collector(tmp_path: Path) -> None:
    with receiving(DEMANDS["otlp"]) as (behind, port), \
            collector(tmp_path, f"http://127.0.0.1:{port}") as receiver:
        sent = pass_all_on("otlp", receiver)

        wait_for(lambda: sum(number for _, number in behind.taken) >= sum(sent.values()),
                 STORED_SECONDS)
        assert {signal: behind.number(signal) for signal in ALL} == sent
        assert behind.refused == []

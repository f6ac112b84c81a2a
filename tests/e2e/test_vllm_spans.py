"""The spans of a real vLLM fill the phases of calls that an application counts, and count none."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from inferometer.config import IntakeSection
from tests.e2e.senders.vllm import SCENES, TIMES, served
from tests.e2e.vllm import INSTALL_AND_START_SECONDS

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(INSTALL_AND_START_SECONDS + 600)]
PROTOCOLS = ("http/protobuf", pytest.param("grpc", marks=pytest.mark.skipif(
    "grpc_listen" not in {field.name for field in fields(IntakeSection)},
    reason="this gateway takes no gRPC")))  # by which vLLM sends unless it is set otherwise
CALLS = TIMES * len(SCENES)
SAME_SUMS = {"queue": "vllm:request_queue_time_seconds_sum",
             "prefill": "vllm:request_prefill_time_seconds_sum",
             "decode": "vllm:request_decode_time_seconds_sum"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_call_has_the_phases_that_its_engine_sent_and_is_counted_once(
        protocol: str, tmp_path: Path) -> None:
    both = served(tmp_path, protocol)
    answered = sum(both.engine.values("vllm:request_success_total"))
    assert answered == CALLS
    for ours, own in (("llm_client_requests_total", answered),
                      ("llm_client_input_tokens_total",
                       sum(both.engine.values("vllm:prompt_tokens_total"))),
                      ("llm_client_output_tokens_total",
                       sum(both.engine.values("vllm:generation_tokens_total")))):
        assert sum(both.page.values(ours)) == own, ours
    assert both.traces == both.calls == CALLS  # the engine's spans are in those of its callers
    assert set(both.joined.values()) == {CALLS}
    for phase, name in SAME_SUMS.items():
        assert both.seconds[phase] == pytest.approx(sum(both.engine.values(name)), rel=0.01), phase

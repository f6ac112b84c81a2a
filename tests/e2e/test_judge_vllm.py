"""A real vLLM as a judge: it speaks the protocol, held to its schemas, and adds to no figure.

Its model has random weights. Its verdicts are noise: what is tried is that they are verdicts, or
are told apart from such.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from inferometer.evaluations import FAITHFULNESS, JUDGED, JudgementResult
from inferometer.ledger.keys import KeyRing, read_keys
from inferometer.quality.judge.client import JudgeClient, JudgeEndpoint
from inferometer.quality.judge.interface import JudgeReply, JudgeRequest, JudgeUnit
from inferometer.quality.judge.prompted import PromptedJudge
from inferometer.quality.judge.prompts import TASKS
from inferometer.quality.schemas import SchemaBudget, fits
from tests.e2e.gateways import Gateway, Sender, gateway
from tests.e2e.vllm import INSTALL_AND_START_SECONDS, Vllm, started
from tests.exporter.support import wait_for

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(INSTALL_AND_START_SECONDS + 900)]
SECONDS = 120.0  # for a reply, on a busy machine
EXPORT_SECONDS = 60.0
UNIT = JudgeUnit("Where is it?", ["The archive stands in Ghent."], "It is in Ghent. It is old.")
# A form that ends by itself, whatever a model's weights are.
SHORT = {"type": "object", "properties": {"refuses": {"type": "boolean"}, "word": {"enum": [
    "fully", "partly", "not"]}}, "required": ["refuses", "word"], "additionalProperties": False}


class Judging(NamedTuple):
    """A vLLM that sends its spans to a gateway, and whose trace ids these are."""

    engine: Vllm
    gateway: Gateway
    keys: KeyRing

    def client(self, most_tokens: int = 256) -> JudgeClient:
        return JudgeClient(JudgeEndpoint(self.engine.url, "tiny", timeout=SECONDS,
                                         most_tokens=most_tokens), self.keys.judge_trace)


@pytest.fixture(scope="module")
def judging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judging]:
    folder = tmp_path_factory.mktemp("judge")
    with gateway(folder, 2.0, more="content: {store: true}\n") as running, started(
            folder, "--max-model-len", "4096", "--num-gpu-blocks-override", "64",
            # White space is JSON, and a model without sense may write it for ever.
            "--structured-outputs-config", json.dumps({
                "backend": "xgrammar", "disable_any_whitespace": True}),
            "--otlp-traces-endpoint", f"http://127.0.0.1:{running.intake}/v1/traces",
            OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="http/protobuf",
            OTEL_BSP_SCHEDULE_DELAY="500") as engine:
        yield Judging(engine, running, read_keys(folder / "ledger.db.key"))


def test_guided_json_is_of_the_form_that_is_asked_for(judging: Judging) -> None:
    client = judging.client()
    for i in range(5):
        reply = client.send(JudgeRequest("short", "You judge.", f"Is it {i}?", SHORT))
        assert reply.result is JudgementResult.JUDGED, reply.reason
        assert fits(SHORT, json.loads(reply.text), SchemaBudget(1.0)) is True
        assert reply.input_tokens
        assert reply.output_tokens
    assert client._dialect.form == "json_schema"  # it was never refused


def test_it_takes_the_schema_of_each_task(judging: Judging) -> None:
    replies: list[JudgeReply] = []
    client = judging.client(most_tokens=48)

    def ask(request: JudgeRequest) -> JudgeReply:
        replies.append(client.send(request))
        return replies[-1]

    for task in TASKS.values():
        ask(JudgeRequest(task.step, "You judge.", "Judge.", task.schema))
    verdicts = PromptedJudge("tiny").judge(UNIT, JUDGED, ask)
    assert [one.evaluation for one in verdicts] == [*JUDGED]
    for reply in replies:
        assert reply.text.lstrip().startswith("{"), reply
        assert reply.input_tokens
    for verdict in verdicts:
        assert verdict.result in (JudgementResult.JUDGED, JudgementResult.NONSENSE), verdict
        assert verdict.result is JudgementResult.JUDGED or verdict.flagged is None
    assert client._dialect.form == "json_schema"


def test_its_spans_and_those_of_a_proxy_are_in_no_figure(judging: Judging) -> None:
    asked = judging.keys.judge_trace()
    client = JudgeClient(JudgeEndpoint(judging.engine.url, "tiny", timeout=SECONDS,
                                       most_tokens=16), lambda: asked)
    PromptedJudge("tiny").judge(UNIT, [FAITHFULNESS], client.send)
    with Sender(judging.gateway.intake) as sender:
        assert sender.post("traces", "application/json", of_a_proxy(asked)) == 200
    wait_for(lambda: "EngineCall" in kinds(judging.gateway.ledger, asked), EXPORT_SECONDS)
    page, services = judging.gateway.settled()
    assert "ModelCall" in kinds(judging.gateway.ledger, asked)
    assert page.find("llm_client_requests_total", service_name="proxy") == []
    assert services == {}
    assert ("judging",) in rows(judging.gateway.ledger, "SELECT kind FROM counted")
    assert rows(judging.gateway.ledger, "SELECT seq FROM counted WHERE kind NOT IN "
                "('judging', 'heartbeat')") == []
    assert rows(judging.gateway.ledger, "SELECT * FROM contents") == []
    done = judging.gateway.verb("verify")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_same_spans_of_an_application_are_counted(judging: Judging) -> None:
    """Else the test before could not fail. It is the last: it moves figures."""
    with Sender(judging.gateway.intake) as sender:
        assert sender.post("traces", "application/json", of_a_proxy(bytes(range(16)))) == 200
    page, services = judging.gateway.settled()
    assert page.value("llm_client_requests_total", service_name="proxy", outcome="success") == 1
    assert [*services] == ["proxy"]


def rows(ledger: Path, query: str, *values: object) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        return connection.execute(query, values).fetchall()


def kinds(ledger: Path, trace_id: bytes) -> set[object]:
    """Of the facts of a trace."""
    return {kind for (kind,) in rows(
        ledger, "SELECT forms.kind FROM facts JOIN forms ON facts.form = forms.id "
        "WHERE trace = ?", trace_id)}


def of_a_proxy(trace_id: bytes) -> bytes:
    """A call as a proxy tells of it, with what was said."""
    now = time.time_ns()
    attributes: Mapping[str, str] = {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "tiny", "gen_ai.output.messages": json.dumps([
            {"role": "assistant", "parts": [{"type": "text", "content": "{}"}]}])}
    span = {"traceId": trace_id.hex(), "spanId": "00f067aa0ba902b7", "name": "chat tiny",
            "kind": 3, "startTimeUnixNano": str(now - 10**9), "endTimeUnixNano": str(now),
            "attributes": [{"key": key, "value": {"stringValue": value}}
                           for key, value in attributes.items()]}
    return json.dumps({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "proxy"}}]},
        "scopeSpans": [{"scope": {"name": "litellm"}, "spans": [span]}]}]}).encode()

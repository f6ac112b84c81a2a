"""Dollars of calls from a posted body to /metrics and the ledger, by a gateway as a process."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from inferometer.cost import library
from tests.e2e.gateways import Gateway, Sender, gateway
from tests.exporter.spans.bodies import bodies

pytestmark = pytest.mark.timeout(400)
FOLDER = "official-genai-anthropic-1.3b0"  # its server was at 127.0.0.1
# Of its calls whose tokens are known: 552 fresh tokens in, 4,128 cached, 1,500 written, 278 out.
USD = (552 * 3 + 4128 * 0.3 + 1500 * 3.75 + 278 * 15) / 1e6
TABLE = """
prices: [{model: claude-sonnet-4-5, input: 3, cached: 0.3, cache_write: 3.75, output: 15}]
limits: {call_cost_usd: 0.002}
"""  # its dearest call, of 1,340 tokens in and 24 out, costs 0.001905


def attribute(key: str, value: str | int) -> dict[str, object]:
    kind = "intValue" if isinstance(value, int) else "stringValue"
    return {"key": key, "value": {kind: str(value)}}


def call(**attributes: str | int) -> bytes:
    """A body of one call as OpenTelemetry's conventions have it."""
    now = time.time_ns()
    given = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
             "gen_ai.request.model": "gpt-4o-mini", "gen_ai.usage.input_tokens": 1000,
             "gen_ai.usage.cache_read.input_tokens": 400, "gen_ai.usage.output_tokens": 100,
             **{name.replace("__", "."): value for name, value in attributes.items()}}
    span = {"traceId": os.urandom(16).hex(), "spanId": os.urandom(8).hex(), "name": "chat",
            "kind": 3, "startTimeUnixNano": str(now - 10**9), "endTimeUnixNano": str(now),
            "attributes": [attribute(key, value) for key, value in given.items()]}
    resource = {"attributes": [attribute("service.name", "shop")]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [
        {"scope": {"name": "tests"}, "spans": [span]}]}]}).encode()


def post(running: Gateway, *sent: tuple[bytes, str]) -> None:
    with Sender(running.intake) as sender:
        for body, encoding in sent:
            kind = "json" if encoding == "json" else "x-protobuf"
            assert sender.post("traces", f"application/{kind}", body) == 200


def test_a_posted_body_is_priced_on_the_page_and_in_the_ledger(tmp_path: Path) -> None:
    with gateway(tmp_path, more=TABLE) as running:
        post(running, *bodies(FOLDER), (call(), "json"), (call(), "json"),
             (call(server__address="localhost", gen_ai__request__model="gpt-oss-20b"), "json"),
             (call(gen_ai__provider__name="vllm", gen_ai__request__model="llama"), "json"),
             (call(gen_ai__usage__input_tokens=20_000), "json"))
        page, top = running.settled()

        def shown(name: str, **labels: str) -> float | None:
            return page.value(name, **labels)

        assert shown("llm_client_cost_usd_total", model="claude-sonnet-4-5") == (
            pytest.approx(USD, abs=1e-12))
        assert shown("llm_cost_usd_total", category="api", model="claude-sonnet-4-5") == (
            pytest.approx(USD, abs=1e-12))
        # 0.00018 twice, and 19,600 fresh tokens instead of 600.
        mini = 3 * 0.00018 + 19_000 * 0.15e-6
        assert shown("llm_client_cost_usd_total", model="gpt-4o-mini") == (
            pytest.approx(mini, abs=1e-12))
        assert shown("llm_client_requests_over_cost_total", model="gpt-4o-mini") == 1.0
        assert shown("llm_client_requests_over_cost_total", model="claude-sonnet-4-5") == 0.0
        assert shown("llm_client_price_unknown_total", model="claude-sonnet-4-5") == 0.0
        assert shown("llm_client_price_unknown_total", model="gpt-oss-20b") == 1.0
        assert shown("llm_client_cost_usd_total", model="gpt-oss-20b") is None
        assert shown("llm_client_cost_usd_total", model="llama") == 0.0
        assert {series.labels["model"] for series in page.find("llm_cost_usd_total")} == {
            "claude-sonnet-4-5", "gpt-4o-mini"}
        assert shown("inferometer_price_source_info", source=library.NAME,
                     version=library.VERSION) == 1.0
        assert top["shop"]["cost_usd"] == pytest.approx(mini, abs=1e-12)
        assert top["agent-demo"]["cost_usd"] == pytest.approx(USD, abs=1e-12)
        assert (top["shop"]["price_unknown"], top["shop"]["over_cost"]) == (1, 1)
        assert top["shop"]["calls_without_cost"] == 1
        models = json.loads(running.verb("top", "--by", "model", "--format", "json").stdout)
        by_model = {row["model"]: (row["cost_usd"], row["calls_without_cost"])
                    for row in models["rows"]}
        assert by_model["gpt-oss-20b"] == (None, 1)
        assert by_model["llama"] == (0, 0)  # known to cost nothing
        assert "cost usd" in running.verb("top").stdout
        assert running.verb("verify").returncode == 0


def test_prices_that_change_leave_what_was_counted(tmp_path: Path) -> None:
    for usd in (1, 10):
        with gateway(tmp_path, more=f"prices: [{{model: '*', input: {usd}, output: {usd}}}]\n"
                     ) as running:
            post(running, (call(), "json"))
            page, _ = running.settled()
            assert page.value("llm_client_cost_usd_total") == pytest.approx(
                0.0011 if usd == 1 else 0.0011 + 0.011)
            assert running.verb("verify").returncode == 0

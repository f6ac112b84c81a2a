"""Limits and users from the configuration to /metrics, by a gateway as a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from inferometer import catalogue as c
from tests.e2e.gateways import gateway
from tests.exporter.cost.test_gateway_prices import call, post

pytestmark = pytest.mark.timeout(400)
LIMITS = """
limits: {request_duration_p95_seconds: %s}
models: {strict: {limits: {request_duration_p95_seconds: 0.5}}}
prices: [{model: "*", per_request: 0.25}]
"""  # each call took a second
WITHIN = "llm_client_requests_within_limits_total"


def asked(model: str, user: str = "alice") -> tuple[bytes, str]:
    return call(gen_ai__request__model=model, enduser__id=user), "json"


def test_calls_are_held_against_the_limits_of_their_model_as_they_are_then(tmp_path: Path) -> None:
    for seconds, within in ((3, 2.0), (0.9, 2.0)):
        with gateway(tmp_path, more=LIMITS % seconds, ledger="user_costs: true") as running:
            post(running, asked("lax"), asked("lax", "bob"), asked("strict"))
            page, top = running.settled()
            assert page.value(WITHIN, model="lax") == within
            assert page.value(WITHIN, model="strict") == 0.0
            assert top["shop"]["within_limits"] == within
            assert running.verb("verify").returncode == 0
            # The fleet's exporter alone publishes them.
            assert [metric for metric in c.LIMIT_METRICS.values() if page.find(metric.name)] == []
    # At its start a gateway reckons what its users cost so far.
    with gateway(tmp_path, more=LIMITS % 3, ledger="user_costs: true") as running:
        page, _ = running.settled()
        users = {series.labels["user"]: series.value for series in page.find("llm_user_cost_usd")}
        assert sorted(users.values()) == [0.5, 1.0]
        assert max(users, key=users.__getitem__) in running.verb("who", "alice").stdout
    with gateway(tmp_path, more=LIMITS % 3) as running:
        assert running.page().find("llm_user_cost_usd") == []

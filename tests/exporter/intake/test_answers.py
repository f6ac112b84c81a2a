"""Answers that are broken, miss their schema or refuse, as senders send them: counted exactly."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferometer import catalogue as c
from tests.exporter.intake.gateways import Gateway, gateway_in
from tests.exporter.quality.planting import (
    JSON_OBJECT,
    SENDERS,
    WITH_SCHEMA,
    Sender,
    planted,
    planted_tool,
    refused,
)
from tests.exporter.sinks.sending import post
from tests.exporter.support import wait_for

GOOD = ['{"city": "Paris"}', '```json\n{"city": "Paris"}\n```', ' {"city": "Paris", "km": 2}\n']
BROKEN = ['{"city": "Paris", ', "It is Paris."]
MISSES = ['{"city": 5}', "{}", '["Paris"]']
DECLINED = "I'm sorry, but I can't help with that."


def bodies(sender: Sender) -> Iterator[tuple[bytes, dict[tuple[str, str], int]]]:
    """Bodies of one sender, and by family and kind how much each adds."""
    service = sender.folder
    checked, failed = c.PARSE_CHECKS.name, c.PARSE_FAILURES.name
    for text in GOOD:
        yield planted(sender, service, text, JSON_OBJECT), {(checked, "json"): 1}
    for text in BROKEN:
        yield planted(sender, service, text, JSON_OBJECT), {
            (checked, "json"): 1, (failed, "json"): 1}
    yield planted(sender, service, "It is Paris."), {}  # nobody asked for JSON
    if sender.has_schema:
        for text in GOOD:
            yield planted(sender, service, text, WITH_SCHEMA), {
                (checked, "json"): 1, (checked, "schema"): 1}
        for text in MISSES:
            yield planted(sender, service, text, WITH_SCHEMA), {
                (checked, "json"): 1, (checked, "schema"): 1, (failed, "schema"): 1}
    if sender.tools:
        for arguments in ({"city": "Oslo"}, {"city": 5}, '{"city": '):
            is_bad = arguments != {"city": "Oslo"}
            yield planted_tool(sender, service, arguments), {
                (checked, "tool_arguments"): 1, (failed, "tool_arguments"): int(is_bad)}
    for _ in range(2):
        yield planted(sender, service, DECLINED), {(c.REFUSALS.name, "phrase"): 1}
    if sender.has_refusal:
        yield refused(sender, service, DECLINED), {(c.REFUSALS.name, "field"): 1}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with gateway_in(tmp_path) as running:
        yield running


def totals(gateway: Gateway, service: str) -> Counter[tuple[str, str]]:
    """By family and kind, over the models of one service."""
    sums: Counter[tuple[str, str]] = Counter()
    for metric in c.QUALITY_METRICS:
        for key, value in gateway.points(metric.name).items():
            if key[0] == service and isinstance(value, float):
                sums[metric.name, key[-1]] += int(value)
    return sums


def test_planted_answers_of_every_sender_are_counted_to_the_digit(gateway: Gateway) -> None:
    expected: dict[str, Counter[tuple[str, str]]] = {}
    calls: Counter[str] = Counter()
    for sender in SENDERS:
        parts = [*bodies(sender)]
        expected[sender.folder] = Counter()
        for _, added in parts:
            expected[sender.folder].update(added)
        calls[sender.folder] = len(parts)
        # One after another they are one message of protobuf.
        assert post(gateway.intake.url, b"".join(body for body, _ in parts)) == 200
    wait_for(lambda: sum(
        value for value in gateway.points(c.CLIENT_REQUESTS.name).values()
        if isinstance(value, float)) >= calls.total(), seconds=60)
    for service, number in calls.items():
        seen = sum(value for key, value in gateway.points(c.CLIENT_REQUESTS.name).items()
                   if key[3] == service and isinstance(value, float))
        assert seen == number, service
        assert +totals(gateway, service) == +expected[service], service


def test_what_nobody_could_look_at_is_not_there(gateway: Gateway) -> None:
    silent = json.dumps({"resourceSpans": [{"resource": {"attributes": [
        {"key": "service.name", "value": {"stringValue": "silent"}}]}, "scopeSpans": [{
            "scope": {"name": "opentelemetry.instrumentation.genai.openai"}, "spans": [{
                "traceId": "11" * 16, "spanId": "22" * 8, "name": "chat m",
                "startTimeUnixNano": "1700000000000000000",
                "endTimeUnixNano": "1700000001000000000", "attributes": [
                    {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
                    {"key": "gen_ai.request.model", "value": {"stringValue": "m"}},
                    {"key": "gen_ai.output.type", "value": {"stringValue": "json"}}]}]}]}]})
    assert post(gateway.intake.url, silent.encode(), **{"Content-Type": "application/json"}) == 200
    wait_for(lambda: bool(gateway.points(c.CLIENT_REQUESTS.name)))
    assert {key for key in gateway.points(c.REFUSALS.name) if key[0] == "silent"} == {
        ("silent", "m", "provider"), ("silent", "m", "judge")}
    assert not gateway.points(c.PARSE_CHECKS.name)
    assert not gateway.points(c.PARSE_FAILURES.name)


def test_a_gateway_that_is_not_to_read_answers_tells_of_none(tmp_path: Path) -> None:
    sender = SENDERS[0]
    with gateway_in(tmp_path, "content: {checks: false}\n") as gateway:
        assert post(gateway.intake.url, planted(sender, "shop", DECLINED, JSON_OBJECT)) == 200
        wait_for(lambda: bool(gateway.points(c.CLIENT_REQUESTS.name)))
        assert {key[-1] for key in gateway.points(c.REFUSALS.name)} == {"provider", "judge"}
        assert not gateway.points(c.PARSE_CHECKS.name)


SECRET, MAIL = "zanzibar-lighthouse", "ada@example.org"


def ledger_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("ledger.db*"))


@pytest.mark.parametrize("more", ["", "content: {store: true}\n",
                                  "content: {store: true, checks: false}\n"])
def test_what_was_said_is_on_the_disk_only_where_it_is_to_be_kept(tmp_path: Path, more: str
                                                                 ) -> None:
    with gateway_in(tmp_path, more) as gateway:
        body = planted(SENDERS[0], "shop", f"{SECRET} of {MAIL}")
        assert post(gateway.intake.url, body) == 200
        kept = ledger_bytes(tmp_path)
        assert (SECRET.encode() in kept) is bool(more)
        assert MAIL.encode() not in kept
        assert (b"[email]" in kept) is bool(more)


def test_phrases_of_refusals_are_those_of_the_configuration(tmp_path: Path) -> None:
    sender = SENDERS[0]
    with gateway_in(tmp_path, "content: {refusal_phrases: [\"Das kann ich nicht\"]}\n") as gateway:
        for text in ("das kann ich nicht, leider.", DECLINED):
            assert post(gateway.intake.url, planted(sender, "shop", text)) == 200
        wait_for(lambda: sum(value for value in gateway.points(c.CLIENT_REQUESTS.name).values()
                             if isinstance(value, float)) == 2)
        assert totals(gateway, "shop")[c.REFUSALS.name, "phrase"] == 1

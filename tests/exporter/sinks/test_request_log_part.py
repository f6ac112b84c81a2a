"""The request log of a gateway that runs: by its configuration, in files and on standard output."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest

from inferometer.collector import Deadline
from inferometer.config import ConfigError
from inferometer.ledger.part import LedgerPart
from tests.e2e.drills.bodies import calls
from tests.e2e.gateways import Sender
from tests.e2e.otlp_entries import PROTOBUF
from tests.exporter.ledger.making import call, links
from tests.exporter.ledger.test_part import part_in
from tests.exporter.sinks.logging_calls import FILE, lines_of
from tests.exporter.support import exporter, free_port, wait_for

GATEWAY = "role: gateway\nledger: {path: ledger.db}\nintake: {settle_seconds: 1}\n"


def figures(part: LedgerPart) -> dict[str, object]:
    """What it says of the request log."""
    ledger = part.collectors()[1]
    return {family.metric.name.removeprefix("inferometer_request_log_"): family.points.get(())
            for family in ledger.collect(Deadline(1))
            if family.metric.name.startswith("inferometer_request_log_")}


def test_it_is_written_beside_the_configuration_and_its_loop_is_one_of_the_parts(
        tmp_path: Path) -> None:
    part = part_in(tmp_path, f"{GATEWAY}request_log: {{path: {FILE}}}\n")
    part.start()
    try:
        assert [loop.name for loop in part.loops()] == [
            "ledger", "feedback", "evaluation", "anomalies", "reconciliations", "request_log"]
        one = call()
        part.commit([one], links([one]), time.time_ns()).result(10)
        wait_for(lambda: (tmp_path / FILE).exists() and lines_of(tmp_path / FILE), 30)
        wait_for(lambda: figures(part) == {
            "lines_total": 1.0, "waiting_calls": 0.0, "failures_total": 0.0}, 30)
    finally:
        part.stop()


def test_without_one_nothing_is_said_of_it(tmp_path: Path) -> None:
    part = part_in(tmp_path, GATEWAY)
    assert figures(part) == {}


def test_a_folder_that_is_missing_is_a_mistake_in_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"request_log\.path: {tmp_path}/logs is no folder"):
        part_in(tmp_path, f"{GATEWAY}request_log: {{path: logs/{FILE}}}\n")


@pytest.mark.timeout(180)
def test_on_standard_output_there_is_nothing_but_lines(tmp_path: Path) -> None:
    config, port = tmp_path / "inferometer.yml", free_port()
    config.write_text("role: gateway\nledger: {path: ledger.db}\nrequest_log: {path: '-'}\n"
                      f"intake: {{listen: '127.0.0.1:{port}', settle_seconds: 1}}\n")
    ids, body = calls(random.Random(1), time.time_ns())
    with exporter(config=config) as running:
        with Sender(port) as sender:
            assert sender.post("traces", PROTOBUF, body) == 200
        wait_for(lambda: len(running.printed) >= len(ids), 60)
        printed = [json.loads(line)["event"]["id"] for line in running.printed]
        greeting = "".join(running.lines)
    assert sorted(printed) == sorted(f"{one[:16].hex()}-{one[16:].hex()}" for one in ids)
    assert "metrics  http://127.0.0.1" in greeting

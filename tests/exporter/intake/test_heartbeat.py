"""Heartbeats: one goes through the whole way and into no figure, and one that is lost is counted.

What is broken is broken in earnest: the ledger's file by sqlite3 from outside, or the door.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from inferometer.facts import ModelCall
from inferometer.heartbeats import SERVICE
from inferometer.intake.answer import PROTOBUF
from inferometer.intake.batch import Wish, batch_of
from inferometer.intake.beat import beat_body
from inferometer.ledger.file_opening import open_beside
from inferometer.ledger.keys import KeyRing
from inferometer.ledger.questions import LedgerAnswers, top
from inferometer.ledger.statements import GROUPS
from inferometer.ledger.verification import verify
from inferometer.spans.reader import Wishes
from tests.exporter.intake.gateways import Gateway, gateway_in
from tests.exporter.ledger.making import call, ledger_in
from tests.exporter.support import wait_for

SEEN, SENT, LOST = (f"inferometer_heartbeat_{name}_total" for name in ("seen", "sent", "lost"))
SECONDS = 60.0  # of a machine that is slow


def break_settling(gateway: Gateway) -> None:
    """Let the file refuse every row that counts."""
    with closing(sqlite3.connect(gateway.folder / "ledger.db", timeout=20)) as connection:
        connection.execute("CREATE TRIGGER broken BEFORE INSERT ON counted "
                           "BEGIN SELECT RAISE(ABORT, 'broken'); END")


def test_a_heartbeat_is_a_call_as_an_sdk_sends_it() -> None:
    trace, now = os.urandom(16), time.time_ns()
    wish = Wish("traces", PROTOBUF, "", 2**20, Wishes())
    (fact,) = batch_of(wish, beat_body(trace, bytes(range(8)), now)).facts
    assert isinstance(fact, ModelCall)
    assert (fact.trace_id, fact.span_id, fact.end, fact.service_name) == (
        trace, bytes(range(8)), now, SERVICE)
    assert (fact.operation, fact.usage.input, fact.usage.output) == ("chat", 1, 1)


@pytest.mark.parametrize("doors", ["listen: 127.0.0.1:0", "grpc_listen: 127.0.0.1:0"])
def test_it_comes_back_and_is_in_no_figure(tmp_path: Path, doors: str) -> None:
    with gateway_in(tmp_path, doors=doors) as gateway:
        assert [*gateway.points("inferometer_heartbeat_last_seen_timestamp_seconds")] == []
        wait_for(lambda: gateway.count(SEEN) >= 2, SECONDS)
        assert sum(map(float, gateway.points(LOST).values())) == 0  # type: ignore[arg-type]
        assert gateway.count("inferometer_heartbeat_last_seen_timestamp_seconds") == pytest.approx(
            time.time(), abs=SECONDS)
        assert gateway.count(SENT) >= gateway.count(SEEN)
        for name in ("llm_client_requests_total", "llm_cost_usd_total"):
            assert not gateway.points(name)
        with closing(open_beside(tmp_path / "ledger.db", tmp_path / "ledger.db.key")) as file:
            assert not [group for by in GROUPS for group in top(LedgerAnswers(file), by, 0)]
            tables = {table: file.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                      for table in ("facts", "counted", "seats", "counters", "rollups")}
            assert tables.pop("facts") >= tables.pop("counted") >= 2
            assert tables == {"seats": 0, "counters": 0, "rollups": 0}
            assert not verify(file).differences


def test_a_settler_that_is_broken_is_told_by_what_it_did_not_count(tmp_path: Path) -> None:
    with gateway_in(tmp_path) as gateway:
        wait_for(lambda: gateway.count(SEEN) >= 1, SECONDS)
        break_settling(gateway)
        wait_for(lambda: gateway.count(LOST, "uncounted") >= 2, SECONDS)
        assert gateway.count(LOST, "refused") == gateway.count(LOST, "missing") == 0
        with closing(sqlite3.connect(tmp_path / "ledger.db", timeout=20)) as connection:
            connection.execute("DROP TRIGGER broken")
        seen = gateway.count(SEEN)
        wait_for(lambda: gateway.count(SEEN) > seen, SECONDS)


def test_what_was_acknowledged_and_is_gone_is_missing(tmp_path: Path) -> None:
    with gateway_in(tmp_path) as gateway:
        with closing(sqlite3.connect(tmp_path / "ledger.db", timeout=20)) as connection:
            connection.execute("CREATE TRIGGER gone AFTER INSERT ON facts "
                               "BEGIN DELETE FROM facts WHERE seq = new.seq; END")
        wait_for(lambda: gateway.count(LOST, "missing") >= 1, SECONDS)


def test_one_that_nobody_takes_is_refused(tmp_path: Path) -> None:
    with gateway_in(tmp_path) as gateway:
        with closing(sqlite3.connect(tmp_path / "ledger.db", timeout=20)) as connection:
            connection.execute("CREATE TRIGGER full BEFORE INSERT ON facts "
                               "BEGIN SELECT RAISE(ABORT, 'no room'); END")
        wait_for(lambda: gateway.count(LOST, "refused") >= 1, SECONDS)
        assert gateway.count(LOST, "missing") == 0


def test_it_is_let_in_where_others_need_a_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("only-ours\n")
    doors = "listen: 127.0.0.1:0, bearer_token_files: [token]"
    with gateway_in(tmp_path, doors=doors) as gateway:
        wait_for(lambda: gateway.count(SEEN) >= 1, SECONDS)


@pytest.mark.parametrize("more", ["", ", client_ca_file: s.crt, "
                                      "client_auth_type: RequireAndVerifyClientCert"])
def test_it_goes_in_over_tls_and_where_others_need_a_certificate(tmp_path: Path, more: str) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=gateway", "-keyout", tmp_path / "s.key",
         "-out", tmp_path / "s.crt"], check=True, capture_output=True, timeout=20)
    (tmp_path / "web.yml").write_text(
        f"tls_server_config: {{cert_file: s.crt, key_file: s.key{more}}}\n")
    with gateway_in(tmp_path, doors="listen: 127.0.0.1:0, config_file: web.yml") as gateway:
        wait_for(lambda: gateway.count(SEEN) >= 1, SECONDS)


def test_who_takes_its_name_is_counted_as_everybody(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        bench.send(call(service_name=SERVICE))
        own = call(bench.file.keys.beat_trace(), service_name=SERVICE)
        bench.send(own)
        bench.wait()
        assert bench.rows("SELECT kind, seat FROM counted ORDER BY seq") == [
            ("call", 1), ("heartbeat", 0)]
        assert bench.counters()["ended", "success/"] == 1
        bench.send(own)  # again, as who heard of no answer does
        bench.wait()
        assert len(bench.rows("SELECT * FROM counted")) == 2


def test_only_who_has_the_key_makes_its_trace_id() -> None:
    ours, theirs = KeyRing.of(b"ours"), KeyRing.of(b"theirs")
    trace = ours.beat_trace()
    assert ours.is_beat(trace)
    assert not theirs.is_beat(trace)
    assert not ours.is_beat(os.urandom(16))

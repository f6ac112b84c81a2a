"""`inferometer outbox`: what waits, and what was refused, is shown, sent again or dropped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inferometer import cli
from inferometer.config import DestinationEntry
from tests.exporter.sinks.receiver import Answer, receiver
from tests.exporter.sinks.sending import sending_in


def test_what_was_refused_is_listed_sent_again_and_dropped(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def outbox(*words: str) -> str:
        assert cli.main(["outbox", *words, "--ledger", str(tmp_path / "ledger.db"), "--key-file",
                         str(tmp_path / "ledger.key")]) == 0
        return capsys.readouterr().out

    with receiver() as place, sending_in(tmp_path, away=DestinationEntry(url=place.url)) as sending:
        place.answer = lambda _: Answer(401, {}, b"who are you?")
        for body in (b"first", b"second", b"third"):
            sending.take(body)
        sending.turn()
        shown = json.loads(outbox("list", "--format", "json"))
        assert [(one["destination"], one["waiting"]) for one in shown["waiting"]] == [("away", 0)]
        assert [one["status"] for one in shown["refused"]] == ["401"] * 3
        numbers = [one["number"] for one in shown["refused"]]
        assert "who are you?" in outbox("list", "away")
        assert "1 bodies are dropped" in outbox("drop", "away", "--number", numbers[1])
        place.answer = lambda _: Answer()
        assert "2 bodies are sent again" in outbox("retry", "away")
        sending.take(b"fourth")
        sending.passed += 2
        sending.forwarders["away"]._close()  # as a second has passed
        sending.turn()
        assert place.bodies == [b"first", b"third", b"fourth"]
        assert "Nothing was refused." in outbox("list")
        assert sending.rows("SELECT count(*) FROM outbox") == [(0,)]


def test_there_must_be_something_to_decide_on(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with receiver() as place, sending_in(tmp_path, away=DestinationEntry(url=place.url)):
        where = ["--ledger", str(tmp_path / "ledger.db"), "--key-file",
                 str(tmp_path / "ledger.key")]
        assert cli.main(["outbox", "retry", "away", *where]) == 1
        assert "away has refused nothing that is kept" in capsys.readouterr().err
        assert cli.main(["outbox", "drop", *where]) == 2
        assert "needs the name of a destination" in capsys.readouterr().err


def test_a_gateway_that_is_gone_leaves_its_bodies_to_another(
        tmp_path: Path, in_postgres: object) -> None:
    with receiver() as place, sending_in(tmp_path, away=DestinationEntry(url=place.url)) as other:
        other.take(b"first")
        other.take(b"second")
        other.gateway = "another"
        other.restart()
        other.database.connection.execute(
            "UPDATE gateways SET seen = 'epoch' WHERE id = 'gateway'")
        other.take(b"third")
        other.turn()
        assert place.bodies == [b"third", b"first", b"second"]
        assert other.rows("SELECT count(*) FROM outbox") == [(0,)]

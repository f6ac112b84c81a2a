"""Votes over HTTP: who may cast one, what a vote is, and how it is answered."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inferometer.app import check
from inferometer.config import ConfigError
from inferometer.facts import ModelCall
from inferometer.settings import Flags
from tests.exporter.intake.voting import (
    KEY,
    ORIGIN,
    TOKEN,
    TRACE,
    VotingDoor,
    capability,
    headers_of,
    voting_door_in,
)
from tests.exporter.ledger.making import call, links
from tests.exporter.support import wait_for


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VotingDoor]:
    with voting_door_in(tmp_path_factory.mktemp("feedback")) as door:
        yield door


def send(door: VotingDoor, call: ModelCall) -> None:
    door.ledger.commit([call], links([call]), 1_700_000_000 * 10**9).result(30)


def test_a_vote_is_in_the_ledger_and_on_the_page_with_its_call(door: VotingDoor) -> None:
    trace = bytes.fromhex(TRACE)
    answer = door.post(explanation="just right", user_id="alice", id="vote-1")
    assert (answer.status, json.loads(answer.body)) == (202, {"id": "vote-1"})
    send(door, call(trace))
    assert wait_for(lambda: door.points("llm_feedback_total").get(
        ("shop", "m", "thumbs_up")) == 1.0, 30)
    assert door.post(id="vote-1").status == 200
    assert door.post(id="vote-1", name="copy").text == "id is that of another vote\n"
    assert door.points("llm_feedback_total")["shop", "m", "thumbs_up"] == 1.0


GOOD: dict[str, Any] = {"name": "thumbs_up", "trace_id": TRACE}


@pytest.mark.parametrize(("vote", "why"), [
    ({"trace_id": TRACE}, "name is missing"),
    (GOOD | {"name": "thumbs"}, "name must be one of"),
    (GOOD | {"name": "thumbs_changed"}, "name must be one of"),
    ({"name": "copy"}, "the body must have one of trace_id"),
    (GOOD | {"response_id": "r"}, "the body must have one of trace_id"),
    (GOOD | {"trace_id": "0" * 32}, "trace_id must be 32 hexadecimal digits"),
    (GOOD | {"trace_id": TRACE[:30]}, "trace_id must be 32"),
    (GOOD | {"trace_id": TRACE[:30] + "  "}, "trace_id must be 32"),
    (GOOD | {"trace_id": 12}, "trace_id must be 32"),
    ({"name": "copy", "span_id": "xyz"}, "span_id must be 16"),
    (GOOD | {"explanation": "ä" * 2049}, "explanation must be text of at most 4096 bytes"),
    (GOOD | {"user_id": 1}, "user_id must be text"),
    (GOOD | {"id": "i" * 129}, "id must be text of 1 to 128"),
    (GOOD | {"id": "one\ntwo"}, "id must be text"),
    (GOOD | {"user_id": "\ud800"}, "user_id must be text"),
    (GOOD | {"score": 1}, "score is not a known key"),
    ([], "the body must be an object"),
])
def test_what_is_no_vote_is_refused_in_one_line_that_names_the_key(
        door: VotingDoor, vote: object, why: str) -> None:
    before = door.kept()
    answer = door.ask("POST", json.dumps(vote).encode(), **headers_of())
    assert (answer.status, answer.text.count("\n")) == (400, 1)
    assert why in answer.text
    assert door.kept() == before


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"name": "copy", "name": "edit"}', b"NaN"])
def test_what_is_no_json_is_refused(door: VotingDoor, body: bytes) -> None:
    assert door.ask("POST", body, **headers_of()).status == 400


@pytest.mark.parametrize("vote", [
    GOOD, {"name": "copy", "span_id": "1" * 16}, {"name": "edit", "request_id": "r-1"},
    {"name": "regenerate", "span_id": "1" * 16, "trace_id": TRACE.upper()},
    {"name": "report_hallucination", "response_id": "chatcmpl-1", "user_id": None},
    GOOD | {"explanation": "\0 a half \ud800 and\nlines", "user_id": "Zoë", "id": "é"},
])
def test_every_way_to_write_a_vote_is_taken(door: VotingDoor, vote: dict[str, Any]) -> None:
    before = door.kept()
    answer = door.ask("POST", json.dumps(vote).encode(), **headers_of())
    assert (answer.status, answer.headers["content-type"]) == (202, "application/json")
    assert json.loads(answer.body)["id"]
    assert door.kept() == before + 1


@pytest.mark.parametrize(("headers", "status"), [
    ({"Content_Type": "text/plain"}, 415),
    ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
    ({"Content_Type": "application/json; charset=utf-8"}, 202),
    ({"Content_Encoding": "gzip"}, 415),
    ({"Authorization": ""}, 401), ({"Authorization": "Bearer wrong"}, 401),
    ({"Authorization": f"Basic {TOKEN}"}, 401),
    ({"Authorization": f"bearer {TOKEN}"}, 202),
])
def test_who_may_vote_and_in_what(door: VotingDoor, headers: dict[str, str], status: int) -> None:
    before = door.kept()
    answer = door.ask("POST", json.dumps(GOOD).encode(), **headers_of() | headers)
    assert answer.status == status
    assert door.kept() == before + (status == 202)


def test_what_is_too_large_is_refused(door: VotingDoor) -> None:
    assert door.post(explanation="x" * 70_000).status == 413


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/v1/feedback", 405), ("PUT", "/v1/feedback", 405), ("POST", "/v1/traces", 404),
    ("GET", "/", 404), ("OPTIONS", "/metrics", 404)])
def test_nothing_else_is_there(door: VotingDoor, method: str, path: str, status: int) -> None:
    assert door.ask(method, b"", path, **headers_of()).status == status


def preflight(door: VotingDoor, origin: str, method: str = "POST",
              headers: str = "authorization,content-type,traceparent") -> Any:
    return door.ask("OPTIONS", Origin=origin, Access_Control_Request_Method=method,
                    Access_Control_Request_Headers=headers)


def test_a_page_of_the_list_may_ask_vote_and_read(door: VotingDoor) -> None:
    asked = preflight(door, ORIGIN)
    assert asked.status == 204
    assert asked.headers["access-control-allow-origin"] == ORIGIN
    assert asked.headers["access-control-allow-methods"] == "POST"
    assert "traceparent" in asked.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in asked.headers
    for answer in (asked, door.post(capability(), ORIGIN), door.post("wrong", ORIGIN),
                   door.post(capability(), ORIGIN, name="nothing")):
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["vary"] == "Origin"


FOREIGN = ["https://evil.example.com", "null", "http://chat.example.com", f"{ORIGIN}:8443",
           f"{ORIGIN}.evil.com", f"{ORIGIN}/", ORIGIN.upper(), ""]


@pytest.mark.parametrize("origin", FOREIGN)
def test_no_page_outside_the_list_reads_or_writes(door: VotingDoor, origin: str) -> None:
    before = door.kept()
    refused = [preflight(door, origin), *(door.ask(
        "POST", json.dumps(GOOD).encode(), **headers_of(token) | {"Origin": origin})
        for token in (TOKEN, capability()))]
    assert [answer.status for answer in refused] == [403] * 3
    assert not any(name.startswith("access-control-") for answer in refused
                   for name in answer.headers)
    assert door.kept() == before


@pytest.mark.parametrize(("method", "headers"), [
    ("GET", ""), ("DELETE", "authorization"), ("POST", "authorization,cookie"), ("", "")])
def test_a_page_of_the_list_may_send_no_more_than_votes(door: VotingDoor, method: str,
                                                        headers: str) -> None:
    assert preflight(door, ORIGIN, method, headers).status == 403


def test_a_capability_casts_one_vote(door: VotingDoor) -> None:
    before, token = door.kept(), capability("thumbs_up", "thumbs_down")
    assert door.post(token, ORIGIN, name="thumbs_down", id="first").status == 202
    assert door.post(token, ORIGIN, name="thumbs_down", id="first").status == 200
    assert door.post(token, ORIGIN, name="thumbs_up").text == "the capability was used before\n"
    assert door.post(capability(), ORIGIN, name="copy").text == (
        "the capability is for another name\n")
    assert door.post(capability(subject="response:r"), ORIGIN).text == (
        "the capability is for another subject\n")
    assert door.post(capability(subject="response:r"), ORIGIN, response_id="r",
                     trace_id=None).status == 202
    assert door.kept() == before + 2


@pytest.mark.parametrize("token", [
    capability(seconds=-1), capability(seconds=8 * 24 * 3600), capability(key=b"x" * 32),
    capability() + "A", capability()[:-1], "v1.", "v1.1.2.3.4.5", "v1.é", "v2." + capability()[3:],
    capability(nonce="short")])
def test_a_capability_that_is_none_lets_nobody_in(door: VotingDoor, token: str) -> None:
    before = door.kept()
    assert door.post(token, ORIGIN).status == (401 if token.startswith("v2") else 403)
    assert door.kept() == before


def test_a_key_that_is_exchanged_holds_at_once(door: VotingDoor) -> None:
    key = door.folder / "key"
    new = b"another-key-of-at-least-32-characters"
    try:
        key.write_bytes(new)
        assert door.post(capability(key=new)).status == 202
        assert door.post(capability()).status == 403
        key.write_bytes(b"short")  # the last good one stays
        assert door.post(capability(key=new)).status == 202
    finally:
        key.write_bytes(KEY + b"\n")


def test_every_answer_is_counted(door: VotingDoor) -> None:
    before = door.points("inferometer_feedback_requests_total")
    door.post()
    door.post("wrong")
    door.post(name="nothing")
    after = door.points("inferometer_feedback_requests_total")
    assert {key[0]: after[key] - before[key]  # type: ignore[operator]  # both are counts
            for key in after if after[key] != before[key]} == {
        "taken": 1.0, "unauthorized": 1.0, "invalid": 1.0}


def test_a_vote_is_put_off_while_the_ledger_takes_nothing(tmp_path: Path) -> None:
    with voting_door_in(tmp_path) as door:
        assert door.ledger._ledger is not None
        # Its own thread sees within a second that it can write, so this is not `failing`.
        door.ledger._ledger.pressure.waits_since = time.time_ns() - 3600 * 10**9
        answer = door.post()
        assert (answer.status, int(answer.headers["retry-after"]) >= 2) == (503, True)
        door.ledger._ledger.pressure.waits_since = None
        assert door.post().status == 202


@pytest.mark.parametrize(("more", "why"), [
    ("listen: 127.0.0.1:0", "feedback.listen: lets nobody vote"),
    ("listen: 127.0.0.1:0, bearer_token_files: [missing]",
     "feedback.bearer_token_files[0]"),
    ("listen: 127.0.0.1:0, capability_key_file: token",
     "must hold one token of 32 to 4096 ASCII characters"),
    ("listen: 127.0.0.1:0, config_file: missing.yml", "feedback.config_file"),
])
def test_a_door_that_cannot_be_right_is_no_start(tmp_path: Path, more: str, why: str) -> None:
    (tmp_path / "token").write_text(TOKEN)
    file = tmp_path / "gateway.yml"
    file.write_text(f"role: gateway\nfeedback: {{{more}}}\n")
    with pytest.raises(ConfigError, match=re.escape(why)):
        check(file, Flags())


def test_votes_are_a_gateways(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    file = tmp_path / "alone.yml"
    file.write_text("feedback: {listen: '127.0.0.1:0', bearer_token_files: [token]}\n")
    with pytest.raises(ConfigError, match=r"feedback\.listen: is a gateway's"):
        check(file, Flags())

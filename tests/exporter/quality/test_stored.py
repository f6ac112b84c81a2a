"""What is kept of what was said: its size bounded, and nothing in it that is to be taken out."""

from __future__ import annotations

import json
import time

import pytest

from inferometer.quality.stored import ALL, StoreTerms, redacted, stored

ANSWER, PROMPT = "gen_ai.output.messages", "gen_ai.input.messages"
PLANTED = [
    "ada.lovelace+x@mail.example.org", "+49 30 1234567", "(030) 123-4567", "555-123-4567",
    "sk-proj-abcdefghijklmnopqrstuv", "ghp_0123456789abcdefghijABCDEFGHIJ", "AKIAABCDEFGHIJKLMNOP",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "Bearer abcdefghijklmnopqrstuvwx",
    "xoxb-1234567890-abcdefghij", "hf_abcdefghijklmnopqrstuvwxyz",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("secret", PLANTED)
def test_a_planted_secret_is_in_nothing_that_is_kept(secret: str) -> None:
    for text in (f"call {secret}, please", json.dumps([{"content": f"so: {secret}"}]),
                 json.dumps({"a": {secret: json.dumps({"b": secret})}})):
        kept = redacted(text)
        assert secret not in kept
        assert json.dumps(secret)[1:-1] not in kept
        assert "[" in kept


def test_what_stands_under_a_telling_key_is_taken_out() -> None:
    kept = json.loads(redacted(json.dumps({"phone": 15551234567, "password": "hunter2", "n": 5})))
    assert kept == {"phone": "[phone]", "password": "[key]", "n": 5}


@pytest.mark.parametrize("text", [
    "It costs 1234567 dollars in 2026.", "From 2026-11-30 to 2026-12-01, at 10:30:00.",
    "Version 1.2.3, section 4.5", "a@b", '{"tokens": 1700000000, "id": "call_1"}'])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert redacted(text) == text


def test_a_document_stays_one() -> None:
    document = {"role": "user", "parts": [{"content": "mail ada@example.org \"now\""}], "n": 1.5}
    assert json.loads(redacted(json.dumps(document)))["n"] == 1.5


def test_answers_come_first_and_what_is_too_much_is_cut_off() -> None:
    content = {PROMPT: "ä" * 400, ANSWER: "x" * 300, "gen_ai.output.type": "json"}
    kept = stored(content, StoreTerms(501))
    assert kept == {ANSWER: "x" * 300, PROMPT: "ä" * 100}


def test_only_chosen_kinds_are_taken_out() -> None:
    assert redacted("ada@example.org, 555-123-4567", ("phones",)) == "ada@example.org, [phone]"
    assert redacted("ada@example.org", ()) == "ada@example.org"


@pytest.mark.parametrize("text", ["a" * 200_000, "a." * 100_000, "1" * 200_000, "+1" * 100_000,
                                  "1-" * 100_000, "a@" * 100_000, "-----BEGIN " * 20_000,
                                  "eyJ" * 60_000, "sk-" * 60_000, "[" * 50_000])
def test_no_text_takes_long(text: str) -> None:
    begin = time.thread_time()
    redacted(text, ALL)
    assert time.thread_time() - begin < 5

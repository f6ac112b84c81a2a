"""What becomes of a request to a judge's endpoint, whatever answers there."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from inferometer.evaluations import JudgementResult
from inferometer.ledger.keys import KeyRing
from inferometer.quality.judge.client import JudgeClient, JudgeEndpoint
from inferometer.quality.judge.interface import JudgeReply, JudgeRequest
from inferometer.quality.judge.prompts import REFUSES, numbered, request_of
from tests.scripted_judge import (
    DROP,
    ERROR,
    LENGTH,
    NONSENSE,
    RATE_LIMIT,
    REDIRECT,
    SLOW,
    AskedOfJudge,
    ScriptedJudge,
)

KEYS = KeyRing.of(b"a key")
REQUEST = request_of(REFUSES, {"question": "q", "answers": numbered(["a", "b"])})
SECONDS = 20.0


def client(url: str, timeout: float = SECONDS, **fields: Any) -> JudgeClient:
    return JudgeClient(JudgeEndpoint(url, "some-model", timeout=timeout, **fields),
                       KEYS.judge_trace)


Answer = Callable[[BaseHTTPRequestHandler, Mapping[str, Any]], None]


@contextmanager
def answering(answer: Answer) -> Iterator[ScriptedJudge]:
    """A judge whose replies a test writes itself, headers and all."""
    with ScriptedJudge() as server:
        def serve(handler: BaseHTTPRequestHandler) -> None:
            body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
            server.asked.append(AskedOfJudge("", body, dict(handler.headers), {}))
            handler.close_connection = True
            answer(handler, body)
        server._serve = serve  # type: ignore[method-assign]  # what it does is what is tested
        yield server


def status(code: int, document: object = None, raw: bytes = b"", **headers: str) -> Answer:
    """An answer of this status."""
    def answer(handler: BaseHTTPRequestHandler, body: object) -> None:
        content = raw or json.dumps(document).encode()
        handler.send_response(code)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)
    return answer


def completion(content: object, finish: str = "stop", **message: object) -> Mapping[str, object]:
    return {"choices": [{"message": {"content": content, **message}, "finish_reason": finish}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3}}


def test_a_request_says_what_it_is_for_and_whose() -> None:
    with ScriptedJudge() as server:
        reply = client(server.url).send(REQUEST)
        assert reply.result is JudgementResult.JUDGED
        assert "verdicts" in json.loads(reply.text)
        assert (reply.input_tokens or 0) > 100
        (asked,) = server.asked
        body = asked.body
        assert (body["model"], body["temperature"]) == ("some-model", 0)
        assert body["response_format"]["json_schema"]["schema"] == REQUEST.schema
        assert body["response_format"]["json_schema"]["strict"] is True
        version, trace_id, span_id, flags = asked.headers["Traceparent"].split("-")
        assert (version, len(span_id), flags) == ("00", 16, "01")
        assert KEYS.is_judge_trace(bytes.fromhex(trace_id))
        assert asked.headers["Baggage"] == "inferometer.purpose=judge"
        assert "Authorization" not in asked.headers


@pytest.mark.parametrize(("url", "path"), [
    ("http://h", "http://h/v1/chat/completions"), ("http://h/", "http://h/v1/chat/completions"),
    ("http://h/v1/", "http://h/v1/chat/completions"),
    ("http://h/openai/v1", "http://h/openai/v1/chat/completions"),
    ("http://h/v1/chat/completions", "http://h/v1/chat/completions"),
    ("http://h/openai/v1?version=1", "http://h/openai/v1/chat/completions?version=1")])
def test_a_url_may_be_a_base_or_whole(url: str, path: str) -> None:
    assert JudgeEndpoint(url, "m").address == path


@pytest.mark.parametrize(("fault", "result", "words"), [
    (NONSENSE, JudgementResult.JUDGED, ""), (SLOW, JudgementResult.TIMEOUT, "in 0.5 seconds"),
    (ERROR, JudgementResult.FAILED, "HTTP status 500: by script"),
    (RATE_LIMIT, JudgementResult.FAILED, "HTTP status 429"),
    (DROP, JudgementResult.FAILED, "closed"), (REDIRECT, JudgementResult.FAILED, "redirects to"),
    (LENGTH, JudgementResult.JUDGED, "tokens ran out")])
def test_each_fault_is_told_apart(fault: str, result: JudgementResult, words: str) -> None:
    with ScriptedJudge() as server:
        server.fault = fault
        reply = client(server.url, timeout=0.5 if fault == SLOW else SECONDS).send(REQUEST)
        assert reply.result is result
        assert words in reply.reason
        assert len(server.asked) == 1
        assert reply.retry_after == (1.0 if fault == RATE_LIMIT else None)


def test_a_redirect_is_not_followed() -> None:
    with ScriptedJudge() as elsewhere, answering(status(
            307, Location=f"{elsewhere.url}/chat/completions?key=secret")) as server:
        reply = client(server.url).send(REQUEST)
        assert reply.result is JudgementResult.FAILED
        assert "give that URL" in reply.reason
        assert "secret" not in reply.reason
        assert elsewhere.asked == []


@pytest.mark.parametrize(("formats", "asked"), [
    (("json_schema",), ["json_schema"]), (("json_object",), ["json_schema", "json_object"]),
    (("text",), ["json_schema", "json_object", "text"])])
def test_what_an_endpoint_does_not_take_is_asked_once(formats: tuple[str, ...],
                                                      asked: list[str]) -> None:
    with ScriptedJudge(formats=formats) as server:
        asking = client(server.url)
        for _ in range(3):
            assert asking.send(REQUEST).result is JudgementResult.JUDGED
        kinds = [one.body.get("response_format", {"type": "text"})["type"]
                 for one in server.asked]
        assert kinds == asked + 2 * asked[-1:]


def test_one_that_takes_none_of_them_is_asked_for_the_best_again() -> None:
    with ScriptedJudge(formats=()) as server:
        asking = client(server.url)
        assert "json_schema is not supported" in asking.send(REQUEST).reason
        server.formats = ("json_schema",)
        assert asking.send(REQUEST).result is JudgementResult.JUDGED
        assert len(server.asked) == 4


@pytest.mark.parametrize("code", [400, 422, 501])
def test_parameters_that_a_model_refuses_are_left_out(code: int) -> None:
    """As models that reason do: their own limit of tokens, and their own temperature."""
    def answer(handler: BaseHTTPRequestHandler, body: Mapping[str, Any]) -> None:
        wrong = ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
                 if "max_tokens" in body else
                 "'temperature' does not support 0" if "temperature" in body else "")
        (status(code, {"error": {"message": wrong}}) if wrong
         else status(200, completion("{}")))(handler, body)

    with answering(answer) as server:
        asking = client(server.url)
        assert asking.send(REQUEST).text == "{}"
        assert asking.send(REQUEST).text == "{}"
        assert len(server.asked) == 4
        last = server.asked[-1].body
        assert last["max_completion_tokens"] == 4096
        assert not {"max_tokens", "temperature"} & last.keys()
        assert last["response_format"]["type"] == "json_schema"


def test_a_limit_beyond_a_models_context_is_left_out() -> None:
    def answer(handler: BaseHTTPRequestHandler, body: Mapping[str, Any]) -> None:
        has_limit = {"max_tokens", "max_completion_tokens"} & body.keys()
        (status(400, {"message": "maximum context length is 2048 tokens"}) if has_limit
         else status(200, completion("{}")))(handler, body)

    with answering(answer) as server:
        assert client(server.url).send(REQUEST).text == "{}"
        assert len(server.asked) == 3


def test_a_refusal_for_another_reason_ends_and_says_the_first() -> None:
    with answering(status(400, {"error": {"message": "no such model"}})) as server:
        reply = client(server.url).send(REQUEST)
        assert (reply.result, reply.reason) == (
            JudgementResult.FAILED, "HTTP status 400: no such model")
        assert len(server.asked) == 3


@pytest.mark.parametrize("code", [401, 403, 404, 429, 500, 502, 503])
def test_an_error_that_no_parameter_mends_is_asked_once(code: int) -> None:
    with answering(status(code, raw=b"<html>nginx</html>", Content_Type="text/html",
                          Retry_After="17")) as server:
        reply = client(server.url).send(REQUEST)
        assert (reply.result, reply.reason, reply.retry_after) == (
            JudgementResult.FAILED, f"HTTP status {code}", 17.0)
        assert len(server.asked) == 1


@pytest.mark.parametrize(("document", "text", "result", "words"), [
    (completion("{}"), "{}", JudgementResult.JUDGED, ""),
    (completion([{"type": "text", "text": "{"}, {"type": "image"}, {"type": "text", "text": "}"}]),
     "{}", JudgementResult.JUDGED, ""),
    (completion("{}", reasoning_content="hm"), "{}", JudgementResult.JUDGED, ""),
    (completion("{", finish="length"), "{", JudgementResult.JUDGED, "tokens ran out"),
    (completion("a\0b\ud800"), "ab?", JudgementResult.JUDGED, ""),
    (completion(None, finish="length"), "", JudgementResult.NONSENSE, "tokens ran out"),
    (completion(None, refusal="no"), "", JudgementResult.NONSENSE, "the judge refuses"),
    (completion("  "), "", JudgementResult.NONSENSE, "no chat completion"),
    (completion(5), "", JudgementResult.NONSENSE, "no chat completion"),
    ({"choices": []}, "", JudgementResult.NONSENSE, "no chat completion"),
    ({"choices": [None]}, "", JudgementResult.NONSENSE, "no chat completion"),
    ({"choices": {"a": 1}}, "", JudgementResult.NONSENSE, "no chat completion"),
    ({"choices": [{"message": "x"}]}, "", JudgementResult.NONSENSE, "no chat completion"),
    ([1], "", JudgementResult.NONSENSE, "no chat completion"),
    ("text", "", JudgementResult.NONSENSE, "no chat completion"),
    (None, "", JudgementResult.NONSENSE, "no chat completion")])
def test_what_is_no_completion_is_nonsense(document: object, text: str, result: JudgementResult,
                                           words: str) -> None:
    with answering(status(200, document)) as server:
        reply = client(server.url).send(REQUEST)
        assert (reply.text, reply.result) == (text, result)
        assert words in reply.reason
        assert bool(words) == bool(reply.reason)


@pytest.mark.parametrize("raw", [
    b"<html>a proxy's page</html>", b"{", b"\xff\xfe", b"[" * 200_000,
    b'{"choices": [{"message": {"content": "' + b"x" * 2_000_000 + b'"}}]}'])
def test_a_body_of_another_kind_is_nonsense(raw: bytes) -> None:
    with answering(status(200, raw=raw)) as server:
        reply = client(server.url).send(REQUEST)
        assert (reply.text, reply.result) == ("", JudgementResult.NONSENSE)


@pytest.mark.parametrize("usage", [
    None, [], {"prompt_tokens": -1, "completion_tokens": "5"}, {"prompt_tokens": 1.5},
    {"prompt_tokens": True, "completion_tokens": 10**12}])
def test_usage_that_cannot_be_is_unknown(usage: object) -> None:
    with answering(status(200, {**completion("{}"), "usage": usage})) as server:
        reply = client(server.url).send(REQUEST)
        assert (reply.text, reply.input_tokens, reply.output_tokens) == ("{}", None, None)


def test_a_nonsense_that_was_paid_for_has_its_tokens() -> None:
    with answering(status(200, completion(None))) as server:
        reply = client(server.url).send(REQUEST)
        assert (reply.result, reply.input_tokens, reply.output_tokens) == (
            JudgementResult.NONSENSE, 7, 3)


@pytest.mark.parametrize("begin", [
    b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"])
def test_a_reply_that_comes_drop_by_drop_has_no_more_time(begin: bytes) -> None:
    stop = threading.Event()

    def answer(handler: BaseHTTPRequestHandler, body: object) -> None:
        handler.wfile.write(begin)
        while not stop.wait(0.1):
            handler.wfile.write(b"X-Header: 1\r\n" if b"Length" not in begin else b" ")

    with answering(answer) as server:
        began = time.monotonic()
        try:
            reply = client(server.url, timeout=1.0).send(REQUEST)
        finally:
            stop.set()
        assert time.monotonic() - began < 10
        assert reply.result in (JudgementResult.TIMEOUT, JudgementResult.FAILED)
        assert begin == b"" or reply.result is JudgementResult.TIMEOUT


@pytest.mark.parametrize(("raw", "words"), [
    (b"SSH-2.0-OpenSSH_9\r\n", "no HTTP"), (b"HTTP/1.1 abc\r\n\r\n", "no HTTP"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", "closed")])
def test_what_speaks_no_http_failed(raw: bytes, words: str) -> None:
    def answer(handler: BaseHTTPRequestHandler, body: object) -> None:
        handler.wfile.write(raw)

    with answering(answer) as server:
        reply = client(server.url).send(REQUEST)
        assert reply.result is JudgementResult.FAILED
        assert words in reply.reason


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "http://no-such-host.invalid/v1",
                                 "http://127.0.0.1:99999/v1", "http://[::1/v1"])
def test_a_url_where_nobody_is_failed(url: str) -> None:
    reply = client(url).send(REQUEST)
    assert reply.result is JudgementResult.FAILED
    assert reply.reason
    assert "\n" not in reply.reason


def test_the_key_is_read_from_its_file_for_each_request(tmp_path: Path) -> None:
    file = tmp_path / "key"
    with ScriptedJudge() as server:
        asking = client(server.url, key_file=str(file))
        reply = asking.send(REQUEST)
        assert (reply.result, reply.reason) == (
            JudgementResult.FAILED, f"{file}: No such file or directory")
        for key in ("first", "second"):
            file.write_text(f"{key}\n")
            asking.send(REQUEST)
        file.write_text("two\nlines")
        assert "one line" in asking.send(REQUEST).reason
        assert [one.headers["Authorization"] for one in server.asked] == [
            "Bearer first", "Bearer second"]


def test_it_trusts_the_authority_that_is_given(tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=judge", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", tmp_path / "s.key", "-out", tmp_path / "s.crt"],
        check=True, capture_output=True, timeout=20)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "s.crt", tmp_path / "s.key")
    with ScriptedJudge() as server:
        server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
        url = server.url.replace("http:", "https:")
        reply = client(url).send(REQUEST)
        assert reply.result is JudgementResult.FAILED
        assert "certificate" in reply.reason
        assert client(url, ca_file=str(tmp_path / "s.crt")).send(
            REQUEST).result is JudgementResult.JUDGED
        missing = client(url, ca_file=str(tmp_path / "none")).send(REQUEST)
        assert missing.result is JudgementResult.FAILED


def test_several_threads_may_send() -> None:
    with ScriptedJudge(latency=0.1) as server:
        asking = client(server.url)
        replies: list[JudgeReply] = []
        threads = [threading.Thread(target=lambda: replies.append(asking.send(REQUEST)))
                   for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
        assert [one.result for one in replies] == [JudgementResult.JUDGED] * 8
        assert len({one.headers["Traceparent"] for one in server.asked}) == 8


def test_a_judge_that_accepts_and_never_answers_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reply = client(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.3).send(REQUEST)
        assert reply.result is JudgementResult.TIMEOUT


def test_a_request_can_be_made_of_any_text() -> None:
    odd = JudgeRequest("s", "a\0\ud800\u2028", "\x7f\r\n", {})
    with answering(status(200, completion("{}"))) as server:
        assert client(server.url).send(odd).text == "{}"

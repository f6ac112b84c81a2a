"""The fetch's own promises; what misbehaving servers cost is in test_faults.py."""

from __future__ import annotations

import gzip
import random
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from inferometer.engines.discovery import Discovery
from inferometer.engines.fetch import Access, fetch
from inferometer.engines.page import PageError
from inferometer.engines.resolver import Address, Resolver
from inferometer.engines.tables import TABLES
from inferometer.engines.target import Target
from tests.exporter.engines.raw import fetched_or_refused, serving_raw, strange_answer
from tests.exporter.support import Engine, fixture, send, wait_for

BUSY = fixture("vllm/0.32.0/busy.prom")


def test_a_packed_page_is_unpacked_though_none_was_asked_for() -> None:
    page = fixture("vllm/0.32.0/busy.prom")
    for encoding, packed in (("gzip", gzip.compress(page)), ("deflate", zlib.compress(page))):
        with Engine(lambda h, b=packed, e=encoding: send(  # type: ignore[misc]
                h, b, Content_Encoding=e)) as engine:
            assert fetch(f"{engine.url}/metrics", Access(), 5) == page


def test_what_follows_a_packed_page_is_bounded_too() -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
                            + gzip.compress(b"x 1\n") + b"\x00" * 2**20)

    with Engine(endless) as engine, pytest.raises(PageError, match="larger than 65536 bytes"):
        fetch(f"{engine.url}/metrics", Access(max_bytes=65536), 5)


def test_a_chunked_page_is_put_together() -> None:
    def chunked(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                            b"3\r\nx 1\r\n4;a=b\r\n\ny 2\r\n0\r\nTrailer: yes\r\n\r\n")

    with Engine(chunked) as engine:
        assert fetch(f"{engine.url}/metrics", Access(), 5) == b"x 1\ny 2"


def test_what_follows_the_last_chunk_is_not_waited_for() -> None:
    def trailers_for_ever(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                            b"4\r\nx 1\n\r\n0\r\n")
        while True:
            handler.wfile.write(b"X: y\r\n" * 1000)

    with Engine(trailers_for_ever) as engine:
        assert fetch(f"{engine.url}/metrics", Access(), 5) == b"x 1\n"


def test_the_token_is_sent_and_never_told(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    with Engine("x 1\n") as engine:
        fetch(f"{engine.url}/metrics", Access(token_file=str(file)), 5)
        assert engine.asked[-1][1]["Authorization"] == "Bearer s3cret"
        for spoilt in ("s3cret\nHost: evil", "s3cr\N{EURO SIGN}t", "s3cret\x00"):
            file.write_text(spoilt)
            with pytest.raises(PageError) as caught:
                fetch(f"{engine.url}/metrics", Access(token_file=str(file)), 5)
            assert "s3c" not in str(caught.value)
        assert len(engine.asked) == 1


@pytest.mark.parametrize("url", [
    "http://[fe80::dead:beef%25nowhere]/metrics", "http://nowhere.invalid/metrics",
    "http://127.0.0.1:1/metrics", "https://127.0.0.1:1/metrics", "http://[::1:abcd]/metrics",
    f"http://{'a' * 70}.example/metrics",
])
def test_an_address_that_cannot_be_reached_is_a_page_error(url: str) -> None:
    with pytest.raises(PageError):
        fetch(url, Access(), 2)


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\xb3\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: "
    + b"9" * 5000 + b"\r\n\r\n", b"HTTP/1.1 302 \r\nLocation: /\xff\r\n\r\n",
], ids=range(3))
def test_discovery_goes_on_beside_a_server_that_answers_strangely(answer: bytes) -> None:
    with serving_raw(lambda sock: sock.sendall(answer)) as url, Engine(BUSY) as engine:
        strange = urlsplit(url).port or 0
        looking = Discovery((strange, engine.port), TABLES, 0.05,
                            lambda name, url: Target(name, url, TABLES, Access(), 2.0))
        looking.start()
        try:
            assert [target.name for target in wait_for(looking.targets)] == [engine.name]
        finally:
            looking.stop()


def moved(location: str, status: int = 307) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: send(handler, b"", status, Location=location)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_the_same_server_is_followed_once(status: int) -> None:
    with Engine(moved("/metrics/", status)) as engine:
        engine.paths["/metrics/"] = "x 1\n"
        assert fetch(f"{engine.url}/metrics", Access(), 5) == b"x 1\n"
        engine.serve(moved(f"{engine.url}/metrics/", status))
        assert fetch(f"{engine.url}/metrics", Access(), 5) == b"x 1\n"
        engine.paths["/metrics/"] = moved("/metrics")
        with pytest.raises(PageError, match=r"redirected to http://.*/metrics/ and on to /metrics"):
            fetch(f"{engine.url}/metrics", Access(), 5)


@pytest.mark.parametrize("location", [
    "http://127.0.0.1:9/metrics", "https://127.0.0.1/metrics", "//example.org/metrics",
    "http://[metrics", "ftp://127.0.0.1/metrics",
])
def test_a_redirect_to_another_server_is_named_and_not_followed(location: str) -> None:
    with (Engine(moved(location)) as engine,
          pytest.raises(PageError, match=re.escape(f"redirected to {location}"))):
        fetch(f"{engine.url}/metrics", Access(token="s3cret"), 5)


@pytest.mark.parametrize(("body", "words"), [
    (b'{"error": {"code": 400, "message": "model name is missing"}}', "model name is missing"),
    (b'{"detail": "Not authenticated"}', "Not authenticated"),
    (b'{"object": "error", "message": "no such model"}', "no such model"),
    (b"plain\n  words", "plain words"),
])
def test_a_refusal_gives_the_servers_reason(body: bytes, words: str) -> None:
    with (Engine(lambda handler: send(handler, body, 400)) as engine,
          pytest.raises(PageError, match=f"^HTTP status 400: {words}$")):
        fetch(f"{engine.url}/metrics", Access(), 5)


def test_whatever_bytes_come_there_is_a_page_or_a_page_error_in_time() -> None:
    dice = random.Random(12)
    with serving_raw(lambda sock: sock.sendall(strange_answer(dice))) as url:
        fetched = [fetched_or_refused(url, 1.0) for _ in range(400)]
    assert {type(outcome) for outcome in fetched} == {bytes, str}  # some of each


def test_what_comes_byte_by_byte_costs_little_time_of_the_processor() -> None:
    def drip(sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            sock.send(b"x")

    with serving_raw(drip) as url:
        began = time.thread_time()
        with pytest.raises(PageError, match=r"no full answer within 0\.5 s"):
            fetch(url, Access(), 0.5)
        assert time.thread_time() - began < 0.15


@pytest.mark.parametrize("location", [
    "/a b", "/\u00e9", "/" + "x" * 3000, "/metrics\x7f", "http://[::1", "http://127.0.0.1:99999/",
    "//:@/", "http:///x",
])
def test_a_redirect_to_no_url_is_a_page_error(location: str) -> None:
    head = f"HTTP/1.1 302 Moved\r\nLocation: {location}\r\n\r\n".encode()
    with (serving_raw(lambda sock: sock.sendall(head)) as url,
          pytest.raises(PageError, match=r"redirected to|a line that is no header")):
        fetch(url, Access(), 2)


def test_addresses_are_tried_in_turn_each_in_its_share_of_the_time() -> None:
    with socket.socket() as closed, socket.socket() as full, Engine("x 1\n") as engine:
        closed.bind(("127.0.0.2", engine.port))  # and does not listen
        full.bind(("127.0.0.3", engine.port))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:  # no more are taken
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.3", engine.port))
        places = [(socket.AF_INET, (f"127.0.0.{place}", 0)) for place in (2, 3, 1)]
        access = Access(resolver=Resolver(lambda host: list(places)))
        assert fetch(f"http://some.name:{engine.port}/metrics", access, 2) == b"x 1\n"
        for sock in waiting:
            sock.close()


def test_a_name_that_never_resolves_is_a_page_error_in_time() -> None:
    asleep = threading.Event()

    def never(host: str) -> list[Address]:
        asleep.wait(20)
        return []

    began = time.monotonic()
    with pytest.raises(PageError, match=r"the name some\.name was not resolved in time"):
        fetch("http://some.name/metrics", Access(resolver=Resolver(never)), 0.3)
    assert time.monotonic() - began < 1
    asleep.set()

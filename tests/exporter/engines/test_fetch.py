"""The fetch's own promises; what misbehaving servers cost is in test_faults.py."""

from __future__ import annotations

import gzip
import zlib
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from inferometer.engines.fetch import Access, fetch
from inferometer.engines.page import PageError
from tests.exporter.support import Engine, fixture, send


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

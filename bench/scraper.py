"""Scrapes as Prometheus makes them: its headers, gzip, a connection kept where the server does."""

from __future__ import annotations

import os
import selectors
import socket
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

# What Prometheus 3.5 was seen to send.
ACCEPT = ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
          "application/openmetrics-text;version=0.0.1;q=0.5,"
          "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
          "text/plain;version=0.0.4;q=0.3,*/*;q=0.2")
TIMEOUT = 10.0  # seconds, as a scrape interval of 15 s usually has it
CHUNK = 1 << 18


@dataclass(frozen=True)
class Answer:
    """What came back: the status, how long it took in all, the body as it was sent."""

    status: int
    seconds: float
    body: bytes
    packed: bool

    @property
    def text(self) -> str:
        """The page, unpacked."""
        body = zlib.decompress(self.body, zlib.MAX_WBITS | 16) if self.packed else self.body
        return body.decode()


class Scraper:
    """One client of one server."""

    def __init__(self, port: int, encoding: str = "gzip") -> None:
        self._port = port
        self._request = (
            f"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: Prometheus/3.5.3\r\n"
            f"Accept: {ACCEPT}\r\nAccept-Encoding: {encoding}\r\n"
            f"X-Prometheus-Scrape-Timeout-Seconds: {TIMEOUT:g}\r\n\r\n").encode()
        self._socket: socket.socket | None = None
        self._received = bytearray()
        self._began = 0.0

    def scrape(self) -> Answer:
        """One scrape. Raises OSError if none comes back in time."""
        connection = self.dial()
        connection.settimeout(TIMEOUT)
        self.ask()
        while True:
            answer = self.receive(connection.recv(CHUNK))
            if answer is not None:
                return answer

    def dial(self) -> socket.socket:
        """Begin, on a new connection where there is none; it can be written to once it stands."""
        self._began = time.perf_counter()
        self._received.clear()
        if self._socket is None:
            self._socket = socket.socket()
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.setblocking(False)
            self._socket.connect_ex(("127.0.0.1", self._port))
        return self._socket

    def ask(self) -> None:
        """Send the request. Raises OSError."""
        if self._socket is not None:
            self._socket.sendall(self._request)

    def receive(self, data: bytes) -> Answer | None:
        """The answer if this was the last of it; no data: the server hung up. Raises OSError."""
        self._received += data
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0:
            if not data:
                self.close()
                raise ConnectionError("hung up before it answered")
            return None
        head = self._received[:head_end].decode("latin-1").lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:])
        size = headers.get("content-length")
        body_at = head_end + 4
        if data and (size is None or len(self._received) < body_at + int(size)):
            return None
        stays = data and head[0].startswith("http/1.1") and headers.get("connection") != "close"
        if not stays:
            self.close()
        return Answer(int(head[0].split()[1]), time.perf_counter() - self._began,
                      bytes(self._received[body_at:]), headers.get("content-encoding") == "gzip")

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Scraper:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def volley(scrapers: Sequence[Scraper]) -> list[Answer]:
    """All of them at once; their answers, those that failed left out."""
    answers: list[Answer] = []
    deadline = time.perf_counter() + TIMEOUT
    with selectors.DefaultSelector() as selector:
        for scraper in scrapers:
            selector.register(scraper.dial(), selectors.EVENT_WRITE, scraper)
        while selector.get_map() and time.perf_counter() < deadline:
            for key, _ in selector.select(1.0):
                try:
                    if key.events == selectors.EVENT_WRITE:
                        key.data.ask()
                        selector.modify(key.fileobj, selectors.EVENT_READ, key.data)
                        continue
                    answer = key.data.receive(os.read(key.fd, CHUNK))
                except OSError:
                    selector.unregister(key.fileobj)
                    key.data.close()
                    continue
                if answer is not None:
                    selector.unregister(key.fileobj)
                    answers.append(answer)
    return answers

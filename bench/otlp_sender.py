"""A sender of OTLP over HTTP: several connections, cheap for who measures what takes the bodies."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from bench.otlp import Template

CONNECTIONS = 8


@dataclass
class Sent:
    """What senders got for answers."""

    spans: int = 0
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def send(port: int, made: Iterable[tuple[Template, bytes]], rate: float = 0.0) -> Sent:
    """Post them on several connections, as fast as they are taken, or so many spans a second."""
    sent, began, queue = Sent(), time.monotonic(), iter(made)
    taken = 0

    def work() -> None:
        nonlocal taken
        with Connection(port) as connection:
            while True:
                with sent.lock:
                    template, body = next(queue, (None, b""))
                    if template is None:
                        return
                    taken += template.spans
                    ahead = taken / rate - (time.monotonic() - began) if rate else 0
                if ahead > 0:
                    time.sleep(ahead)  # no faster than the rate
                status = connection.post(template.encoding, body)
                while status == 503:
                    time.sleep(0.1)  # as a sender that is put off does
                    status = connection.post(template.encoding, body)
                with sent.lock:
                    sent.spans += template.spans
                    sent.refused += status != 200

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for done in [pool.submit(work) for _ in range(CONNECTIONS)]:
            done.result()
    return sent


class Connection:
    """Kept, as exporters keep theirs, and cheap for the sender."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def post(self, encoding: str, body: bytes) -> int:
        """The status of the answer. Raises OSError."""
        self._socket.sendall(
            b"POST /v1/traces HTTP/1.1\r\nHost: gateway\r\nContent-Type: " + encoding.encode()
            + b"\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, rest = received.partition(b"\r\n\r\n")
        match = re.search(rb"content-length: (\d+)", head, re.I)
        size = int(match[1]) if match else 0
        while len(rest) < size:
            rest += self._more()
        return int(head.split()[1])

    def _more(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("hung up before it answered")
        return data

"""A light engine in a process of its own: vLLM's page on some ports, with other values each time.

    python -m bench.engine PORT...
"""

from __future__ import annotations

import selectors
import socket
import sys
from collections.abc import Sequence

from bench.vllm import DOCUMENTS, Page


class Loop:
    """One thread over all connections of some ports; what stands below each path is its own."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._selector = selectors.DefaultSelector()
        for port in ports:
            listener = socket.create_server(("127.0.0.1", port), backlog=128)
            self._selector.register(listener, selectors.EVENT_READ, None)

    def page(self, path: str) -> bytes:
        """What is answered; nothing where there is no such page."""
        raise NotImplementedError  # each kind of engine has its own pages

    def sent(self, path: str) -> None:
        """What is done after an answer."""

    def close(self) -> None:
        """Hang up, and listen no longer."""
        for key in [*self._selector.get_map().values()]:
            assert isinstance(key.fileobj, socket.socket)
            self._hang_up(key.fileobj)
        self._selector.close()

    def serve(self) -> None:
        """Until killed."""
        while True:
            for key, _ in self._selector.select():
                assert isinstance(key.fileobj, socket.socket)
                if key.data is None:
                    self._selector.register(key.fileobj.accept()[0], selectors.EVENT_READ, b"")
                else:
                    self._answer(key.fileobj, key.data)

    def _answer(self, client: socket.socket, before: bytes) -> None:
        request = before + client.recv(65536)
        if request == before:
            self._hang_up(client)
        elif b"\r\n\r\n" not in request:
            self._selector.modify(client, selectors.EVENT_READ, request)
        else:
            path = request.split(b" ", 2)[1].decode()
            stays = b"connection: close" not in request.lower()
            self._send(client, self.page(path), stays)
            if not stays:
                self._hang_up(client)
            self.sent(path)

    def _send(self, client: socket.socket, body: bytes, stays: bool) -> None:
        head = (f"HTTP/1.1 {200 if body else 404} -\r\nContent-Type: text/plain; version=0.0.4\r\n"
                f"Content-Length: {len(body)}\r\n"
                f"Connection: {'keep-alive' if stays else 'close'}\r\n\r\n")
        client.sendall(head.encode() + body)

    def _hang_up(self, client: socket.socket) -> None:
        self._selector.unregister(client)
        client.close()


class Engine(Loop):
    """The next page is made after one was sent."""

    def __init__(self, ports: Sequence[int]) -> None:
        super().__init__(ports)
        self._pages_a_step = len(ports)  # ports that are scraped together show the same
        self._page = Page()
        self._served = 0
        self._body = self._page.body_of_step(0)

    def page(self, path: str) -> bytes:
        """The metrics, or a document of the engine."""
        return self._body if path == "/metrics" else DOCUMENTS.get(path, b"")

    def sent(self, path: str) -> None:
        """Go on where all ports have shown a page."""
        self._served += path == "/metrics"
        if path == "/metrics" and self._served % self._pages_a_step == 0:
            self._body = self._page.body_of_step(self._served // self._pages_a_step)


if __name__ == "__main__":
    Engine([int(port) for port in sys.argv[1:]]).serve()

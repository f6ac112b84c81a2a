"""The intake's listener without what stands behind it: bodies are unpacked and kept in a list."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from inferometer.intake.access import Admission, Tokens
from inferometer.intake.application import Application, Door, Sent, Taken
from inferometer.intake.body import BodyMemory, Portion, Sizes, unpack
from inferometer.intake.listener import ConnectionBounds, OtlpListener
from inferometer.intake.tally import IntakeTally
from inferometer.serve.listening import listening_socket
from inferometer.serve.web_config import WebConfig
from tests.exporter.wire import Wire


@dataclass
class Opened:
    """A door that is open."""

    port: int
    server: OtlpListener
    memory: BodyMemory
    bodies: list[bytes] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)

    def has(self, count: int) -> bool:
        """Whether so many bytes of bodies are in memory."""
        return self.memory.bytes == count


@contextlib.contextmanager
def opened(bounds: ConnectionBounds | None = None, sizes: Sizes | None = None, *,
           web: WebConfig | None = None, tokens: tuple[str, ...] = (),
           answer: Taken | None = None,
           before: Callable[[Sent], object] = lambda _: None) -> Iterator[Opened]:
    """A door in a thread of its own, which ends. `before` sees a body before it is kept."""
    sizes = sizes or Sizes()
    memory = BodyMemory(sizes.held_bytes)
    access = Admission(web, Tokens(tokens))

    async def accept(sent: Sent) -> Taken:
        before(sent)
        with Portion(memory) as load:
            door.bodies.append(unpack(sent.pieces, sent.coding, sizes.body_bytes, load))
        door.sent.append(sent)
        return answer or Taken()

    async def guess(header: str) -> bool:
        return access.guess(header)

    listener = listening_socket("127.0.0.1", 0)
    app = Application(
        Door(lambda: access, dict, guess, accept, lambda: sizes, memory, IntakeTally()))
    server = OtlpListener(listener, app,
                      lambda: web.fresh_context() if web is not None and web.tls else None, bounds)
    door = Opened(listener.getsockname()[1], server, memory)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    try:
        yield door
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
    assert not thread.is_alive()


@dataclass
class Reply:
    """What came back on a connection."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client(Wire):
    """A sender whose answers are read one by one."""

    _received = b""

    def send(self, *pieces: bytes) -> Client:
        for piece in pieces:
            self.sock.sendall(piece)
        return self

    def reply(self) -> Reply:
        """The next answer; ConnectionError if there is none."""
        while b"\r\n\r\n" not in self._received:
            self._received += self.more()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in
                   (line.partition(": ") for line in lines)}
        status = int(re.match(r"HTTP/1.1 (\d+)", first)[1])  # type: ignore[index]  # else it fails
        size = int(headers.get("content-length", 0))
        while len(self._received) < size:
            self._received += self.more()
        body, self._received = self._received[:size], self._received[size:]
        return Reply(status, headers, body)

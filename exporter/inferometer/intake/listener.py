"""Connections of the intake: uvicorn parses HTTP, and what a hostile client may cost is bounded.

uvicorn has a limit for neither heads, connections nor handshakes, and takes its TLS context once.
So connections are accepted here, a context is asked for each, and its protocol is held to limits.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import socket
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from inferometer.intake.accepting import Context, accept

PIECE = 2**18  # bytes that are read at a time


@dataclass(frozen=True)
class ConnectionBounds:
    """What connections may cost."""

    connections: int = 512
    handshakes: int = 128  # at once
    head_seconds: float = 10.0  # for a handshake, and for a head
    head_bytes: int = 16384
    idle_seconds: int = 75  # between two requests
    stop_seconds: int = 10  # for what is being answered
    framing_bytes: int = 65536  # of chunks' sizes, extensions and trailers
    framing_ratio: int = 8  # the same, for each byte of a body: one in a chunk of its own takes 6


# It logs every request that is none, of which a client may send as many as it likes.
logging.getLogger("uvicorn").setLevel(logging.ERROR)


class Guarded(HttpToolsProtocol, asyncio.BufferedProtocol):
    """One connection: a head has a deadline and a bound, and a full house closes its oldest.

    All connections are read into one buffer: a new one for each piece would be larger than what
    the C library takes from its heap, and so cost three system calls.
    """

    _timer: asyncio.TimerHandle | None = None
    _due = math.inf  # when its client will have been waited for long enough
    _in_head = True  # or to begin with one
    _received = 0  # bytes of the head, then of the body as it is sent
    _body = 0  # bytes of it without its framing
    since = 0.0  # when it began to wait for what the client sends next

    def __init__(self, bounds: ConnectionBounds, buffer: memoryview, config: uvicorn.Config,
                 server_state: Any) -> None:
        super().__init__(config, server_state, {})
        self._bounds = bounds
        self._buffer = buffer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Wait for a head; if the house is full, whoever has waited longest goes."""
        super().connection_made(transport)
        # A request's state begins as a copy of this: the application sees the certificate.
        self.app_state["peer"] = transport.get_extra_info("peercert")
        self._wait(self._bounds.head_seconds)
        if len(self.connections) > self._bounds.connections:
            waiting = (one for one in self.connections if isinstance(one, Guarded) and one.waits)
            min(waiting, key=lambda one: one.since).transport.abort()

    @property
    def waits(self) -> bool:
        """Whether it is the client's turn: for a head, or for the rest of a body."""
        return self.cycle is None or self.cycle.response_complete or self.cycle.more_body

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline with the connection."""
        self._due = math.inf
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next piece is to be put."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Parse what came: nothing keeps a part of the buffer."""
        self.data_received(self._buffer[:nbytes])

    def data_received(self, data: bytes | memoryview) -> None:
        """Parse what came, within the bounds of a head or of a body's framing."""
        self._received += len(data)
        super().data_received(data)  # type: ignore[arg-type]  # its parser takes any buffer
        cycle = self.cycle
        if self.transport.is_closing():
            return
        if cycle is None or cycle.response_complete:  # a head has begun
            if not self._in_head:
                self._in_head = True
                self._wait(self._bounds.head_seconds)
            if self._received > self._bounds.head_bytes:
                self.send_400_response("head too long")
        elif self._received - self._body > (self._bounds.framing_bytes
                                            + self._bounds.framing_ratio * self._body):
            self.transport.abort()

    def on_headers_complete(self) -> None:
        """The head is there. Raises ValueError, which the parser answers by 400."""
        self._in_head, self._due, self.since = False, math.inf, self.loop.time()
        size, codings = len(self.url), []
        for name, value in self.headers:
            size += len(name) + len(value)
            if name == b"transfer-encoding":
                codings.append(value.strip().lower())
        # A coding besides chunked would reach the application as it was sent.
        if size > self._bounds.head_bytes or (codings and codings != [b"chunked"]):
            raise ValueError
        self._received = self._body = 0
        super().on_headers_complete()
        self.headers = []  # those that follow a body say nothing here

    def on_body(self, body: bytes) -> None:
        """Count what is no framing."""
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All is here, as the application sees; what comes now belongs to the next head."""
        super().on_message_complete()
        self.scope["state"]["arrived"] = True
        self._received = self._body = 0

    def on_response_complete(self) -> None:
        """Begin with the request that has come meanwhile, or wait for one.

        As uvicorn's own, but for its timer, of which it makes a new one each time.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._wait(self._bounds.idle_seconds)

    def _wait(self, seconds: float) -> None:
        """Hang up unless the client does its part in time."""
        self.since = self.loop.time()
        self._due = self.since + seconds
        if self._timer is None or self._due < self._timer.when():
            self._look()

    def _look(self) -> None:
        """Hang up if it is time to, or look again when it may be.

        What moves a deadline on leaves the timer as it is, so that a request needs none.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.loop.time() >= self._due:
            (self.transport.abort if self._in_head else self.transport.close)()
        elif self._due < math.inf:
            self._timer = self.loop.call_at(self._due, self._look)


class OtlpListener(uvicorn.Server):
    """Serves an ASGI application on a socket that listens already."""

    def __init__(self, listener: socket.socket, app: Any, context: Context,
                 bounds: ConnectionBounds | None = None) -> None:
        self._bounds = bounds or ConnectionBounds()
        super().__init__(uvicorn.Config(
            app, http=HttpToolsProtocol, ws="none", loop="asyncio", lifespan="off",
            log_config=None, access_log=False, proxy_headers=False, server_header=False,
            timeout_graceful_shutdown=self._bounds.stop_seconds))
        self._listener = listener
        self._context = context
        self._buffer = memoryview(bytearray(PIECE))
        self._accepting: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections."""
        self.servers = []
        self.started = True
        make = functools.partial(Guarded, self._bounds, self._buffer, self.config,
                                 self.server_state)
        self._accepting = asyncio.create_task(accept(
            self._listener, make, self._context, self._bounds.handshakes,
            self._bounds.head_seconds))

    def stop(self) -> None:
        """From another thread: answer what is being sent, and end."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more; what is being sent is still answered."""
        if self._accepting is not None:
            self._accepting.cancel()
        await super().shutdown([self._listener])

"""Connections of the intake: uvicorn parses HTTP, and what a hostile client may cost is bounded.

uvicorn has a limit for neither heads, connections nor handshakes, and takes its TLS context once.
So connections are accepted here, a context is asked for each, and its protocol is held to limits.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Context = Callable[[], ssl.SSLContext | None]  # for one connection; raises OSError, ValueError
RETRY_ACCEPT_SECONDS = 0.1  # while there is no descriptor left


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


class Guarded(HttpToolsProtocol):
    """One connection: a head has a deadline and a bound, and a full house closes its oldest."""

    _timer: asyncio.TimerHandle | None = None
    _received = 0  # bytes of the head, then of the body as it is sent
    _body = 0  # bytes of it without its framing
    _in_head = False
    since = 0.0  # when it began to wait for what the client sends next

    def __init__(self, bounds: ConnectionBounds, config: uvicorn.Config,
                 server_state: Any) -> None:
        super().__init__(config, server_state, {})
        self._bounds = bounds
        self._peer: Any = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Wait for a head; if the house is full, whoever has waited longest goes."""
        super().connection_made(transport)
        self._peer = transport.get_extra_info("peercert")
        self._await_head()
        if len(self.connections) > self._bounds.connections:
            waiting = (one for one in self.connections if isinstance(one, Guarded) and one.waits)
            min(waiting, key=lambda one: one.since).transport.abort()

    @property
    def waits(self) -> bool:
        """Whether it is the client's turn: for a head, or for the rest of a body."""
        return self.cycle is None or self.cycle.response_complete or self.cycle.more_body

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline with the connection."""
        self._head_is_over()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, within the bounds of a head or of a body's framing."""
        if self._between_requests and self._timer is None:
            self._await_head()
        self._received += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._timer is not None and self._received > self._bounds.head_bytes:
            self.send_400_response("head too long")
        elif self._received - self._body > (self._bounds.framing_bytes
                                            + self._bounds.framing_ratio * self._body):
            self.transport.abort()

    def on_message_begin(self) -> None:
        """The application sees the client's certificate."""
        super().on_message_begin()
        self._in_head = True
        self.scope["state"]["peer"] = self._peer

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; one that follows a body says nothing here."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there. Raises ValueError, which the parser answers by 400."""
        self._in_head = False
        self._head_is_over()
        codings = [value.strip().lower() for name, value in self.headers
                   if name == b"transfer-encoding"]
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        # A coding besides chunked would reach the application as it was sent.
        if codings not in ([], [b"chunked"]) or size > self._bounds.head_bytes:
            raise ValueError
        self._received = self._body = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count what is no framing."""
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """What comes now belongs to the next head."""
        super().on_message_complete()
        self._received = self._body = 0

    def on_response_complete(self) -> None:
        """It waits for its client again."""
        self.since = self.loop.time()
        super().on_response_complete()

    @property
    def _between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _await_head(self) -> None:
        self.since, self._received, self._body = self.loop.time(), 0, 0
        self._timer = self.loop.call_later(self._bounds.head_seconds, self.transport.abort)

    def _head_is_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None


class OtlpListener(uvicorn.Server):
    """Serves an ASGI application on a socket that listens already."""

    def __init__(self, listener: socket.socket, app: Any, context: Context,
                 bounds: ConnectionBounds | None = None) -> None:
        self._bounds = bounds or ConnectionBounds()
        super().__init__(uvicorn.Config(
            app, http=HttpToolsProtocol, ws="none", loop="asyncio", lifespan="off",
            log_config=None, access_log=False, proxy_headers=False, server_header=False,
            timeout_keep_alive=self._bounds.idle_seconds,
            timeout_graceful_shutdown=self._bounds.stop_seconds))
        self._listener = listener
        self._context = context
        self._accepting: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections."""
        self.servers = []
        self.started = True
        self._accepting = asyncio.create_task(self._accept())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more; what is being sent is still answered."""
        if self._accepting is not None:
            self._accepting.cancel()
        await super().shutdown([self._listener])

    async def _accept(self) -> None:
        room = asyncio.Semaphore(self._bounds.handshakes)
        loop = asyncio.get_running_loop()
        under_way: set[asyncio.Task[None]] = set()
        while await room.acquire():
            try:
                sock, _ = await loop.sock_accept(self._listener)
            except OSError:  # no descriptor is left: who is new waits in the kernel's queue
                room.release()
                await asyncio.sleep(RETRY_ACCEPT_SECONDS)
                continue
            task = loop.create_task(self._begin(sock, room))
            under_way.add(task)
            task.add_done_callback(under_way.discard)

    async def _begin(self, sock: socket.socket, room: asyncio.Semaphore) -> None:
        """Shake hands, and hand the connection on."""
        make = functools.partial(Guarded, self._bounds, self.config, self.server_state)
        deadline = self._bounds.head_seconds
        try:
            tls = self._context()
            await asyncio.get_running_loop().connect_accepted_socket(
                make, sock, ssl=tls, ssl_handshake_timeout=deadline if tls else None)
        except (OSError, ValueError):  # no certificate now, or no handshake in time
            with contextlib.suppress(OSError):
                sock.close()
        finally:
            room.release()

"""A connection of HTTP/2 as asyncio serves it: bytes in and out, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from h2.events import Event
from h2.exceptions import ProtocolError

from inferometer.intake.grpc_answer import Header
from inferometer.intake.grpc_frames import FloodError, FrameCount
from inferometer.intake.grpc_house import House
from inferometer.intake.grpc_http2 import Http2
from inferometer.reasons import reason_of

NO_HTTP2 = (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n"
            b"Content-Length: 59\r\n\r\n"
            b"this port takes OTLP over gRPC; OTLP over HTTP has another\n")

log = logging.getLogger(__name__)


class Http2Protocol(asyncio.Protocol, ABC):
    """One connection, without what is asked on it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.http2 = Http2()
        self.frames = FrameCount()
        self._timer: asyncio.TimerHandle | None = None  # while no call is open
        self._begun = self._flushing = False
        self._partial = True

    @abstractmethod
    def handle(self, event: Event) -> None:
        """Something came."""

    @abstractmethod
    def lose_all(self) -> None:
        """The client is gone."""

    @property
    @abstractmethod
    def waits(self) -> bool:
        """Whether it is the client's turn: for a call, or for the rest of one."""

    @abstractmethod
    def end_when_idle(self) -> None:
        """Close it once no call is open."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a client that speaks HTTP/2; it begins."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self.peer: Any = transport.get_extra_info("peercert")
        self.wait(self.house.bounds.head_seconds)
        self.house.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there to be answered."""
        self.lose_all()
        self.stop_waiting()
        self.house.leave(self)

    def pause_writing(self) -> None:
        """Hang up on a client that reads no answers."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Handle what came, within the bounds."""
        if self.transport.is_closing():
            return
        try:
            self.frames.add(data)
            for event in self.http2.receive_data(data):
                self.handle(event)
        except (ProtocolError, FloodError):
            if self._begun or data.startswith(b"PRI"):
                self.end()
            else:
                self.transport.write(NO_HTTP2)
                self.transport.close()
        except Exception as error:  # a fault of ours, which costs this client alone
            log.error("a connection could not be read", exc_info=error,
                      extra={"why": reason_of(error)})
            self.end()
        else:
            self._begun = True
            self._flush()
            self._wait_anew()

    def _wait_anew(self) -> None:
        """While no call is open: who sent half a frame has less time than who is idle."""
        if self._timer is not None and self._partial != self.frames.partial:
            bounds = self.house.bounds
            self._partial = self.frames.partial
            self.wait(bounds.head_seconds if self._partial else bounds.idle_seconds)

    def abort(self) -> None:
        """Close it as it is."""
        self.transport.abort()

    def send(self, stream: int, headers: Sequence[Header], message: bytes = b"",
              trailers: Sequence[Header] = ()) -> None:
        """Answer on a stream, which is over then."""
        self.http2.answer(stream, headers, message, trailers)
        self.flush_soon()

    def flush_soon(self) -> None:
        """Send what is to be sent: all answers of a moment at once."""
        if not self._flushing:
            self._flushing = True
            self.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if not self.transport.is_closing() and (data := self.http2.data_to_send()):
            self.transport.write(data)

    def end(self) -> None:
        """Say good-bye, and close; who reads nothing is not waited for."""
        if self.transport.is_closing():
            return
        if not self._begun:
            self.transport.abort()
            return
        with contextlib.suppress(ProtocolError):  # it was said already
            self.http2.close_connection()
        self._flush()
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def wait(self, seconds: float) -> None:
        """No call is open; close it after so many seconds without one."""
        self.stop_waiting()
        self.house.renew(self)
        self._timer = self.loop.call_later(seconds, self.end)

    def stop_waiting(self) -> None:
        """A call is open."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

"""Serves OTLP/gRPC on a socket that listens already."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from inferometer.intake.accepting import Context, accept
from inferometer.intake.application import Door
from inferometer.intake.grpc_connection import GrpcConnection
from inferometer.intake.grpc_house import House
from inferometer.intake.listener import ConnectionBounds

POLL_SECONDS = 0.1  # until the last call is answered


class GrpcListener:
    """Serves until it is to stop; once."""

    def __init__(self, listener: socket.socket, door: Door, context: Context,
                 bounds: ConnectionBounds | None = None) -> None:
        self._listener = listener
        self._context = context
        self._bounds = bounds or ConnectionBounds()
        self.house = House(door, self._bounds)
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self) -> None:
        """Accept connections until `stop`; then answer the calls that are open, and end."""
        self._loop = asyncio.get_running_loop()
        accepting = self._loop.create_task(accept(
            self._listener, lambda: GrpcConnection(self.house), self._context,
            self._bounds.handshakes, self._bounds.head_seconds))
        try:
            await self._stopping.wait()
            accepting.cancel()
            self.house.stop()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._bounds.stop_seconds):
                    while self.house.guests:
                        await asyncio.sleep(POLL_SECONDS)  # they end by themselves
        finally:
            accepting.cancel()
            for guest in [*self.house.guests]:
                guest.abort()

    def stop(self) -> None:
        """From another thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._stopping.set)

"""Accepts connections: handshakes are bounded, and a TLS context is asked for each."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

Context = Callable[[], ssl.SSLContext | None]  # for one connection; raises OSError, ValueError
RETRY_ACCEPT_SECONDS = 0.1  # while there is no descriptor left


async def accept(listener: socket.socket, make: Callable[[], asyncio.BaseProtocol],
                 context: Context, handshakes: int, seconds: float) -> None:
    """Accept until it is cancelled; so many shake hands at once, for so many seconds."""
    room = asyncio.Semaphore(handshakes)
    loop = asyncio.get_running_loop()
    under_way: set[asyncio.Task[None]] = set()
    while await room.acquire():
        try:
            sock, _ = await loop.sock_accept(listener)
        except OSError:  # no descriptor is left: who is new waits in the kernel's queue
            room.release()
            await asyncio.sleep(RETRY_ACCEPT_SECONDS)
            continue
        task = loop.create_task(_begin(sock, make, context, room, seconds))
        under_way.add(task)
        task.add_done_callback(under_way.discard)


async def _begin(sock: socket.socket, make: Callable[[], asyncio.BaseProtocol], context: Context,
                 room: asyncio.Semaphore, seconds: float) -> None:
    """Shake hands, and hand the connection on."""
    try:
        tls = context()
        await asyncio.get_running_loop().connect_accepted_socket(
            make, sock, ssl=tls, ssl_handshake_timeout=seconds if tls else None)
    except (OSError, ValueError):  # no certificate now, or no handshake in time
        with contextlib.suppress(OSError):
            sock.close()
    finally:
        room.release()

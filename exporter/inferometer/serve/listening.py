"""A socket that listens, and why there is none, with the address that was asked for."""

from __future__ import annotations

import socket

from inferometer.reasons import reason_of

BACKLOG = 512


class ListenError(OSError):
    """An address cannot be had; says which, and why."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        shown = f"[{host}]" if ":" in host else host
        super().__init__(f"cannot listen on {shown}:{port}: {reason_of(error)}")


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens; on no host, of both IP versions. Raises ListenError."""
    ip6 = ":" in host or (not host and socket.has_dualstack_ipv6())
    listener = socket.socket(socket.AF_INET6 if ip6 else socket.AF_INET)
    try:
        if ip6 and not host:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ListenError(host, port, error) from error
    return listener

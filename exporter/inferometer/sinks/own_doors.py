"""Which addresses are those at which a gateway listens: it must not send to itself."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable

from inferometer.addresses import split_address
from inferometer.config import Config

IsOwn = Callable[[str, int], bool]  # whether an address is one at which this gateway listens


def own_addresses(config: Config) -> IsOwn:
    """What tells the addresses at which a gateway of this configuration listens."""
    doors = [split_address(address) for address in (
        config.intake_listen, config.intake_grpc_listen, config.feedback.listen) if address]

    def is_own(host: str, port: int) -> bool:
        return any(port == own_port and port and _is_same(host, own_host)
                   for own_host, own_port in doors)

    return is_own


def _is_same(address: str, listened: str) -> bool:
    """Whether an address of a connection leads to where something listens on this machine."""
    if listened in ("", "0.0.0.0", "::"):
        return _is_local(address)
    return address in {listened, *_addresses(listened)}


def _addresses(host: str) -> Iterable[str]:
    try:
        return {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return ()


def _is_local(address: str) -> bool:
    """Whether this machine has the address: only such a one can be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((address, 0))
    except OSError:
        return False
    return True

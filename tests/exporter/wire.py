"""A connection on which a test writes and reads bytes as they are."""

from __future__ import annotations

import socket
from typing import Self


class Wire:
    """Closed at the end of its `with`; `seconds` is how long each step may take."""

    def __init__(self, port: int, seconds: float = 10.0) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def more(self) -> bytes:
        """The next bytes. Raises ConnectionError where none come any more."""
        received = self.sock.recv(65536)
        if not received:
            raise ConnectionError("no answer")
        return received

    def ended(self, seconds: float = 5.0) -> bool:
        """Whether the other side closes the connection within that time."""
        self.sock.settimeout(seconds)
        try:
            return not self.sock.recv(1)
        except TimeoutError:
            return False
        except ConnectionResetError:
            return True

"""Reads large bodies in a process of its own: it holds no other's interpreter, and no more memory.

A body of many megabytes keeps its reader busy for a second and may be made to become ten times as
large as objects. So the process has a limit of memory and a deadline, and a body that breaks one of
them costs itself.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import resource
import socket
import struct
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any

from inferometer import facts, heap, points
from inferometer.intake.batch import Delivery, Wish, batch_of, checked, is_to_check
from inferometer.intake.body import SEND_FEWER, BodyMemory, BodyRefusedError, Portion, unpack

MEMORY_BYTES = 144 * 2**20  # above what the process has before its first body
SECONDS = 20.0  # for a body
LARGEST_ANSWER = 64 * 2**20
_LENGTH = struct.Struct("!Q")


class BodyReader:
    """The process, as long as it lives; it is started when it is needed. Not for two threads."""

    def __init__(self, memory_bytes: int = MEMORY_BYTES, seconds: float = SECONDS) -> None:
        self._memory_bytes = memory_bytes
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def batch(self, wish: Wish, pieces: list[bytes], load: Portion,
              answer_load: Portion, keep: bool = False) -> Delivery:
        """What is in a body, whose pieces are dropped from its load once they are handed over.

        `keep`: they are not, as somebody else has them still.

        Raises BodyRefusedError, and OSError where no process can be had.
        """
        sock = self._started()
        try:
            _send(sock, pickle.dumps((wish, len(pieces))))
            while pieces:
                piece = pieces.pop(0)
                _send(sock, piece)
                if not keep:
                    load.drop(len(piece))
            answer = _receive(sock, answer_load)
        except (OSError, EOFError) as error:
            self.end()
            raise BodyRefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                               f"the body takes too much to be read; {SEND_FEWER}") from error
        result = _Facts(answer).load()
        if isinstance(result, Delivery):
            return result
        raise BodyRefusedError(HTTPStatus(result[0]), result[1])

    def end(self) -> None:
        """End the process, if there is one."""
        if self._process is not None and self._socket is not None:
            self._socket.close()
            self._process.kill()
            self._process.wait()
        self._process = self._socket = None

    def _started(self) -> socket.socket:
        if self._socket is not None and self._process is not None:
            if self._process.poll() is None:
                return self._socket
            self.end()
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", __name__, str(self._memory_bytes)],
                    stdin=theirs.fileno(), stdout=theirs.fileno())
            except BaseException:
                ours.close()
                raise
        ours.settimeout(self._seconds)
        self._socket = ours
        return ours


class _Facts(pickle.Unpickler):
    """Reads an answer, in which only facts and points may be: what it read came from outside."""

    def __init__(self, answer: bytes) -> None:
        super().__init__(io.BytesIO(answer))

    def find_class(self, module: str, name: str) -> Any:
        """A class of facts, or of points. Raises UnpicklingError for any other."""
        if module not in (facts.__name__, points.__name__, Delivery.__module__):
            raise pickle.UnpicklingError(f"{module}.{name} is no fact")
        return super().find_class(module, name)


def _send(sock: socket.socket, message: bytes) -> None:
    sock.sendall(_LENGTH.pack(len(message)))
    sock.sendall(message)


def _receive(sock: socket.socket, load: Portion) -> bytes:
    """Raises OSError, EOFError, and BodyRefusedError for more than may be held."""
    (length,) = _LENGTH.unpack(_exactly(sock, _LENGTH.size))
    if length > LARGEST_ANSWER:
        raise EOFError
    load.take(length)
    return bytes(_exactly(sock, length))


def _exactly(sock: socket.socket, count: int) -> bytearray:
    """Raises OSError, and EOFError where the other side has ended."""
    received = bytearray(count)
    view = memoryview(received)
    while view:
        size = sock.recv_into(view)
        if not size:
            raise EOFError
        view = view[size:]
    return received


def _serve(sock: socket.socket, memory_bytes: int) -> None:
    """Read bodies until nobody sends any."""
    roomy = Portion(BodyMemory(LARGEST_ANSWER * 2**10))  # the process's own limit is what counts
    _limit_memory(memory_bytes)
    while True:
        wish, count = pickle.loads(_receive(sock, roomy))
        pieces = [_receive(sock, roomy) for _ in range(count)]
        _send(sock, pickle.dumps(_result(wish, pieces), pickle.HIGHEST_PROTOCOL))
        heap.trim()


def _result(wish: Wish, pieces: list[bytes]) -> Delivery | tuple[int, str]:
    """The batch, or the status and reason of a refusal."""
    try:
        roomy = Portion(BodyMemory(2 * wish.body_bytes))
        body = unpack(pieces, wish.coding, wish.body_bytes, roomy)
        pieces.clear()
        batch = batch_of(wish, body)
        del body
        return checked(wish, batch) if is_to_check(batch) else batch
    except BodyRefusedError as error:
        return int(error.status), str(error)
    except MemoryError:
        return (int(HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
                f"the body takes too much memory to be read; {SEND_FEWER}")


def _limit_memory(more: int) -> None:
    """Let this process have so many bytes more than it has now."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + more, size + more))


def main() -> None:
    """What the process does: read bodies from its standard input, which is a socket."""
    heap.slim()
    with socket.socket(fileno=os.dup(0)) as sock, contextlib.suppress(EOFError, OSError):
        _serve(sock, int(sys.argv[1]))


if __name__ == "__main__":
    main()

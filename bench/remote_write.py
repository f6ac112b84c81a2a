"""Prometheus' remote write, version 1, without a library: protobuf and snappy by hand.

Snappy allows a block that is one literal: framed so, nothing is compressed.
"""

from __future__ import annotations

import http.client
import struct
from array import array
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

BATCH_BYTES = 4 << 20
HEADERS = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf",
           "X-Prometheus-Remote-Write-Version": "0.1.0"}
_SAMPLE = 18  # bytes of one: tag and length, a double and its tag, milliseconds and their tag


class Instants:
    """Moments that many series share a sample at, encoded once."""

    def __init__(self, seconds: Sequence[int]) -> None:
        self.seconds = seconds
        self._samples = b"".join(
            b"\x12\x10\x09" + bytes(8) + b"\x10" + _varint(1000 * second) for second in seconds)
        if len(self._samples) != _SAMPLE * len(seconds):
            raise ValueError("milliseconds since 1970 take six bytes from 2004 to 2109")

    def samples(self, values: Sequence[float]) -> bytes:
        """One value each."""
        doubles = struct.pack(f"<{len(values)}d", *values) if not isinstance(
            values, array) else values.tobytes()
        samples = bytearray(self._samples)
        for byte in range(8):
            samples[3 + byte::_SAMPLE] = doubles[byte::8]
        return bytes(samples)


def labels(name: str, others: Mapping[str, str]) -> bytes:
    """The part of a time series that says which it is."""
    pairs = sorted({"__name__": name, **others}.items())
    return b"".join(
        _field(b"\x0a", _field(b"\x0a", key.encode()) + _field(b"\x12", value.encode()))
        for key, value in pairs if value)


class Writer:
    """Sends time series in large requests, one while the next is made.

    Raises RuntimeError where one is refused.
    """

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._sender = ThreadPoolExecutor(1)
        self._sent: Future[None] | None = None
        self._parts: list[bytes] = []
        self._bytes = 0
        self.samples = 0

    def write(self, series: Iterable[tuple[bytes, bytes]]) -> None:
        """Send all series, each as its labels and samples, and wait until all have arrived."""
        for label_bytes, samples in series:
            time_series = _field(b"\x0a", label_bytes + samples)
            self._parts.append(time_series)
            self._bytes += len(time_series)
            self.samples += len(samples) // _SAMPLE
            if self._bytes > BATCH_BYTES:
                self._hand_over()
        self._hand_over()
        self._wait()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._sender.shutdown()
        self._connection.close()

    def _hand_over(self) -> None:
        parts, self._parts, self._bytes = self._parts, [], 0
        if parts:
            self._wait()
            self._sent = self._sender.submit(self._send, parts)

    def _wait(self) -> None:
        if self._sent:
            self._sent.result()

    def _send(self, parts: Sequence[bytes]) -> None:
        body = b"".join(parts)
        self._connection.request("POST", "/api/v1/write", _stored(body), HEADERS)
        answer = self._connection.getresponse()
        reply = answer.read()
        if answer.status // 100 != 2:
            raise RuntimeError(f"remote write was answered {answer.status}: {reply[:500]!r}")


def _stored(body: bytes) -> bytes:
    return _varint(len(body)) + b"\xfc" + struct.pack("<I", len(body) - 1) + body


def _field(tag: bytes, value: bytes) -> bytes:
    return tag + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    groups = bytearray()
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes((*groups, number))

"""A crowd of clients that plays an attack on a server, in a process of its own.

    with crowd(port, 600, CROWDS["ask for the page"]) as clients:
        hold(port, "", seconds=10)  # no scrape fails, and health is told in time
        clients.counts()  # answers so far by status; "0" is a connection without one

As a program it takes the same words, and prints the counts when its input ends.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import json
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

# What a client does, again and again. Those that guess send wrong passwords of alice: all clients
# the same one, each client its own one, or another one each time.
ACTS = ("ask", "reconnect", "pipeline", "half", "deaf")
GUESSES: dict[str, Callable[[int, int], str]] = {
    "": lambda client, turn: "",
    "same": lambda client, turn: "alice:wrong",
    "own": lambda client, turn: f"alice:wrong-{client}",
    "other": lambda client, turn: f"alice:wrong-{client}-{turn}",
}
PIPELINED = 20  # requests sent together
HEALTH_SECONDS, SCRAPE_SECONDS = 1.0, 10.0  # in which an answer must come; Prometheus' own timeout
RIGHT = {"Authorization": f"Basic {base64.b64encode(b'alice:right').decode()}"}


@dataclass(frozen=True)
class Behaviour:
    """What each client does: one of ACTS, at a path, with one of GUESSES and more headers."""

    act: str
    path: str = "/metrics"
    guess: str = ""
    headers: str = ""
    tls: bool = False


CROWDS = {
    "ask for the page": Behaviour("ask", "/"),
    "scrape": Behaviour("ask"),
    "scrape in a hurry": Behaviour("ask", headers="X-Prometheus-Scrape-Timeout-Seconds: 0.3\r\n"),
    "ask for nothing": Behaviour("ask", "/nothing"),
    "connect again and again": Behaviour("reconnect", "/"),
    "pipeline": Behaviour("pipeline", "/"),
    "never read": Behaviour("deaf"),
    "never end a head": Behaviour("half"),
    "guess the same": Behaviour("ask", guess="same"),
    "guess each their own": Behaviour("ask", "/-/healthy", "own"),
    "guess ever anew": Behaviour("ask", guess="other"),
    "guess and connect again": Behaviour("reconnect", "/", "other"),
}


class Crowd:
    """A running crowd."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def counts(self) -> dict[str, int]:
        """How many answers of each status there were so far."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        counts: dict[str, int] = json.loads(self._process.stdout.readline())
        return counts


@contextlib.contextmanager
def crowd(port: int, size: int, behaviour: Behaviour) -> Iterator[Crowd]:
    """So many clients at the port of this machine; they end with the context."""
    arguments = [str(port), str(size), behaviour.act, behaviour.path, behaviour.guess,
                 behaviour.headers, "tls" if behaviour.tls else ""]
    process = subprocess.Popen([sys.executable, "-m", "tests.exporter.crowd", *arguments],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               cwd=Path(__file__).parents[2])
    try:
        clients = Crowd(process)
        clients.counts()  # it is at work
        yield clients
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()


def answered(port: int, path: str, headers: dict[str, str], secure: bool) -> tuple[float, bytes]:
    """Seconds that a request on a new connection took, and its body; it must succeed."""
    began = time.monotonic()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = (http.client.HTTPSConnection("127.0.0.1", port, timeout=15, context=context)
                  if secure else http.client.HTTPConnection("127.0.0.1", port, timeout=15))
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        return time.monotonic() - began, body


def hold(port: int, guess: str, seconds: float, secure: bool = False, engines: int = 2) -> int:
    """Scrape as alice and look for health for so long; how many scrapes there were.

    AssertionError if one fails or is late, or does not tell of so many engines.
    """
    headers = RIGHT if guess else {}
    scrapes = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        took, _ = answered(port, "/-/healthy", headers, secure)
        assert took < HEALTH_SECONDS
        took, body = answered(port, "/metrics", headers, secure)
        assert took < SCRAPE_SECONDS
        assert body.count(b"\nllm_server_up{") == engines
        scrapes += 1
    return scrapes


class _Clients:
    """All clients of the crowd."""

    def __init__(self, port: int, act: str, path: str, guess: str, headers: str,
                 tls: bool) -> None:
        self._port, self._act = port, act
        self._path, self._headers = path, headers
        self._guess = GUESSES[guess]
        self._tls = ssl._create_unverified_context() if tls else None
        self.counts: Counter[str] = Counter()

    async def client(self, number: int) -> None:
        turn = 0
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port,
                                                               ssl=self._tls)
                try:
                    while True:
                        turn += 1
                        await self._once(reader, writer, self._request(number, turn))
                        if self._act == "reconnect":
                            break
                finally:
                    writer.transport.abort()
            self.counts["0"] += 1
            await asyncio.sleep(0.01)

    async def _once(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
                    request: bytes) -> None:
        if self._act == "half":
            writer.write(request[:-2])
            await reader.read()
            raise OSError
        times = PIPELINED if self._act in ("pipeline", "deaf") else 1
        writer.write(request * times)
        if self._act == "deaf":
            # A socket's transport reads, too, which its declared type does not say.
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(3600)
        for _ in range(times):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split()[0])
            await reader.readexactly(length)
            self.counts[head.split()[1].decode()] += 1
            if b"connection: close" in head.lower():
                raise OSError

    def _request(self, number: int, turn: int) -> bytes:
        credentials = self._guess(number, turn)
        token = base64.b64encode(credentials.encode()).decode()
        line = f"Authorization: Basic {token}\r\n" if credentials else ""
        return f"GET {self._path} HTTP/1.1\r\nHost: x\r\n{line}{self._headers}\r\n".encode()


async def _main(port: str, size: str, act: str, path: str, guess: str, headers: str,
                tls: str) -> None:
    clients = _Clients(int(port), act, path, guess, headers, bool(tls))
    tasks = [asyncio.create_task(clients.client(number)) for number in range(int(size))]
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(clients.counts), flush=True)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))

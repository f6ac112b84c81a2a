"""A gateway as a process of its own: started in a folder, sent to, read, killed by its pid."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from inferometer.intake.grpc_call import SIGNALS
from tests.exporter.process import announced_port
from tests.exporter.support import Exporter, Page, launched, wait_for

START_SECONDS = 300.0  # on a machine that has much else to do
SETTLE_SECONDS = 120.0  # until all is counted there
PATHS = {"traces": "/v1/traces", "logs": "/v1/logs"}
METHODS = {signal: path for path, signal in SIGNALS.items()}
AGAIN_SECONDS = 30.0  # for which a sender sends anew what is put off
PIECE = 4096  # bytes of a chunk
RUN = ("inferometer", "run")


@dataclass
class Gateway:
    """A gateway that takes telemetry."""

    running: Exporter
    intake: int  # its port
    folder: Path
    config: Path
    grpc: int = 0  # the port of gRPC, if it has one

    @property
    def ledger(self) -> Path:
        """Its ledger's file."""
        return self.folder / "ledger.db"

    @property
    def pid(self) -> int:
        """Of its process."""
        return self.running.process.pid

    def page(self) -> Page:
        """What /metrics says now."""
        return self.running.scrape()

    def settled(self) -> tuple[Page, Mapping[str, Mapping[str, Any]]]:
        """What /metrics says once all is counted, and what `ledger top` says by service."""
        wait_for(self._quiet, SETTLE_SECONDS, 0.1)
        # Facts that are being counted are pending no more on the page, but still in the file.
        top = wait_for(self._top, SETTLE_SECONDS)
        return self.page(), {row["service"]: row for row in top["rows"]}

    def _quiet(self) -> bool:
        return self.page().value("inferometer_ledger_pending_facts") == 0

    def kill(self) -> None:
        """End it as a power cut would."""
        self.running.process.kill()
        self.running.process.wait()

    def verb(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`inferometer ledger` of its ledger."""
        return subprocess.run(
            [sys.executable, "-m", "inferometer", "ledger", *arguments, "--config", self.config],
            capture_output=True, text=True, check=False, timeout=SETTLE_SECONDS)

    def _top(self) -> Any:
        done = self.verb("top", "--by", "service", "--last", "24h", "--limit", "100000",
                         "--format", "json")
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        return None if document["pending"] else document


@contextlib.contextmanager
def gateway(folder: Path, settle_seconds: float = 1.0,
            command: Sequence[str] = RUN, more: str = "",
            ledger: str = "", env: Mapping[str, str] | None = None,
            config: Path | None = None, **intake: object) -> Iterator[Gateway]:
    """One whose ledger is in this folder, begun or gone on with.

    `more`: other sections; `ledger`: more keys of that one; `env`: more of its environment;
    `config`: where its configuration is to be, if not in the folder.
    """
    config = config or folder / "inferometer.yml"
    settings = {"listen": "127.0.0.1:0", "settle_seconds": settle_seconds, **intake}
    config.write_text(f"role: gateway\nintake: {json.dumps(settings)}\n"
                      f"ledger: {{path: {json.dumps(str(folder / 'ledger.db'))}, {ledger}}}\n"
                      f"{more}")
    with launched("--config", str(config), "--listen", "127.0.0.1:0", env=env,
                  command=command) as running:
        doors = ["intake", "gRPC"] if intake.get("grpc_listen") else ["intake"]
        wait_for(lambda: all(_intake_port(running, door) for door in doors)
                 or running.process.poll() is not None, START_SECONDS)
        assert running.process.poll() is None, "".join(running.lines)
        running.port = announced_port(running)
        yield Gateway(running, _intake_port(running), folder, config,
                      _intake_port(running, "gRPC"))


def _intake_port(running: Exporter, row: str = "intake") -> int:
    match = re.search(rf"{row} +https?://\S*:(\d+)", "".join(running.printed))
    return int(match[1]) if match else 0


class Sender:
    """One client on one connection, as exporters keep it."""

    def __init__(self, port: int, again: float = AGAIN_SECONDS) -> None:
        """`again`: seconds for which it sends anew what is put off."""
        self._again = again
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def post(self, signal: str, encoding: str, body: bytes, *, packed: bool = False,
             chunked: bool = False) -> int:
        """Send it until it is taken or refused; the status. Raises OSError."""
        headers = {"Content-Type": encoding}
        if packed:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, 1)
        deadline = time.monotonic() + self._again
        while True:
            pieces = (body[i:i + PIECE] for i in range(0, len(body), PIECE))
            self._connection.request("POST", PATHS[signal], pieces if chunked else body, headers)
            response = self._connection.getresponse()
            response.read()
            if response.status != 503 or time.monotonic() > deadline:
                return response.status
            time.sleep(0.2)  # put off: it comes again


class GrpcSender:
    """The same over gRPC."""

    def __init__(self, port: int, again: float = AGAIN_SECONDS) -> None:
        self._again = again
        self._channel = grpc.insecure_channel(
            f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)])

    def __enter__(self) -> GrpcSender:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def post(self, signal: str, encoding: str, body: bytes) -> int:
        """Send it until it is taken; 200. Raises OSError."""
        assert encoding == "application/x-protobuf"
        method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(
            METHODS[signal])
        deadline = time.monotonic() + self._again
        while True:
            try:
                method(body, timeout=60)
                return 200
            except grpc.RpcError as error:
                put_off = "google.rpc.retryinfo-bin" in [
                    entry.key for entry in error.trailing_metadata() or ()]
                if not put_off or time.monotonic() > deadline:
                    raise OSError(str(error)) from error
                time.sleep(0.2)  # put off: it comes again

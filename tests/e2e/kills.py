"""Kills a gateway under load, again and again, and looks for what it had acknowledged.

    python -m tests.e2e.kills [--times 50] [--sabotage early-ack]

Senders, half of them over HTTP and half over gRPC, keep journals of their own: the ids of each body
go to the disk once it was answered 200, or OK.
Every time the gateway is ended by SIGKILL at a random moment and started again, and a sender
sends anew what was not answered, as exporters do. Then the ids in the journal, the rows that
sqlite3 finds, the rows that count, and the counters on /metrics must be one number, and
`inferometer ledger verify` finds no difference.

Exit codes: 0 nothing was lost or counted twice, 1 something was.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import random
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.e2e.gateways import RUN, Gateway, GrpcSender, Sender, gateway
from tests.e2e.in_threads import while_they_run
from tests.e2e.otlp_entries import PROTOBUF

SABOTAGES = {"": RUN, "early-ack": ("tests.e2e.early_ack", "run")}
SENDERS = 8
ID = 24  # bytes of a trace's id and a span's
INPUT, OUTPUT = 7, 3  # tokens of each call
LONGEST = 2.5  # seconds of load before the kill
SETTLE_SECONDS = 1.0


@dataclass
class Journal:
    """What was acknowledged, on the disk, and what was not; a file for each sender."""

    folder: Path
    unanswered: list[tuple[list[bytes], bytes]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def acknowledged(self, ids: Sequence[bytes], sender: int = 0) -> None:
        """Write them, durably."""
        with (self.folder / f"{sender}.journal").open("ab") as file:
            file.write(b"".join(ids))
            file.flush()
            os.fsync(file.fileno())

    def missed(self, ids: list[bytes], body: bytes) -> None:
        """Keep what is to be sent again."""
        with self._lock:
            self.unanswered.append((ids, body))

    def ids(self) -> set[bytes]:
        """All that is written: trace and span of each call."""
        contents = [path.read_bytes() for path in self.folder.glob("*.journal")]
        return {content[i:i + ID] for content in contents for i in range(0, len(content), ID)}


def calls(chance: random.Random) -> tuple[list[bytes], bytes]:
    """A body of a few calls to a model, and their ids."""
    request: Any = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope = resource.scope_spans.add()
    scope.scope.name = "opentelemetry.instrumentation.openai_v2"
    ids: list[bytes] = []
    for _ in range(chance.randint(1, 10)):
        trace = chance.randbytes(16)
        for _ in range(chance.randint(1, 3)):
            ids.append(trace + chance.randbytes(8))
            now = time.time_ns()
            span = scope.spans.add(
                trace_id=trace, span_id=ids[-1][16:], name="chat gpt-4o-mini", kind=3,
                start_time_unix_nano=now - 10**9, end_time_unix_nano=now)
            for key, value in (
                    ("gen_ai.operation.name", "chat"), ("gen_ai.provider.name", "openai"),
                    ("gen_ai.request.model", "gpt-4o-mini"), ("gen_ai.usage.input_tokens", INPUT),
                    ("gen_ai.usage.output_tokens", OUTPUT)):
                kind = "string_value" if isinstance(value, str) else "int_value"
                setattr(span.attributes.add(key=key).value, kind, value)
    return ids, request.SerializeToString()


def sending(running: Gateway, number: int) -> Sender | GrpcSender:
    """Every other sender sends over gRPC."""
    return GrpcSender(running.grpc) if number % 2 else Sender(running.intake)


@contextlib.contextmanager
def load(running: Gateway, journal: Journal, seed: str) -> Iterator[None]:
    """Senders that go on until the gateway is gone."""
    over = threading.Event()

    def work(number: int) -> None:
        chance = random.Random(f"{seed} {number}")
        with contextlib.suppress(OSError, http.client.HTTPException), \
                sending(running, number) as sender:
            while not over.is_set():
                ids, body = calls(chance)
                try:
                    status = sender.post("traces", PROTOBUF, body)
                except (OSError, http.client.HTTPException):
                    journal.missed(ids, body)
                    raise
                if status == 200:
                    journal.acknowledged(ids, number)
                else:
                    journal.missed(ids, body)

    with while_they_run([partial(work, number) for number in range(SENDERS)], over):
        yield


def difference(running: Gateway, journal: Journal) -> str:
    """What is not as it was acknowledged, empty for nothing; unanswered bodies are sent again."""
    with Sender(running.intake) as sender:
        while journal.unanswered:
            ids, body = journal.unanswered[0]
            if sender.post("traces", PROTOBUF, body) != 200:
                return "a body is not taken after the restart"
            journal.acknowledged(ids)
            del journal.unanswered[0]
    page, _ = running.settled()
    acknowledged = journal.ids()
    connection = sqlite3.connect(f"file:{running.ledger}?mode=ro", uri=True)
    with contextlib.closing(connection):
        kept = {trace + span for trace, span in connection.execute(
            "SELECT trace, span FROM facts")}
        counted = connection.execute(
            "SELECT sum(calls) FROM counted WHERE kind = 'call'").fetchone()[0] or 0
    figures = {
        "lost": len(acknowledged - kept), "never acknowledged": len(kept - acknowledged),
        "rows that count, too many": counted - len(acknowledged),
        "requests on /metrics, too many": sum(
            page.values("llm_client_requests_total")) - len(acknowledged),
        "input tokens, too many": sum(
            page.values("llm_client_input_tokens_total")) - INPUT * len(acknowledged),
        "output tokens, too many": sum(
            page.values("llm_client_output_tokens_total")) - OUTPUT * len(acknowledged),
    }
    wrong = [f"{name}: {number:g}" for name, number in figures.items() if number]
    verified = running.verb("verify")
    return "; ".join([*wrong, *([verified.stdout] if verified.returncode else [])])


def rounds(folder: Path, times: int, sabotage: str = "", seed: str = "") -> Iterator[str]:
    """Kill it so many times; after each a line, which is empty where all is as it should be."""
    chance = random.Random(seed)
    journal = Journal(folder)
    command = SABOTAGES[sabotage]
    for number in range(times):
        with gateway(folder, SETTLE_SECONDS, command, grpc_listen="127.0.0.1:0") as running, \
                load(running, journal, f"{seed} {number}"):
            time.sleep(chance.uniform(0.1, LONGEST))  # it is killed at any moment
            running.kill()
        with gateway(folder, SETTLE_SECONDS, command) as running:
            yield difference(running, journal)


def main(arguments: Sequence[str]) -> int:
    """Kill it; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.kills", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--sabotage", choices=[*filter(None, SABOTAGES)], default="")
    parser.add_argument("--seed", default=str(time.time_ns()))
    options = parser.parse_args(arguments)
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, line in enumerate(rounds(folder, options.times, options.sabotage,
                                             options.seed), 1):
            acknowledged = sum(path.stat().st_size for path in folder.glob("*.journal")) // ID
            print(f"kill {number}: {acknowledged} calls acknowledged, {line or 'all there'}",
                  flush=True)
            wrong += bool(line)
    print(f"{options.times} kills, {wrong} with a difference (seed {options.seed})")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

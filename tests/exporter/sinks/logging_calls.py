"""A ledger whose calls go to a request log, each turn of which a test takes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inferometer.config import RequestLogSection
from inferometer.ledger.opening import open_beside
from inferometer.ledger.request_queue import request_log_of
from inferometer.sinks.request_log import RequestLog
from tests.exporter.ledger.making import Bench, ledger_in, section

FILE = "requests.ndjson"


def log_of(bench: Bench, path: Path, **bounds: int) -> RequestLog:
    """The log of a gateway in a file."""
    return request_log_of(RequestLogSection(path=str(path), **bounds),
                          lambda: open_beside(section(bench.folder, bench._gateway)))


@contextmanager
def logging_ledger(folder: Path, **options: Any) -> Iterator[tuple[Bench, RequestLog]]:
    """A new ledger, and its log in FILE of the same folder."""
    with ledger_in(folder, logs_requests=True, **options) as bench:
        log = log_of(bench, folder / FILE)
        try:
            yield bench, log
        finally:
            log._close_source()


def lines_of(path: Path) -> Sequence[Mapping[str, Any]]:
    """All lines, those of the oldest file first; each is JSON and complete."""
    files = sorted(path.parent.glob(f"{path.name}*"),
                   key=lambda file: -int(file.suffix[1:]) if file.suffix[1:].isdigit() else 0)
    lines = []
    for file in files:
        text = file.read_bytes()
        assert text == b"" or text.endswith(b"\n")
        lines += [json.loads(line) for line in text.splitlines()]
    return lines


def ids_of(path: Path) -> Counter[str]:
    """How often each event id is there."""
    return Counter(line["event"]["id"] for line in lines_of(path))


def calls_in(bench: Bench) -> Counter[str]:
    """The event ids of all calls that the ledger counts."""
    return Counter(f"{trace.hex()}-{span.hex()}" for trace, span in bench.file.connection.execute(
        "SELECT trace, span FROM facts JOIN counted ON counted.seq = facts.seq "
        "WHERE counted.kind = 'call'"))

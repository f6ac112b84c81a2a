"""The feedback door with a ledger behind it, and who posts to it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from inferometer import settings
from inferometer.capabilities import sign
from inferometer.collector import Deadline
from inferometer.intake.feedback.part import FeedbackPart
from inferometer.ledger.part import LedgerPart
from inferometer.settings import Flags
from inferometer.values import Key, Value
from tests.exporter.intake.gateways import started
from tests.exporter.support import Response

ORIGIN = "https://chat.example.com"
KEY = b"0123456789abcdef0123456789abcdef"
TOKEN = "backend-token"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@dataclass
class VotingDoor:
    """Both parts, started."""

    folder: Path
    feedback: FeedbackPart
    ledger: LedgerPart

    def connection(self) -> HTTPConnection:
        """A new one."""
        address = urlsplit(self.feedback.url)
        assert address.hostname
        return HTTPConnection(address.hostname, address.port, timeout=30)

    def ask(self, method: str, body: bytes = b"", path: str = "/v1/feedback",
            **headers: str) -> Response:
        """One request; `_` in the name of a header is a dash."""
        with contextlib.closing(self.connection()) as connection:
            return ask(connection, method, body, path, **headers)

    def post(self, token: str = TOKEN, origin: str = "", **vote: Any) -> Response:
        """A vote as a backend or a page casts it."""
        defaults: dict[str, Any] = {"name": "thumbs_up", "trace_id": TRACE}
        return self.ask("POST", json.dumps(defaults | vote).encode(), **headers_of(token, origin))

    def points(self, name: str) -> dict[Key, Value]:
        """Of one family, as a scrape has them."""
        return {key: value for part in (self.feedback, self.ledger)
                for collector in part.collectors() for family in collector.collect(Deadline(5))
                if family.metric.name == name for key, value in family.points.items()}

    def kept(self) -> int:
        """Votes in the ledger's file."""
        import sqlite3

        with contextlib.closing(sqlite3.connect(self.folder / "ledger.db")) as connection:
            return int(connection.execute("SELECT count(*) FROM votes").fetchone()[0])


def headers_of(token: str = TOKEN, origin: str = "") -> dict[str, str]:
    """Those of a vote."""
    headers = {"Content_Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return headers | ({"Origin": origin} if origin else {})


def ask(connection: HTTPConnection, method: str, body: bytes = b"", path: str = "/v1/feedback",
        **headers: str) -> Response:
    """One request on a connection."""
    connection.request(method, path, body or None, {
        name.replace("_", "-"): value for name, value in headers.items()})
    reply = connection.getresponse()
    return Response(reply.status, {name.lower(): value for name, value in reply.getheaders()},
                    reply.read())


def capability(*kinds: str, subject: str = f"trace:{TRACE}", seconds: float = 60,
               key: bytes = KEY, nonce: str = "") -> str:
    """A good one, unless said otherwise."""
    return sign(key, kinds or ("thumbs_up",), subject, int(time.time() + seconds), nonce)


@contextlib.contextmanager
def voting_door_in(folder: Path, more: str = "") -> Iterator[VotingDoor]:
    """A door that takes the token, the key and the origin above, stopped at the end."""
    (folder / "token").write_text(TOKEN)
    (folder / "key").write_bytes(KEY + b"\n")
    file = folder / "gateway.yml"
    file.write_text(
        "role: gateway\nledger: {path: ledger.db}\nintake: {settle_seconds: 1}\n"
        "feedback:\n  listen: 127.0.0.1:0\n  bearer_token_files: [token]\n"
        f"  capability_key_file: key\n  allowed_origins: [{ORIGIN}]\n{more}")
    config, document = settings.load(file, Flags())
    ledger = LedgerPart(config)
    feedback = FeedbackPart(config, ledger.cast)
    with started(config, document, ledger, feedback):
        yield VotingDoor(folder, feedback, ledger)

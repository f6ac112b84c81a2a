"""Who may send: users and client certificates of the web configuration, or bearer tokens."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from inferometer.intake.body import BodyRefusedError
from inferometer.reasons import reason_of
from inferometer.serve.web_config import WebConfig

LONGEST_TOKEN = 4096  # bytes

log = logging.getLogger(__name__)


def read_token(path: Path) -> bytes:
    """The token in a file, without the space around it.

    Raises OSError, and ValueError with the reason for a file that can hold none.
    """
    with path.open("rb") as file:
        token = file.read(LONGEST_TOKEN + 1).strip()
    if not token or len(token) > LONGEST_TOKEN or not token.isascii() or b" " in token:
        raise ValueError(f"must hold one token of 1 to {LONGEST_TOKEN} ASCII characters")
    return token


class Tokens:
    """Bearer tokens from files, each read again when its file changes."""

    def __init__(self, files: Sequence[str]) -> None:
        self._files = tuple(map(Path, files))
        self._read: dict[Path, tuple[tuple[int, ...], bytes]] = {}

    def __bool__(self) -> bool:
        return bool(self._files)

    def admits(self, header: str) -> bool:
        """Whether the Authorization header has one of them; every one is compared, in full."""
        scheme, _, token = header.partition(" ")
        given = token.strip().encode(errors="surrogatepass") if scheme.lower() == "bearer" else b""
        right = [hmac.compare_digest(given, one) for one in self._tokens() if one]
        return any(right)

    def _tokens(self) -> list[bytes]:
        return [self._token(path) for path in self._files]

    def _token(self, path: Path) -> bytes:
        """The file's token; the last good one while it cannot be read."""
        stamp, token = self._read.get(path, ((), b""))
        try:
            now = path.stat()
            changed = (now.st_mtime_ns, now.st_ino, now.st_size)
            if changed != stamp:
                token = read_token(path)
                self._read[path] = changed, token
        except (OSError, ValueError) as error:
            if stamp != (-1,):
                log.warning("a token file cannot be read; its last token stays",
                            extra={"file": str(path), "why": reason_of(error)})
            self._read[path] = (-1,), token
        return token


class Admission:
    """Whether a request is let in."""

    def __init__(self, web: WebConfig | None, tokens: Tokens, own: str = "") -> None:
        self._web = web
        self._own = f"Bearer {own}" if own else ""  # of the gateway itself, as a sender
        self._tokens = tokens
        self.open = web is None and not tokens  # to all

    def is_own(self, header: str) -> bool:
        """Whether it is the gateway itself that sends."""
        return bool(self._own) and hmac.compare_digest(
            header.encode(errors="surrogatepass"), self._own.encode())

    def check(self, peer: Any) -> None:
        """Raises BodyRefusedError for a client that may not even ask: `peer` is its certificate."""
        web = self._web
        if web is not None and not web.admits():
            raise BodyRefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests")
        if web is not None and web.tls and not web.allows_peer(peer):
            raise BodyRefusedError(HTTPStatus.FORBIDDEN, "client certificate not allowed")

    def decision(self, header: str) -> bool | None:
        """Whether the Authorization header lets in; None where only bcrypt can tell."""
        if self._tokens and self._tokens.admits(header):
            return True
        if self._web is not None and self._web.has_users:
            return self._web.decision(header or None)
        return not self._tokens

    def guess(self, header: str) -> bool:
        """The same by bcrypt, which is slow, and meant to be."""
        return self._web is None or self._web.authorized(header or None)

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


def read_token(path: Path, least: int = 1) -> bytes:
    """The token in a file, without the space around it; of so many bytes at least.

    Raises OSError, and ValueError with the reason for a file that can hold none.
    """
    with path.open("rb") as file:
        token = file.read(LONGEST_TOKEN + 1).strip()
    if not least <= len(token) <= LONGEST_TOKEN or not token.isascii() or b" " in token:
        raise ValueError(f"must hold one token of {least} to {LONGEST_TOKEN} ASCII characters")
    return token


class TokenFile:
    """A token in a file, which is read again when it changes. `least`: bytes that it must have."""

    def __init__(self, path: str, least: int = 1) -> None:
        self._path, self._least = Path(path), least
        self._stamp: tuple[int, ...] = ()
        self._token = b""

    def token(self) -> bytes:
        """As the file has it; the last good one while it cannot be read, empty if there is none."""
        try:
            now = self._path.stat()
            changed = (now.st_mtime_ns, now.st_ino, now.st_size)
            if changed != self._stamp:
                self._token = read_token(self._path, self._least)
                self._stamp = changed
        except (OSError, ValueError) as error:
            if self._stamp != (-1,):
                log.warning("a token file cannot be read; its last token stays",
                            extra={"file": str(self._path), "why": reason_of(error)})
            self._stamp = (-1,)
        return self._token


class Tokens:
    """Bearer tokens from files, each read again when its file changes."""

    def __init__(self, files: Sequence[str]) -> None:
        self._files = tuple(map(TokenFile, files))

    def __bool__(self) -> bool:
        return bool(self._files)

    def admits(self, header: str) -> bool:
        """Whether the Authorization header has one of them; every one is compared, in full."""
        given = bearer_of(header).encode(errors="surrogatepass")
        tokens = [file.token() for file in self._files]
        right = [hmac.compare_digest(given, one) for one in tokens if one]
        return any(right)


def bearer_of(header: str) -> str:
    """The token of an Authorization header; empty where it has none."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


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

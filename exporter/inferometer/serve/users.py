"""Lets users in by HTTP Basic: compares passwords with their bcrypt hashes."""

from __future__ import annotations

import base64
import hmac
import secrets
import threading
from collections.abc import Mapping

import bcrypt

_CACHE_KEY = secrets.token_bytes(32)
_BCRYPT_BYTES = 72  # bcrypt reads no further, and the bcrypt package raises beyond it.


class Users:
    """Users by name, each with the bcrypt hash of a password. Safe to share between threads.

    A password that was right once is remembered, as its HMAC under a key of this process.
    """

    def __init__(self, users: Mapping[str, str]) -> None:
        self._users: dict[bytes, bytes] = {
            name.encode(errors="surrogatepass"): stored.encode() for name, stored in users.items()
        }
        self._verified: dict[bytes, bytes] = {}
        self._bcrypt_lock = threading.Lock()

    def authorized(self, authorization_header: str | None) -> bool:
        """Whether the header carries a user's password; always True without users.

        Of a password only the first 72 bytes count, as bcrypt has it. Never raises.
        """
        if self.remembers(authorization_header):
            return True
        user, colon, password = _basic_credentials(authorization_header).partition(b":")
        if not colon:
            return False
        stored = self._users.get(user) or self._decoy(user)
        with self._bcrypt_lock:  # One at a time: guessing must not take more than one core.
            matches = bcrypt.checkpw(password[:_BCRYPT_BYTES], stored)
        if not matches or user not in self._users:
            return False
        self._verified[user] = _digest(user + colon + password)
        return True

    def remembers(self, authorization_header: str | None) -> bool:
        """Whether `authorized` is True without bcrypt: no users, or a password that was right."""
        if not self._users:
            return True
        credentials = _basic_credentials(authorization_header)
        seen = self._verified.get(credentials.partition(b":")[0], b"")
        return hmac.compare_digest(seen, _digest(credentials))

    def _decoy(self, user: bytes) -> bytes:
        # For an unknown name some user's hash, always the same one: so the time of an answer does
        # not show which names exist, not even where the costs of the users' hashes differ.
        stored = list(self._users.values())
        return stored[hmac.digest(_CACHE_KEY, user, "sha256")[0] % len(stored)]


def _basic_credentials(header: str | None) -> bytes:
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(token, validate=True)
    except ValueError:
        return b""


def _digest(credentials: bytes) -> bytes:
    return hmac.digest(_CACHE_KEY, credentials, "sha256")

"""Lets users in by HTTP Basic: compares passwords with their bcrypt hashes."""

from __future__ import annotations

import base64
import hmac
import secrets
import threading
from collections.abc import Mapping

import bcrypt

_CACHE_KEY = secrets.token_bytes(32)
MOST_REFUSED = 4096
_BCRYPT_BYTES = 72  # bcrypt reads no further, and the bcrypt package raises beyond it.


class Users:
    """Users by name, each with the bcrypt hash of a password. Safe to share between threads.

    Credentials that were right or wrong once are remembered, as their HMAC under a key of this
    process: of each user the last right ones, of wrong ones the last MOST_REFUSED.
    """

    def __init__(self, users: Mapping[str, str]) -> None:
        self._users: dict[bytes, bytes] = {
            name.encode(errors="surrogatepass"): stored.encode() for name, stored in users.items()
        }
        self._verified: dict[bytes, bytes] = {}
        self._refused: dict[bytes, None] = {}  # the oldest first
        self._bcrypt_lock = threading.Lock()

    def inherit(self, before: Users) -> None:
        """Go on remembering what the users before were asked, of those that are the same still."""
        self._verified = {user: digest for user, digest in before._verified.copy().items()
                          if user in self._users and self._users[user] == before._users[user]}
        if self._users == before._users:
            self._refused = before._refused.copy()

    def authorized(self, authorization_header: str | None) -> bool:
        """Whether the header carries a user's password; always True without users.

        Of a password only the first 72 bytes count, as bcrypt has it. Never raises.
        """
        decided = self.decision(authorization_header)
        credentials = _credentials(authorization_header)
        if decided is not None or credentials is None:
            return bool(decided)
        user, password = credentials
        stored = self._users.get(user) or self._decoy(user)
        digest = _digest(user, password)
        with self._bcrypt_lock:  # One at a time: guessing must not take more than one core.
            if bcrypt.checkpw(password, stored) and user in self._users:
                self._verified[user] = digest
                return True
            self._refused[digest] = None
            if len(self._refused) > MOST_REFUSED:
                del self._refused[next(iter(self._refused))]
        return False

    def decision(self, authorization_header: str | None) -> bool | None:
        """What `authorized` returns, where that is known without bcrypt; else None."""
        if not self._users:
            return True
        credentials = _credentials(authorization_header)
        if credentials is None:
            return False
        user, password = credentials
        digest = _digest(user, password)
        if hmac.compare_digest(self._verified.get(user, b""), digest):
            return True
        return False if digest in self._refused else None

    def _decoy(self, user: bytes) -> bytes:
        # For an unknown name some user's hash, always the same one: so the time of an answer does
        # not show which names exist, not even where the costs of the users' hashes differ.
        stored = list(self._users.values())
        return stored[hmac.digest(_CACHE_KEY, user, "sha256")[0] % len(stored)]


def _credentials(header: str | None) -> tuple[bytes, bytes] | None:
    """User and password, as much of it as counts; None if the header has none."""
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(token, validate=True).partition(b":")
    except ValueError:
        return None
    return (user, password[:_BCRYPT_BYTES]) if colon else None


def _digest(user: bytes, password: bytes) -> bytes:
    return hmac.digest(_CACHE_KEY, user + b":" + password, "sha256")

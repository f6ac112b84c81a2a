"""Capabilities: texts that let a browser cast one vote, signed with a key that it does not have.

    v1.EXPIRY.NAMES.SUBJECT.NONCE.MAC

EXPIRY in Unix seconds; NAMES joined by +; SUBJECT, as `trace:4bf9...`, and MAC in base64url without
padding (RFC 4648, 5); NONCE 16 to 64 characters of that alphabet. MAC is HMAC-SHA-256 (RFC 2104) of
all before the last dot.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Collection, Iterable
from typing import NamedTuple

VERSION = "v1"
LEAST_KEY = 32  # bytes
MOST_SECONDS = 7 * 24 * 3600  # for which one may be good: its nonce is kept as long
LONGEST = 4096  # characters
_FORM = re.compile(r"v1\.([1-9]\d{0,11})\.([a-z_]+(?:\+[a-z_]+)*)\.([\w-]+)\.([\w-]{16,64})"
                   r"\.([\w-]{43})", re.ASCII)


class CapabilityError(ValueError):
    """A capability that is none, or no more; why, in a line."""


class Capability(NamedTuple):
    """What one lets in: one vote of one of these kinds on one subject, until it expires."""

    expires: int  # Unix seconds
    kinds: Collection[str]
    subject: str
    nonce: str


def sign(key: bytes, kinds: Iterable[str], subject: str, expires: int, nonce: str = "") -> str:
    """A capability for these kinds of votes on a subject; its nonce is random unless given."""
    head = ".".join((VERSION, str(expires), "+".join(kinds), _text(subject.encode()),
                     nonce or secrets.token_urlsafe(16)))
    return f"{head}.{_mac(key, head)}"


def is_capability(token: str) -> bool:
    """Whether it is meant as one."""
    return token.startswith(f"{VERSION}.")


def read(key: bytes, token: str, now: float) -> Capability:
    """What a capability lets in. `now`: Unix seconds. Raises CapabilityError.

    Its signature is looked at first, and in full: nothing else is said of one that is not ours.
    """
    form = _FORM.fullmatch(token) if len(token) <= LONGEST else None
    head, _, mac = token.rpartition(".")
    # Of any text, so that it takes as long whatever was sent.
    right = hmac.compare_digest(_mac(key, head).encode(), mac.encode(errors="replace"))
    if form is None or not right:
        raise CapabilityError("the capability is not signed with our key")
    expires = int(form[1])
    if expires <= now:
        raise CapabilityError("the capability has expired")
    if expires > now + MOST_SECONDS:
        raise CapabilityError(f"the capability is good for more than {MOST_SECONDS} seconds")
    try:
        subject = base64.b64decode(form[3] + "=" * (-len(form[3]) % 4), b"-_", validate=True)
        return Capability(expires, form[2].split("+"), subject.decode(), form[4])
    except (binascii.Error, UnicodeDecodeError) as error:
        raise CapabilityError("the capability has no subject that can be read") from error


def _mac(key: bytes, head: str) -> str:
    return _text(hmac.digest(key, head.encode(errors="replace"), "sha256"))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

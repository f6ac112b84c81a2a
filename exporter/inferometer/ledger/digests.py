"""Numbers that stand for names."""

from __future__ import annotations

import hashlib


def lock_number(name: str) -> int:
    """The number of an advisory lock of PostgreSQL, by what is locked."""
    digest = hashlib.blake2b(f"inferometer {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)

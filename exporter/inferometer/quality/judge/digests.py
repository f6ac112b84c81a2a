"""Digests by which what is asked is marked, and versions are told apart."""

from __future__ import annotations

import hashlib

SIZE = 16  # hex digits


def digest_of(*texts: str) -> str:
    """Of texts in their order."""
    digest = hashlib.sha256()
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()[:SIZE]

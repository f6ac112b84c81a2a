"""Texts that can be written down: JSON may escape half a character, and UTF-8 has no such bytes."""

from __future__ import annotations


def well_formed(text: str) -> str:
    """The text, with a question mark for each half of a character that stands alone."""
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode()

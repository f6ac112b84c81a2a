"""Texts as people read them: without code, addresses and templates, on one line."""

from __future__ import annotations

import re

_TEMPLATE = re.compile(r"\{\{(?:`[^`]*`|[^`])*?\}\}")
_CODE = re.compile(r"^(?: {4}.*\n?)+|`[^`]*`", re.MULTILINE)
_ADDRESS = re.compile(r"\]\([^)]*\)|https?://\S+")


def of_markdown(text: str) -> str:
    """A page's own words."""
    return _joined(_ADDRESS.sub("]", _CODE.sub(" … ", text)))


def of_template(text: str) -> str:
    """What a template says whatever it is about."""
    return _joined(_TEMPLATE.sub(" … ", text))


def _joined(text: str) -> str:
    return " ".join(text.split())

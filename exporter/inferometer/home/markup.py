"""HTML made of tags, in which every text is escaped by construction."""

from __future__ import annotations

import html

from inferometer.outside import cut as cut
from inferometer.outside import spelt

NBSP = "\u00a0"
VOID = frozenset(["br", "link", "meta"])


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, /, *children: str | None, **attributes: str | bool | None) -> Markup:
    """An element; None is left out, True is an attribute without value.

    `class_` is the attribute class, and `aria_label` is aria-label.
    """
    opening = name + "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{text(value)}"')
        for key, value in attributes.items() if value is not None and value is not False)
    if name in VOID:
        return Markup(f"<{opening}>")
    return Markup(f"<{opening}>{joined(*children)}</{name}>")


def joined(*children: str | None) -> Markup:
    """Elements and texts one after the other."""
    return Markup("".join([text(child) for child in children if child is not None]))


def text(value: str | bool) -> Markup:
    """A text as HTML; what is HTML already stays."""
    return value if isinstance(value, Markup) else Markup(html.escape(printable(str(value))))


def foreign(value: str, most: int) -> Markup:
    """Text from outside: cut, and kept from turning the text around it."""
    return tag("bdi", cut(value, most))


def printable(value: str) -> str:
    """The text with what cannot be seen spelt out, but for the space that breaks no line."""
    return spelt(value, NBSP)

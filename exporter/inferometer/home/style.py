"""The head and style of the pages for a person, and the headers that let in nothing else."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from inferometer.home.markup import Markup, tag

CONTENT_TYPE = "text/html; charset=utf-8"
STYLE = Markup(resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8"))
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
                               "img-src data:; base-uri 'none'; form-action 'none'; "
                               "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def head(title: str, *more: Markup | None) -> Markup:
    """The head of a page, with what only it has."""
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title), *more, tag("style", STYLE))

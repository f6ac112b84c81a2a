"""Text from outside, as people may see it: on one line, cut, and without the secrets of URLs.

Whoever shows what another program, a file or a caller wrote shows it through here: the logs, the
terminal, the page for a person, messages about mistakes.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable

HIDDEN = "***"
LONGEST_SHOWN = 1000  # characters on a terminal
LONGEST_LOGGED = 10_000  # of a text in a log line
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SCHEME_SIGNS = f"{string.ascii_letters}{string.digits}+.-"
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%\w]*\]|[^\s:/?#@\[\]]*)(:\d*)?")
_WORD = re.compile(r"\S+")
_SIGNS = frozenset("?@#")  # only a word with one of them may have a secret
_CLOSING = "'\"),.;:>]}"
_CREDENTIALS = re.compile(  # "bearer token" in a sentence is none
    r"\b([Bb]earer|[Bb]asic|BEARER|BASIC)\s+(?=[a-z]*[A-Z0-9._~+/=-])[\w.~+/=-]+")


def masked(url: str) -> str:
    """What should be a URL without user, password, query and fragment.

    Where an @ leaves open what is the password, nothing but the scheme is left.
    """
    match = _SCHEME.match(url)
    scheme = match[0] if match else ""
    rest = url[len(scheme):]
    authority = re.split("[/?#]", rest, maxsplit=1)[0] if scheme else rest
    host = authority.rpartition("@")[2]
    if "@" not in rest:
        return scheme + _without_query(rest)
    if scheme and ("@" in rest[len(authority):] or not _HOST.fullmatch(host)):
        return f"{scheme}{HIDDEN}"
    return f"{HIDDEN}@{_without_query(rest[len(authority) - len(host):])}"


def without_secrets(text: str, relative: bool = False) -> str:
    """The text with its URLs masked, and without credentials that HTTP sends.

    `relative`: with those, too, that are a path and a query.
    """
    text = _CREDENTIALS.sub(rf"\1 {HIDDEN}", text)
    if _SIGNS.isdisjoint(text):
        return text
    return _WORD.sub(lambda match: _masked_word(match[0], relative), text)


def spelt(text: str, keep: str = "") -> str:
    """The text with control, format and unassigned characters spelt out, as in `\\u202e`."""
    return _replaced(text, keep, lambda sign: ascii(sign)[1:-1])


def shown(text: str, most: int = LONGEST_SHOWN) -> str:
    """Text from outside on one line, made safe for a terminal, without secrets, and cut."""
    return cut(spelt(without_secrets(" ".join(text.split()), relative=True)), most)


def on_one_line(text: str) -> str:
    """The same of a text of ours in which some is from outside; it may tell of a query."""
    return cut(spelt(without_secrets(text)), LONGEST_SHOWN)


def cut(text: str, most: int) -> str:
    """At most so many characters, the last one a sign that there were more."""
    return text if len(text) <= most else f"{text[:most - 1]}…"


def as_json(value: object, indent: int | None = None) -> str:
    """JSON in which each character that cannot be seen is written as \\uXXXX."""
    text = json.dumps(value, default=str, ensure_ascii=False, indent=indent)
    return _replaced(text, "\n", lambda sign: "\\u007f" if sign == "\x7f"
                     else json.dumps(sign)[1:-1])


def for_log(value: object) -> object:
    """What JSON is made of, its texts without secrets, and cut."""
    if isinstance(value, dict):
        return {for_log(key): for_log(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [for_log(inner) for inner in value]
    if value is None or isinstance(value, int | float):
        return value
    return cut(without_secrets(str(value)), LONGEST_LOGGED)


def _without_query(url: str) -> str:
    before = re.split("[?#]", url, maxsplit=1)[0]
    return url if before == url else f"{before}{url[len(before)]}{HIDDEN}"


def _masked_word(word: str, relative: bool) -> str:
    """A word of a text, the URL in it masked."""
    if _SIGNS.isdisjoint(word):
        return word
    bare = word.rstrip(_CLOSING)
    before, scheme, _ = bare.partition("://")
    begin = len(before.rstrip(_SCHEME_SIGNS)) if scheme else 0
    is_path = relative and ("=" in bare or bare.startswith("/"))
    if not scheme and not is_path and ":" not in bare.rpartition("@")[0]:
        return word
    return f"{bare[:begin]}{masked(bare[begin:])}{word[len(bare):]}"


def _replaced(text: str, keep: str, spell: Callable[[str], str]) -> str:
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign in keep else spell(sign) for sign in text)

"""The runbook as a page of this exporter: at 3 a.m. one may be offline.

Of Markdown it knows what the runbook has: headings, paragraphs, lists, indented code, and in a line
code, bold and links.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from inferometer.home.markup import Markup, joined, tag
from inferometer.home.style import HEADERS as HEADERS
from inferometer.home.style import head

_INLINE = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\(([^)\s]+)\)")
_NEWLINE = Markup("\n")
_WORD = re.compile(r"\b[A-Z]\w+\b")


def render(text: str) -> bytes:
    """The page of a runbook in Markdown, with an anchor for each alert."""
    alerts = re.findall(r"(?m)^## (\w+)$", text)
    page = tag(
        "html",
        head("Runbook — Inferometer"),
        tag("body",
            tag("header", tag("h1", "Runbook"),
                tag("p", tag("a", "Back to what is watched", href="./"))),
            tag("main", tag("nav", tag("ul", joined(*(
                tag("li", tag("a", alert, href=f"#{alert.lower()}")) for alert in alerts))),
                aria_label="Alerts", class_="alerts"),
                *_blocks(text, frozenset(alerts)), class_="runbook-text")),
        lang="en")
    return f"<!doctype html>\n{page}\n".encode()


def _blocks(text: str, alerts: Collection[str]) -> Iterator[Markup]:
    """Block by block; they are apart by an empty line."""
    for block in re.split(r"\n{2,}", text.strip()):
        if block.startswith("# "):
            continue  # the page has it as its heading
        if block.startswith("## "):
            name = block.removeprefix("## ")
            yield tag("h2", name, id=re.sub(r"[^a-z0-9-]", "", name.lower()))
        elif block.startswith("    "):
            lines = (line.removeprefix("    ") for line in block.splitlines())
            yield tag("pre", tag("code", joined(*(joined(line, _NEWLINE) for line in lines))))
        elif re.match(r"[-*] ", block):
            items = re.split(r"\n(?=[-*] )", block)
            yield tag("ul", joined(*(tag("li", _line(item[2:], alerts)) for item in items)),
                      class_="list")
        else:
            yield tag("p", _line(block, alerts))


def _line(text: str, alerts: Collection[str]) -> Markup:
    """A text with what is marked in it."""
    pieces, end = [], 0
    for match in _INLINE.finditer(text):
        pieces += [_linked(text[end:match.start()], alerts), _marked(match, alerts)]
        end = match.end()
    return joined(*pieces, _linked(text[end:], alerts))


def _marked(match: re.Match[str], alerts: Collection[str]) -> Markup:
    code, bold, label, address = match.groups()
    if code:
        return tag("code", code)
    if bold:
        return tag("strong", bold)
    if address.startswith("https://"):
        return tag("a", label, href=address, rel="noreferrer")
    return _linked(label, alerts)  # a file beside the runbook, which this exporter does not have


def _linked(text: str, alerts: Collection[str]) -> Markup:
    """Names of other alerts lead to their entries; a line's end is a space."""
    text, pieces, end = text.replace("\n", " "), list[str](), 0
    for match in _WORD.finditer(text):
        if match[0] in alerts:
            pieces += [text[end:match.start()],
                       tag("a", match[0], href=f"#{match[0].lower()}")]
            end = match.end()
    return joined(*pieces, text[end:])

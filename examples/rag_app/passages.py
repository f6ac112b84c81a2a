"""Markdown pages, cut at their headings into passages that fit into a prompt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

MOST_CHARACTERS = 1200
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
_COMMENT = re.compile(r"<!--.*?-->|</?(?:picture|source|img)\b[^>]*>", re.DOTALL)


@dataclass(frozen=True)
class Passage:
    """A piece of a page below one heading."""

    id: str  # page.md#heading, and /2 for its second piece
    page: str  # the page's title
    heading: str
    text: str  # Markdown
    part: int = 1  # of several that are below the same heading

    @property
    def title(self) -> str:
        """What a reader takes it by."""
        return self.heading if self.part == 1 else f"{self.heading}, part {self.part}"


def read_passages(folder: Path) -> list[Passage]:
    """Those of all pages of a folder, in order."""
    return [passage for path in sorted(folder.glob("*.md"))
            for passage in passages_of(path.name, path.read_text(encoding="utf-8"))]


def passages_of(name: str, text: str) -> Iterator[Passage]:
    """Those of one page."""
    lines = _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), text).splitlines()
    tokens = _MARKDOWN.parse("\n".join(lines))
    headings = [(token.map[0], token.map[1], tokens[index + 1].content)
                for index, token in enumerate(tokens)
                if token.type == "heading_open" and token.level == 0 and token.map]
    page = headings[0][2] if headings else name
    ends = [start for start, _, _ in headings[1:]] + [len(lines)]
    for (_, start, heading), end in zip(headings, ends, strict=True):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for number, piece in enumerate(_pieces(lines, tokens, start, end), 1):
            yield Passage(f"{name}#{anchor}{f'/{number}' if number > 1 else ''}",
                          _plain(page), _plain(heading), piece, number)


def _pieces(lines: Sequence[str], tokens: Sequence[Token], start: int, end: int) -> Iterator[str]:
    """Whole blocks (paragraphs, lists, tables, code) together, up to the most characters."""
    piece = ""
    for token in tokens:
        if token.level or not token.map or not start <= token.map[0] < end:
            continue
        block = "\n".join(lines[token.map[0]:token.map[1]]).strip("\n")
        if piece and len(piece) + len(block) > MOST_CHARACTERS:
            yield piece
            piece = ""
        piece = f"{piece}\n\n{block}" if piece else block
    if piece.strip():
        yield piece


def _plain(text: str) -> str:
    return text.replace("`", "").replace("*", "")


def _html_renderer() -> MarkdownIt:
    """Tables and code as they look; links, which lead to other files, as text."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    for rule in ("link_open", "link_close"):
        markdown.add_render_rule(rule, lambda *_: "")
    return markdown


_HTML = _html_renderer()


def html_of(passage: Passage) -> str:
    """Its text as HTML in which nothing of the page's own HTML is let through."""
    return str(_HTML.render(passage.text))

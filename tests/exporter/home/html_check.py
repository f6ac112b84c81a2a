"""What every page must keep to, whatever stands on it: tags nested, nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

VOID = frozenset(["meta", "link", "br"])
NO_CODE = frozenset(["script", "iframe", "object", "embed", "form", "img", "base", "input"])
NO_BLOCKS = frozenset(["p", "h1", "h2", "h3", "dt", "summary", "figcaption", "caption"])
BLOCKS = frozenset(["p", "h1", "h2", "h3", "div", "dl", "ul", "table", "section", "article",
                    "figure", "details"])
PLAIN = frozenset("áéí—…✓✕▲·°≤≥\u00a0")


class Checked(HTMLParser):
    """A parsed page; AssertionError where it is not as a page should be."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.links: list[str] = []
        self.headings: list[tuple[str, str]] = []
        self.tags: list[str] = []
        self.text = ""
        text = page.decode()
        assert text.startswith("<!doctype html>\n<html lang=\"en\">")
        self.feed(text)
        self.close()
        assert self.open == []
        assert len(self.ids) == len(set(self.ids))
        assert set(self.references) <= set(self.ids)
        for drawing in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
            ElementTree.fromstring(drawing)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        assert len(given) == len(attributes)
        assert tag not in NO_CODE
        assert not (tag in BLOCKS and NO_BLOCKS & set(self.open)), (tag, self.open)
        assert not any(name == "style" or name.startswith("on") for name in given)
        self.tags.append(tag)
        if "id" in given:
            self.ids.append(given["id"] or "")
        self.references += (given.get("aria-labelledby") or "").split()
        href = given.get("href") or ""
        if tag == "a":
            self.links.append(href)
            if href.startswith("https://"):  # who is linked learns nothing
                assert given.get("rel") == "noreferrer", href
            else:
                assert re.fullmatch(r"(runbook)?#[a-z0-9-]+|\./(\?refresh)?|[a-z/-]+", href), href
            self.references += [href[1:]] if href.startswith("#") else []
        elif tag == "link":
            assert href.startswith("data:image/svg+xml,")
        else:
            assert "href" not in given
        assert "src" not in given
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] in (["style"], []):
            return
        assert all(sign.isprintable() or sign in PLAIN for sign in data), repr(data)
        self.text += data
        for tag in self.open:
            if tag in ("h1", "h2", "h3"):
                self.headings.append((tag, data))

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)

"""Parsers with one mistake each, all of them right about every captured page."""

from __future__ import annotations

from inferometer.engines.page import Page
from inferometer.engines.parser import Parser


class Careless(Parser):
    """Raises what it should not, where a bound is no number."""

    def parse(self, body: bytes) -> Page:
        page = super().parse(body)
        for family in page.families.values():
            for sample in family.samples:
                float(sample.labels.get("le", "0"))
        return page


class Forgetful(Parser):
    """Takes a very small number for none."""

    def parse(self, body: bytes) -> Page:
        page = super().parse(body)
        return Page(page.shape, [0.0 if 0 < value < 1e-300 else value for value in page.values])


class Remembering(Parser):
    """Takes a page for the last one if it has the same values."""

    def parse(self, body: bytes) -> Page:
        last = self._page
        page = super().parse(body)
        same = last.values and sorted(page.values) == sorted(last.values)
        return last if same else page

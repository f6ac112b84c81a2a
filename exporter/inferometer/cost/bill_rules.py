"""Which lines of a bill are about what: the configuration's rules, the first that fits counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from fnmatch import translate
from typing import NamedTuple

from inferometer.config import BILL_CATEGORIES, BillRule
from inferometer.cost.bill_lines import TAX, BillColumns, BillLine
from inferometer.cost.bill_table import BillError

UNMAPPED = "unmapped"  # in the place of a category: no rule fits
OVERHEAD, API, GPU = "overhead", "api", "gpu"
HOURS, MONTHS, ALL = "hours", "months", "all"  # what is counted, beside kinds of tokens
OWN = "x_"  # how columns begin in FOCUS that are a provider's own
MOST_REMEMBERED = 100_000  # combinations of cells


class Mapped(NamedTuple):
    """What a line is about."""

    category: str
    item: str = ""  # the model, or the GPU; empty where the rule names none
    kind: str = ""  # what its quantity counts; empty where that is not to be compared
    units: Decimal = Decimal(1)  # of that kind, in one of the line's units


_UNMAPPED = Mapped(UNMAPPED)


class BillRules:
    """Rules for the columns of one bill."""

    def __init__(self, rules: Sequence[BillRule], columns: BillColumns) -> None:
        self._rules: list[tuple[list[tuple[int, re.Pattern[str]]], bool, Mapped]] = []
        for number, rule in enumerate(rules):
            places = {name: columns.place(name) for name in rule.match}
            if columns.is_focus and all(
                    place is None and not name.casefold().startswith(OWN)
                    for name, place in places.items()):
                raise BillError(f"cost.bill[{number}].match: the bill has no column "
                                f"{', '.join(rule.match)}")
            if any(place is None for place in places.values()):
                continue  # a rule for bills of another provider
            self._rules.append((
                [(place, re.compile(translate(pattern), re.IGNORECASE | re.DOTALL))
                 for name, pattern in rule.match.items()
                 if (place := places[name]) is not None],
                any(columns.place(name) == columns.charge for name in rule.match),
                _mapped(rule)))
        self._places = sorted({place for patterns, _, _ in self._rules for place, _ in patterns})
        self._remembered: dict[tuple[str, ...], Mapped] = {}

    def mapped(self, line: BillLine) -> Mapped:
        """What the line is about.

        A tax is overhead but for a rule that asks for the charge's category. Without a rule a file
        that names our categories itself is believed.
        """
        key = (line.charge, line.category, *(line.row[place] for place in self._places))
        mapped = self._remembered.get(key)
        if mapped is None:
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()
            mapped = self._remembered[key] = self._look(line)
        return mapped

    def _look(self, line: BillLine) -> Mapped:
        is_tax = line.charge.casefold() == TAX.casefold()
        for patterns, asks_for_charge, mapped in self._rules:
            if is_tax and not asks_for_charge:
                continue
            if all(pattern.match(line.row[place]) for place, pattern in patterns):
                return mapped
        if is_tax:
            return Mapped(OVERHEAD)
        if line.category in BILL_CATEGORIES:
            return Mapped(line.category)
        return _UNMAPPED


def _mapped(rule: BillRule) -> Mapped:
    if rule.category == API:
        return Mapped(API, rule.model, rule.tokens, Decimal(str(rule.units)))
    if rule.category == GPU:
        return Mapped(GPU, rule.gpu, HOURS if rule.gpu else "", Decimal(str(rule.units)))
    return Mapped(rule.category)

"""What a metrics page is: families of series, by its TYPE lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from sys import getsizeof
from typing import NamedTuple

# What memory holds for each, from its text to our points, on 64-bit CPython; beside its text.
SERIES_BYTES, PAIR_BYTES, FAMILY_BYTES = 1000, 200, 600
_SUFFIXES = ("_bucket", "_count", "_sum", "_total")


class PageError(Exception):
    """A page that could not be had, or is no metrics page; the message says why in a few words."""


class LargePageError(PageError):
    """A page of which there is more than is read: no other place is worth a look."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One line: `suffix` is what the series' name has beyond its family's.

    Its value is the `index`-th of the page.
    """

    suffix: str
    labels: Mapping[str, str]
    index: int


class KeptSeries(NamedTuple):
    """A series that is kept: the text before its value, and what that says.

    `read` is whether an engine's table reads it.
    """

    text: str
    name: str
    labels: Mapping[str, str]
    read: bool

    @property
    def cost(self) -> int:
        """About how many bytes it takes from here to the points that are made of it."""
        return SERIES_BYTES + PAIR_BYTES * len(self.labels) + 4 * getsizeof(self.text)


@dataclass(slots=True)
class Other:
    """Series of one name that are not kept: after how many that are, and how many they are."""

    place: int
    lines: int = 0


@dataclass(slots=True)
class ForeignFamily:
    """A family as the engine prints it; kind as its TYPE line says, `untyped` without one.

    Its samples are those that are kept.
    """

    name: str
    kind: str
    samples: list[Sample] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class PageShape:
    """All of a page but its values: the same object for as long as pages differ in those alone.

    `series` are the texts before the values, in the values' order; `others` are the names of series
    whose values are not kept.
    """

    families: dict[str, ForeignFamily]
    kinds: Mapping[str, str]
    series: list[str]
    others: Mapping[str, Other]

    @property
    def counted(self) -> int:
        """How many series the page has in all."""
        return len(self.series) + sum(other.lines for other in self.others.values())


@dataclass(frozen=True, slots=True)
class Page:
    """A metrics page."""

    shape: PageShape
    values: list[float]

    @property
    def families(self) -> Mapping[str, ForeignFamily]:
        """Families by name as in the text format."""
        return self.shape.families


def shape_of(kinds: dict[str, str], series: Mapping[str, KeptSeries],
             others: Mapping[str, Other]) -> PageShape:
    """Series sorted into families, by the TYPE lines; the families stand as on the page."""
    families: dict[str, ForeignFamily] = {}
    roles: dict[str, tuple[str, str, str] | None] = {}
    left_out = iter(sorted(others, key=lambda name: others[name].place))
    other = next(left_out, None)
    for index, entry in enumerate((*series.values(), None)):
        while other is not None and (entry is None or others[other].place <= index):
            _family(families, _role(other, kinds))
            other = next(left_out, None)
        if entry is None:
            break
        if entry.name not in roles:
            roles[entry.name] = _role(entry.name, kinds)
        role = roles[entry.name]
        if (family := _family(families, role)) is not None and role is not None:
            family.samples.append(Sample(role[2], entry.labels, index))
    for name, kind in kinds.items():  # declared without a sample: there, and at 0
        if not name.endswith("_created") and f"{name}_total" not in families:
            families.setdefault(name, ForeignFamily(name, kind))
    return PageShape(families, kinds, list(series), others)


def _family(families: dict[str, ForeignFamily],
            role: tuple[str, str, str] | None) -> ForeignFamily | None:
    """The family of series with this role; it is there from now on."""
    if role is None:
        return None
    name, kind, _ = role
    family = families.get(name)
    if family is None:
        family = families[name] = ForeignFamily(name, kind)
    return family


def bases(name: str) -> Iterator[str]:
    """The names that the family of a series may have."""
    yield name
    yield f"{name}_total"  # a counter's in OpenMetrics, which TYPE names without
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            yield name.removesuffix(suffix)


def _role(name: str, kinds: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Family, kind and suffix of the series of this name; None if it is left out."""
    if name.endswith("_created"):
        return None
    if name in kinds:
        return name, kinds[name], ""
    for suffix in _SUFFIXES:
        base = name.removesuffix(suffix)
        kind = kinds.get(base) if base != name else None
        if kind == "counter" and suffix == "_total":  # OpenMetrics names the family without
            return name, kind, ""
        if kind in ("histogram", "summary") and suffix != "_total":
            return base, kind, suffix
    return name, "untyped", ""

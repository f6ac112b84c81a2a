"""Steps beside each other that two instrumentations saw as one.

Two are one only if their scopes differ: one instrumentation that has two siblings saw two. They are
matched one to one, the tightest first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

TOLERANCE = 5_000_000  # nanoseconds that one may lie beyond the other
_MOST_PAIRS = 100_000  # that are looked at in one trace: what a hostile one may cost


class Timed(Protocol):
    """What has a beginning and an end."""

    @property
    def start(self) -> int:
        """Unix nanoseconds."""

    @property
    def end(self) -> int:
        """Unix nanoseconds."""


class Seen(Timed, Protocol):
    """A step, or several spans that are one step already."""

    @property
    def scopes(self) -> frozenset[str]:
        """The instrumentations that saw it."""

    @property
    def key(self) -> bytes:
        """Its first span, by which ties are broken."""


T = TypeVar("T", bound=Seen)


def match(steps: Sequence[T], same: Callable[[T, T], bool],
          ids: Callable[[T], Iterable[str]] = lambda step: ()) -> list[list[T]]:
    """Groups of steps that are one; in a group no two have a scope in common.

    Two are one if they share an id, or if they are the `same` and one lies within the other's time.
    """
    scopes = {step.key: step.scopes for step in steps}
    if len(steps) < 2 or len(frozenset().union(*scopes.values())) < 2:
        return [[step] for step in steps]
    ordered = sorted(steps, key=lambda step: (step.start, step.key))
    ahead = max(8, _MOST_PAIRS // len(ordered))
    group_of = {step.key: [step] for step in ordered}
    pairs = sorted((*_by_id(ordered, ids, scopes, ahead), *_by_time(ordered, same, scopes, ahead)),
                   key=lambda pair: pair[:3])
    for loose, _distance, _keys, one, other in pairs:
        mine, others = group_of[one.key], group_of[other.key]
        if mine is others or any(scopes[a.key] & scopes[b.key] for a in mine for b in others):
            continue
        if loose and len(mine) + len(others) > 2 and not all(
                same(a, b) for a in mine for b in others):
            continue
        mine.extend(others)
        for step in others:
            group_of[step.key] = mine
    groups = {id(group): group for group in group_of.values()}
    return [sorted(group, key=lambda step: (step.start, step.key)) if len(group) > 1 else group
            for group in groups.values()]


Scopes = Mapping[bytes, frozenset[str]]  # of steps, by their keys
Pair = tuple[bool, int, tuple[bytes, bytes], T, T]  # by time alone, distance, keys, the two


def _by_id(ordered: Sequence[T], ids: Callable[[T], Iterable[str]], scopes: Scopes, ahead: int,
           ) -> Iterator[Pair[T]]:
    named: dict[str, list[T]] = defaultdict(list)
    for step in ordered:
        for name in ids(step):
            named[name].append(step)
    for steps in named.values():
        for place, one in enumerate(steps):
            for other in steps[place + 1:place + 1 + ahead]:
                if not scopes[one.key] & scopes[other.key]:
                    yield False, _distance(one, other), (one.key, other.key), one, other


def _by_time(ordered: Sequence[T], same: Callable[[T, T], bool], scopes: Scopes, ahead: int,
             ) -> Iterator[Pair[T]]:
    for place, one in enumerate(ordered):
        last = one.end + TOLERANCE
        for other in ordered[place + 1:place + 1 + ahead]:
            if other.start > last:
                break
            if within(one, other) and not scopes[one.key] & scopes[other.key] \
                    and same(one, other):
                yield True, _distance(one, other), (one.key, other.key), one, other


def _distance(one: Seen, other: Seen) -> int:
    return abs(other.start - one.start) + abs(other.end - one.end)


def within(one: Timed, other: Timed) -> bool:
    """Whether one lies within the other's time; what has no time lies nowhere."""
    if not one.start or not other.start:
        return False
    return ((one.start - TOLERANCE <= other.start and other.end <= one.end + TOLERANCE)
            or (other.start - TOLERANCE <= one.start and one.end <= other.end + TOLERANCE))

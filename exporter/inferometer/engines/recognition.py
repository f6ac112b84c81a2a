"""Recognises whose page it is: by marks that a table names, never by a prefix or a majority."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from operator import itemgetter

from inferometer.engines.page import ForeignFamily
from inferometer.engines.processes import START
from inferometer.engines.sheet import ALL, Use
from inferometer.engines.table import Engine

NO_ENGINE = "none of the known engines' metrics on the page"
A_FEW = 20
Families = Mapping[str, ForeignFamily]
_PREFIX = re.compile(r"[a-zA-Z0-9]+[:_]|.+")
_ANYBODYS = re.compile(r"(?:http|process|python|go|promhttp|scrape)_")  # of any server


def recognise(families: Families, engines: Iterable[Engine]) -> Engine | None:
    """The first of the engines whose marks the page has; None if it is nobody's."""
    return next((engine for engine in engines if not why_not(engine, families)), None)


@lru_cache(maxsize=8)
def use_to(engines: tuple[Engine, ...]) -> Use:
    """How many series of a family are of use to the engines, by the name a page prints.

    All of those that a table reads; of other families of an engine's own a few: they name models.
    """
    tables = [(engine.spelling, engine.taken | {*engine.marks.any_of, START}) for engine in engines]
    bare = {name.removeprefix(spelling.prefix) for spelling, names in tables for name in names}
    longest = min(8, *map(len, bare))  # of an ending that most other names have not
    endings = {name[-longest:] for name in bare}
    own = re.compile("|".join(f"(?:{spelling.pattern})" for spelling, _ in tables))

    def use(name: str) -> int:
        if name[-longest:] in endings and any(
                (spelling.respell(name) or name) in names for spelling, names in tables):
            return ALL
        return A_FEW if own.match(name) else 0

    return use


def nobodys(families: Families, engines: Iterable[Engine]) -> str:
    """Why the page is no known engine's, in a line."""
    if not families:
        return "an empty page"
    mute = next((engine.mute.advice for engine in engines
                 if engine.mute and families.keys() & {*engine.mute.families}), "")
    return f"{NO_ENGINE}: {mute or _some(by_prefix(families))}"


def by_prefix(families: Families) -> dict[str, int]:
    """How many families there are of each prefix, the most frequent first."""
    prefixes = [match[0] for name in families if (match := _PREFIX.match(name))]
    return dict(Counter(prefixes).most_common())


def nearest(families: Families, engines: Iterable[Engine]) -> tuple[Engine, str] | None:
    """The engine that has the most names of the page, and why it is not its page.

    A page may spell the names with another prefix; one name alone is chance.
    """
    bare = {_PREFIX.sub("", name, count=1) for name in families if not _ANYBODYS.match(name)}
    shared = [(len(own_families(engine, families)), len(bare & _bare_names(engine)), engine)
              for engine in engines]
    own, alike, engine = max(shared, key=itemgetter(0, 1), default=(0, 0, None))
    if engine is None or own + alike < 2:
        return None
    return engine, why_not(engine, families) if own else (
        f"with another prefix than {engine.spelling.prefix}: {alike} names are alike")


def _bare_names(engine: Engine) -> set[str]:
    return {name.removeprefix(engine.spelling.prefix) for name in own_names(engine)}


def why_not(engine: Engine, families: Families) -> str:
    """What keeps the page from being this engine's; empty if it is its page."""
    own = own_families(engine, families)
    if not own:
        return "none of its families"
    marks = engine.marks
    any_of = marks.any_of or tuple(sorted(own_names(engine)))
    labels = {label for name in own.keys() & {*any_of} for sample in own[name].samples
              for label in sample.labels}
    if strange := labels & {*marks.not_labels}:
        return f"the label {_some(sorted(strange))} makes it another's"
    if marks.labels and not labels & {*marks.labels}:
        return f"no label {' or '.join(marks.labels)}"
    if missing := [name for name in marks.all_of if name not in own]:
        return f"no {_some(missing)}"
    return "" if own.keys() & {*any_of} else f"no {_some(any_of)}"


def own_families(engine: Engine, families: Families) -> dict[str, ForeignFamily]:
    """The families that may be the engine's by their names, as its table writes them."""
    respelt = ((engine.spelling.respell(name), family) for name, family in families.items())
    return {name: family for name, family in respelt if name is not None}


def own_names(engine: Engine) -> set[str]:
    """The engine's own families that its table takes."""
    spelling = engine.spelling
    return {name for name in engine.taken
            if (name.startswith(spelling.prefix) if spelling.prefix else spelling.respell(name))}


def _some(names: Iterable[str]) -> str:
    """At most three names, in words."""
    names = list(names)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more

"""How an engine's table says where each of our signals stands on its page.

A table maps a metric of the catalogue to one source or to several, of which the first that the
page holds is taken: so old and new names are told apart by presence, never by version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from inferometer.catalogue import Metric
from inferometer.engines.view import View

if TYPE_CHECKING:
    from inferometer.engines.sources import Difference, Read, Series

EVIDENCE = ("run", "captured", "documented")  # here, elsewhere, never seen


class Source(Protocol):
    """Something that finds a signal on a page."""

    @property
    def derived(self) -> bool:
        """Whether the signal is worked out rather than printed by the engine."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The families it is made of."""
        ...

    def bind(self, view: View, metric: Metric) -> Read:
        """How to read values by place off pages of the view's shape; none if it is not there."""
        ...


@dataclass(frozen=True)
class Request:
    """A counter of ended requests, and what the values of its `label` mean.

    Meanings are (outcome, reason); without a label the whole series has the meaning `otherwise`,
    which is also that of values the table does not know. A `late` counter appears on the page with
    its first event: until then it is at 0 if another one is there. A `labelled` one says nothing
    where the page's family has no such label, as in versions that cannot tell its meanings apart.
    """

    series: Series
    otherwise: tuple[str, str]
    label: str = ""
    meaning: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    late: bool = False
    labelled: bool = False

    @property
    def outcomes(self) -> set[str]:
        """How the requests it counts may have ended."""
        return {outcome for outcome, _ in (self.otherwise, *self.meaning.values())}

    def tells(self, view: View) -> bool:
        """Whether the page's series, if there are any, have what the counter is told apart by."""
        family = view.families.get(self.series.name)
        samples = family.samples if self.labelled and family else ()
        return not samples or any(self.label in sample.labels for sample in samples)


@dataclass(frozen=True)
class Http:
    """The HTTP counter that completes the engine's own: which labels hold what.

    `endings` are the (outcome, reason) pairs it can tell apart; without any it completes nothing
    and is said by class alone. `explained` says, by reason, which outcomes of the engine's own
    count answer with that status too: they are not counted twice.
    """

    name: str
    code: str
    handler: str
    endings: tuple[tuple[str, str], ...]
    explained: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Fact:
    """A JSON document beside the metrics page, and the paths of what we want from it."""

    path: str
    wanted: Mapping[str, tuple[str | int, ...]]


@dataclass(frozen=True)
class Engine:
    """One engine's table.

    `name` is what `engine` says, `title` what people say: two tables may be of one engine.
    `evidence` is how its pages came to be known, and `unseen` holds the signals that are mapped by
    documentation or source alone, for no page of a running server at hand has shown them.
    """

    name: str
    title: str
    evidence: str
    prefix: str  # as the table below spells names
    spelling: re.Pattern[str]  # as pages may spell that prefix
    signals: Mapping[Metric, tuple[Source, ...]]
    requests: tuple[Request, ...] = ()
    success: Difference | None = None  # requests that ended well, where only others are counted
    http: Http | None = None
    progress: tuple[Series, ...] = ()
    paths: tuple[str, ...] = ()  # where its page may be besides /metrics
    marks: frozenset[str] = frozenset()  # families a page of it has, all of them
    wraps: bool = False  # a server around an engine: where there is an engine's page, it is that
    models: tuple[str, ...] = ()  # labels that may hold the model; a page uses one of them
    nameless: frozenset[str] = frozenset()  # values of these labels that name no model
    rank: str = ""
    copies: frozenset[str] = frozenset()  # labels of processes that all say the same
    facts: tuple[Fact, ...] = ()
    unused: str = ""  # regular expression of families known and not needed, without the prefix
    unseen: frozenset[str] = frozenset()

    def knows(self, name: str) -> bool:
        """Whether the table takes the family of this name, or leaves it knowingly."""
        return self.takes(name) or bool(self._unused.fullmatch(name[len(self.prefix) :]))

    def takes(self, name: str) -> bool:
        """Whether the table has a signal that may be found in the family of this name."""
        return name in self._names

    @cached_property
    def _names(self) -> frozenset[str]:
        sources = [source for sources in self.signals.values() for source in sources]
        counted = [request.series for request in self.requests]
        ended = [self.success.whole, self.success.part] if self.success else []
        parts = (*sources, *counted, *ended, *self.progress)
        http = [self.http.name] if self.http else []
        return frozenset([*http, *(name for part in parts for name in part.names)])

    @cached_property
    def _unused(self) -> re.Pattern[str]:
        return re.compile(self.unused)

    def respell(self, name: str) -> str | None:
        """A family's name in the table's spelling; None if it is not this engine's."""
        match = self.spelling.match(name)
        return self.prefix + name[match.end() :] if match else None


def exactly(names: Iterable[str]) -> re.Pattern[str]:
    """The spelling of an engine whose families have no prefix: these names and no others."""
    return re.compile(rf"(?=(?:{'|'.join(names)})\Z)")

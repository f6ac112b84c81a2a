"""What an engine's table is made of: where each of our signals stands on its page.

A table maps a metric of the catalogue to one source or to several, of which the first that the
page holds is taken: so old and new names are told apart by presence, never by version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from inferometer.catalogue import Metric
from inferometer.engines.sources import Difference, Selector, Source
from inferometer.engines.spelling import Spelling
from inferometer.engines.view import View

# How an engine's pages came to be known: run here, captured by others, or from documents alone.
EVIDENCE = ("run", "captured", "documented")  # the best first


@dataclass(frozen=True)
class RequestCounter:
    """A counter of ended requests, and what the values of its `label` mean.

    Meanings are (outcome, reason); without a label the whole series has the meaning `otherwise`,
    which is also that of values the table does not know. A `late` counter appears on the page with
    its first event: until then it is at 0 if another one is there. A `labelled` one is not read
    where the page's family has no such label, as in versions that cannot tell its meanings apart.
    """

    selector: Selector
    otherwise: tuple[str, str]
    label: str = ""
    meaning: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    late: bool = False
    labelled: bool = False

    @property
    def outcomes(self) -> set[str]:
        """How the requests it counts may have ended."""
        return {outcome for outcome, _ in (self.otherwise, *self.meaning.values())}

    def is_readable(self, view: View) -> bool:
        """Whether the page's samples, if there are any, have the label that it needs."""
        family = view.families.get(self.selector.name)
        samples = family.samples if self.labelled and family else ()
        return not samples or any(self.label in sample.labels for sample in samples)


@dataclass(frozen=True)
class Http:
    """The HTTP counter that completes the engine's own, and the names of its labels.

    `code` is the label of the status code, `handler` that of the route. `endings` are the
    (outcome, reason) pairs it can tell apart; without any it completes nothing and is shown by
    class alone. `explained` gives, by reason, which outcomes of the engine's own count answer
    with that status too: they are not counted twice.
    """

    name: str
    code: str
    handler: str
    endings: tuple[tuple[str, str], ...]
    explained: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class InfoDocument:
    """A JSON document beside the metrics page, and the path in it of each field we need.

    Fields are `model`, `version` and `max_model_length`.
    """

    path: str
    fields: Mapping[str, tuple[str | int, ...]]


@dataclass(frozen=True)
class Engine:
    """One engine's table.

    `name` is the value of the label `engine`, `title` what people say: two tables may be of one
    engine. `unseen` holds the signals that are mapped by documentation or source code alone: no
    page of a running server has shown them. `unused` are the families that are known and
    not needed: their names without the prefix, or `beginning_*` of several.
    """

    name: str
    title: str
    evidence: str  # the best word of EVIDENCE that is true of one of its pages
    spelling: Spelling
    signals: Mapping[Metric, tuple[Source, ...]]
    requests: tuple[RequestCounter, ...] = ()
    success: Difference | None = None  # requests that ended well, where only others are counted
    http: Http | None = None
    progress: tuple[Selector, ...] = ()
    paths: tuple[str, ...] = ()  # where its page may be besides /metrics
    marks: frozenset[str] = frozenset()  # families a page of it has, all of them
    wraps: bool = False  # a server around an engine: an engine's own table goes before it
    documents: tuple[InfoDocument, ...] = ()
    unused: tuple[str, ...] = ()
    unseen: frozenset[str] = frozenset()

    def knows(self, name: str) -> bool:
        """Whether the table takes the family of this name, or leaves it knowingly."""
        return self.takes(name) or self._leaves(name[len(self.spelling.prefix) :])

    def takes(self, name: str) -> bool:
        """Whether the table has a signal that may be found in the family of this name."""
        return name in self._names

    def _leaves(self, name: str) -> bool:
        return name in self.unused or name.startswith(self._unused_beginnings)

    @cached_property
    def _names(self) -> frozenset[str]:
        sources = [source for sources in self.signals.values() for source in sources]
        counted = [counter.selector for counter in self.requests]
        ended = [self.success.minuend, self.success.subtrahend] if self.success else []
        parts = (*sources, *counted, *ended, *self.progress)
        http = [self.http.name] if self.http else []
        return frozenset([*http, *(name for part in parts for name in part.names)])

    @cached_property
    def _unused_beginnings(self) -> tuple[str, ...]:
        return tuple(name.removesuffix("*") for name in self.unused if name.endswith("*"))

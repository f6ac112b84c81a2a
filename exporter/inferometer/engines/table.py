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
class Marks:
    """By what a page is known to be an engine's. Names are written as in the engine's table.

    `any_of` are families of which the page must declare one; by default all of the engine's own
    that its table takes. `all_of` must all be there. `labels` are labels one of which those of
    `any_of` must have; `not_labels` are labels of theirs that make the page another's.
    """

    any_of: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    not_labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mute:
    """A server that has the engine and shows none of its families.

    `families` are some by which it is known, as its page prints them; `advice` is what to try.
    """

    families: tuple[str, ...]
    advice: str


@dataclass(frozen=True)
class RequestCounter:
    """A counter of ended requests, and what the values of its `label` mean.

    Meanings are (outcome, reason); without a label the whole series has the meaning `otherwise`,
    which is also that of values the table does not know. An outcome starts at 0 once the page
    shows that this version has it: by a series of it, or by anything where the counter is `late`,
    whose series come with their first event; of a late counter that only newer versions have,
    `since` are families any of which such a version shows. A `labelled` counter is not read where
    the page's family has no such label, as in versions that cannot tell its meanings apart; one
    with `unlabelled` is not read where the family has that label. `answers` is the name of a
    histogram of how many answers a request asked for, where the counter counts answers.
    """

    selector: Selector
    otherwise: tuple[str, str]
    label: str = ""
    meaning: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    late: bool = False
    since: tuple[str, ...] = ()
    labelled: bool = False
    unlabelled: str = ""
    answers: str = ""

    @property
    def outcomes(self) -> set[str]:
        """How the requests it counts may have ended."""
        return {outcome for outcome, _ in (self.otherwise, *self.meaning.values())}

    def is_readable(self, view: View) -> bool:
        """Whether the page's samples, if there are any, have the label that it needs."""
        family = view.families.get(self.selector.name)
        samples = family.samples if family else ()
        if self.unlabelled:
            return not any(self.unlabelled in sample.labels for sample in samples)
        return not (self.labelled and samples) or any(
            self.label in sample.labels for sample in samples)

    def comes_late(self, view: View) -> bool:
        """Whether it is at 0 on a page of this shape that has no series of it."""
        return self.late and (not self.since or any(
            name in view.families for name in (self.selector.name, *self.since)))


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


@dataclass(frozen=True, eq=False)
class Engine:
    """One engine's table.

    `name` is the value of the label `engine`, `title` what people say: two tables may be of one
    engine. `unseen` holds the signals that are mapped by documentation or source code alone: no
    page of a running server has shown them. `unused` are the families that are known and not
    needed, by the reason: their names without the prefix, or `beginning_*` where the engine's
    documents leave open which there are.
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
    marks: Marks = Marks()
    mute: Mute | None = None
    documents: tuple[InfoDocument, ...] = ()
    unused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unseen: frozenset[str] = frozenset()

    def knows(self, name: str) -> bool:
        """Whether the table takes the family of this name, or leaves it knowingly."""
        return self.takes(name) or bool(self.why_unused(name))

    def takes(self, name: str) -> bool:
        """Whether the table has a signal that may be found in the family of this name."""
        return name in self.taken

    def why_unused(self, name: str) -> str:
        """Why the table leaves the family of this name; empty if it does not know it."""
        bare = name[len(self.spelling.prefix) :]
        return self._unused.get(bare, "") or next(
            (reason for beginning, reason in self._unused_beginnings.items()
             if bare.startswith(beginning)), "")

    @cached_property
    def taken(self) -> frozenset[str]:
        """The names of all families in which the table looks for something."""
        sources = [source for sources in self.signals.values() for source in sources]
        counted = [counter.selector for counter in self.requests]
        ended = [self.success.minuend, self.success.subtrahend] if self.success else []
        parts = (*sources, *counted, *ended, *self.progress)
        http = [self.http.name] if self.http else []
        answers = [counter.answers for counter in self.requests if counter.answers]
        return frozenset([*http, *answers, *(name for part in parts for name in part.names)])

    @cached_property
    def _unused(self) -> dict[str, str]:
        return {name: reason for reason, names in self.unused.items() for name in names}

    @cached_property
    def _unused_beginnings(self) -> dict[str, str]:
        return {name.removesuffix("*"): reason for name, reason in self._unused.items()
                if name.endswith("*")}

"""What a part of the exporter is: all that belongs to one subject, said in one place.

The exporter is a list of parts (`app.py`). A part reads its section of the configuration, has
collectors and routes, starts, has loops that are to go on, is configured anew, stops, says whether
it is ready, and tells the terminal and the page for a person what no metric says. It overrides
what it has of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from inferometer.collector import Collector
from inferometer.config import Config
from inferometer.documents.mistakes import Document
from inferometer.roles import belongs
from inferometer.serve.routes import Route
from inferometer.threads import Standing

Row = tuple[str, str]  # a label and a text, which may be Linked


class Code(str):
    """A piece of a note that is a key or a command."""

    __slots__ = ()


class Quoted(str):
    """A piece of a note that comes from outside, or may be long."""

    __slots__ = ()


class Linked(str):
    """A text that leads to an address, http:// or https://."""

    __slots__ = ("address",)
    address: str

    def __new__(cls, text: str, address: str) -> Linked:
        """The text with its address."""
        made = super().__new__(cls, text)
        made.address = address
        return made


Note = Sequence[str]  # a sentence in pieces: plain ones, Code and Quoted


@dataclass(frozen=True)
class Watched:
    """One thing that a part watches, as the page for a person shows it beside its metrics."""

    key: str  # by which metrics tell it apart: a GPU's UUID or index, a target's name
    name: str  # what people call it
    read_at: float | None = None  # when it was last read, Unix seconds
    failure: str = ""  # why it is not read now
    lost: bool = False  # it was there, and does not answer any more
    gone: bool = False  # lost, and listed by nobody any more
    model: str = ""  # that it serves
    product: str = ""  # that it is, by which it has a price
    details: Sequence[Row] = ()
    more: Sequence[Row] = ()  # what is rarely looked for


@dataclass(frozen=True)
class Watch:
    """All that a part watches, and what the page says where that is nothing, or below it."""

    watched: Sequence[Watched]
    most: int  # how many may be watched
    when_empty: Sequence[Note] = ()
    footnote: Note = ()


class Part:
    """One subject. Its constructor begins nothing; `check` and `configure` come before `start`."""

    sections: ClassVar[tuple[str, ...]] = ()  # of the configuration: it runs in roles with one
    # Of a part that watches things: what terminal and page call them, one of them, and how metrics
    # and the page's history tell their kind ("GPUs", "GPU", "gpu"). A part that has nothing to do
    # here, in any role, takes its title away.
    title: str = ""
    noun: ClassVar[str] = ""
    kind: ClassVar[str] = ""

    def runs_in(self, role: str) -> bool:
        """Whether an exporter of this role has one of its sections."""
        return any(belongs(role, section) for section in self.sections)

    def check(self, config: Config, document: Document) -> None:
        """Report to the document what only this part can tell about its section."""

    def configure(self, config: Config) -> None:
        """Take a configuration that was checked: before the start, and at each reload."""

    def collectors(self) -> Sequence[Collector]:
        """What it says in a scrape."""
        return ()

    def routes(self) -> Sequence[Route]:
        """What it answers over HTTP."""
        return ()

    def start(self) -> None:
        """Begin to work in the background; the server listens by then."""

    def loops(self) -> Sequence[Standing]:
        """What it has started that is to go on until `stop`: it is started again if it died."""
        return ()

    def stop(self) -> None:
        """End what it began; the server answers nobody any more.

        A thread that waits for the world may end a little later, with the process at the latest.
        """

    def is_ready(self) -> bool:
        """Whether its first look has ended."""
        return True

    def hindrance(self) -> str:
        """Why it can do nothing of its work now, in a line; empty if it can. It may come and go."""
        return ""

    def greeting(self, seconds: float) -> Iterable[Row]:
        """What the terminal shows at the start, after waiting so long for the first look."""
        return ()

    def watch(self) -> Watch:
        """What the page for a person shows of it beside its metrics; asked where it has a title."""
        return Watch((), 0)

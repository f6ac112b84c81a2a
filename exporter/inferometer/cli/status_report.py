"""What an exporter answers on /status: read strictly, and shown to a person."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urljoin

from inferometer.documents.entry import Entry
from inferometer.home.markup import NBSP
from inferometer.home.units import duration
from inferometer.outside import shown

FINE, OVER_LIMIT, PROBLEM = STATES = ("ok", "over_limit", "problem")
WORDS = {  # of one, and of several
    PROBLEM: ("problem", "problems"),
    OVER_LIMIT: ("over its limit", "over their limits"),
}

INFO = "info"  # the severity of what is listed and is no problem yet
KINDS = {  # one, and several
    "gpus": ("GPU", "GPUs"), "engines": ("engine", "engines"),
    "services": ("service", "services"), "gateway": ("gateway", "gateways")}


@dataclass(frozen=True)
class ReportedProblem:
    """One problem, as the exporter has it: each field a text, the time in RFC 3339."""

    state: str
    subject: str
    text: str
    since: str
    alert: str
    runbook: str  # a link that may be relative to the exporter
    severity: str  # of the alert


@dataclass(frozen=True)
class StatusReport:
    """What an exporter says of what it watches, and how much of each kind that is."""

    version: str
    demo: bool
    status: str
    watching: Mapping[str, int]
    problems: Sequence[ReportedProblem]


def read_report(top: Entry) -> StatusReport:
    """The report in an answer; mistakes are reported to its document. Other keys may be new."""
    watching = {kind: count.integer() for kind, count in top.get("watching").mapping().items()}
    return StatusReport(
        top.get("version").text(), top.get("demo", False).boolean(),
        top.get("status").choice(STATES), watching, [
            ReportedProblem(
                problem.get("state").choice([*WORDS]), problem.get("subject").text(),
                problem.get("text").text(), _moment(problem.get("since", "")),
                problem.get("alert", "").text(), problem.get("runbook", "").text(),
                problem.get("severity", "").text())
            for problem in top.get("problems").items()])


def as_lines(url: str, report: StatusReport, now: float) -> Iterator[str]:
    """The report for a person; nothing in it can command a terminal. `now` is Unix seconds."""
    watched = " and ".join(
        f"{count} {KINDS.get(kind, (shown(kind), shown(kind)))[count > 1]}"
        for kind, count in report.watching.items() if count)
    states = [problem.state for problem in report.problems if problem.severity != INFO]
    counts = [f"{count} {words[count > 1]}" for state, words in WORDS.items()
              if (count := states.count(state))]
    yield (f"{url}  Inferometer {shown(report.version)}{', a demo' if report.demo else ''}: "
           f"{', '.join(counts) or 'no problems'}; watching {watched or 'nothing'}")
    rows = [[shown(problem.severity), WORDS[problem.state][0], shown(problem.subject)]
            for problem in report.problems]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for problem, row in zip(report.problems, rows, strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width]
        more = (_age(problem.since, now), shown(problem.alert), _link(url, problem.runbook))
        yield f"  {'  '.join(cells)}  {shown(problem.text)}"
        if any(more):
            yield f"    {'  '.join(filter(None, more))}"


def _age(since: str, now: float) -> str:
    age = now - datetime.fromisoformat(since).timestamp() if since else -1.0
    return f"for {duration(age)}".replace(NBSP, " ") if age >= 0 else ""


def _link(url: str, link: str) -> str:
    """A link to follow from the exporter, with its fragment: that is where the entry stands."""
    with contextlib.suppress(ValueError):
        link = urljoin(f"{url}/", link) if link else ""
    before, sign, heading = link.partition("#")
    return f"{shown(before)}{sign}{shown(heading)}"


def _moment(entry: Entry) -> str:
    """A time in RFC 3339, or nothing."""
    text = entry.text()
    try:
        if text and datetime.fromisoformat(text).tzinfo is None:
            raise ValueError(text)
    except ValueError:
        entry.refuse("a time with its zone, as 2026-11-29T18:00:00Z")
        return ""
    return text

"""The contract: metrics, labels, their closed values, and the chart's values, which others rely on.

deploy/contract.yml has each entry with the version since which it is there. One ends only with a
line of CHANGELOG.md that names it and a new major version; while that is 0, the minor one plays its
part, as Semantic Versioning has it. What ended stays in the file, so that it stays proven.

`make contract` records what is new, and what has ended where that may be.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from deploy.build.surface import ANY, Surface, surface
from inferometer.catalogue import METRICS

ROOT = Path(__file__).parents[2]
CONTRACT = "deploy/contract.yml"
SCHEMA = "deploy/chart/values.schema.json"
COMMAND = "make contract"

_CHANGE = re.compile(r"^- \[CHANGE\].*(?:\n +.*)*", re.MULTILINE)
_SECTION = re.compile(r"^## (\S+).*$", re.MULTILINE)
_BOUNDARY = re.compile(r"(?=[.{\[])|$")  # where the name of something inside begins, or ends


@dataclass(frozen=True)
class Promise:
    """One thing to rely on: a metric, its label in braces, or the path of a chart value.

    `word` is a kind, a type, `any`, or one value of a closed set.
    """

    name: str
    word: str
    since: str
    until: str = ""


def updated(entries: Iterable[Promise], present: Surface, version: str) -> list[Promise]:
    """The contract of this version: all entries so far, ended where they are gone, and new ones."""
    new = {(name, word): Promise(name, word, version)
           for name, words in present.items() for word in words}
    old = [entry if entry.until or (entry.name, entry.word) in new
           else replace(entry, until=version) for entry in entries]
    for entry in old:
        if not entry.until:
            new.pop((entry.name, entry.word), None)
    return [*old, *new.values()]


def violations(entries: Iterable[Promise], changelog: str) -> list[str]:
    """Entries that ended as they may not, a line each with what that takes."""
    entries = [*entries]
    lines: dict[str, None] = {}
    for entry in entries:
        if entry.until:
            name = _name_in_changelog(entry, entries)
            if _major(entry.until) <= _major(entry.since):
                lines[f"{name} is promised since {entry.since} and gone in {entry.until}: "
                      f"that takes version {_next_major(entry.since)}"] = None
            if not any(f"`{name}`" in line for line in _changes(changelog, entry.until)):
                lines[f"{name} is gone in {entry.until}: that takes a line `- [CHANGE]` in "
                      f"CHANGELOG.md which names `{name}`"] = None
    return [*lines]


def parse(text: str) -> tuple[str, list[Promise]]:
    """The version for which the contract was recorded, and its entries."""
    document = yaml.safe_load(text)
    return document.pop("version"), [
        Promise(name, word, *span.split()[1::2])
        for span, names in document.items() for name, words in names.items() for word in words]


def render(version: str, entries: Iterable[Promise]) -> str:
    """The contract's text."""
    document: dict[str, dict[str, list[str]]] = {}
    for entry in entries:
        span = f"since {entry.since}" + (f" until {entry.until}" if entry.until else "")
        document.setdefault(span, {}).setdefault(entry.name, []).append(entry.word)
    head = f"# What may be relied on. `{COMMAND}` records it; no line is taken out by hand.\n"
    return head + f"version: {version}\n" + yaml.safe_dump(
        document, default_flow_style=None, sort_keys=False, width=100, allow_unicode=True)


def main(root: Path = ROOT) -> int:
    """Run the command; returns its exit status."""
    version, changelog, present = current(root)
    file = root / CONTRACT
    recorded = parse(file.read_text(encoding="utf-8"))[1] if file.exists() else []
    entries = updated(recorded, present, version)
    lines = violations(entries, changelog)
    for line in lines:
        print(line, file=sys.stderr)
    if lines:
        print(f"{CONTRACT} is as it was: once that is done, run `{COMMAND}` again; what was "
              f"recorded and never committed, `git checkout {CONTRACT}` takes back",
              file=sys.stderr)
        return 1
    file.write_text(render(version, entries), encoding="utf-8")
    return 0


def current(root: Path = ROOT) -> tuple[str, str, Surface]:
    """This version, the text of CHANGELOG.md, and what there is to rely on."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    schema = json.loads((root / SCHEMA).read_text(encoding="utf-8"))
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    return project["version"], changelog, surface(METRICS, schema)


def _name_in_changelog(entry: Promise, entries: Collection[Promise]) -> str:
    """What CHANGELOG.md must name: the outermost thing that is gone, or the one closed value."""
    name = entry.name
    gone = {other.name for other in entries} - {
        other.name for other in entries
        if not other.until or _number(other.until) > _number(entry.until)}
    for boundary in _BOUNDARY.finditer(name):
        if (outer := name[:boundary.start()]) in gone:
            return outer
    closed = "{" in name and entry.word != ANY
    return f'{name[:-1]}="{entry.word}"}}' if closed else name


def _changes(changelog: str, version: str) -> list[str]:
    """What changed with the version, or is not yet released."""
    pieces = _SECTION.split(changelog)
    sections = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    return [line for heading in ("Unreleased", version)
            for line in _CHANGE.findall(sections.get(heading, ""))]


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _major(version: str) -> tuple[int, ...]:
    """What an entry lasts through: a major version, or a minor one of 0."""
    major, minor, _ = _number(version)
    return (major, 0 if major else minor)


def _next_major(version: str) -> str:
    major, minor = _major(version)
    return f"{major + 1}.0.0" if major else f"0.{minor + 1}.0"


if __name__ == "__main__":
    argparse.ArgumentParser(prog=f"python -m {__spec__.name}", description=__doc__).parse_args()
    sys.exit(main())

"""What whoever builds on us may rely on: metrics, labels, their closed values, the chart's values.

`contract.yml` has it all with the version since which it is promised. A promise ends only with a
line of CHANGELOG.md that names it and a new major version; while that is 0, the minor one plays its
part, as Semantic Versioning has it. What ended stays in the file, so that it stays proven.

`python -m deploy.contract` records what is new, and what has ended where that may be.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from inferometer.catalogue import METRICS, Metric

ROOT = Path(__file__).parents[1]
RECORD = "deploy/contract.yml"
SCHEMA = "deploy/chart/values.schema.json"
COMMAND = "python -m deploy.contract"

_ANY = "any"  # an open label, a value of any type
_TAKEN = {"boolean": ["false", "true"], "number": ["integer", "number"]}  # by a type, if not itself
_CHANGE = re.compile(r"^- \[CHANGE\].*(?:\n +.*)*", re.MULTILINE)
_SECTION = re.compile(r"^## (\S+).*$", re.MULTILINE)
_BOUNDARY = re.compile(r"(?=[.{\[])|$")  # where the name of something inside begins, or ends

Offer = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Promise:
    """One thing to rely on: a metric, its label in braces, or the path of a chart value.

    `word` is a kind, a type, `any`, or one value of a closed set.
    """

    name: str
    word: str
    since: str
    until: str = ""


def offered(metrics: Iterable[Metric], schema: Mapping[str, Any]) -> Offer:
    """What there is now, by name."""
    labels = {f"{metric.name}{{{label.name}}}": label.values or (_ANY,)
              for metric in metrics for label in metric.labels}
    kinds = {metric.name: (metric.kind,) for metric in metrics}
    values: dict[str, tuple[str, ...]] = {}
    for path, words in _values(schema, schema, ""):
        values[path] = (*values.get(path, ()), *words)
    return dict(sorted((kinds | labels).items())) | {
        path: tuple(dict.fromkeys(words)) or (_ANY,) for path, words in values.items()}


def renewed(promises: Iterable[Promise], offer: Offer, version: str) -> list[Promise]:
    """What is promised with this version: all that was, ended where it is gone, and all that is."""
    there = {(name, word): Promise(name, word, version)
             for name, words in offer.items() for word in words}
    kept = [each if each.until or (each.name, each.word) in there else replace(each, until=version)
            for each in promises]
    for each in kept:
        if not each.until:
            there.pop((each.name, each.word), None)
    return [*kept, *there.values()]


def broken(promises: Iterable[Promise], changelog: str) -> list[str]:
    """Promises that ended as they may not, a line each."""
    every = [*promises]
    found: dict[str, None] = {}
    for each in every:
        if each.until:
            told = _told(each, every)
            if _era(each.until) <= _era(each.since):
                found[f"{told} is promised since {each.since} and gone in {each.until}: "
                      f"that takes version {_next(each.since)}"] = None
            if not any(f"`{told}`" in line for line in _changes(changelog, each.until)):
                found[f"{told} is gone in {each.until}: that takes a line `- [CHANGE]` in "
                      f"CHANGELOG.md which names `{told}`"] = None
    return [*found]


def read(text: str) -> tuple[str, list[Promise]]:
    """The version for which the record was made, and the promises."""
    record = yaml.safe_load(text)
    return record.pop("version"), [
        Promise(name, word, *span.split()[1::2])
        for span, names in record.items() for name, words in names.items() for word in words]


def written(version: str, promises: Iterable[Promise]) -> str:
    """The record's text."""
    record: dict[str, dict[str, list[str]]] = {}
    for each in promises:
        span = f"since {each.since}" + (f" until {each.until}" if each.until else "")
        record.setdefault(span, {}).setdefault(each.name, []).append(each.word)
    head = f"# What may be relied on. {COMMAND} records it; no line is taken out by hand.\n"
    return head + f"version: {version}\n" + yaml.safe_dump(
        record, default_flow_style=None, sort_keys=False, width=100, allow_unicode=True)


def main(root: Path = ROOT) -> int:
    """The command; returns its exit status."""
    version, changelog, offer = state(root)
    file = root / RECORD
    before = read(file.read_text(encoding="utf-8"))[1] if file.exists() else []
    promises = renewed(before, offer, version)
    findings = broken(promises, changelog)
    for finding in findings:
        print(finding, file=sys.stderr)
    if not findings:
        file.write_text(written(version, promises), encoding="utf-8")
    return 1 if findings else 0


def state(root: Path = ROOT) -> tuple[str, str, Offer]:
    """This version, what CHANGELOG.md says, and what there is."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    schema = json.loads((root / SCHEMA).read_text(encoding="utf-8"))
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    return project["version"], changelog, offered(METRICS, schema)


def _values(node: Mapping[str, Any], schema: Mapping[str, Any],
            path: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every value of the chart by its path: `[]` is an item, `*` a key of one's own choice."""
    parts = [*_parts(node, schema)]
    if path:
        yield path, tuple(word for part in parts for word in _words(part))
    for part in parts:
        for name, inner in part.get("properties", {}).items():
            yield from _values(inner, schema, f"{path}.{name}".lstrip("."))
        if isinstance(part.get("additionalProperties"), Mapping):
            yield from _values(part["additionalProperties"], schema, f"{path}.*")
        if "items" in part:
            yield from _values(part["items"], schema, f"{path}[]")


def _parts(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The node, and what it refers to or is put together of."""
    yield node
    if "$ref" in node:
        yield from _parts(schema["definitions"][node["$ref"].rpartition("/")[2]], schema)
    for key in ("allOf", "anyOf", "oneOf"):
        for each in node.get(key, ()):
            yield from _parts(each, schema)


def _words(part: Mapping[str, Any]) -> list[str]:
    """The values that it takes, or their types."""
    if "enum" in part:
        return [each if isinstance(each, str) else json.dumps(each) for each in part["enum"]]
    kinds = part.get("type", [])
    return [word for kind in ([kinds] if isinstance(kinds, str) else kinds)
            for word in _TAKEN.get(kind, [kind])]


def _told(promise: Promise, promises: Collection[Promise]) -> str:
    """What CHANGELOG.md is to name: the outermost thing that is gone, or the one closed value."""
    name = promise.name
    gone = {each.name for each in promises} - {
        each.name for each in promises
        if not each.until or _number(each.until) > _number(promise.until)}
    for boundary in _BOUNDARY.finditer(name):
        if (outer := name[:boundary.start()]) in gone:
            return outer
    closed = "{" in name and promise.word != _ANY
    return f'{name[:-1]}="{promise.word}"}}' if closed else name


def _changes(changelog: str, version: str) -> list[str]:
    """What changed with the version, or is not yet released."""
    pieces = _SECTION.split(changelog)
    sections = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    return [line for heading in ("Unreleased", version)
            for line in _CHANGE.findall(sections.get(heading, ""))]


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _era(version: str) -> tuple[int, ...]:
    """What a promise lasts through: a major version, or a minor one of 0."""
    major, minor, _ = _number(version)
    return (major, 0 if major else minor)


def _next(version: str) -> str:
    major, minor = _era(version)
    return f"{major + 1}.0.0" if major else f"0.{minor + 1}.0"


if __name__ == "__main__":
    sys.exit(main())

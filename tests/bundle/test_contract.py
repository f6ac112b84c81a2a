"""What is promised stays: metrics, labels, closed values and chart values end by rule."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.build.contract import (
    COMMAND,
    CONTRACT,
    ROOT,
    SCHEMA,
    Promise,
    current,
    main,
    parse,
    render,
    updated,
    violations,
)
from deploy.build.surface import Surface, surface
from inferometer.catalogue import Label, Metric

WAITING: dict[str, tuple[str, ...]] = {
    "llm_waiting": ("gauge",), "llm_waiting{model}": ("any",),
    "llm_waiting{outcome}": ("error", "success"), "web.port": ("integer",),
}
IMAGE = re.compile(r"\binferometer:(\d+\.\d+[\w.-]*)")
LINE = "## Unreleased\n\n- [FEATURE] all: new.\n- [CHANGE] all: what is gone:\n  and this, "


def gone(*names: str) -> Surface:
    return {name: words for name, words in WAITING.items() if name not in names}


def judged(present: Surface, changelog: str = "", version: str = "0.2.0",
           since: str = "0.1.0") -> list[str]:
    """The findings where WAITING was promised and this is present."""
    return violations(updated(updated([], WAITING, since), present, version), changelog)


# The rule.


def test_what_is_still_present_is_no_finding() -> None:
    assert judged(WAITING) == []


@pytest.mark.parametrize("name", ["llm_waiting{model}", "web.port"])
def test_an_end_without_line_and_version_is_a_finding_for_each(name: str) -> None:
    version, line = judged(gone(name), version="0.1.3")
    assert version == f"{name} is promised since 0.1.0 and gone in 0.1.3: that takes version 0.2.0"
    assert line == (f"{name} is gone in 0.1.3: that takes a line `- [CHANGE]` in CHANGELOG.md "
                    f"which names `{name}`")


def test_a_line_without_a_version_is_not_enough() -> None:
    (finding,) = judged(gone("web.port"), LINE + "`web.port`", "0.1.3")
    assert "takes version 0.2.0" in finding


def test_a_version_without_a_line_is_not_enough() -> None:
    (finding,) = judged(gone("web.port"), "## Unreleased\n")
    assert "names `web.port`" in finding


def test_with_both_it_may_go() -> None:
    assert judged(gone("web.port"), LINE + "`web.port`") == []


@pytest.mark.parametrize(("since", "version", "takes"), [
    ("0.1.0", "0.1.1", "0.2.0"), ("0.1.7", "0.2.0", ""), ("0.9.0", "1.0.0", ""),
    ("1.0.0", "1.1.0", "2.0.0"), ("1.4.2", "2.0.0", ""), ("2.0.0", "2.10.0", "3.0.0"),
])
def test_before_one_the_minor_version_plays_the_major_ones_part(
        since: str, version: str, takes: str) -> None:
    findings = judged(gone("web.port"), LINE + "`web.port`", version, since)
    assert [finding.rpartition(" ")[2] for finding in findings] == ([takes] if takes else [])


@pytest.mark.parametrize("changelog", [
    "## Unreleased\n\n- [FEATURE] engines: `web.port` is new.\n",  # not of a change
    "## Unreleased\n\n- [CHANGE] engines: `web.port_of_entry` is gone.\n",  # another name
    "## Unreleased\n\n- [CHANGE] all: other.\n- [FEATURE] web: `web.port`.\n",  # the next line
    "## 0.1.0\n\n- [CHANGE] engines: `web.port` is gone.\n",  # of an earlier version
])
def test_only_a_line_of_a_change_in_this_version_counts(changelog: str) -> None:
    assert len(judged(gone("web.port"), changelog)) == 1


def test_a_line_counts_under_the_version_once_that_is_released() -> None:
    released = LINE.replace("Unreleased", "0.2.0 / 2027-01-01")
    assert judged(gone("web.port"), released + "`web.port`") == []


def test_a_metric_that_goes_takes_its_labels_along() -> None:
    none = gone(*(name for name in WAITING if name.startswith("llm")))
    (finding,) = judged(none)
    assert finding.startswith("llm_waiting is gone")
    assert judged(none, LINE + "`llm_waiting`") == []


def test_a_section_of_values_that_goes_takes_those_within_along() -> None:
    web = {"web": ("object",), "web.paths": ("array",), "web.paths[]": ("object",),
           "web.paths[].name": ("string",), "web.labels.*": ("string",)}
    (finding,) = violations(updated(updated([], web, "0.1.0"), {}, "0.2.0"), "")
    assert finding.startswith("web is gone")


def test_a_renamed_label_is_one_that_is_gone() -> None:
    offer = {**gone("llm_waiting{model}"), "llm_waiting{model_name}": ("any",)}
    (finding,) = judged(offer)
    assert finding.startswith("llm_waiting{model} is gone")


def test_a_closed_value_that_goes_is_named_by_itself() -> None:
    fewer = {**WAITING, "llm_waiting{outcome}": ("success",)}
    (finding,) = judged(fewer, LINE + "`llm_waiting{outcome}`")
    assert finding.endswith('names `llm_waiting{outcome="error"}`')
    assert judged(fewer, LINE + '`llm_waiting{outcome="error"}`') == []


def test_a_changed_kind_or_type_is_one_that_is_gone() -> None:
    changed = {**WAITING, "llm_waiting": ("counter",), "web.port": ("string",)}
    assert [finding.partition(" ")[0] for finding in judged(changed)] == ["llm_waiting", "web.port"]


def test_what_is_added_is_promised_from_then_on_and_takes_nothing() -> None:
    more = {**WAITING, "llm_waiting{outcome}": ("error", "success", "abort"), "web.tls": ("any",)}
    entries = updated(updated([], WAITING, "0.1.0"), more, "0.1.3")
    assert violations(entries, "") == []
    assert [entry for entry in entries if entry.since == "0.1.3"] == [
        Promise("llm_waiting{outcome}", "abort", "0.1.3"), Promise("web.tls", "any", "0.1.3")]


def test_what_ended_stays_written_down_and_its_line_stays_due() -> None:
    ended = updated(updated([], WAITING, "0.1.0"), gone("web.port"), "0.2.0")
    later = updated(parse(render("0.2.0", ended))[1], gone("web.port"), "0.3.0")
    assert later == ended
    assert violations(later, LINE.replace("Unreleased", "0.2.0") + "`web.port`") == []
    assert len(violations(later, "## 0.2.0\n\n- [CHANGE] all: nothing in particular.\n")) == 1


def test_what_comes_back_is_a_promise_of_its_own() -> None:
    ended = updated(updated([], WAITING, "0.1.0"), gone("web.port"), "0.2.0")
    back = updated(ended, WAITING, "0.3.0")
    assert back[-1] == Promise("web.port", "integer", "0.3.0")
    assert replace(back[-1], since="0.1.0", until="0.2.0") in back
    assert parse(render("0.3.0", back)) == ("0.3.0", back)


# What is looked at.


def test_a_label_is_offered_with_its_closed_values_or_as_any() -> None:
    metric = Metric("llm_waiting", "gauge", "Who waits.", (
        Label("outcome", "How.", values=("error", "success")), Label("model", "Which.", budget=9)))
    assert surface([metric], {}) == gone("web.port")


def test_a_value_is_offered_wherever_the_schema_has_it() -> None:
    schema = {"definitions": {"peer": {"properties": {"cidr": {"type": "string"}}}}, "properties": {
        "peers": {"type": "array", "items": {"$ref": "#/definitions/peer"}},
        "kind": {"enum": ["operator", None, False]},
        "size": {"anyOf": [{"type": "integer"}, {"type": ["string", "integer"]}]},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "one": {"allOf": [{"$ref": "#/definitions/peer"}, {"type": "object"}]},
        "off": {"type": "boolean", "enum": [False]}, "on": {"type": "boolean"},
        "share": {"type": "number"},
    }}
    assert surface([], schema) == {
        "peers": ("array",), "peers[]": ("any",), "peers[].cidr": ("string",),
        "kind": ("operator", "null", "false"), "size": ("integer", "string"),
        "labels": ("object",), "labels.*": ("string",),
        "one": ("object",), "one.cidr": ("string",), "off": ("false",), "on": ("false", "true"),
        "share": ("integer", "number"),
    }


def test_the_schema_uses_only_keywords_that_are_read() -> None:
    schema = json.loads((ROOT / SCHEMA).read_text())
    looked_at = {"$ref", "allOf", "anyOf", "oneOf", "enum", "type", "properties", "items",
                 "additionalProperties", "definitions"}
    texts = {"$schema", "$comment", "description", "required"}
    bounds = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength",
              "maxLength", "pattern", "format", "minProperties", "maxProperties", "minItems",
              "maxItems", "uniqueItems", "propertyNames", "if", "then", "not"}
    assert keywords(schema) - looked_at - texts - bounds == set()


def keywords(schema: Any, names_follow: bool = False) -> set[str]:
    """All of them, names of values left out."""
    if isinstance(schema, list):
        return {word for item in schema for word in keywords(item)}
    if not isinstance(schema, dict):
        return set()
    own = set() if names_follow else {*schema}
    return own.union(*(keywords(inner, not names_follow and key in ("properties", "definitions"))
                       for key, inner in schema.items()))


# What is committed.


def test_every_promise_that_is_on_record_is_kept_or_ended_by_the_rule() -> None:
    version, changelog, present = current()
    recorded = parse((ROOT / CONTRACT).read_text())[1]
    assert violations(updated(recorded, present, version), changelog) == []


def test_all_there_is_is_on_record() -> None:
    version, _, present = current()
    made_for, recorded = parse((ROOT / CONTRACT).read_text())
    new = [entry for entry in updated(recorded, present, version) if entry not in recorded]
    assert (made_for, new) == (version, []), f"not in {CONTRACT}: run `{COMMAND}`"


def test_the_file_is_as_the_command_writes_it() -> None:
    text = (ROOT / CONTRACT).read_text()
    assert text == render(*parse(text)), f"run `{COMMAND}`"


def test_the_command_records_what_is_new_and_nothing_that_is_broken(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in ("pyproject.toml", "CHANGELOG.md", SCHEMA):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    assert main(tmp_path) == 0
    first = (tmp_path / CONTRACT).read_text()
    schema = json.loads((tmp_path / SCHEMA).read_text())
    del schema["properties"]["networkPolicy"]
    (tmp_path / SCHEMA).write_text(json.dumps(schema))
    assert main(tmp_path) == 1
    assert (tmp_path / CONTRACT).read_text() == first
    project = (tmp_path / "pyproject.toml").read_text()
    (tmp_path / "pyproject.toml").write_text(
        re.sub(r'^version = .*$', 'version = "99.0.0"', project, flags=re.MULTILINE))
    assert main(tmp_path) == 1
    *_, due, advice = capsys.readouterr().err.splitlines()
    assert due.endswith("names `networkPolicy`")
    assert f"run `{COMMAND}` again" in advice
    (tmp_path / "CHANGELOG.md").write_text(LINE + "and `networkPolicy` is gone.\n")
    assert main(tmp_path) == 0
    made_for, entries = parse((tmp_path / CONTRACT).read_text())
    assert made_for == "99.0.0"
    assert {entry.until for entry in entries if entry.name.startswith("networkPolicy")} == {
        "99.0.0"}


# One version everywhere.


def test_chart_record_and_package_have_one_version() -> None:
    version, _, _ = current()
    chart = yaml.safe_load((ROOT / "deploy/chart/Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)
    assert parse((ROOT / CONTRACT).read_text())[0] == version


@pytest.mark.parametrize("place", [
    "deploy/Dockerfile", "deploy/compose", "docs",
    "deploy/generated/kubernetes/inferometer.yaml",
    "deploy/generated/kubernetes/fleet", "deploy/generated/kubernetes/node",
    "deploy/generated/kubernetes/sidecar",
])
def test_every_image_that_is_named_is_of_that_version(place: str) -> None:
    files = [file for file in [ROOT / place, *(ROOT / place).rglob("*")] if file.is_file()]
    text = "\n".join(file.read_text() for file in files if file.suffix != ".png")
    assert {*IMAGE.findall(text)} == {current()[0]}


def test_the_image_says_what_version_it_is() -> None:
    label = re.search(r'image\.version="(.*?)"', (ROOT / "deploy/Dockerfile").read_text())
    assert label
    assert label[1] == current()[0]

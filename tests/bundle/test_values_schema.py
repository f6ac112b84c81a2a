"""The schema of the chart's values: as strict as the exporter, and takes all that is written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from deploy.build.writers import helm
from inferometer import config
from inferometer.catalogue import TARGETS
from inferometer.config.sections import MOST_PRICES
from inferometer.documents.entry import Entry
from inferometer.documents.mistakes import Document
from tests.bundle.chart import CHART, HELMS, levels, merged, nested, with_values
from tests.bundle.comments import Comment, comments
from tests.bundle.promtool import TOOLS

ROOT = CHART.parents[1]
TEXT = (CHART / "values.yaml").read_text(encoding="utf-8")
DEFAULTS = yaml.safe_load(TEXT)
SCHEMA = yaml.safe_load(helm.schema())
FORMATS = Draft7Validator.FORMAT_CHECKER  # Helm holds values to formats too
VALIDATOR = Draft7Validator(SCHEMA, format_checker=FORMATS)
SPELT_AS_KEYS = re.compile(r"[a-z]+([A-Z]|_[a-z])\w*")
CONFIGS = {role: Draft7Validator(SCHEMA["properties"][role]["properties"]["config"],
                                 format_checker=FORMATS)
           for role in ("node", "fleet", "sidecar", "gateway")}
COMMENTS = [*comments(TEXT)]
# Sections that are mappings are always there.
EXPOSED = [tuple(path) for path, schema in levels(SCHEMA, SCHEMA) if path[1:2] == ("config",)
           and (len(path) > 3 or (len(path) == 3 and schema["type"] != "object"))]
# Given to each key: the bounds there are, what is just beyond them, and every type.
CANDIDATES: Sequence[Any] = (
    None, True, 0, -1, 1, 2.5, -1e-9, 1e-9, 1000, 1000.5, 1023, 1024, 65535, 65536, 86400, 86400.5,
    2**30, 2**30 + 1, 10**30, "", "1", "x" * 100, "x" * 101, "a\nb", "a\tb", "traces", "emails",
    "refusal", "own",
    [], [1], ["x"], [""], [65536], [None], [{}], {}, {"x": 1}, {"x": -1}, {"x": None}, {"x": {}},
    {"": {}}, {"": 1}, {"x": "1"}, {"usd": 1}, {"usd": -1}, {"usd": 1, "page": True},
    {"usd": 1, "page": 1}, {"page": True}, {"usd": 1, "misspelt": 1},
    {"url": "http://a"}, "http://a", "https://a:1/b?c", "http://u:p@a", "http://a#b", "ftp://a", "http://",
    "http://a b",
    *([{"url": f"http://a:{i + 1}"} for i in range(number)] for number in (TARGETS, TARGETS + 1)),
    *({f"m{i}": {} for i in range(number)} for number in (config.MODELS, config.MODELS + 1)),
    "x" * 200, "x" * 201, 10**6, 10**6 + 1,
    "2026-12-01", "2024-02-29", "2026-02-29", "2026-12-32", "20261201", "2026-12-1",
    "2026-12-01T00:00:00Z", "2026-W49-2", " 2026-12-01", "\u0662026-12-01", "0000-01-01",
    {"model": "m", "input": 1}, {"model": "m", "valid_from": "2026-12-01", "self_hosted": True},
    {"model": "m", "input": 1, "misspelt": 1}, {"input": 1},
    *([{"model": f"m{i}", "input": 1} for i in range(number)]
      for number in (MOST_PRICES, MOST_PRICES + 1)),
)
# What no single key can tell is no matter of these tests.
BESIDE: Mapping[str, Mapping[str, Any]] = {
    "interval_seconds": {"time_to_live_seconds": 86400},
    "time_to_live_seconds": {"interval_seconds": 1e-9},
    "client_key_file": {"client_cert_file": "a"},
}
# What an item of a list has, unless the value itself is one.
ITEMS: Mapping[str, Mapping[str, Any]] = {
    "targets": {"url": "http://a"}, "prices": {"model": "m"},
    "destinations": {"url": "http://a"}}
# URLs that are odd in a way that a pattern does not say: the schema takes them, or does not.
ODD_URLS = {"http://a:65536": True, "http://a:b": True, "http://[::1": True, "HTTP://a": False}
# Words with the look of a key that stand in comments and are none: whose they are.
FOREIGN: Mapping[str, str] = {
    "alertmanagerConfigMatcherStrategy": "the operator's Alertmanager",
    "appVersion": "Chart.yaml",
    "gpu_pod_info": "our metrics", "gRPC": "a protocol",
    "hostNetwork": "a pod", "restartPolicy": "a container",
    "spc_t": "SELinux's policy",
    "pagerduty_routing_key": "a Secret", "slack_api_url": "a Secret",
    "tls_server_config": "the web configuration", "web.yml": "the web configuration",
}


def section(path: Sequence[str], value: Any) -> Mapping[str, Any]:
    """The configuration with this value there, and what must be beside it."""
    *parents, key = path[2:]
    beside = BESIDE.get(key, {})
    if "prices" in parents and value is not True:  # with that it has no price
        beside = {"input" if key == "per_request" else "per_request": 1}
    innermost = [value] if key == "[]" else {**beside, key: value}
    configuration: Mapping[str, Any] = nested(parents, innermost)
    if "[]" in parents:
        name = parents[parents.index("[]") - 1]
        [item] = (configuration.get("engines") or configuration)[name]
        for needed, usual in ITEMS[name].items():
            item.setdefault(needed, usual)
    return configuration


def is_taken_by_exporter(role: str, configuration: Mapping[str, Any]) -> bool:
    document = Document("inferometer.yml")
    config.read(Entry(document, configuration), role)
    try:
        document.finish(config.ConfigError)
    except config.ConfigError:
        return False
    return True


def is_taken_by_schema(role: str, configuration: Mapping[str, Any]) -> bool:
    return CONFIGS[role].is_valid(merged(DEFAULTS[role]["config"], configuration))


# The generated file.


def test_what_is_committed_is_what_configuration_and_list_give() -> None:
    assert helm.SCHEMA.read_text(encoding="utf-8") == helm.schema(), "run `make bundle`"


@pytest.mark.heavy  # two builds
def test_a_check_says_that_the_schema_is_stale_and_a_build_freshens_it(tmp_path: Path) -> None:
    for folder in ("alerts", "dashboards", "deploy", "recording_rules"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    schema, values = (tmp_path / "deploy/chart" / name for name in (
        "values.schema.json", "values.yaml"))
    schema.unlink()
    # A key of values.yaml that only the list knows, and not yet the schema.
    values.write_text(TEXT + "enabled: true\n", encoding="utf-8")
    assert built(tmp_path, "--check").stderr == (
        "deploy/chart/values.schema.json is stale: run `make bundle` and commit what it writes\n")
    assert built(tmp_path).returncode == 0
    assert schema.read_text(encoding="utf-8") == helm.schema()


def built(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.build", *flags], cwd=folder, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "exporter"), "TOOLS": str(TOOLS)},
        capture_output=True, timeout=60)


# What the chart hands on.


@pytest.mark.parametrize("path", EXPOSED, ids=".".join)
def test_a_key_of_the_configuration_is_taken_with_the_exporters_own_bounds(
        path: tuple[str, ...]) -> None:
    configurations = [section(path, value) for value in CANDIDATES]
    taken = [is_taken_by_exporter(path[0], configuration) for configuration in configurations]
    differing = [CANDIDATES[i] for i, configuration in enumerate(configurations)
                 if is_taken_by_schema(path[0], configuration) is not taken[i]]
    assert differing == []
    assert {*taken} == {True, False}


@pytest.mark.parametrize(("path", "own"), [
    ("node.kubeletSocket", "node.config.gpu.kubelet_socket"),
    ("sidecar.model", "sidecar.config.engines.targets.[].model"),
    ("web.enableReload", "node.config.web.enable_reload"),
    ("fleet.enableAlertLog", "fleet.config.web.enable_alert_log"),
])
def test_a_value_that_becomes_a_key_of_the_configuration_has_the_bounds_of_that(
        path: str, own: str) -> None:
    way = own.split(".")
    values = (*CANDIDATES, "/a", "a", "/" * 107, "/" * 108)
    assert [value for value in values if is_taken_by_exporter(way[0], section(way, value))
            is not VALIDATOR.is_valid(merged(DEFAULTS, nested(path.split("."), value)))] == []


def test_of_urls_the_schema_takes_a_few_odd_ones_that_the_exporter_does_not() -> None:
    path = ("sidecar", "config", "engines", "targets", "[]", "url")
    for url, taken in ODD_URLS.items():
        configuration = section(path, url)
        assert is_taken_by_schema("sidecar", configuration) is taken
        assert is_taken_by_exporter("sidecar", configuration) is not taken


@pytest.mark.parametrize("version", HELMS)
@pytest.mark.parametrize(("path", "value", "words"), [
    ("fleet.config.fleet.limits.error_ratio", 1.5, "1"),
    ("fleet.config.fleet.models.m.limits.least_replicas", 0.5, "integer"),
    ("fleet.config.fleet.budgets_usd.day", -1, "0"),
    ("node.config.gpu.interval_seconds", 0, "0"),
    ("node.kubeletSocket", "/" * 108, "107"),
    ("sidecar.config.engines.max_page_bytes", 1, "1024"),
    ("gateway.config.prices", [{"model": "m", "inputs": 1}], "inputs"),
    ("gateway.config.prices", [{"model": "m", "input": -1}], "0"),
    ("gateway.config.prices", [{"model": "m", "input": 1, "valid_from": "2026-02-30"}], "date"),
    ("sidecar.model", "x" * 101, "100"),
])
def test_helm_says_which_key_is_bad_and_why_as_it_installs(
        path: str, value: Any, words: str, version: str) -> None:
    process = with_values(nested(path.split("."), value), version)
    assert process.returncode != 0
    assert len(process.stderr.splitlines()) < 8
    assert any(path.rpartition(".")[2] in line and words in line.replace(",", "")
               for line in process.stderr.splitlines())


# What values.yaml says.


def step(schema: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    """The schema of a key below, through references and lists; None if it has none."""
    if "$ref" in schema:
        return step(SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]], key)
    if "allOf" in schema:
        return step(schema["allOf"][0], key)
    if "items" in schema:
        return step(schema["items"], key)
    inner: Mapping[str, Any] | None = schema.get("properties", {}).get(key)
    return inner


def is_key(path: Sequence[str]) -> bool:
    schema: Mapping[str, Any] | None = SCHEMA
    for key in path:
        schema = step(schema, key) if schema else None
    return schema is not None


def named(comment: Comment, word: str) -> list[tuple[str, ...]]:
    """The keys that a word of a comment may mean: from its own key, those around it, or the top."""
    keys = tuple(word.split("."))
    ways = [comment.path[:length] + keys for length in range(len(comment.path), -1, -1)]
    return [way for way in ways if is_key(way)]


@pytest.mark.parametrize("comment", COMMENTS, ids=lambda comment: ".".join(comment.path))
def test_every_key_that_a_comment_names_is_taken(comment: Comment) -> None:
    assert [word for word in comment.keys if not named(comment, word)] == []
    bare = [word for word in comment.words if word not in FOREIGN
            and (SPELT_AS_KEYS.fullmatch(word)
                 or ("." in word and word.partition(".")[0] in DEFAULTS))]
    assert bare == [], "put a key in backticks, and what is none into FOREIGN"
    # Below a value that is empty, keys have no other place.
    assert [word for word in comment.words if value_of(comment.path) in ({}, [])
            and is_key((*comment.path, word))] == []


@pytest.mark.parametrize("comment", [comment for comment in COMMENTS if comment.values is not None],
                         ids=lambda comment: ".".join(comment.path))
def test_every_value_that_a_comment_shows_is_taken(comment: Comment) -> None:
    beside = [comment.path, comment.path[:-1]]  # the value itself, or keys beside it
    assert any(VALIDATOR.is_valid(merged(DEFAULTS, nested(path, comment.values)))
               for path in beside)


def test_every_choice_that_a_comment_explains_is_one_of_all() -> None:
    tables = {comment.path: comment.choices for comment in COMMENTS if comment.choices}
    assert len(tables) >= 2
    for path, choices in tables.items():
        [schema] = [schema for way, schema in levels(SCHEMA, SCHEMA) if tuple(way) == path]
        assert schema["enum"] == [*choices]


def value_of(path: Sequence[str]) -> Any:
    value = DEFAULTS
    for key in path:
        value = value[key]
    return value


def own_keys(schema: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The chart's own keys: neither the configuration's nor those of a shape that is shared."""
    for key, inner in schema.get("properties", {}).items():
        yield (*path, key)
        if key != "config":
            yield from own_keys(inner, (*path, key))


def test_every_key_of_the_schema_is_a_value_or_named_in_a_comment() -> None:
    written = {path for path in own_keys(SCHEMA) if has(DEFAULTS, path)}
    written |= {way[:length] for comment in COMMENTS for word in comment.keys
                for way in named(comment, word) for length in range(1, len(way) + 1)}
    assert [path for path in own_keys(SCHEMA) if path not in written] == []


def has(values: Any, path: Sequence[str]) -> bool:
    for key in path:
        if not isinstance(values, dict) or key not in values:
            return False
        values = values[key]
    return True


def test_no_foreign_word_is_excused_that_no_comment_has() -> None:
    assert FOREIGN.keys() - {word for comment in COMMENTS for word in comment.words} == set()

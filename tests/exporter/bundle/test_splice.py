"""New values in the text of YAML, which every reader takes for what they are."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from inferometer.bundle.carried import carried
from inferometer.bundle.splice import Keys, quoted, spliced
from tests.bundle.promtool import TOOLS

PRINTABLE = st.text(st.characters(exclude_categories=("C", "Zl", "Zp"))).filter(str.isprintable)
# A string each, whatever they look like.
NASTY = ["true", "no", "y", "N", "null", "~", "1e3", "1_000", "0o17", "0x1F", "017", "1.5", ".5",
         "-1", "+1", ".inf", ".NaN", "2026-11-29", "12:30:45", "=", "<<", "- a", "a: b", "a #b",
         "#a", "it's", 'say "so"', "'", '"', "[a]", "{a: b}", "&a", "*a", "!a", "%a", "@a", "`a",
         "|", ">", "? a", ": a", "a:", "ä", "日本", "😀", "a b " * 100, "\\n", "a\\", "---", "...",
         "a, b", " a", "a ", "$1"]
CONFIG = """\
# Of the whole.
name: "old"  # beside it
list:
  # Before it.
  - old
  - other   # stays
last: |
  not: old

files:
  a.yml: |
    # Within.
    name: old

    text: >-
      old
  b.txt: |
    name: old
"""


def other(keys: Keys, value: str) -> str | Sequence[str]:
    """`new` in place of `old`; in a list of two."""
    if value != "old":
        return value
    return ["one", "true"] if keys[-1] == "*" else "new"


def test_a_value_is_changed_and_all_else_stays() -> None:
    assert spliced(CONFIG, other) == (
        CONFIG.replace('name: "old"', "name: new").replace("- old", "- one\n  - 'true'")
        .replace("    name: old\n\n", "    name: new\n\n").replace(">-\n      old", "new"))


def test_a_change_knows_where_a_value_stands() -> None:
    places: list[Keys] = []

    def note(keys: Keys, value: str) -> str:
        places.append(keys)
        return value

    assert spliced(CONFIG, note) == CONFIG
    assert places == [("name",), ("list", "*"), ("list", "*"), ("last",),
                      ("files", "a.yml", "name"), ("files", "a.yml", "text"), ("files", "b.txt")]


@given(PRINTABLE)
def test_any_printable_text_is_read_as_it_was_given(text: str) -> None:
    assert "\n" not in quoted(text)
    document = yaml.safe_load(spliced("a: old # x\nb: [1]\n", lambda keys, value: text))
    assert document == {"a": text, "b": [1]}
    assert yaml.load(f"- {quoted(text)}\n", yaml.CSafeLoader) == [text]


def test_a_text_of_several_lines_is_read_as_it_was_given() -> None:
    text = "one\n  two: 'three'\n\n"
    assert yaml.safe_load(quoted(text)) == text


def test_gos_yaml_takes_each_for_the_same_string(tmp_path: Path) -> None:
    """That of Kubernetes, which has numbers and booleans that PyYAML has not."""
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: nasty\nversion: 0.1.0\n")
    (tmp_path / "nasty.yaml").write_text("all:\n" + "".join(f"- {quoted(s)}\n" for s in NASTY))
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "nasty.yaml").write_text(
        'all: {{ .Files.Get "nasty.yaml" | fromYaml | toJson | quote }}\n')
    for version in ("3", "4"):
        process = subprocess.run(
            [TOOLS / f"helm-{version}" / "helm", "template", "nasty", tmp_path], text=True,
            capture_output=True, check=True, timeout=60, env={"HOME": str(tmp_path)})
        assert json.loads(yaml.safe_load(process.stdout)["all"]) == {"all": NASTY}


@pytest.mark.parametrize("path", [
    path for path in carried() if path.endswith(("yml", "yaml"))
    and not path.startswith(("compose/", "kubernetes/prometheus/", "kubernetes/dashboards/"))])
def test_every_string_of_a_carried_file_can_be_another(path: str) -> None:
    """And a text that is YAML again is one to the last. All in one file are those left out."""
    text = carried()[path]
    assert spliced(text, lambda keys, value: value) == text
    changed = spliced(text, lambda keys, value: f"{value}: #")
    assert [*map(strings, documents(changed))] == [
        [f"{value}: #" for value in strings(document)] for document in documents(text)]
    remarks = [line.strip() for line in text.splitlines() if line.strip().startswith("#")]
    assert [line for line in remarks if line not in changed] == []


def documents(text: str) -> list[Any]:
    return [*yaml.load_all(text, yaml.CSafeLoader)]


def strings(document: Any, key: str = "") -> list[str]:
    """All of them, in their order."""
    if isinstance(document, dict):
        return [text for key, value in document.items() for text in strings(value, key)]
    if isinstance(document, list):
        return [text for item in document for text in strings(item)]
    if not isinstance(document, str):
        return []
    within = key.endswith(".yml") or key == "patch"
    return strings(yaml.load(document, yaml.CSafeLoader)) if within else [document]

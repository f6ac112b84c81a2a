"""Policy and templates as Elastic's own client types them, and ECS as Elastic publishes it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy.build.writers.elastic import documents
from inferometer.sinks.request_line import ECS, ECS_VERSION, FIELDS
from tests.exporter.support import FIXTURES

INSTALLED = Path(__file__).parents[2] / ".cache/elastic"
NODE = Path(sys.prefix) / "bin/node"
# What the client takes for each kind of request; of a request to a component's settings the keys
# alone, as its own type takes any key beside them.
TYPES = {"_ilm": "IlmPutLifecycleRequest",
         "_component_template": "ClusterPutComponentTemplateRequest",
         "_index_template": "IndicesPutIndexTemplateRequest"}

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300), pytest.mark.skipif(
    not (INSTALLED / "installed").exists(), reason="`make elastic` installs them")]


def program(bodies: Mapping[str, Any]) -> str:
    """One that makes each request, its body as written, with the types of Elastic's client."""
    lines = ["import type { estypes } from '@elastic/elasticsearch'",
             "type Known<T> = { [K in keyof T as string extends K ? never : K]: T[K] }",
             "type Settings = Known<estypes.IndicesIndexSettings>"]
    for number, (path, body) in enumerate(bodies.items()):
        kind, _, name = path.partition("/")
        request = {"name": name.rpartition("/")[2], **body}
        lines += [f"export const r{number}: estypes.{TYPES[kind]} = {json.dumps(request)}",
                  *(f"export const s{number}_{place}: Settings = {json.dumps(settings)}"
                    for place, settings in enumerate(settings_of(body)))]
    return "\n".join(lines) + "\n"


def settings_of(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The settings of a template, and those of its index."""
    settings = body.get("template", {}).get("settings", {})
    for one in (settings, settings.get("index", {})):
        if one:
            yield one


def complaints(bodies: Mapping[str, Any], folder: Path) -> str:
    """What the compiler says of them, strictly; empty if all is well."""
    (folder / "node_modules").symlink_to(INSTALLED / "node_modules")
    (folder / "requests.ts").write_text(program(bodies))
    done = subprocess.run(
        [NODE, "node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--skipLibCheck",
         "--module", "nodenext", "requests.ts"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=240)
    assert (done.returncode == 0) == (done.stdout == ""), done.stderr
    return done.stdout


def test_elastics_own_types_take_every_request(tmp_path: Path) -> None:
    assert complaints(documents(), tmp_path) == ""


MAPPINGS, SETTINGS, TEMPLATE, POLICY = (
    next(path for path in documents() if path.startswith(beginning) and path.endswith(end))
    for beginning, end in (("_component", "@mappings"), ("_component", "@settings"),
                           ("_index", ""), ("_ilm", "")))


@pytest.mark.parametrize(("path", "right", "wrong", "words"), [
    (MAPPINGS, '"ignore_above"', '"ignore_abvoe"', "ignore_abvoe"),
    (MAPPINGS, '"type": "long"', '"type": "lnog"', "lnog"),
    (MAPPINGS, '"mappings"', '"mapings"', "mapings"),
    (SETTINGS, '"lifecycle"', '"lifecylce"', "lifecylce"),
    (TEMPLATE, '"composed_of"', '"composed"', "composed"),
    (TEMPLATE, '"priority": 250', '"priority": "high"',
     "'string' is not assignable to type 'number'"),
    (POLICY, '"max_primary_shard_size"', '"max_primary_shard_sise"', "max_primary_shard_sise"),
    (POLICY, '"phases"', '"phase"', "phase"),
])
def test_they_refuse_a_wrong_type_and_a_misspelt_key(
        path: str, right: str, wrong: str, words: str, tmp_path: Path) -> None:
    body = json.dumps(documents()[path])
    assert right in body
    complaint = complaints({path: json.loads(body.replace(right, wrong))}, tmp_path)
    assert "error TS" in complaint
    assert words in complaint


@pytest.mark.parametrize(("package", "version"), [
    ("@elastic/ecs", "9.4.0"), ("@elastic/ecs-9.0", "9.0.0")])
def test_the_fields_beside_the_tests_are_those_that_elastic_publishes(
        package: str, version: str) -> None:
    done = subprocess.run([NODE, "ecs.js", package], cwd=INSTALLED, text=True, timeout=60,
                          capture_output=True, check=True)
    published = json.loads(done.stdout)
    kept = json.loads((FIXTURES / "elastic/ecs.json").read_text())
    assert published["version"] == version
    if version == kept["version"]:
        assert published == kept
    # A version between two that both have a field has it too: ECS takes none away.
    assert version.split(".")[0] == ECS_VERSION.split(".")[0]
    for field in FIELDS:
        if field.origin == ECS:
            assert published["fields"][field.name]["type"] == field.type

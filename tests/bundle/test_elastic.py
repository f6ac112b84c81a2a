"""The request log's home in Elasticsearch: what is written fits the lines, ECS and itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from logstash_pipeline_parser import Pipeline
from logstash_pipeline_parser.tree import ParseError
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes

from deploy.build.writers.elastic import SHIPPED, STREAM, documents
from inferometer.sinks.request_line import ECS, FIELDS, OTEL, OURS, fields_of
from tests.e2e.elastic.mapping import leaves
from tests.exporter.sinks.test_request_line import SETTLED
from tests.exporter.support import FIXTURES

FOLDER = Path(__file__).parents[2] / "deploy/generated/elastic"
ECS_FIELDS: Mapping[str, Mapping[str, Any]] = json.loads(
    (FIXTURES / "elastic/ecs.json").read_text())["fields"]
# Fields that no list has, all below one name.
OUR_FIELDS = {
    "llm.billed", "llm.calls", "llm.cost.over_limit", "llm.cost.source", "llm.cost.usd",
    "llm.decode_ms", "llm.outcome", "llm.prefill_ms", "llm.queue_ms", "llm.refusal",
    "llm.service_tier", "llm.streamed", "llm.tries", "llm.ttft_ms", "llm.usage.state",
    "llm.within_limits"}
# As OpenTelemetry's own repository of GenAI conventions has them since its release 0.1.0.
NEWER = {"gen_ai.prompt.version", "gen_ai.usage.cache_write.input_tokens"}
# Where a type is not the one of ECS 9.4, which has these as beta.
OTHER_TYPES = {
    "gen_ai.response.finish_reasons": "nested",  # of objects; OpenTelemetry's are strings
    "gen_ai.usage.input_tokens": "integer", "gen_ai.usage.output_tokens": "integer"}  # of 31 bits


def read(path: str) -> Any:
    return json.loads((FOLDER / f"{path}.json").read_text())


def mapped() -> dict[str, dict[str, Any]]:
    """Fields by their dotted names, as they are installed."""
    template = read(f"_component_template/{STREAM}@mappings")["template"]
    return dict(leaves(template["mappings"]["properties"]))


# The lines.


def test_the_mapping_has_the_fields_of_a_line_and_no_others() -> None:
    assert {name: field["type"] for name, field in mapped().items()} == {
        field.name: field.type for field in FIELDS}


def test_every_field_of_ecs_is_as_elastic_publishes_it() -> None:
    fields = fields_of(SETTLED._replace(outcome="error", error_type="timeout"))
    named = [field for field in FIELDS if field.origin == ECS]
    for field in named:
        published, own = ECS_FIELDS[field.name], mapped()[field.name]
        assert (published["type"], published.get("ignore_above")) == (
            own["type"], own.get("ignore_above")), field.name
        value = fields[field.name]
        assert isinstance(value, list) == published.get("array", False), field.name
        assert {*(value if isinstance(value, list) else [value])} <= {
            *published.get("allowed", [value] if not isinstance(value, list) else value)}
    assert len(named) > 20


def test_every_other_field_is_opentelemetrys_or_below_one_name() -> None:
    names = {value for key, value in vars(gen_ai_attributes).items() if key.startswith("GEN_AI_")}
    of_otel = {field.name: field.type for field in FIELDS if field.origin == OTEL}
    assert of_otel.keys() - names == NEWER
    assert {name: ECS_FIELDS[name]["type"] for name, kind in of_otel.items()
            if name in ECS_FIELDS and ECS_FIELDS[name]["type"] != kind} == OTHER_TYPES
    assert {field.name for field in FIELDS if field.origin == OURS} == OUR_FIELDS
    assert {name.partition(".")[0] for name in OUR_FIELDS} == {"llm"}


# What is installed.


def test_what_is_written_is_what_is_defined() -> None:
    assert {path: read(path) for path in documents()} == documents()


def test_the_template_stands_for_the_stream_in_the_place_of_elastics_own() -> None:
    template = read(f"_index_template/{STREAM}")
    assert [fnmatchcase(f"{STREAM}-default", one) for one in template["index_patterns"]] == [True]
    assert not any(fnmatchcase("logs-other-default", one) for one in template["index_patterns"])
    assert template["data_stream"] == {}
    assert template["priority"] > 200  # that of Elastic's own packages, and 100 of logs-*-*


def test_all_that_it_is_made_of_is_installed_before_it_and_a_user_has_the_last_word() -> None:
    template = read(f"_index_template/{STREAM}")
    *parts, last = template["composed_of"]
    assert [last] == template["ignore_missing_component_templates"]
    ours = [part for part in parts if part not in SHIPPED]
    assert parts == [*SHIPPED, *ours]
    assert {f"_component_template/{part}" for part in ours} == {
        path for path in documents() if path.startswith("_component_template/")}
    settings = read(f"_component_template/{STREAM}@settings")["template"]["settings"]
    assert f"_ilm/policy/{settings['index']['lifecycle']['name']}" in documents()
    kinds = [path.partition("/")[0] for path in documents()]
    assert kinds == sorted(kinds, key=["_ilm", "_component_template", "_index_template"].index)


# What sends lines there.


def test_logstashs_own_grammar_takes_the_pipeline_and_no_torn_one() -> None:
    text = (FOLDER / "logstash.conf").read_text()
    assert [section for section, _ in Pipeline(text).parse()] == ["input", "filter", "output"]
    for wrong in (text.replace("=>", "=", 1), text[:-3], text.replace("else", "otherwise")):
        with pytest.raises(ParseError):
            Pipeline(wrong).parse()


def options(tree: Any, plugin: str) -> Iterator[dict[str, Any]]:
    """What a pipeline sets of each plugin of that name."""
    if isinstance(tree, list):
        if len(tree) == 2 and tree[0] == plugin and isinstance(tree[1], list):
            yield {name: value[0] for name, value in tree[1]}
        for inner in tree:
            yield from options(inner, plugin)


def test_logstash_creates_one_document_under_each_identity() -> None:
    tree = Pipeline((FOLDER / "logstash.conf").read_text()).parse()
    (output,) = options(tree, "elasticsearch")
    assert output["action"] == "create"
    assert output["document_id"] == "%{[event][id]}"
    assert output["data_stream"] == "false"  # with which alone it takes a document_id
    assert output["manage_template"] is output["ilm_enabled"] is False
    assert fnmatchcase(output["index"], f"{STREAM}-*")
    (source,) = options(tree, "file")
    assert (source["codec"], source["start_position"]) == ("json", "beginning")


# Of https://www.elastic.co/docs/reference/beats/filebeat/filebeat-input-filestream and the pages on
# its output and on the processor; where it is None, any value.
OF_FILEBEAT: Mapping[str, Any] = {
    "filebeat.inputs": [{
        "type": None, "id": None, "paths": None,
        "parsers": [{"ndjson": {"target": None, "overwrite_keys": None, "expand_keys": None,
                                "add_error_key": None, "message_key": None, "document_id": None,
                                "ignore_decoding_error": None}}],
        "processors": [{"copy_fields": {"fields": [{"from": None, "to": None}],
                                        "fail_on_error": None, "ignore_missing": None}}]}],
    "output.elasticsearch": {"hosts": None, "index": None, "api_key": None, "username": None,
                             "password": None, "ssl": None},
    "setup.template.enabled": None, "setup.ilm.enabled": None}


def unknown(value: Any, documented: Any) -> Iterator[str]:
    """Keys that the documentation does not have."""
    if isinstance(documented, list):
        for item in value:
            yield from unknown(item, documented[0])
    elif documented is not None:
        yield from value.keys() - documented.keys()
        for key in value.keys() & documented.keys():
            yield from unknown(value[key], documented[key])


def test_filebeat_creates_one_document_under_each_identity() -> None:
    text = (FOLDER / "filebeat.yml").read_text()
    for one in (text, re.sub(r"^( *)#(?=\w+: \")", r"\1", text, flags=re.MULTILINE)):
        assert [*unknown(yaml.safe_load(one), OF_FILEBEAT)] == []
    made = yaml.safe_load(text)
    (source,) = made["filebeat.inputs"]
    assert source["type"] == "filestream"
    assert source["parsers"][0]["ndjson"]["target"] == ""
    assert source["processors"][0]["copy_fields"]["fields"] == [
        {"from": "event.id", "to": "@metadata._id"}]
    assert fnmatchcase(made["output.elasticsearch"]["index"], f"{STREAM}-*")
    assert made["setup.template.enabled"] is made["setup.ilm.enabled"] is False

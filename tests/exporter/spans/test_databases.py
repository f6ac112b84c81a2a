"""Which operations of databases are searches, and what a search and those within it come to."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from inferometer.catalogue import OTHER_SYSTEM, RETRIEVAL_SYSTEMS
from inferometer.facts import Fact, Rerank, Retrieval
from inferometer.spans.flavours.databases import (
    SEARCHES,
    SYSTEM_NAMES,
    known_system,
    system_of,
)
from inferometer.spans.normalise import facts_of
from inferometer.spans.once import settle
from inferometer.spans.span import Attributes
from tests.exporter.spans.test_normalise import span
from tests.exporter.spans.test_once import make

OPENLLMETRY = "opentelemetry.instrumentation"


def read(attributes: Attributes, scope: str = "app", name: str = "x", **more: Any) -> Fact | None:
    return facts_of(span(attributes, scope, name, **more))


@pytest.mark.parametrize(("attributes", "scope", "name", "system"), [
    ({"db.system": "chroma", "db.operation": "query"}, "chromadb", "chroma.query", "chroma"),
    ({"db.system": "chroma", "db.operation": "_query"}, "chromadb", "chroma.query.segment._query",
     None),
    ({"db.system": "chroma", "db.operation": "get"}, "chromadb", "chroma.get", None),
    ({"db.system": "chroma", "db.operation": "add"}, "chromadb", "chroma.add", None),
    ({"db.system": "Qdrant"}, "qdrant", "qdrant.query_points", "qdrant"),
    ({"db.system": "Qdrant"}, "qdrant", "qdrant.recommend_groups", "qdrant"),
    ({"db.system": "Qdrant"}, "qdrant", "qdrant.scroll", None),
    ({"db.system": "Pinecone"}, "pinecone", "pinecone.query", "pinecone"),
    ({"db.system": "Pinecone"}, "pinecone", "pinecone.upsert", None),
    ({"db.system": "milvus", "db.operation": "hybrid_search"}, "milvus", "milvus.hybrid_search",
     "milvus"),
    ({"db.system": "milvus", "db.operation": "query"}, "milvus", "milvus.query", None),
    ({"db.system": "marqo", "db.operation": "search"}, "marqo", "marqo.search", "marqo"),
    ({"db.system": "weaviate", "db.operation": "get"}, "weaviate",
     "db.weaviate.collections.query.get", "weaviate"),
    ({"db.system": "weaviate", "db.operation": "get"}, "weaviate", "db.weaviate.schema.get", None),
    ({"db.system": "weaviate", "db.operation": "do"}, "weaviate", "db.weaviate.gql.get.do",
     "weaviate"),
    ({"db.system": "weaviate", "db.operation": "do"}, "weaviate", "db.weaviate.gql.aggregate.do",
     None),
    ({"db.system": "lancedb", "db.operation": "search"}, "lancedb", "lancedb.search", None),
])
def test_operations_that_openllmetry_tells_of_are_searches_by_the_table(
        attributes: Attributes, scope: str, name: str, system: str | None) -> None:
    fact = read(attributes, f"{OPENLLMETRY}.{scope}", name)
    assert (fact.system if isinstance(fact, Retrieval) else fact) == system


@pytest.mark.parametrize(("system", "operation", "more", "documents"), [
    ("qdrant", "QUERY", {}, None), ("chroma", "GET", {"db.vector.query.top_k": 4}, None),
    ("chroma", "GET", {}, "none"), ("chroma", "INSERT", {}, "none"),
    ("milvus", "SEARCH", {"db.response.returned_rows": 0}, 0), ("milvus", "QUERY", {}, "none"),
    ("pinecone", "SEARCH", {"db.response.returned_rows": 7}, 7),
    ("pinecone", "DELETE", {}, "none"), ("astra", "SELECT", {}, "none"),
])
def test_operations_that_openlit_tells_of_are_searches_by_the_table(
        system: str, operation: str, more: Attributes, documents: object) -> None:
    fact = read({"gen_ai.operation.name": "vectordb", "db.system.name": system,
                 "db.operation.name": operation, **more}, "openlit.otel.tracing")
    if documents == "none":
        assert fact is None
    else:
        assert isinstance(fact, Retrieval)
        assert (fact.system, fact.documents) == (system, documents)


@pytest.mark.parametrize(("statement", "is_search"), [
    ("SELECT id FROM docs ORDER BY embedding <=> $1 LIMIT 5", True),
    ("select id from docs order by embedding <-> '[1,2]'::vector limit 5", True),
    ("SELECT name FROM shops ORDER BY place <-> point(1, 2)", False),  # PostGIS
    ("SELECT * FROM orders WHERE id = $1 ORDER BY id", False),
    ("SELECT embedding <=> $1 FROM docs", False), ("INSERT INTO docs VALUES ($1)", False),
    ("", False),
])
def test_a_statement_that_sorts_by_a_distance_is_a_search(statement: str, is_search: bool) -> None:
    for system, text in (("db.system.name", "db.query.text"), ("db.system", "db.statement")):
        fact = read({system: "postgresql", text: statement}, f"{OPENLLMETRY}.psycopg")
        assert isinstance(fact, Retrieval) is is_search


def test_a_hostile_statement_is_read_once() -> None:
    began = time.process_time()
    assert read({"db.system": "postgresql", "db.statement": "order by <" * 26_000}) is None
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize("system", ["mysql", "redis", "elasticsearch", "opensearch", "", "?"])
def test_searches_of_databases_for_everything_are_none_of_ours(system: str) -> None:
    assert read({"db.system": system, "db.operation": "search"}, name="search") is None


@pytest.mark.parametrize(("number", "scope", "documents"), [
    (3, "chromadb", 3), (0, "chromadb", 0), (0, "milvus", None), (128, "chromadb", None)])
def test_documents_are_the_events_of_results_as_far_as_a_span_keeps_them(
        number: int, scope: str, documents: int | None) -> None:
    one = span({"db.system": scope.removesuffix("db"), "db.operation": "query"
                if scope == "chromadb" else "search"}, f"{OPENLLMETRY}.{scope}",
               events={"db.query.result": {"db.query.result.id": "d"}})
    fact = facts_of(replace(one, events=[*one.events] * number))
    assert isinstance(fact, Retrieval)
    assert fact.documents == documents


@pytest.mark.parametrize(("name", "system"), [
    ("QdrantVectorStore", "qdrant"), ("InMemoryVectorStore", "in_memory"),
    ("PGVector", "postgresql"), ("pg_vector", "postgresql"),
    ("OpenSearchVectorSearch", "opensearch"),
    ("ElasticsearchStore", "elasticsearch"), ("Chroma", "chroma"),
    ("AstraDBVectorStore", "astra"), ("MongoDBAtlasVectorSearch", "mongodb"), ("Redis", "redis"),
    ("AzureSearch", "azure_ai_search"), ("acme", OTHER_SYSTEM), ("", ""),
    ("x" * 10**6, OTHER_SYSTEM), ("store", OTHER_SYSTEM),
])
def test_a_system_has_one_name_however_it_is_called(name: str, system: str) -> None:
    assert system_of(name) == system
    assert known_system(name) == system.replace(OTHER_SYSTEM, "")


def test_every_system_is_a_value_of_the_label() -> None:
    assert {*SYSTEM_NAMES.values(), *SEARCHES} <= {*RETRIEVAL_SYSTEMS}


def test_a_provider_that_is_no_database_is_no_system() -> None:
    for provider, system in (("langchain", ""), ("InMemoryVectorStore", "in_memory")):
        fact = read({"gen_ai.operation.name": "retrieval", "gen_ai.provider.name": provider},
                    "opentelemetry.instrumentation.genai.langchain")
        assert isinstance(fact, Retrieval)
        assert fact.system == system


def settled(*facts: Fact) -> list[tuple[int | None, str]]:
    return [(step.fact.documents, step.fact.system) for step in settle(facts, {}).retrievals]


def test_a_retriever_and_what_it_asks_are_one_search() -> None:
    outer = make(Retrieval, 1, lasts=2.0)
    assert settled(outer, make(Retrieval, 2, 1, documents=3, system="qdrant", scope="q")) == [
        (3, "qdrant")]
    assert settled(make(Retrieval, 1, lasts=2.0, documents=2),
                   make(Retrieval, 2, 1, documents=5, system="qdrant"),
                   make(Retrieval, 3, 1, documents=5, system="chroma")) == [(2, OTHER_SYSTEM)]
    assert settled(make(Retrieval, 1, lasts=2.0, system=OTHER_SYSTEM),
                   make(Retrieval, 2, 1, system="qdrant")) == [(None, "qdrant")]


def test_of_several_searches_within_one_none_speaks_for_all_unless_all_were_in_vain() -> None:
    outer = make(Retrieval, 1, lasts=2.0)
    for documents, of_all in ((5, None), (0, 0)):
        assert settled(outer, *(make(Retrieval, number, 1, documents=documents)
                                for number in (2, 3))) == [(of_all, "")]
    # One within another is the same search.
    assert settled(outer, make(Retrieval, 2, 1, documents=5), make(Retrieval, 3, 2, documents=5)) \
        == [(5, "")]


NODES = [{"node": {"id_": name, "text": "x"}, "score": 0.5} for name in "abc"]
TEXTS = [{"id": name, "content": "x"} for name in "abc"]


@pytest.mark.parametrize(("scope", "attributes", "events"), [
    ("haystack", {"haystack.component.type": "CohereRanker",
                  "haystack.component.input": json.dumps({"query": "q", "documents": TEXTS}),
                  "haystack.component.output": json.dumps({"documents": TEXTS[::-1]})}, {}),
    ("llamaindex.opentelemetry.tracer", {}, {
        "ReRankStartEvent": {"nodes": json.dumps(NODES), "model_name": "ce"},
        "ReRankEndEvent": {"nodes": json.dumps(NODES[::-1])}}),
    ("ai", {"ai.operationId": "ai.rerank.doRerank", "ai.documents": ['"x"', '"y"', '"z"'],
            "ai.ranking": [json.dumps({"index": place, "relevanceScore": 0.5})
                           for place in (2, 1, 0)]}, {}),
    ("openinference.instrumentation.x", {
        "openinference.span.kind": "RERANKER",
        **{f"reranker.{side}_documents.{place}.document.content": text
           for side, texts in (("input", "abc"), ("output", "cba"))
           for place, text in enumerate(texts)}}, {}),
    # Attributes of ours, on whosever span.
    ("langfuse-sdk", {"langfuse.observation.type": "span",
                      "inferometer.rerank.before": ["a", "b", "c"],
                      "inferometer.rerank.after": ["c", "b", "a"]}, {}),
])
def test_both_orders_are_read_where_a_sender_has_them(
        scope: str, attributes: Attributes, events: dict[str, Any]) -> None:
    fact = read(attributes, scope, events=events)
    assert isinstance(fact, Rerank)
    assert (fact.documents, fact.disagreement, fact.top_changed) == (3, 1.0, True)

"""Vector databases by their clients' own spans: which of their operations are searches.

Sources: opentelemetry.io/docs/specs/semconv/registry/attributes/db; of each operation the client's
instrumentation, traceloop/openllmetry, packages/opentelemetry-instrumentation-chromadb, -milvus,
-pinecone, -qdrant, -marqo and -weaviate, and openlit/openlit, sdk/python/src/openlit/
instrumentation; of PostgreSQL's operators pgvector/pgvector, README, "Querying".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from inferometer.catalogue import OTHER_SYSTEM
from inferometer.spans.flavours.genai import GENAI
from inferometer.spans.flavours.reading import Documents, text
from inferometer.spans.flavours.table import NOTHING, RETRIEVAL, Flavour, Means
from inferometer.spans.span import Attributes, Span

# What senders call a system, without case, signs and the words of _AFTER: OpenTelemetry's
# db.system.name, classes of LangChain, Spring AI's VectorStoreProvider.
SYSTEM_NAMES: Mapping[str, str] = {
    **{name: name for name in (
        "cassandra", "chroma", "clickhouse", "couchbase", "elasticsearch", "faiss", "lancedb",
        "marqo", "milvus", "mongodb", "neo4j", "opensearch", "pinecone", "postgresql", "qdrant",
        "redis", "typesense", "vespa", "weaviate")},
    "astra": "astra", "astradb": "astra", "azure": "azure_ai_search", "azureai": "azure_ai_search",
    "azureaisearch": "azure_ai_search", "chromadb": "chroma", "elastic": "elasticsearch",
    "lance": "lancedb", "open": "opensearch", "milvusdb": "milvus", "mongodbatlas": "mongodb",
    "postgres": "postgresql",
    "pg": "postgresql", "pgvector": "postgresql", "pgvecto": "postgresql", "zilliz": "milvus",
    "inmemory": "in_memory", "simple": "in_memory", "simplevectorstore": "in_memory",
    "docarrayinmemory": "in_memory", "sklearn": "in_memory",
}
_AFTER = re.compile("(?:vectorstore|vectorsearch|vector|store|search)+$")
_SIGNS = re.compile("[^a-z0-9]+")

# Operations that search for what is near, in small letters. Milvus' `query`, Chroma's `get` and
# Qdrant's `scroll` fetch by a filter; LanceDB's `search` only prepares one.
SEARCHES: Mapping[str, frozenset[str]] = {
    "chroma": frozenset(("query",)),
    "marqo": frozenset(("search",)),
    "milvus": frozenset(("search", "hybrid_search")),
    "pinecone": frozenset(("query", "search", "search_records")),
    "qdrant": frozenset((
        "discover", "discover_batch", "query", "query_batch", "query_batch_points",
        "query_points", "query_points_groups", "recommend", "recommend_batch",
        "recommend_groups", "search", "search_batch", "search_groups")),
    "weaviate": frozenset((
        "collections.query.get", "gql.get.do", "gql.query.get.do", "bm25", "hybrid",
        "near_image", "near_object", "near_text", "near_vector")),
}
_TOP = "db.vector.query.top_k"  # OpenLIT has `GET` for a search too, and this for it alone
_STATEMENTS = ("db.query.text", "db.statement")
_DISTANCES = re.compile("<(?:=|[+]|~|%)>")
_SHARED_DISTANCES = re.compile("<[-#]>")  # PostGIS has these as well
_RESULTS = ("db.query.result", "db.search.result")
_MOST_RESULTS = 128  # events: what SDKs keep of a span, so that there may have been more


def system_of(name: str) -> str:
    """One of RETRIEVAL_SYSTEMS for what a sender calls it; empty for no name."""
    return known_system(name) or (name and OTHER_SYSTEM)


def known_system(name: str) -> str:
    """The same, and empty for a name that is no system's."""
    plain = _SIGNS.sub("", name[:64].lower())
    return SYSTEM_NAMES.get(plain) or SYSTEM_NAMES.get(_AFTER.sub("", plain), "")


def means_of(span: Span) -> Means:
    """What an operation of a database is: a search, or none of our steps."""
    attributes = span.attributes
    system = known_system(text(attributes.get("db.system.name"))
                          or text(attributes.get("db.system")))
    if system == "postgresql":
        return RETRIEVAL if _is_by_distance(attributes) else NOTHING
    searches = SEARCHES.get(system, frozenset())
    operation = (text(attributes.get("db.operation.name"))
                 or text(attributes.get("db.operation"))).lower()
    _, _, named = span.name.removeprefix("db.").partition(".")  # chroma.query, db.weaviate.gql.…
    if operation in searches or (named in searches and (not operation or "." in named)):
        return RETRIEVAL
    return RETRIEVAL if operation == "get" and _TOP in attributes and searches else NOTHING


def _is_by_distance(attributes: Attributes) -> bool:
    statement = next((text(attributes[name]) for name in _STATEMENTS if attributes.get(name)), "")
    statement = statement.lower()
    sort = statement.find("order by")
    return sort >= 0 and bool(
        _DISTANCES.search(statement, sort)
        or ("vec" in statement and _SHARED_DISTANCES.search(statement, sort)))


def _results(span: Span) -> Documents:
    """An event for each document; Chroma's client has them of each search that went well."""
    results = [event for event in span.events if event.name in _RESULTS]
    if len(results) >= _MOST_RESULTS:
        return None
    chroma = span.scope.name == "opentelemetry.instrumentation.chromadb"
    return results if results or chroma else None


DATABASES = Flavour(
    name="Vector databases",
    scopes=tuple(f"opentelemetry.instrumentation.{name}*" for name in (
        "chromadb", "lancedb", "marqo", "milvus", "pinecone", "qdrant", "weaviate")),
    marks=("db.system.name", "db.system"),
    odd=means_of,
    fields={
        "documents": ("db.milvus.search.result_count", "db.response.returned_rows"),
        "error": GENAI.fields["error"],
        "conversation": GENAI.fields["conversation"],
        "user": GENAI.fields["user"],
        "system": ("db.system.name", "db.system"),
    },
    documents=_results,
    events=_RESULTS,
    reads=("db.operation", "db.operation.name", _TOP, *_STATEMENTS),
)

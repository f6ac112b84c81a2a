"""What captured spans have in them, read by nothing but the words in their names.

The replay asks it which figures any span holds, to judge a gateway on instrumentations that nobody
here has seen. It shares no table and no code with the gateway's own reader.
"""

from __future__ import annotations

import ast
import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from tests.e2e.otlp_entries import Entry

LONGEST_TEXT = 200_000  # characters that are tried as JSON or as Python's text of a value
TOKEN_KINDS = ("input", "cached", "cache_write", "output", "reasoning")
_USAGE = re.compile(r"token|usage")
_NO_USAGE = re.compile(r"max|limit|budget|cost|price|per_|second|duration|time")
_GIVEN = re.compile(r"(^|[._])(inputs?|prompts?|request|history)([._]|$)")  # what a step was given
_FIRST = re.compile(r"first.{0,12}(token|chunk|content)|ttft|completion_?start")
_FIRST_EVENT = re.compile(r"first|chunk\D*0$", re.I)
_KIND_KEY = re.compile(r"(operation\.name|span\.?_?kind|span\.?_?type|observation\.type|"
                       r"operationid|run_type|request\.type|node_?type)$")
_CALL = re.compile(r"llm|chat|complet|generat|embed|message|response|model|inference")
_STEP = re.compile(r"agent|workflow|chain|tool|retriev|search|task|crew|team|handoff|guardrail|"
                   r"pars|session|evaluat|rerank|turn|graph|server|vector")
_SEARCH = re.compile(r"retriev|vector_?db|search_documents")
_RERANK = re.compile(r"re_?rank")
_TOOL_KEY = re.compile(r"(^|[._])tool([._]?call)?[._]?name$|^mcp\.tool|^traceloop\.entity\.name$")


@dataclass(frozen=True)
class Leaf:
    """One value somewhere in a span: the words on the way to it, and the value."""

    path: str  # in lower case
    value: float | str
    text: bool  # whether it stands in a text of JSON or of Python


@dataclass
class SpanEvidence:
    """One span, and what it has in it."""

    entry: Entry
    leaves: Sequence[Leaf]
    events: Sequence[tuple[str, float]]  # names, and seconds from the span's begin
    name: str
    start: float
    seconds: float
    failed: bool
    above: set[str] = field(default_factory=set)  # ids of all spans it stands below

    @property
    def span_id(self) -> str:
        """In hex."""
        return self.entry.identity("span_id")

    @cached_property
    def tokens(self) -> Mapping[str, set[float]]:
        """Numbers of tokens by kind, also as sums where caches may be left out."""
        kinds: dict[str, set[float]] = {kind: set() for kind in (*TOKEN_KINDS, "total")}
        for leaf in self.leaves:
            if isinstance(leaf.value, float) and (kind := _token_kind(leaf.path)):
                kinds[kind].add(leaf.value)
        kinds["input"] |= {
            number + cached + written for number in kinds["input"]
            for cached in (0, *kinds["cached"]) for written in (0, *kinds["cache_write"])}
        kinds["output"] |= {number + thought for number in kinds["output"]
                            for thought in kinds["reasoning"]}
        return kinds

    @cached_property
    def kinds(self) -> Sequence[str]:
        """What it says that it is, in its own words."""
        return [leaf.value.lower() for leaf in self.leaves
                if isinstance(leaf.value, str) and not leaf.text and _KIND_KEY.search(leaf.path)]

    @cached_property
    def is_call(self) -> bool:
        """Whether it may be a call to a model, rather than a step around one."""
        words = self.kinds or [self.name.lower()]
        return (any(_CALL.search(word) and not _STEP.search(word) for word in words)
                and not any(_STEP.search(word) for word in words))

    def is_search(self) -> bool:
        """Whether it says that it looks for documents."""
        return any(_SEARCH.search(word) for word in self.kinds)

    def is_rerank(self) -> bool:
        """Whether it says that it puts documents in another order."""
        return any(_RERANK.search(word) for word in self.kinds)

    def texts(self) -> Iterator[str]:
        """All texts in it."""
        return (leaf.value for leaf in self.leaves if isinstance(leaf.value, str))

    def has_model(self, model: str) -> bool:
        """Whether it names this model, or a dated or prefixed form of it."""
        return any(leaf.value.rpartition("/")[2].startswith(model) for leaf in self.leaves
                   if isinstance(leaf.value, str) and not leaf.text and "model" in leaf.path)

    def runs_tool(self, tool: str) -> bool:
        """Whether it is of this tool by its name or by an attribute of the tool's name."""
        return bool(re.search(rf"(^|[^\w]){re.escape(tool)}([^\w]|$)", self.name)) or any(
            leaf.value == tool and _TOOL_KEY.search(leaf.path) and not leaf.text
            for leaf in self.leaves)

    def documents(self) -> set[int]:
        """Numbers of documents that may have come back."""
        numbered = {match[1] for leaf in self.leaves
                    if (match := re.search(r"documents?\.(\d+)\.", leaf.path))}
        lists = {int(leaf.value) for leaf in self.leaves
                 if isinstance(leaf.value, float) and leaf.path.endswith("document")}
        return lists | ({len(numbered)} if numbered else set())

    def first_token(self, seconds: float) -> bool:
        """Whether anything in it gives about this time to the first token."""
        times = [time for name, time in self.events if _FIRST_EVENT.search(name)]
        for leaf in self.leaves:
            if not _FIRST.search(leaf.path):
                continue
            if isinstance(leaf.value, float):
                times += [leaf.value / unit for unit in (1, 1e3, 1e6, 1e9)]
            else:
                with contextlib.suppress(ValueError):
                    times.append(datetime.fromisoformat(leaf.value).timestamp() - self.start)
        return any(0.8 * seconds <= time <= min(seconds + 0.3, self.seconds + 0.001)
                   for time in times)


def evidence_of(entries: Iterable[Entry]) -> list[SpanEvidence]:
    """All spans, each once, with those above them."""
    spans = {(entry.trace_id, entry.identity("span_id")): _span(entry)
             for entry in entries if entry.signal == "traces"}
    for (trace, _), span in spans.items():
        parent = span.entry.identity("parent_span_id")
        while (above := spans.get((trace, parent))) and parent not in span.above:
            span.above.add(parent)
            parent = above.entry.identity("parent_span_id")
    return list(spans.values())


def apart(spans: Sequence[SpanEvidence]) -> int:
    """How many of them are surely of different things."""
    return max(map(len, by_scope(spans)), default=0)


def by_scope(spans: Sequence[SpanEvidence]) -> Sequence[Sequence[SpanEvidence]]:
    """Those of each scope of which none stands above another: they are of different things."""
    scopes: dict[tuple[str, str], list[SpanEvidence]] = {}
    for span in spans:
        scopes.setdefault((span.entry.service(), span.entry.scope_name), []).append(span)
    return [_lowest(of_scope) for of_scope in scopes.values()]


def _lowest(spans: Sequence[SpanEvidence]) -> list[SpanEvidence]:
    above = {(span.entry.trace_id, parent) for span in spans for parent in span.above}
    return [span for span in spans if (span.entry.trace_id, span.span_id) not in above]


def _span(entry: Entry) -> SpanEvidence:
    item = entry.as_dict()
    start = int(item.get("startTimeUnixNano") or 0) / 1e9
    end = int(item.get("endTimeUnixNano") or 0) / 1e9
    status = item.get("status") or {}
    events = item.get("events") or ()
    leaves = [*_pairs(item.get("attributes") or (), ""),
              Leaf("status.message", str(status.get("message", "")), False)]
    times = []
    for event in events:
        name = str(event.get("name", ""))
        times.append((name, int(event.get("timeUnixNano") or 0) / 1e9 - start))
        leaves += _pairs(event.get("attributes") or (), f"{name}.")
    return SpanEvidence(entry, leaves, times, str(item.get("name", "")), start, end - start,
                        status.get("code") in (2, "STATUS_CODE_ERROR"))


def _pairs(pairs: Iterable[Mapping[str, Any]], prefix: str) -> Iterator[Leaf]:
    for pair in pairs:
        key = f"{prefix}{pair.get('key', '')}".lower()
        yield from _leaves(key, _plain(pair.get("value") or {}), False)


def _plain(value: Mapping[str, Any]) -> Any:
    """An AnyValue as Python has it."""
    for kind, content in value.items():
        match kind:
            case "intValue":
                return int(content)
            case "doubleValue":
                return float(content)
            case "arrayValue":
                return [_plain(one) for one in content.get("values") or ()]
            case "kvlistValue":
                return {str(pair.get("key", "")): _plain(pair.get("value") or {})
                        for pair in content.get("values") or ()}
            case _:
                return content
    return None


def _leaves(path: str, value: Any, text: bool) -> Iterator[Leaf]:
    match value:
        case bool() | None:
            return
        case int() | float():
            yield Leaf(path, float(value), text)
        case str():
            inner = _parsed(value)
            if isinstance(inner, str):  # its quotes are the sender's habit, and no text of JSON
                value, inner = inner, _parsed(inner)
            yield Leaf(path, value, text)
            if inner is not None and not isinstance(inner, str):
                yield from _leaves(path, inner, True)
        case Mapping():
            for key, one in value.items():
                yield from _leaves(f"{path}.{key}".lower(), one, text)
        case list() | tuple():
            if "document" in path.rpartition(".")[2]:
                yield Leaf(f"{path}.number of document", float(len(value)), text)
            for i, one in enumerate(value):
                yield from _leaves(f"{path}.{i}", one, text)


def _parsed(text: str) -> Any:
    """What a text of JSON or of Python holds, None for any other."""
    text = text.strip()
    if not text or len(text) > LONGEST_TEXT or text[0] not in "{[\"(-0123456789":
        return None
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(text)
    with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return ast.literal_eval(text)
    return None


def _token_kind(path: str) -> str:
    """Which tokens a number under this path counts, empty for none."""
    usage = _USAGE.search(path)
    if not usage or _GIVEN.search(path[:usage.start()]):
        return ""
    tail = path[path.rfind("usage"):] if "usage" in path else path
    leaf = path.rpartition(".")[2]
    if _NO_USAGE.search(leaf):
        return ""
    if "reason" in tail or "thought" in tail:
        return "reasoning"
    if "cache" in tail:
        return "cache_write" if re.search("creat|writ", tail) else "cached"
    for kind, words in (("output", "complet|output|candidate|generat"), ("input", "prompt|input"),
                        ("total", "total")):
        if re.search(words, leaf):
            return kind
    return ""

"""How requests ended, by the contract's outcomes: the engine's own count, completed from HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from inferometer.counters import Memory, Remainder, SummedCounters
from inferometer.engines.buckets import LARGEST_COUNT, PageValues
from inferometer.engines.sources import Child
from inferometer.engines.table import Engine, Http
from inferometer.engines.view import ENGINE_WIDE, ModelRank, View
from inferometer.values import Histogram, Value

# Paths that do inference; health, metrics, tokenizers and model lists never count as requests.
INFERENCE = re.compile(
    r"/(?:(?:inference|cohere|api)/)?(?:v\d+(?:beta\d*)?/)?(?:"
    r"chat|chat/completions(?:/batch)?|completions?|responses|messages|generate(?:_stream)?"
    r"|vertex_generate|invocations|infill|embed(?:dings|_all)?|encode|pooling|classify|score"
    r"|generative_scoring|rerank|predict|systemone|decisions"
    r"|audio/(?:transcriptions|translations|speech)|images/(?:generations|edits))/?"
)
UNNAMED = "none"  # the instrumentator's word for a path it knows no route of
_EXACT = {"429": ("rejected", "http_429"), "503": ("rejected", "http_503"), "499": None}
_BY_CLASS = {"4xx": ("invalid", "http_4xx"), "5xx": ("error", "http_5xx")}
CLASSES = ("2xx", "3xx", "4xx", "5xx")

Ending = tuple[str, str]  # outcome, reason
Counts = dict[tuple[str, Child], float]  # by status code or class, and by series
_ResponseCount = tuple[str, Child, int]  # the same, and the index of the count


class RequestPlan:
    """Where ended requests are counted on pages of one shape."""

    def __init__(self, engine: Engine, view: View) -> None:
        self.native = [(counter, counter.selector.by_label(view, counter.label))
                       for counter in engine.requests if counter.is_readable(view)]
        self.difference = (
            engine.success.minuend.numbers(view), engine.success.subtrahend.numbers(view)
        ) if engine.success else None
        self.http = engine.http
        self._counts_http = _counts_http(engine.http, view)
        self._named, self._nameless = _responses(engine.http, view)

    def responses(self, values: PageValues) -> Counts | None:
        """Responses of inference endpoints by status code or class, series by series.

        None where they are unknown: the engine does not count them, or its routes have no names
        (vLLM with FastAPI 0.137 or newer) and nothing but refusals was seen yet. Once a response
        without a name was good, all that is posted counts: an unknown path would not have
        answered so.
        """
        if not self._counts_http:
            return None
        counts, nameless = _counts(self._named, values), _counts(self._nameless, values)
        if any(code.startswith("2") for code, _ in nameless):
            return {**counts, **nameless}
        return counts if counts or not nameless else None


class EndedRequests:
    """Ended requests of one target over its life."""

    def __init__(self) -> None:
        self._summed: SummedCounters[tuple[ModelRank, Ending] | str] = SummedCounters(1000)
        self._differences: Memory[ModelRank, Remainder] = Memory(1000)
        self._remainders: dict[str, Remainder] = {}

    def read(self, plan: RequestPlan, values: PageValues, responses: Counts | None, turn: float
             ) -> tuple[dict[tuple[ModelRank, Ending], float], set[str]]:
        """Counts by model, rank and ending, and the outcomes whose count is derived.

        `turn` goes up from page to page.
        """
        minuend, subtrahend = ((read(values) for read in plan.difference) if plan.difference
                               else ({}, {}))
        native = self._native(plan, values, minuend, turn)
        counts = dict(native)
        derived = {counter.otherwise[0] for counter, _ in plan.native if counter.selector.derived}
        for model_rank, total in self._difference(minuend, subtrahend, turn).items():
            counts[model_rank, ("success", "finished")] = total
            derived.add("success")
        for ending, total in self._beyond(plan.http, responses, native, turn).items():
            counts[ENGINE_WIDE, ending] = counts.get((ENGINE_WIDE, ending), 0.0) + total
            derived.add(ending[0])
        return counts, derived

    def by_class(self, responses: Counts | None, turn: float) -> dict[str, float]:
        """Responses of inference endpoints by status class, every class from 0 on."""
        counts = dict.fromkeys(CLASSES, 0.0) if responses is not None else {}
        for name in counts:
            children = {child: count for (code, child), count in (responses or {}).items()
                        if f"{code[:1]}xx" == name}
            if children:
                counts[name] = _float(self._summed.total_of(name, children, turn))
        return counts

    def _native(self, plan: RequestPlan, values: PageValues, others: Iterable[ModelRank],
                turn: float) -> dict[tuple[ModelRank, Ending], float]:
        """The engine's own counts; a late counter without a series is 0 where others have one."""
        read = [(counter, by_label(values)) for counter, by_label in plan.native]
        others = dict.fromkeys(
            [*(model_rank for _, numbers in read for model_rank, _ in numbers), *others])
        counts: dict[tuple[ModelRank, Ending], float] = {}
        children: dict[tuple[ModelRank, Ending], dict[Child, float]] = {}
        for counter, numbers in read:
            for model_rank in others if counter.late else dict.fromkeys(
                    model_rank for model_rank, _ in numbers):
                for ending in counter.meaning.values() or (counter.otherwise,):
                    counts.setdefault((model_rank, ending), 0.0)
            for (model_rank, value), series in numbers.items():
                ending = counter.meaning.get(value, counter.otherwise)
                children.setdefault((model_rank, ending), {}).update(series)
        for key, counted in children.items():
            counts[key] = _float(self._summed.total_of(key, counted, turn))
        return counts

    def _difference(self, minuend: Mapping[ModelRank, Mapping[Child, float]],
                    subtrahend: Mapping[ModelRank, Mapping[Child, float]], turn: float
                    ) -> dict[ModelRank, float]:
        totals: dict[ModelRank, float] = {}
        for model_rank, children in minuend.items():
            earlier = self._differences.get(model_rank)
            remainder = earlier[1] if earlier else Remainder()
            self._differences.put(model_rank, remainder, turn)
            totals[model_rank] = remainder.add(children, subtrahend.get(model_rank, {}), turn)
        return totals

    def _beyond(self, http: Http | None, responses: Counts | None,
                native: dict[tuple[ModelRank, Ending], float], turn: float) -> dict[Ending, float]:
        """What HTTP counts beyond the engine's own count, by ending."""
        if http is None or not http.endings or responses is None:
            return {}
        by_ending: dict[Ending, dict[Child, float]] = {ending: {} for ending in http.endings}
        for (code, child), count in responses.items():
            status_ending = _EXACT.get(code, _BY_CLASS.get(f"{code[:1]}xx"))
            if status_ending is not None:
                by_ending.setdefault(status_ending, {})[child] = count
        totals: dict[Ending, float] = {}
        for ending, children in by_ending.items():
            explained = {
                key: count for key, count in native.items()
                if key[1][0] in http.explained.get(ending[1], ())}
            remainder = self._remainders.setdefault(ending[1], Remainder())
            totals[ending] = remainder.add(children, explained, turn)
        return totals


def _counts_http(http: Http | None, view: View) -> bool:
    """Whether the page counts HTTP responses by route; an older one may not tell routes apart."""
    family = view.families.get(http.name) if http else None
    return family is not None and http is not None and (
        not family.samples or any(http.handler in sample.labels for sample in family.samples))


def _responses(http: Http | None, view: View) -> tuple[list[_ResponseCount], list[_ResponseCount]]:
    """Responses to POST and PUT: those of inference routes, and those of routes unnamed."""
    named: list[_ResponseCount] = []
    nameless: list[_ResponseCount] = []
    family = view.family(http.name, "counter") if http else None
    for sample in family.samples if family else ():
        assert http is not None
        labels = sample.labels
        handler = labels.get(http.handler, "")
        into = nameless if handler == UNNAMED else named if INFERENCE.fullmatch(handler) else None
        if into is not None and labels.get("method", "POST") in ("POST", "PUT"):
            into.append((labels.get(http.code, ""), tuple(labels.values()), sample.index))
    return named, nameless


def _counts(responses: list[_ResponseCount], values: PageValues) -> Counts:
    return {(code, child): values[index] for code, child, index in responses
            if 0 <= values[index] <= LARGEST_COUNT}


def _float(value: Value) -> float:
    assert not isinstance(value, Histogram)
    return value

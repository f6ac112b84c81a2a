"""How requests ended, by the contract's outcomes: the engine's own count, completed from HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from inferometer.counters import Memory, Remainder, Wholes
from inferometer.engines.sources import MOST, Child, Values
from inferometer.engines.table import Http
from inferometer.engines.view import EVERYWHERE, Place, View
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
_Response = tuple[str, Child, int]  # the same, and where the count stands


class Endings:
    """Where ended requests are counted on pages of one shape."""

    def __init__(self, view: View) -> None:
        engine = view.engine
        self.native = [(request, request.series.by_label(view, request.label))
                       for request in engine.requests if request.tells(view)]
        self.difference = (engine.success.whole.numbers(view), engine.success.part.numbers(view)
                           ) if engine.success else None
        self.http = engine.http
        self._counts_http = _counts_http(view)
        self._named, self._nameless = _responses(view)

    def responses(self, values: Values) -> Counts | None:
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


class Requests:
    """Ended requests of one target over its life."""

    def __init__(self) -> None:
        self._wholes: Wholes[tuple[Place, Ending] | str] = Wholes(1000)
        self._differences: Memory[Place, Remainder] = Memory(1000)
        self._remainders: dict[str, Remainder] = {}

    def read(self, endings: Endings, values: Values, responses: Counts | None, at: float
             ) -> tuple[dict[tuple[Place, Ending], float], set[str]]:
        """Counts by place and ending, and the outcomes whose count is derived.

        `at` goes up from page to page.
        """
        whole, part = ((read(values) for read in endings.difference) if endings.difference
                       else ({}, {}))
        native = self._native(endings, values, whole, at)
        counts = dict(native)
        derived = {request.otherwise[0] for request, _ in endings.native if request.series.derived}
        for place, total in self._difference(whole, part, at).items():
            counts[place, ("success", "finished")] = total
            derived.add("success")
        for ending, total in self._beyond(endings.http, responses, native, at).items():
            counts[EVERYWHERE, ending] = counts.get((EVERYWHERE, ending), 0.0) + total
            derived.add(ending[0])
        return counts, derived

    def by_class(self, found: Counts | None, at: float) -> dict[str, float]:
        """Responses of inference endpoints by status class, every class from 0 on."""
        counts = dict.fromkeys(CLASSES, 0.0) if found is not None else {}
        for name in counts:
            children = {child: count for (code, child), count in (found or {}).items()
                        if f"{code[:1]}xx" == name}
            if children:
                counts[name] = _float(self._wholes.of(name, children, at))
        return counts

    def _native(self, endings: Endings, values: Values, places: Iterable[Place],
                at: float) -> dict[tuple[Place, Ending], float]:
        read = [(request, by_label(values)) for request, by_label in endings.native]
        places = dict.fromkeys([*(place for _, found in read for place, _ in found), *places])
        counts: dict[tuple[Place, Ending], float] = {}
        children: dict[tuple[Place, Ending], dict[Child, float]] = {}
        for request, found in read:
            for place in places if request.late else dict.fromkeys(place for place, _ in found):
                for ending in request.meaning.values() or (request.otherwise,):
                    counts.setdefault((place, ending), 0.0)
            for (place, value), series in found.items():
                ending = request.meaning.get(value, request.otherwise)
                children.setdefault((place, ending), {}).update(series)
        for key, here in children.items():
            counts[key] = _float(self._wholes.of(key, here, at))
        return counts

    def _difference(self, whole: Mapping[Place, Mapping[Child, float]],
                    part: Mapping[Place, Mapping[Child, float]], at: float) -> dict[Place, float]:
        totals: dict[Place, float] = {}
        for place, children in whole.items():
            kept = self._differences.get(place)
            remainder = kept[1] if kept else Remainder()
            self._differences.put(place, remainder, at)
            totals[place] = remainder.add(children, part.get(place, {}), at)
        return totals

    def _beyond(self, http: Http | None, found: Counts | None,
                native: dict[tuple[Place, Ending], float], at: float) -> dict[Ending, float]:
        if http is None or not http.endings or found is None:
            return {}
        by_ending: dict[Ending, dict[Child, float]] = {e: {} for e in http.endings}
        for (code, child), count in found.items():
            ending = _EXACT.get(code, _BY_CLASS.get(f"{code[:1]}xx"))
            if ending is not None:
                by_ending.setdefault(ending, {})[child] = count
        totals: dict[Ending, float] = {}
        for ending, children in by_ending.items():
            parts = {
                key: count for key, count in native.items()
                if key[1][0] in http.explained.get(ending[1], ())}
            remainder = self._remainders.setdefault(ending[1], Remainder())
            totals[ending] = remainder.add(children, parts, at)
        return totals


def _counts_http(view: View) -> bool:
    """Whether the page counts HTTP responses by route; an older one may not tell routes apart."""
    http = view.engine.http
    family = view.families.get(http.name) if http else None
    return family is not None and http is not None and (
        not family.samples or any(http.handler in sample.labels for sample in family.samples))


def _responses(view: View) -> tuple[list[_Response], list[_Response]]:
    """Responses to what was posted: those of inference routes, and those of routes unnamed."""
    named: list[_Response] = []
    nameless: list[_Response] = []
    http = view.engine.http
    family = view.family(http.name, "counter") if http else None
    for sample in family.samples if family else ():
        assert http is not None
        labels = sample.labels
        handler = labels.get(http.handler, "")
        into = nameless if handler == UNNAMED else named if INFERENCE.fullmatch(handler) else None
        if into is not None and labels.get("method", "POST") in ("POST", "PUT"):
            into.append((labels.get(http.code, ""), tuple(labels.values()), sample.index))
    return named, nameless


def _counts(responses: list[_Response], values: Values) -> Counts:
    return {(code, child): values[index] for code, child, index in responses
            if 0 <= values[index] <= MOST}


def _float(value: Value) -> float:
    assert not isinstance(value, Histogram)
    return value

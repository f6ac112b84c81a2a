"""How requests ended, by the contract's outcomes: the engine's own count, completed from HTTP."""

from __future__ import annotations

import re

from inferometer.counters import Memory, Remainder, Wholes
from inferometer.engines.sources import Child
from inferometer.engines.view import EVERYWHERE, Place, View
from inferometer.samples import Histogram, Value

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


class Requests:
    """Ended requests of one target over its life."""

    def __init__(self) -> None:
        self._wholes: Wholes[tuple[Place, Ending] | str] = Wholes(1000)
        self._differences: Memory[Place, Remainder] = Memory(1000)
        self._remainders: dict[str, Remainder] = {}

    def read(self, view: View, at: float) -> tuple[dict[tuple[Place, Ending], float], set[str]]:
        """Counts by place and ending, and the outcomes whose count is derived.

        `at` goes up from page to page.
        """
        native = self._native(view, at)
        counts = dict(native)
        derived: set[str] = set()
        for place, total in self._difference(view, at).items():
            counts[place, ("success", "finished")] = total
            derived.add("success")
        for ending, total in self._beyond(view, native, at).items():
            counts[EVERYWHERE, ending] = counts.get((EVERYWHERE, ending), 0.0) + total
            derived.add(ending[0])
        return counts, derived

    def by_class(self, view: View, at: float) -> dict[str, float]:
        """Responses of inference endpoints by status class, every class from 0 on."""
        found = responses(view)
        counts = dict.fromkeys(CLASSES, 0.0) if found is not None else {}
        for name in counts:
            children = {child: count for (code, child), count in (found or {}).items()
                        if f"{code[:1]}xx" == name}
            if children:
                counts[name] = _float(self._wholes.of(name, children, at))
        return counts

    def _native(self, view: View, at: float) -> dict[tuple[Place, Ending], float]:
        read = [(request, request.series.by_label(view, request.label))
                for request in view.engine.requests]
        places = {place for _, found in read for place, _ in found}
        if view.engine.success is not None:
            places.update(view.engine.success.whole.children(view, "counter"))
        counts: dict[tuple[Place, Ending], float] = {}
        children: dict[tuple[Place, Ending], dict[Child, float]] = {}
        for request, found in read:
            for place in places if request.late else {place for place, _ in found}:
                for ending in request.meaning.values() or (request.otherwise,):
                    counts.setdefault((place, ending), 0.0)
            for (place, value), series in found.items():
                ending = request.meaning.get(value, request.otherwise)
                children.setdefault((place, ending), {}).update(series)
        for key, here in children.items():
            counts[key] = _float(self._wholes.of(key, here, at))
        return counts

    def _difference(self, view: View, at: float) -> dict[Place, float]:
        difference = view.engine.success
        if difference is None:
            return {}
        parts = difference.part.children(view, "counter")
        totals: dict[Place, float] = {}
        for place, whole in difference.whole.children(view, "counter").items():
            kept = self._differences.get(place)
            remainder = kept[1] if kept else Remainder()
            self._differences.put(place, remainder, at)
            totals[place] = remainder.add(whole, parts.get(place, {}), at)
        return totals

    def _beyond(self, view: View, native: dict[tuple[Place, Ending], float],
                at: float) -> dict[Ending, float]:
        http, found = view.engine.http, responses(view)
        if http is None or found is None:
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


def responses(view: View) -> dict[tuple[str, Child], float] | None:
    """Responses of inference endpoints by status code or class, series by series.

    None where they are unknown: the engine does not count them, or its routes have no names (vLLM
    with FastAPI 0.137 or newer) and nothing but refusals was seen yet. Once a response without a
    name was good, all that is posted counts: an unknown path would not have answered so.
    """
    http = view.engine.http
    if http is None or http.name not in view.families:
        return None
    counts: dict[tuple[str, Child], float] = {}
    nameless: dict[tuple[str, Child], float] = {}
    family = view.family(http.name, "counter")
    for sample in family.samples if family else ():
        labels = sample.labels
        if labels.get("method", "POST") not in ("POST", "PUT") or not sample.value >= 0:
            continue
        handler = labels.get(http.handler, "")
        if handler == UNNAMED or INFERENCE.fullmatch(handler):
            into = nameless if handler == UNNAMED else counts
            into[labels.get(http.code, ""), tuple(labels.values())] = sample.value
    if any(code.startswith("2") for code, _ in nameless):
        return {**counts, **nameless}
    return counts if counts or not nameless else None


def _float(value: Value) -> float:
    assert not isinstance(value, Histogram)
    return value

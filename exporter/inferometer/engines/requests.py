"""How requests ended, by the contract's outcomes: the engine's own count, completed from HTTP."""

from __future__ import annotations

import re

from inferometer.counters import Remainder
from inferometer.engines.table import Http
from inferometer.engines.view import EVERYWHERE, Place, View

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

MOST_PLACES = 1000  # whose differences are kept while they are not on the page

Ending = tuple[str, str]  # outcome, reason


class Requests:
    """Ended requests of one target over its life."""

    def __init__(self) -> None:
        self._differences: dict[Place, Remainder] = {}
        self._remainders: dict[str, Remainder] = {}

    def read(self, view: View, at: float) -> tuple[dict[tuple[Place, Ending], float], set[str]]:
        """Counts by place and ending, and the outcomes whose count is derived."""
        native = self._native(view)
        counts = dict(native)
        derived: set[str] = set()
        for place, total in self._difference(view, at).items():
            counts[place, ("success", "finished")] = total
            derived.add("success")
        for ending, total in self._beyond(view, native, at).items():
            counts[EVERYWHERE, ending] = counts.get((EVERYWHERE, ending), 0.0) + total
            derived.add(ending[0])
        return counts, derived

    def _native(self, view: View) -> dict[tuple[Place, Ending], float]:
        counts: dict[tuple[Place, Ending], float] = {}
        places: set[Place] = set()
        read = [(request, request.series.by_label(view, request.label))
                for request in view.engine.requests]
        for _, found in read:
            places.update(place for place, _ in found)
        for request, found in read:
            here = places if request.late else {place for place, _ in found}
            for place in here:
                for ending in request.meaning.values() or (request.otherwise,):
                    counts.setdefault((place, ending), 0.0)
            for (place, value), count in found.items():
                key = (place, request.meaning.get(value, request.otherwise))
                counts[key] = counts.get(key, 0.0) + count
        return counts

    def _difference(self, view: View, at: float) -> dict[Place, float]:
        difference = view.engine.success
        if difference is None:
            return {}
        wholes = difference.whole.numbers(view, "counter")
        parts = difference.part.numbers(view, "counter")
        if len(self._differences) > MOST_PLACES:
            self._differences = {place: kept for place, kept in self._differences.items()
                                 if place in wholes}
        return {
            place: self._differences.setdefault(place, Remainder()).add(
                whole, [parts.get(place, 0.0)], at)
            for place, whole in wholes.items()
        }

    def _beyond(self, view: View, native: dict[tuple[Place, Ending], float],
                at: float) -> dict[Ending, float]:
        http = view.engine.http
        if http is None or http.name not in view.families:
            return {}
        by_ending: dict[Ending, float] = dict.fromkeys(http.endings, 0.0)
        for code, count in responses(view, http).items():
            ending = _EXACT.get(code, _BY_CLASS.get(f"{code[:1]}xx"))
            if ending is not None:
                by_ending[ending] = by_ending.get(ending, 0.0) + count
        totals: dict[Ending, float] = {}
        for ending, count in by_ending.items():
            parts = [n for (_, (outcome, _)), n in sorted(native.items())
                     if outcome in http.explained.get(ending[1], ())]
            remainder = self._remainders.setdefault(ending[1], Remainder())
            totals[ending] = remainder.add(count, [sum(parts)], at)
        return totals


def responses(view: View, http: Http) -> dict[str, float]:
    """Responses of inference endpoints by status code or class, as the page has them.

    Where routes have no names (vLLM with FastAPI 0.137 or newer) all that is posted counts: a
    response that is good cannot be of an unknown path.
    """
    counts: dict[str, float] = {}
    family = view.family(http.name, "counter")
    posted = [sample for sample in (family.samples if family else ())
              if sample.labels.get("method", "POST") in ("POST", "PUT") and sample.value >= 0]
    unnamed = any(sample.labels.get(http.handler) == UNNAMED
                  and sample.labels.get(http.code, "").startswith("2") for sample in posted)
    for sample in posted:
        handler = sample.labels.get(http.handler, "")
        if INFERENCE.fullmatch(handler) or (unnamed and handler == UNNAMED):
            code = sample.labels.get(http.code, "")
            counts[code] = counts.get(code, 0.0) + sample.value
    return counts


def by_class(view: View, http: Http) -> dict[str, float]:
    """Responses of inference endpoints by status class, every class from 0 on."""
    counts = dict.fromkeys(CLASSES, 0.0)
    for code, count in responses(view, http).items():
        name = f"{code[:1]}xx"
        if name in counts:
            counts[name] += count
    return counts

"""The tables as a page of a document has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from inferometer.spans.flavours.genai import GENAI
from inferometer.spans.flavours.table import Flavour, StepKind


def mapping(flavours: Iterable[Flavour]) -> str:
    """In Markdown: the conventions first, then each other with what it has besides."""
    ordered = sorted(flavours, key=lambda flavour: (flavour is not GENAI, flavour.name.lower()))
    return "\n".join(line for flavour in ordered for line in _section(flavour))


def _section(flavour: Flavour) -> Iterator[str]:
    yield from (f"### {flavour.name}", "", *_chosen(flavour), "")
    spans = [*_spans(flavour)]
    if spans:
        yield from ("| span | is |", "| --- | --- |", *spans, "")
    fields = [*_fields(flavour)]
    if fields:
        yield from ("| field | where it stands, the first that has it |", "| --- | --- |", *fields,
                    "")


def _chosen(flavour: Flavour) -> Iterator[str]:
    by = [*(f"scope `{scope}`" for scope in flavour.scopes),
          *(f"attribute `{mark}`" for mark in flavour.marks)]
    yield "Chosen by " + ", ".join(by) + "."


def _spans(flavour: Flavour) -> Iterator[str]:
    """What is what, one line a kind; what is nothing is left out."""
    signs: dict[StepKind, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, means in flavour.names.items():
        signs[means.kind]["named"].append(f"`{name}`")
    for step in flavour.steps:
        if flavour is GENAI or step not in GENAI.steps:
            for value, means in step.means.items():
                signs[means.kind][f"`{step.attribute}`"].append(f"`{value}`")
            if step.otherwise is not None:
                signs[step.otherwise.kind][f"`{step.attribute}`"].append("any other")
    for kind in StepKind:
        if kind in signs and kind is not StepKind.NOTHING:
            sign_texts = "; ".join(f"{attribute} {', '.join(values)}"
                             for attribute, values in signs[kind].items())
            yield f"| {sign_texts} | {kind} |"


def _fields(flavour: Flavour) -> Iterator[str]:
    common = {} if flavour is GENAI else GENAI.fields
    for field, sources in sorted(flavour.fields.items()):
        own = [f"`{source}`" for source in sources if source not in common.get(field, ())]
        if field in common and own and len(own) < len(sources):
            own.append("as above")
        if own:
            yield f"| {field} | {', '.join(own)} |"
    if flavour.first_token_events:
        events = ", ".join(f"event `{event}`" for event in flavour.first_token_events)
        yield f"| first token | {events} |"

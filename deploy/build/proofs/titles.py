"""A notification's title says all labels by which its alerts are grouped: what it is about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from deploy.build.bundle import Bundle
from deploy.build.expressions import Expressions
from deploy.build.proofs.conventions import listed

_SAID = re.compile(r"\.(?:Common|Group)?Labels\.(\w+)")
# What is read first of a message, by the kind of integration; of others a program reads.
_TITLES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "slack_configs": (("title",), ("fallback",)),
    "pagerduty_configs": (("description",),),
    "email_configs": (("headers", "Subject"),),
}


def findings(bundle: Bundle, _: Expressions) -> Iterator[str]:
    """What a title does not say, a line each."""
    receivers = {receiver["name"]: receiver for receiver in bundle.routing.get("receivers", ())}
    lines: dict[str, None] = {}
    for name, labels in _groups(bundle.routing["route"], ()):
        for place, title in _titles(receivers.get(name, {})):
            if missing := {*labels} - {*_SAID.findall(title)}:
                lines[f"receiver {name}, {place}: the title does not say {listed(missing)}, by "
                      "which its alerts are grouped: add it in alerts/notifications.py"] = None
    yield from lines


def _groups(route: Mapping[str, Any],
            inherited: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The receiver of each route, and the labels that its groups go by."""
    labels = tuple(route.get("group_by", inherited))
    yield route["receiver"], labels
    for inner in route.get("routes", ()):
        yield from _groups(inner, labels)


def _titles(receiver: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for kind, paths in _TITLES.items():
        for integration in receiver.get(kind, ()):
            for path in paths:
                value: Any = integration
                for key in path:
                    value = value.get(key, {})
                yield f"{kind} {'.'.join(path)}", str(value)

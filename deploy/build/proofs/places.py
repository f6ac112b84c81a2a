"""A description names the place of its subject, so that its reader need not look for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from deploy.build.bundle import Bundle
from deploy.build.expressions import Expressions
from deploy.build.proofs.conventions import listed

# A label of a subject's scope, and those of which one has to be named for it.
_NAMED: Mapping[str, tuple[str, ...]] = {
    "cluster": ("cluster",), "namespace": ("namespace",), "model": ("model",), "node": ("node",),
    "uuid": ("uuid",), "instance": ("instance", "pod", "target"),
}
_QUERY = re.compile(r"\{\{[^`{}]*`[^`]*`[^`{}]*\}\}")  # its labels are not what is read
_LABEL = re.compile(r"\$labels\.(\w+)")


def findings(bundle: Bundle, _: Expressions) -> Iterator[str]:
    """What is not named, a line each."""
    for alert in bundle.alerts:
        named = {*_LABEL.findall(_QUERY.sub("", alert.description))}
        missing = {label for label in alert.subject.scope
                   if label in _NAMED and not named & {*_NAMED[label]}}
        if missing:
            yield (f"{alert} ({alert.severity}): description does not name {listed(missing)} of "
                   "what it is about: take a phrase of alerts/words.py")

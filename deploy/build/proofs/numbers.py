"""Every number that a text states is one that the alert has, so that the two cannot part."""

from __future__ import annotations

from collections.abc import Iterator

from alerts.model import Alert
from deploy.build import figures, prose
from deploy.build.bundle import Bundle
from deploy.build.expressions import Expressions
from deploy.build.proofs.runbook import entries


def findings(bundle: Bundle, _: Expressions) -> Iterator[str]:
    """What no alert has, a line each."""
    by_name: dict[str, list[Alert]] = {}
    for alert in bundle.alerts:
        by_name.setdefault(alert.name, []).append(alert)
        text = prose.of_template(f"{alert.summary} {alert.description}")
        yield from _of_text(f"{alert} ({alert.severity})", text, [alert], bundle)
    for name, entry in entries(bundle.runbook).items():
        yield from _of_text(f"runbook, {name}", prose.of_markdown(entry),
                            by_name.get(name, []), bundle)


def _of_text(place: str, text: str, alerts: list[Alert], bundle: Bundle) -> Iterator[str]:
    for word in figures.in_words(text):
        yield f"{place}: “{word}” is a number in words: write digits with a unit"
    own = figures.of_alerts(alerts, bundle.rules)
    for figure in figures.of_text(text):
        if not figure.derives_from(own):
            yield (f"{place}: “{figure.words}” is no figure of the alert, which has {own}: correct "
                   "it, or leave it out; what is a name and no figure is `written so`")

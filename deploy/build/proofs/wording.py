"""Texts that are read at night are plain: no turn of phrase that has to be read twice."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from deploy.build import prose
from deploy.build.bundle import Bundle
from deploy.build.expressions import Expressions
from deploy.build.proofs.runbook import entries

# A pattern, and what to write instead.
_REFUSED: Mapping[str, str] = {
    r"than (?:\w+ )?(?:may|should)": "name the limit: “is over its limit”",
    r"may be": "say what is, or what is likely",
    r"told|tells|tell people": "say who is notified, what fires or what is reported",
    r"(?:is|are|was|were) said": "say what reports it",
    r"(?:is|are|was|were|be) (?:not )?well": "say “healthy”, or what works",
    r"whom|whoever": "name the person or the program",
    r"of late": "say since when",
    r"dear(?:er|est)?": "say “costs more”",
    r"amiss": "say what is wrong",
    r"worked off": "say “served”",
    r"for want of": "say what is missing",
    r"nothing of": "say what is missing",
    r"all the same": "say “still”",
    r"a matter of": "say what it depends on",
}
_PATTERNS = {re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE): advice
             for pattern, advice in _REFUSED.items()}


def findings(bundle: Bundle, _: Expressions) -> Iterator[str]:
    """What is worded as it should not be, a line each."""
    for place, text in _texts(bundle):
        for pattern, advice in _PATTERNS.items():
            for match in pattern.finditer(text):
                yield f"{place}: “{match[0]}”: {advice}"


def _texts(bundle: Bundle) -> Iterator[tuple[str, str]]:
    for alert in bundle.alerts:
        place = f"{alert} ({alert.severity})"
        yield f"{place}, summary", alert.summary
        yield f"{place}, description", prose.of_template(alert.description)
    yield "runbook", prose.of_markdown(bundle.runbook.partition("\n## ")[0])
    for name, entry in entries(bundle.runbook).items():
        yield f"runbook, {name}", prose.of_markdown(entry)

"""What must hold of a bundle. Each module proves one thing; a finding says what to do next."""

from __future__ import annotations

from deploy.build.bundle import Bundle
from deploy.build.expressions import Expressions
from deploy.build.proofs import (
    alerts,
    boards,
    cardinality,
    chosen_limits,
    definitions,
    events,
    groups,
    identity,
    inhibition,
    names_and_labels,
    numbers,
    places,
    recording_rules,
    routing,
    runbook,
    titles,
    unread_metrics,
    wording,
)

PROOFS = (
    definitions, names_and_labels, identity, recording_rules, unread_metrics, events, groups,
    alerts, chosen_limits, places, runbook, numbers, wording, routing, inhibition, titles, boards,
    cardinality,
)


def findings(bundle: Bundle) -> list[str]:
    """What does not hold, a line each."""
    expressions = Expressions(bundle)
    return [finding for proof in PROOFS for finding in proof.findings(bundle, expressions)]

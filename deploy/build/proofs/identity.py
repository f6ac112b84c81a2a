"""A scrape target is matched and summed by all of its identity: addresses are used again.

Another pod, or another cluster with the same addresses, would stand in for one that is gone.
"""

from __future__ import annotations

from collections.abc import Iterator

from deploy.build.bundle import Bundle
from deploy.build.expressions import Expressions
from deploy.build.proofs.conventions import listed
from recording_rules.exporters import RENAMED
from recording_rules.promql import EXPORTER

ADDRESS = "instance"
# What compares clusters with one another cannot match on the cluster.
ACROSS_CLUSTERS = {RENAMED.name}


def findings(bundle: Bundle, expressions: Expressions) -> Iterator[str]:
    """What is matched on less, a line each."""
    for expression, analysis in expressions.analysed:
        identity = {*EXPORTER} - ({"cluster"} if expression.place in ACROSS_CLUSTERS else set())
        for labels in dict.fromkeys(analysis.matches):
            if ADDRESS in labels and (missing := identity - labels):
                yield (f"{expression.place}: matches or sums by {listed(labels)}, which lacks "
                       f"{listed(missing)} of a scrape target's identity: take EXPORTER")

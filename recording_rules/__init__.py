"""Recording rules, which Prometheus computes ahead of every question: definitions only."""

from recording_rules import (
    agents,
    anomalies,
    attribution,
    bounds,
    capacity,
    client,
    cost,
    evaluation,
    exporters,
    goodput,
    gpus,
    latency,
    limits,
    parts,
    requests,
    searches,
    shares,
    tokens,
    votes,
)

GROUPS = (
    *bounds.GROUPS, *requests.GROUPS, *latency.GROUPS, *client.GROUPS, *agents.GROUPS,
    *parts.GROUPS, *searches.GROUPS, *shares.GROUPS, *votes.GROUPS,
    *evaluation.GROUPS, *capacity.GROUPS, *gpus.GROUPS, *attribution.GROUPS, *tokens.GROUPS,
    *cost.GROUPS, *anomalies.GROUPS, *exporters.GROUPS, *limits.GROUPS, *goodput.GROUPS,
)

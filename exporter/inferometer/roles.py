"""Roles: the sections of the configuration that an exporter may have where several share the work.

They make sure that each GPU and each dollar is counted once: only a node reads GPUs, only the
fleet's exporter has fixed costs. An exporter without a role does all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NO_ROLE = ""
NODE = "node"
GATEWAY = "gateway"


@dataclass(frozen=True)
class Role:
    """A role: the sections of the configuration that it has, and what it does."""

    sections: tuple[str, ...]
    does: str


ROLES: Mapping[str, Role] = {
    NO_ROLE: Role(("web", "gpu", "engines", "cost", "fleet", "intake", "feedback", "ledger",
                   "request_log", "destinations", "content", "judge", "prices", "limits",
                   "models"),
                  "all of it"),
    "sidecar": Role(("web", "engines"), "reads the engine in its pod; no GPUs, no cost"),
    NODE: Role(("web", "gpu", "cost"), "reads the GPUs of its machine, and what they cost"),
    "fleet": Role(("web", "fleet"), "fixed costs, budgets and limits of the whole cluster"),
    GATEWAY: Role(("web", "intake", "feedback", "ledger", "request_log", "destinations",
                   "content", "judge", "prices", "limits", "models"),
                  "takes applications' telemetry, prices calls, holds them against limits"),
}


def belongs(role: str, section: str) -> bool:
    """Whether the section is the role's."""
    return section in ROLES[role].sections


def why_not(role: str, section: str) -> str:
    """Why the role may not have keys of this section; empty if it may."""
    if belongs(role, section):
        return ""
    owner = next(name for name in ROLES if name != NO_ROLE and belongs(name, section))
    return f"is for the role {owner}, this is a {role}"

"""What the user wants: the validated shape of inferometer.yml.

Config, with the dataclasses of `sections`, is the file: a field is a key, its default the key's
default, its type what it takes. `checks` has what no single key can tell. All mistakes are reported
at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from inferometer.catalogue import DESTINATIONS
from inferometer.config.checks import (
    check_bill,
    check_destinations,
    check_gpu,
    check_models,
    check_prices,
    check_targets,
)
from inferometer.config.destinations import DestinationEntry
from inferometer.config.judge import JudgeSection
from inferometer.config.keys import key, table
from inferometer.config.limits import CALL_LIMIT_VALUES, CALL_LIMITS, LIMITS
from inferometer.config.sections import (
    BILL_CATEGORIES,
    IGNORED,
    MODELS,
    MOST_PRICES,
    STANDARD_OUTPUT,
    BillRule,
    Budget,
    CalledModel,
    ClickHouseSection,
    ContentSection,
    CostSection,
    EnginesSection,
    EngineTarget,
    FeedbackSection,
    FleetSection,
    GpuSection,
    IntakeSection,
    LedgerSection,
    ModelFleet,
    MonthlyUsd,
    PriceEntry,
    RequestLogSection,
    WebSection,
)
from inferometer.documents.entry import Constraint, Entry
from inferometer.documents.mistakes import Document, DocumentError
from inferometer.documents.readers import read_yaml, read_yaml_file
from inferometer.documents.records import read_record
from inferometer.roles import GATEWAY, NO_ROLE, ROLES, belongs, why_not

__all__ = (
    "BILL_CATEGORIES", "CALL_LIMITS", "IGNORED", "INTAKE_GRPC_LISTEN", "INTAKE_LISTEN", "LIMITS",
    "MODELS", "STANDARD_OUTPUT", "BillRule", "Budget", "CalledModel", "ClickHouseSection",
    "Config", "ConfigError", "ContentSection", "CostSection", "DestinationEntry", "EngineTarget",
    "EnginesSection", "FeedbackSection", "FleetSection", "GpuSection", "IntakeSection",
    "JudgeSection", "LedgerSection", "ModelFleet", "MonthlyUsd", "PriceEntry",
    "RequestLogSection", "WebSection",
    "check", "load", "parse", "read",
)
INTAKE_LISTEN = "127.0.0.1:4318"  # the port of OTLP over HTTP
INTAKE_GRPC_LISTEN = "127.0.0.1:4317"  # and of OTLP over gRPC

_ROLE = Constraint(lambda role: role in ROLES, f"one of {', '.join(filter(None, ROLES))}")


class ConfigError(DocumentError):
    """All mistakes in the configuration, a line each, which names file, line and key."""


@dataclass(frozen=True)
class Config:
    """The whole file."""

    role: str = key("This exporter's part of the work.", NO_ROLE, _ROLE, next_start=True)
    web: WebSection = field(default_factory=WebSection)
    gpu: GpuSection = field(default_factory=GpuSection)
    engines: EnginesSection = field(default_factory=EnginesSection)
    cost: CostSection = field(default_factory=CostSection)
    fleet: FleetSection = field(default_factory=FleetSection)
    intake: IntakeSection = field(default_factory=IntakeSection)
    feedback: FeedbackSection = field(default_factory=FeedbackSection)
    ledger: LedgerSection = field(default_factory=LedgerSection)
    request_log: RequestLogSection = field(default_factory=RequestLogSection)
    content: ContentSection = field(default_factory=ContentSection)
    judge: JudgeSection = field(default_factory=JudgeSection)
    prices: tuple[PriceEntry, ...] = key("What calls cost.", (), maxItems=MOST_PRICES)
    destinations: tuple[DestinationEntry, ...] = key(
        "Where a gateway sends on what it takes.", (), maxItems=DESTINATIONS, next_start=True)
    limits: Mapping[str, float] = table(
        "What a gateway holds each call against; it publishes none.", CALL_LIMIT_VALUES)
    models: Mapping[str, CalledModel] = table(
        "The same for single models.", maxProperties=MODELS, propertyNames={"minLength": 1})

    @property
    def intake_listen(self) -> str:
        """Where applications send to; nothing if nowhere. A gateway is there to be sent to."""
        return self.intake.listen or (INTAKE_LISTEN if self.role == GATEWAY else "")

    @property
    def intake_grpc_listen(self) -> str:
        """Where they send to over gRPC; whoever names one address means no other than it."""
        by_itself = self.role == GATEWAY and not self.intake.listen
        return self.intake.grpc_listen or (INTAKE_GRPC_LISTEN if by_itself else "")

    @property
    def takes_telemetry(self) -> bool:
        """Whether applications send anything here."""
        return bool(self.intake_listen or self.intake_grpc_listen)

    def has(self, section: str) -> bool:
        """Whether the section is for this exporter's role."""
        return belongs(self.role, section)


def load(path: Path, role: str = NO_ROLE) -> Config:
    """Read and validate a file, as of a role if one is given. Raises ConfigError."""
    return _finished(read_yaml_file(path), role)


def parse(text: str, name: str, role: str = NO_ROLE) -> Config:
    """Validate a file's text; `name` is what messages call it. Raises ConfigError."""
    return _finished(read_yaml(text, name), role)


def read(top: Entry, role: str = NO_ROLE) -> Config:
    """Validate a YAML document, as of a role if one is given; mistakes are reported to it."""
    config = read_record(Config, top)
    config = dataclasses.replace(config, role=role or config.role)
    if top.document.good("role"):
        _check_role(config.role, top)
    _check_across(config, top.document)
    return config


def _finished(top: Entry, role: str) -> Config:
    config = read(top, role)
    top.document.finish(ConfigError)
    return config


def check(config: Config, name: str) -> None:
    """Look for what no single key can tell; `name` is to blame. Raises ConfigError."""
    document = Document(name)
    _check_across(config, document)
    document.finish(ConfigError)


def _check_role(role: str, top: Entry) -> None:
    """Report keys that are another role's; an empty one says nothing."""
    for section in ROLES[NO_ROLE].sections:
        keys = top.get(section, {}).value
        why = why_not(role, section)
        for name, value in keys.items() if why and isinstance(keys, dict) else ():
            if value is not None:
                top.document.report(f"{section}.{name}", why)
        if why and isinstance(keys, list) and keys:
            top.document.report(section, why)


def _check_across(config: Config, document: Document) -> None:
    """Report what keys are to one another; what depends on a key with a mistake is left out."""
    check_gpu(config.gpu, document)
    check_targets(config.engines.targets, document)
    check_prices(config.prices, document)
    check_bill(config.cost.bill, document)
    check_destinations(config.destinations, document)
    check_models("fleet.models", config.fleet.models, document)
    check_models("models", config.models, document)

"""What the user wants: the validated shape of inferometer.yml.

The dataclasses below are the file: a field is a key, its default the key's default, its type what
it takes. What no single key can tell is checked further down. All mistakes are reported at once.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inferometer.addresses import ADDRESS, URL, host_and_port, is_address, is_engine_url
from inferometer.catalogue import BUDGET, PERIOD, TARGETS
from inferometer.catalogue import LIMITS as LIMITS_BY_UNIT
from inferometer.documents.entry import Constraint, Entry
from inferometer.documents.mistakes import Document, DocumentError
from inferometer.documents.readers import read_yaml, read_yaml_file
from inferometer.documents.records import read_record
from inferometer.roles import NO_ROLE, ROLES, belongs, why_not

# Key of a limit in the file: the limit, which ends with its unit, as in
# `request_duration_p95_seconds`.
LIMITS = {
    limit if limit.endswith(unit) else f"{limit}_{unit}": (limit, unit)
    for unit, limits in LIMITS_BY_UNIT.items() for limit in limits
}


class ConfigError(DocumentError):
    """All mistakes in the configuration, a line each, which names file, line and key."""


_ADDRESS = Constraint(is_address, ADDRESS)
_URL = Constraint(is_engine_url, URL)
_ROLE = Constraint(lambda role: role in ROLES, f"one of {', '.join(filter(None, ROLES))}")
_SECONDS = Constraint(lambda seconds: 0 < seconds <= 86400,
                      "a number of seconds above 0 and at most 86400")
_USD = Constraint(lambda usd: 0 <= usd < math.inf, "an amount of USD, 0 or more")
_PERCENT = Constraint(lambda percent: 0 <= percent <= 1000, "a percentage from 0 to 1000")
_PORT = Constraint(lambda port: 0 < port < 65536, "a port from 1 to 65535")
_PAGE = Constraint(lambda size: 2**10 <= size <= 2**30,
                   "a whole number of bytes from 1024 to 1073741824")
_NAME = Constraint(lambda name: len(name) <= 100, "text of at most 100 characters")
_SOCKET = Constraint(  # the kernel takes no longer one
    lambda path: not path or (path.startswith("/") and len(path.encode()) <= 107),
    "an absolute path of at most 107 bytes")
_LIMIT = {
    "seconds": Constraint(lambda seconds: 0 <= seconds < math.inf,
                          "a number of seconds, 0 or more"),
    "ratio": Constraint(lambda ratio: 0 <= ratio <= 1, "a ratio from 0 to 1"),
    "usd": _USD,
    "replicas": Constraint(lambda replicas: 0 <= replicas < math.inf and replicas % 1 == 0,
                           "a whole number of replicas, 0 or more"),
    "tokens_per_second": Constraint(lambda tokens: 0 <= tokens < math.inf,
                                    "a number of tokens per second, 0 or more"),
}


def _key(default: Any = dataclasses.MISSING, constraint: Constraint | None = None, *,
         next_start: bool = False, alone: bool = False) -> Any:
    """A key: its default, what its values must be, whether a change waits for the next start.

    `alone`: it may be given in the place of its record.
    """
    return field(default=default, metadata={
        "constraint": constraint, "next_start": next_start, "alone": alone})


def _table(constraints: Constraint | Mapping[str, Constraint | None]) -> Any:
    """A key with a mapping below it: of any keys under one constraint, or of these by their own."""
    name = "constraint" if isinstance(constraints, Constraint) else "constraints"
    return field(default_factory=dict, metadata={name: constraints})


@dataclass(frozen=True)
class WebSection:
    """Where the page is served and who may read it."""

    listen: str = _key("127.0.0.1:9839", _ADDRESS, next_start=True)
    config_file: str = ""
    enable_reload: bool = _key(False, next_start=True)
    enable_alert_log: bool = _key(False, next_start=True)


@dataclass(frozen=True)
class GpuSection:
    """Reading GPUs through NVML."""

    enabled: bool = _key(True, next_start=True)
    interval_seconds: float = _key(1.0, _SECONDS)
    time_to_live_seconds: float = _key(5.0, _SECONDS)
    retry_seconds: float = _key(10.0, _SECONDS)
    kubelet_socket: str = _key("", _SOCKET, next_start=True)


@dataclass(frozen=True)
class EngineTarget:
    """One engine endpoint."""

    url: str = _key(constraint=_URL)
    name: str = _key("", _NAME)
    model: str = _key("", _NAME)
    entry_models: tuple[str, ...] = _key((), _NAME)
    bearer_token_file: str = ""
    bearer_token_env: str = ""
    ca_file: str = ""
    insecure_skip_verify: bool = False

    @property
    def label(self) -> str:
        """What the label `target` says: its name, else host:port of its URL."""
        return self.name or host_and_port(self.url)


@dataclass(frozen=True)
class EnginesSection:
    """Which engines are read, and how patiently."""

    targets: tuple[EngineTarget, ...] = ()
    discover_ports: tuple[int, ...] | None = _key(None, _PORT)
    discover_seconds: float = _key(10.0, _SECONDS)
    timeout_seconds: float = _key(5.0, _SECONDS)
    max_page_bytes: int = _key(16 * 2**20, _PAGE)


@dataclass(frozen=True)
class CostSection:
    """What GPUs cost."""

    gpu_hour_usd: Mapping[str, float] = _table(_USD)


@dataclass(frozen=True)
class MonthlyUsd:
    """Fixed costs a month, accrued per second."""

    storage: float | None = _key(None, _USD)
    vector_db: float | None = _key(None, _USD)
    network: float | None = _key(None, _USD)
    other: float | None = _key(None, _USD)


@dataclass(frozen=True)
class Budget:
    """What may be spent in a period, and whether more of it pages somebody."""

    usd: float = _key(constraint=_USD, alone=True)
    page: bool = False


@dataclass(frozen=True)
class ModelFleet:
    """Budgets and limits of one model."""

    budgets_usd: Mapping[str, Budget] = _table(dict.fromkeys(PERIOD.values))
    limits: Mapping[str, float] = _table({key: _LIMIT[unit] for key, (_, unit) in LIMITS.items()})


@dataclass(frozen=True)
class FleetSection(ModelFleet):
    """What the one exporter that speaks for all adds."""

    monthly_usd: MonthlyUsd = field(default_factory=MonthlyUsd)
    overhead_percent: float | None = _key(None, _PERCENT)
    models: Mapping[str, ModelFleet] = field(default_factory=dict)


@dataclass(frozen=True)
class Config:
    """The whole file."""

    role: str = _key(NO_ROLE, _ROLE, next_start=True)
    web: WebSection = field(default_factory=WebSection)
    gpu: GpuSection = field(default_factory=GpuSection)
    engines: EnginesSection = field(default_factory=EnginesSection)
    cost: CostSection = field(default_factory=CostSection)
    fleet: FleetSection = field(default_factory=FleetSection)

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
        for key, value in keys.items() if why and isinstance(keys, dict) else ():
            if value is not None:
                top.document.report(f"{section}.{key}", why)


def _check_across(config: Config, document: Document) -> None:
    """Report what keys are to one another; what depends on a key with a mistake is left out."""
    _check_gpu(config.gpu, document)
    _check_targets(config.engines.targets, document)
    models = config.fleet.models
    if "" in models:
        document.report("fleet.models", "has a model without a name")
    if len(models) >= BUDGET.seats:  # the fleet's own figures count as one
        document.report("fleet.models",
                        f"must have at most {BUDGET.seats - 1} models, not {len(models)}")


def _check_gpu(gpu: GpuSection, document: Document) -> None:
    interval, time_to_live = "gpu.interval_seconds", "gpu.time_to_live_seconds"
    if document.good(interval, time_to_live) and gpu.time_to_live_seconds < gpu.interval_seconds:
        line = document.lines.get(time_to_live) or document.line(interval)
        document.report(time_to_live, f"is {gpu.time_to_live_seconds:g} and must not be below "
                                      f"{interval}, which is {gpu.interval_seconds:g}", line)
    if gpu.kubelet_socket and not gpu.enabled and document.good("gpu.enabled"):
        document.report("gpu.kubelet_socket", "is of no use while gpu.enabled is false")


def _check_targets(targets: tuple[EngineTarget, ...], document: Document) -> None:
    if len(targets) > TARGETS:
        document.report("engines.targets",
                        f"must have at most {TARGETS} targets, not {len(targets)}")
    paths: dict[str, str] = {}
    for i, target in enumerate(targets):
        path = f"engines.targets[{i}]"
        if target.bearer_token_file and target.bearer_token_env:
            document.report(f"{path}.bearer_token_env",
                            "excludes bearer_token_file; give one of them")
        if not target.url or not document.good(f"{path}.url", f"{path}.name"):
            continue
        name = target.label
        if name in paths:
            document.report(path, f"has the name {name!r}, as {paths[name]} has; "
                                  "give it another name")
        paths.setdefault(name, path)

"""What the user wants: the validated shape of inferometer.yml.

The dataclasses below are the file: a field is a key, its default the key's default, its type what
it takes. What no single key can tell is checked further down. All mistakes are reported at once.
"""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from inferometer.addresses import ADDRESS, URL, host_and_port, is_address, is_engine_url
from inferometer.catalogue import BUDGET, PERIOD, TARGETS
from inferometer.catalogue import LIMITS as LIMITS_BY_UNIT
from inferometer.documents.bounds import bounded
from inferometer.documents.entry import Constraint, Entry
from inferometer.documents.mistakes import Document, DocumentError
from inferometer.documents.readers import read_yaml, read_yaml_file
from inferometer.documents.records import read_record
from inferometer.roles import GATEWAY, NO_ROLE, ROLES, belongs, why_not

# Key of a limit in the file: the limit, which ends with its unit, as in
# `request_duration_p95_seconds`.
LIMITS = {
    limit if limit.endswith(unit) else f"{limit}_{unit}": (limit, unit)
    for unit, limits in LIMITS_BY_UNIT.items() for limit in limits
}
MODELS = BUDGET.seats - 1  # the fleet's own figures count as one
MOST_PRICES = 1000  # entries of the user's own
# Those of LIMITS that each call is held against.
CALL_LIMITS = ("request_duration_p95_seconds", "time_to_first_token_p95_seconds",
               "time_per_output_token_p95_seconds", "call_cost_usd")
INTAKE_LISTEN = "127.0.0.1:4318"  # the port of OTLP over HTTP
INTAKE_GRPC_LISTEN = "127.0.0.1:4317"  # and of OTLP over gRPC


class ConfigError(DocumentError):
    """All mistakes in the configuration, a line each, which names file, line and key."""


_ADDRESS = Constraint(is_address, ADDRESS)
_URL = Constraint(is_engine_url, URL, {"pattern": "^https?://[^/?#@ ]+([/?][^# ]*)?$"})
_ROLE = Constraint(lambda role: role in ROLES, f"one of {', '.join(filter(None, ROLES))}")
_SECONDS = bounded("a number of seconds above 0 and at most 86400",
                   exclusiveMinimum=0, maximum=86400)
_USD = bounded("an amount of USD, 0 or more", minimum=0)
_TOKENS_USD = bounded("an amount of USD from 0 to 1000000", minimum=0, maximum=1e6)
_GLOB = Constraint(lambda text: 0 < len(text) <= 200, "text of 1 to 200 characters",
                   {"minLength": 1, "maxLength": 200})
_PERCENT = bounded("a percentage from 0 to 1000", minimum=0, maximum=1000)
_PORT = bounded("a port from 1 to 65535", minimum=1, maximum=65535)
_PAGE = bounded("a whole number of bytes from 1024 to 1073741824", minimum=2**10, maximum=2**30)
_DOOR = Constraint(lambda address: not address or is_address(address), f"{ADDRESS}, or nothing")
_BODY = bounded("a whole number of bytes from 65536 to 67108864", minimum=2**16, maximum=2**26)
_SETTLE = bounded("a number of seconds from 1 to 60", minimum=1, maximum=60)
_DAYS = bounded("a whole number of days from 1 to 3660", minimum=1, maximum=3660)
_FILE_NAME = Constraint(lambda path: path != "", "the name of a file")
_NAME = bounded("text of at most 100 characters", maxLength=100)
_GATEWAY = bounded("text of at most 200 characters", maxLength=200)
_SOCKET = Constraint(  # the kernel takes no longer one
    lambda path: not path or (path.startswith("/") and len(path.encode()) <= 107),
    "an absolute path of at most 107 bytes", {"pattern": "^(/.*)?$", "maxLength": 107})
_LIMIT = {
    "seconds": bounded("a number of seconds, 0 or more", minimum=0),
    "ratio": bounded("a ratio from 0 to 1", minimum=0, maximum=1),
    "usd": _USD,
    "replicas": bounded("a whole number of replicas, 0 or more", minimum=0, multipleOf=1),
    "tokens_per_second": bounded("a number of tokens per second, 0 or more", minimum=0),
}
_CALL_LIMIT = {key: _LIMIT[LIMITS[key][1]] for key in CALL_LIMITS}


def _key(about: str, default: Any = dataclasses.MISSING, constraint: Constraint | None = None, *,
         next_start: bool = False, alone: bool = False, **bounds: Any) -> Any:
    """A key: what it is, its default, what its values must be.

    `next_start`: a change waits for the next start. `alone`: it may be given in the place of its
    record. `bounds` are those of a list itself, as JSON Schema says them.
    """
    return field(default=default, metadata={
        "about": about, "constraint": constraint, "next_start": next_start, "alone": alone,
        "bounds": bounds})


def _table(about: str, constraints: Constraint | Mapping[str, Constraint | None] | None = None,
           **bounds: Any) -> Any:
    """A key with a mapping below it: of any keys under one constraint, or of these by their own."""
    name = "constraints" if isinstance(constraints, Mapping) else "constraint"
    return field(default_factory=dict, metadata={
        "about": about, name: constraints, "bounds": bounds})


@dataclass(frozen=True)
class WebSection:
    """Where the page is served and who may read it."""

    listen: str = _key("HOST:PORT of the page.", "127.0.0.1:9839", _ADDRESS, next_start=True)
    config_file: str = _key("TLS, users, response headers, a rate limit.", "")
    enable_reload: bool = _key(
        "Whether POST /-/reload reads the configuration again.", False, next_start=True)
    enable_alert_log: bool = _key(
        "Whether Alertmanager may POST to /v1/alerts.", False, next_start=True)


@dataclass(frozen=True)
class GpuSection:
    """Reading GPUs through NVML."""

    enabled: bool = _key("Whether GPUs are read.", True, next_start=True)
    interval_seconds: float = _key("Between two readings.", 1.0, _SECONDS)
    time_to_live_seconds: float = _key("After which a reading is not shown.", 5.0, _SECONDS)
    retry_seconds: float = _key("Between two looks for a driver.", 10.0, _SECONDS)
    kubelet_socket: str = _key("The kubelet's PodResources socket, asked which pod has which GPU.",
                               "", _SOCKET, next_start=True)


@dataclass(frozen=True)
class EngineTarget:
    """One engine endpoint."""

    url: str = _key("http:// or https://, as http://127.0.0.1:8000.", constraint=_URL)
    name: str = _key("What the label `target` says; host:port of the URL if empty.", "", _NAME)
    model: str = _key("The model's name, for an engine that does not report one.", "", _NAME)
    entry_models: tuple[str, ...] = _key(
        "Models that hand each request on to others of the same page.", (), _NAME)
    bearer_token_file: str = _key("A file with a token to send.", "")
    bearer_token_env: str = _key("The environment variable with a token to send.", "")
    ca_file: str = _key("Certificate authorities to trust.", "")
    insecure_skip_verify: bool = _key("Take any certificate; for trials.", False)

    @property
    def label(self) -> str:
        """What the label `target` says: its name, else host:port of its URL."""
        return self.name or host_and_port(self.url)


@dataclass(frozen=True)
class EnginesSection:
    """Which engines are read, and how patiently."""

    targets: tuple[EngineTarget, ...] = _key("Engines to read.", (), maxItems=TARGETS)
    discover_ports: tuple[int, ...] | None = _key("Ports of 127.0.0.1 to look at.", None, _PORT)
    discover_seconds: float = _key("Between two looks.", 10.0, _SECONDS)
    timeout_seconds: float = _key("An engine has for its page.", 5.0, _SECONDS)
    max_page_bytes: int = _key("Of the largest page.", 16 * 2**20, _PAGE)


@dataclass(frozen=True)
class CostSection:
    """What GPUs cost."""

    gpu_hour_usd: Mapping[str, float] = _table("USD for an hour of a GPU, by product name.", _USD)


@dataclass(frozen=True)
class MonthlyUsd:
    """Fixed costs in USD a month, accrued per second."""

    storage: float | None = _key("Storage.", None, _USD)
    vector_db: float | None = _key("Vector database.", None, _USD)
    network: float | None = _key("Network.", None, _USD)
    other: float | None = _key("All else.", None, _USD)


@dataclass(frozen=True)
class Budget:
    """What may be spent in a period, and whether more of it pages somebody."""

    usd: float = _key("In USD; spending more warns.", constraint=_USD, alone=True)
    page: bool = _key("Whether spending more pages somebody.", False)


@dataclass(frozen=True)
class ModelFleet:
    """Budgets and limits of one model."""

    budgets_usd: Mapping[str, Budget] = _table(
        "Budgets in USD, by the calendar (UTC).", dict.fromkeys(PERIOD.values))
    limits: Mapping[str, float] = _table(
        "Limits that alerts use instead of their own.",
        {key: _LIMIT[unit] for key, (_, unit) in LIMITS.items()})


@dataclass(frozen=True)
class FleetSection(ModelFleet):
    """What the one exporter that speaks for all adds."""

    monthly_usd: MonthlyUsd = field(default_factory=MonthlyUsd)
    overhead_percent: float | None = _key("On all that is accrued.", None, _PERCENT)
    models: Mapping[str, ModelFleet] = _table(
        "Budgets and limits by model.", maxProperties=MODELS, propertyNames={"minLength": 1})


@dataclass(frozen=True)
class IntakeSection:
    """Where applications send their telemetry, and who may."""

    listen: str = _key("HOST:PORT of OTLP over HTTP; 127.0.0.1:4318 in role gateway and nowhere "
                       "in others, if empty.", "", _DOOR, next_start=True)
    grpc_listen: str = _key("HOST:PORT of OTLP over gRPC; if empty 127.0.0.1:4317 in role gateway "
                            "where `listen` is empty too, and else nowhere.", "", _DOOR,
                            next_start=True)
    config_file: str = _key("TLS and users, as of web.config_file.", "")
    bearer_token_files: tuple[str, ...] = _key("Files of one token each, which lets in.", ())
    max_body_bytes: int = _key("Of one body, unpacked.", 32 * 2**20, _BODY)
    settle_seconds: float = _key("For which a trace is quiet before it counts.", 10.0, _SETTLE)
    request_id_attributes: tuple[str, ...] = _key(
        "Attributes of spans that hold the request's id, before those of conventions.", (), _NAME)


@dataclass(frozen=True)
class LedgerSection:
    """Where a gateway keeps what it is sent, and for how long."""

    path: str = _key("The file; its disk must be local.", "inferometer-ledger.db", _FILE_NAME,
                     next_start=True)
    dsn_file: str = _key("A file with the connection string of a PostgreSQL database, which is "
                         "the ledger in the place of `path`.", "", next_start=True)
    gateway: str = _key("Which of the gateways this is that share the database; the host's name, "
                        "if empty.", "", _GATEWAY, next_start=True)
    key_file: str = _key("The key of users' hashes; the path with .key behind it, if empty.", "",
                         next_start=True)
    retention_days: int = _key("Days to keep calls.", 30, _DAYS)
    rollup_days: int = _key("Days to keep the sums of each hour.", 400, _DAYS)
    user_costs: bool = _key("Whether metrics have what the dearest users cost this month, by "
                            "their hashes.", False, next_start=True)

    @property
    def key_path(self) -> str:
        """The file with the key; beside the ledger if it is not named."""
        return self.key_file or f"{self.path}.key"

    @property
    def gateway_id(self) -> str:
        """What counters of this gateway go by in a database that several share."""
        return self.gateway or socket.gethostname()


@dataclass(frozen=True)
class PriceEntry:
    """What calls to some models cost, from some day on."""

    model: str = _key("Models, by what they answer as; * stands for any text.",
                      constraint=_GLOB)
    provider: str = _key("Providers; * stands for any text.", "*", _GLOB)
    valid_from: date | None = _key(  # noqa: RUF009  # it makes a field, as all of these
        "The first day, UTC; any day, if empty.", None)
    input: float | None = _key("USD for a million tokens of prompts.", None, _TOKENS_USD)
    cached: float | None = _key("Those from a cache; as input, if empty.", None, _TOKENS_USD)
    cache_write: float | None = _key("Those into a cache; as input, if empty.", None, _TOKENS_USD)
    output: float | None = _key("USD for a million tokens generated.", None, _TOKENS_USD)
    reasoning: float | None = _key("Those to reason; as output, if empty.", None, _TOKENS_USD)
    per_request: float | None = _key("USD for a call, beside its tokens.", None, _TOKENS_USD)
    self_hosted: bool = _key("Whether it costs nothing here: its GPUs are paid already.", False)


@dataclass(frozen=True)
class CalledModel:
    """What calls to one model are held against."""

    limits: Mapping[str, float] = _table("In the place of those of all models.", _CALL_LIMIT)


# Kinds of prices of an entry.
PRICES = ("input", "cached", "cache_write", "output", "reasoning", "per_request")


@dataclass(frozen=True)
class Config:
    """The whole file."""

    role: str = _key("This exporter's part of the work.", NO_ROLE, _ROLE, next_start=True)
    web: WebSection = field(default_factory=WebSection)
    gpu: GpuSection = field(default_factory=GpuSection)
    engines: EnginesSection = field(default_factory=EnginesSection)
    cost: CostSection = field(default_factory=CostSection)
    fleet: FleetSection = field(default_factory=FleetSection)
    intake: IntakeSection = field(default_factory=IntakeSection)
    ledger: LedgerSection = field(default_factory=LedgerSection)
    prices: tuple[PriceEntry, ...] = _key("What calls cost.", (), maxItems=MOST_PRICES)
    limits: Mapping[str, float] = _table(
        "What a gateway holds each call against.", _CALL_LIMIT)
    models: Mapping[str, CalledModel] = _table(
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
        for key, value in keys.items() if why and isinstance(keys, dict) else ():
            if value is not None:
                top.document.report(f"{section}.{key}", why)
        if why and isinstance(keys, list) and keys:
            top.document.report(section, why)


def _check_across(config: Config, document: Document) -> None:
    """Report what keys are to one another; what depends on a key with a mistake is left out."""
    _check_gpu(config.gpu, document)
    _check_targets(config.engines.targets, document)
    _check_prices(config.prices, document)
    for path, models in (("fleet.models", config.fleet.models), ("models", config.models)):
        if "" in models:
            document.report(path, "has a model without a name")
        if len(models) > MODELS:
            document.report(path, f"must have at most {MODELS} models, not {len(models)}")


def _check_gpu(gpu: GpuSection, document: Document) -> None:
    interval, time_to_live = "gpu.interval_seconds", "gpu.time_to_live_seconds"
    if document.good(interval, time_to_live) and gpu.time_to_live_seconds < gpu.interval_seconds:
        line = document.lines.get(time_to_live) or document.line(interval)
        document.report(time_to_live, f"is {gpu.time_to_live_seconds:g} and must not be below "
                                      f"{interval}, which is {gpu.interval_seconds:g}", line)
    if gpu.kubelet_socket and not gpu.enabled and document.good("gpu.enabled"):
        document.report("gpu.kubelet_socket", "is of no use while gpu.enabled is false")


def _check_prices(prices: tuple[PriceEntry, ...], document: Document) -> None:
    if len(prices) > MOST_PRICES:
        document.report("prices", f"must have at most {MOST_PRICES} prices, not {len(prices)}")
    earlier: dict[tuple[object, ...], str] = {}
    for i, entry in enumerate(prices):
        path = f"prices[{i}]"
        if not document.good(*(f"{path}.{key}" for key in (
                "provider", "model", "valid_from", "self_hosted", *PRICES))):
            continue
        priced = any(getattr(entry, key) is not None for key in PRICES)
        if entry.self_hosted and priced:
            document.report(f"{path}.self_hosted", "excludes prices; give one of them")
        elif not entry.self_hosted and not priced:
            document.report(path, "has no price; give one, or self_hosted: true")
        same = entry.provider, entry.model, entry.valid_from
        if same in earlier:
            document.report(path, f"is for what {earlier[same]} is for; give it another "
                                  "valid_from, or leave one out")
        earlier.setdefault(same, path)


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

"""The sections of inferometer.yml, key by key: what it is, and what its values must be."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from inferometer.addresses import (
    ADDRESS,
    ORIGIN,
    URL,
    host_and_port,
    is_address,
    is_engine_url,
    is_origin,
)
from inferometer.catalogue import BUDGET, COST_CATEGORIES, PERIOD, TARGETS
from inferometer.config.keys import key, table
from inferometer.config.limits import CALL_LIMIT_VALUES, LIMIT_VALUES, USD
from inferometer.documents.bounds import bounded
from inferometer.documents.entry import Constraint
from inferometer.evaluations import CHECKS

MODELS = BUDGET.seats - 1  # the fleet's own figures count as one
STANDARD_OUTPUT = "-"  # in the place of a file
MOST_PRICES = 1000  # entries of the user's own
MOST_PHRASES = 200
MOST_BILL_RULES = 1000
IGNORED = "ignored"  # a category of a bill's lines that are about something else
BILL_CATEGORIES = (*COST_CATEGORIES, IGNORED)
# Kinds of tokens that bills have lines of: input ones that no cache had, and all that come out.
BILL_TOKENS = ("input", "cached", "cache_write", "output", "reasoning", "all")
REDACTED = ("emails", "phones", "keys")  # in what was said

_ADDRESS = Constraint(is_address, ADDRESS)
_URL = Constraint(is_engine_url, URL, {"pattern": "^https?://[^/?#@ ]+([/?][^# ]*)?$"})
_SECONDS = bounded("a number of seconds above 0 and at most 86400",
                   exclusiveMinimum=0, maximum=86400)
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
_SIZE = Constraint(lambda size: not size or size >= 2**24,
                   "a whole number of bytes from 16777216 on, or 0",
                   {"minimum": 0, "anyOf": [{"maximum": 0}, {"minimum": 2**24}]})
_STORE = Constraint(lambda text: not text or is_engine_url(text), f"{URL}, or nothing",
                    {"pattern": "^(https?://[^/?#@ ]+([/?][^# ]*)?)?$"})
_OUTBOX = bounded("a whole number of bytes from 1048576 on", minimum=2**20, maximum=2**50)
_HOURS = bounded("a number of hours above 0 and at most 720", exclusiveMinimum=0, maximum=720)
_DATABASE = Constraint(lambda name: 0 < len(name) <= 100, "text of 1 to 100 characters",
                       {"minLength": 1, "maxLength": 100})
_FILE_NAME = Constraint(lambda path: path != "", "the name of a file")
_NAME = bounded("text of at most 100 characters", maxLength=100)
_PHRASE = Constraint(lambda text: 2 < len(text) <= 200, "text of 3 to 200 characters",
                     {"minLength": 3, "maxLength": 200})
_CONTENT = bounded("a whole number of bytes from 256 to 1048576", minimum=2**8, maximum=2**20)
_RATIO = bounded("a ratio above 0 and at most 1", exclusiveMinimum=0, maximum=1)
_CHECKS = Constraint(lambda name: name in CHECKS, f"one of {', '.join(CHECKS)}",
                     {"enum": list(CHECKS)})
_REDACTED = Constraint(lambda name: name in REDACTED, f"one of {', '.join(REDACTED)}",
                       {"enum": list(REDACTED)})
_CATEGORY = Constraint(lambda name: name in BILL_CATEGORIES,
                       f"one of {', '.join(BILL_CATEGORIES)}", {"enum": list(BILL_CATEGORIES)})
_BILL_TOKENS = Constraint(lambda name: not name or name in BILL_TOKENS,
                          f"one of {', '.join(BILL_TOKENS)}", {"enum": ["", *BILL_TOKENS]})
_UNITS = bounded("a number above 0 and at most 1000000000000", exclusiveMinimum=0, maximum=1e12)
_FILES = bounded("a whole number of files from 2 to 1000", minimum=2, maximum=1000)
_LOG_BYTES = bounded("a whole number of bytes from 1048576 to 1099511627776", minimum=2**20,
                     maximum=2**40)
_GATEWAY = bounded("text of at most 200 characters", maxLength=200)
_ORIGIN = Constraint(is_origin, ORIGIN, {"pattern": "^https?://[^/?#@ ]+$"})
_SOCKET = Constraint(  # the kernel takes no longer one
    lambda path: not path or (path.startswith("/") and len(path.encode()) <= 107),
    "an absolute path of at most 107 bytes", {"pattern": "^(/.*)?$", "maxLength": 107})


@dataclass(frozen=True)
class WebSection:
    """Where the page is served and who may read it."""

    listen: str = key("HOST:PORT of the page.", "127.0.0.1:9839", _ADDRESS, next_start=True)
    config_file: str = key("TLS, users, response headers, a rate limit.", "")
    enable_reload: bool = key(
        "Whether POST /-/reload reads the configuration again.", False, next_start=True)
    enable_alert_log: bool = key(
        "Whether Alertmanager may POST to /v1/alerts.", False, next_start=True)


@dataclass(frozen=True)
class GpuSection:
    """Reading GPUs through NVML."""

    enabled: bool = key("Whether GPUs are read.", True, next_start=True)
    interval_seconds: float = key("Between two readings.", 1.0, _SECONDS)
    time_to_live_seconds: float = key("After which a reading is not shown.", 5.0, _SECONDS)
    retry_seconds: float = key("Between two looks for a driver.", 10.0, _SECONDS)
    kubelet_socket: str = key("The kubelet's PodResources socket, asked which pod has which GPU.",
                               "", _SOCKET, next_start=True)


@dataclass(frozen=True)
class EngineTarget:
    """One engine endpoint."""

    url: str = key("http:// or https://, as http://127.0.0.1:8000.", constraint=_URL)
    name: str = key("What the label `target` says; host:port of the URL if empty.", "", _NAME)
    model: str = key("The model's name, for an engine that does not report one.", "", _NAME)
    entry_models: tuple[str, ...] = key(
        "Models that hand each request on to others of the same page.", (), _NAME)
    bearer_token_file: str = key("A file with a token to send.", "")
    bearer_token_env: str = key("The environment variable with a token to send.", "")
    ca_file: str = key("Certificate authorities to trust.", "")
    insecure_skip_verify: bool = key("Take any certificate; for trials.", False)

    @property
    def label(self) -> str:
        """What the label `target` says: its name, else host:port of its URL."""
        return self.name or host_and_port(self.url)


@dataclass(frozen=True)
class EnginesSection:
    """Which engines are read, and how patiently."""

    targets: tuple[EngineTarget, ...] = key("Engines to read.", (), maxItems=TARGETS)
    discover_ports: tuple[int, ...] | None = key("Ports of 127.0.0.1 to look at.", None, _PORT)
    discover_seconds: float = key("Between two looks.", 10.0, _SECONDS)
    timeout_seconds: float = key("An engine has for its page.", 5.0, _SECONDS)
    max_page_bytes: int = key("Of the largest page.", 16 * 2**20, _PAGE)


@dataclass(frozen=True)
class BillRule:
    """Which lines of a provider's bill are about what; the first rule that fits a line counts."""

    category: str = key("What the money went to; ignored: nothing that is tracked here.",
                        constraint=_CATEGORY)
    match: Mapping[str, str] = table(
        "Columns of the bill and what they have; * stands for any text.", _GLOB,
        minProperties=1, propertyNames={"minLength": 1})
    model: str = key("The models that are billed, by the names that calls have, * standing for any "
                     "text; of category api.", "", _NAME)
    tokens: str = key("The kind of tokens that the line's quantity is of; of category api.", "",
                      _BILL_TOKENS)
    gpu: str = key("The GPUs that are billed, by their product names, likewise; of category gpu.",
                   "", _NAME)
    units: float = key("Tokens, or hours of a GPU, that one of the line's units is.", 1.0, _UNITS)


@dataclass(frozen=True)
class CostSection:
    """What GPUs cost, and what a provider's bill is about."""

    gpu_hour_usd: Mapping[str, float] = table("USD for an hour of a GPU, by product name.", USD)
    bill: tuple[BillRule, ...] = key("Rules for a bill's lines, in their order.", (),
                                     maxItems=MOST_BILL_RULES)


@dataclass(frozen=True)
class MonthlyUsd:
    """Fixed costs in USD a month, accrued per second."""

    storage: float | None = key("Storage.", None, USD)
    vector_db: float | None = key("Vector database.", None, USD)
    network: float | None = key("Network.", None, USD)
    other: float | None = key("All else.", None, USD)


@dataclass(frozen=True)
class Budget:
    """What may be spent in a period, and whether more of it pages somebody."""

    usd: float = key("In USD; spending more warns.", constraint=USD, alone=True)
    page: bool = key("Whether spending more pages somebody.", False)


@dataclass(frozen=True)
class ModelFleet:
    """Budgets and limits of one model."""

    budgets_usd: Mapping[str, Budget] = table(
        "Budgets in USD, by the calendar (UTC).", dict.fromkeys(PERIOD.values))
    limits: Mapping[str, float] = table(
        "Limits that alerts and boards use instead of the defaults; published.",
        LIMIT_VALUES)


@dataclass(frozen=True)
class FleetSection(ModelFleet):
    """What the one exporter that speaks for all adds."""

    monthly_usd: MonthlyUsd = field(default_factory=MonthlyUsd)
    overhead_percent: float | None = key("On all that is accrued.", None, _PERCENT)
    models: Mapping[str, ModelFleet] = table(
        "Budgets and limits by model.", maxProperties=MODELS, propertyNames={"minLength": 1})


@dataclass(frozen=True)
class IntakeSection:
    """Where applications send their telemetry, and who may."""

    listen: str = key("HOST:PORT of OTLP over HTTP; 127.0.0.1:4318 in role gateway and nowhere "
                       "in others, if empty.", "", _DOOR, next_start=True)
    grpc_listen: str = key("HOST:PORT of OTLP over gRPC; if empty 127.0.0.1:4317 in role gateway "
                            "where `listen` is empty too, and else nowhere.", "", _DOOR,
                            next_start=True)
    config_file: str = key("TLS and users, as of web.config_file.", "")
    bearer_token_files: tuple[str, ...] = key("Files of one token each, which lets in.", ())
    max_body_bytes: int = key("Of one body, unpacked.", 32 * 2**20, _BODY)
    settle_seconds: float = key("For which a trace is quiet before it counts.", 10.0, _SETTLE)
    request_id_attributes: tuple[str, ...] = key(
        "Attributes of spans that hold the request's id, before those of conventions.", (), _NAME)


@dataclass(frozen=True)
class FeedbackSection:
    """Where people's votes are posted to, and who may."""

    listen: str = key("HOST:PORT of /v1/feedback; nowhere, if empty.", "", _DOOR, next_start=True)
    config_file: str = key("TLS and users, as of web.config_file.", "")
    bearer_token_files: tuple[str, ...] = key(
        "Files of one token each, by which a backend votes.", ())
    capability_key_file: str = key("The key of capabilities, by which a browser votes.", "")
    allowed_origins: tuple[str, ...] = key(
        "Origins of pages that may vote, as https://chat.example.com.", (), _ORIGIN)


@dataclass(frozen=True)
class ClickHouseSection:
    """A ClickHouse to which a ledger gives what is counted; none without a URL."""

    url: str = key("http:// or https:// and where it answers.", "", _STORE, next_start=True)
    database: str = key("Made where it is missing.", "inferometer", _DATABASE, next_start=True)
    user: str = key("Who may write it; `default` if empty.", "", _NAME, next_start=True)
    password_file: str = key("A file with the user's password.", "", next_start=True)
    retention_days: int = key("Days to keep calls there.", 400, _DAYS)
    rollup_days: int = key("Days to keep sums of hours and days there.", 1100, _DAYS)


@dataclass(frozen=True)
class LedgerSection:
    """Where a gateway keeps what it is sent, and for how long."""

    path: str = key("The file; its disk must be local.", "inferometer-ledger.db", _FILE_NAME,
                     next_start=True)
    dsn_file: str = key("A file with the connection string of a PostgreSQL database, which is the "
                        "ledger in the place of `path`.", "", next_start=True)
    gateway: str = key("Which of the gateways this is that share the database; the host's name, "
                       "if empty.", "", _GATEWAY, next_start=True)
    key_file: str = key("The key of users' hashes; the path with .key behind it, if empty.", "",
                         next_start=True)
    retention_days: int = key("Days to keep calls.", 30, _DAYS)
    rollup_days: int = key("Days to keep the sums of each hour.", 400, _DAYS)
    max_bytes: int = key("Of the file and its log, or of the database, beyond which nothing is "
                         "taken; 0: as many as its disk has.", 0, _SIZE)
    outbox_max_bytes: int = key("Of bodies that wait for destinations; beyond it the oldest are "
                                "dropped.", 2**30, _OUTBOX, next_start=True)
    outbox_hours: float = key("After which they are dropped, too.", 24.0, _HOURS, next_start=True)
    user_costs: bool = key("Whether metrics have what the dearest users cost this month, by "
                            "their hashes.", False, next_start=True)
    clickhouse: ClickHouseSection = field(default_factory=ClickHouseSection)

    @property
    def key_path(self) -> str:
        """The file with the key; beside the ledger if it is not named."""
        return self.key_file or f"{self.path}.key"

    @property
    def gateway_id(self) -> str:
        """What counters of this gateway go by in a database that several share."""
        return self.gateway or socket.gethostname()


@dataclass(frozen=True)
class RequestLogSection:
    """Where a gateway writes a line for each call; nowhere without a path."""

    path: str = key("The file, or - for standard output.", "", next_start=True)
    max_bytes: int = key("Of one file, before the next is begun.", 100 * 2**20, _LOG_BYTES)
    files: int = key("Files that are kept, the one that is written included.", 5, _FILES)


@dataclass(frozen=True)
class ContentSection:
    """What is done with what was said, where spans have it."""

    checks: bool = key("Whether answers are read: as JSON, by schemas, for refusals.", True)
    evaluations: tuple[str, ...] = key(
        "What answers are looked at for in llm_evaluations_total.", CHECKS, _CHECKS)
    refusal_phrases: tuple[str, ...] = key(
        "How answers begin that are refusals, in the place of those that come with it.", (),
        _PHRASE, maxItems=MOST_PHRASES)
    store: bool = key("Whether what was said is kept in the ledger.", False)
    retention_days: int = key("Days to keep it.", 7, _DAYS)
    max_bytes: int = key("Of one call or step; what is beyond it is cut off.", 65536, _CONTENT)
    sample_ratio: float = key("Of all traces, those of which it is kept.", 1.0, _RATIO)
    redact: tuple[str, ...] = key(
        "What is taken out before it is written: emails, phones, keys.", REDACTED, _REDACTED)


@dataclass(frozen=True)
class PriceEntry:
    """What calls to some models cost, from some day on."""

    model: str = key("Models, by what they answer as; * stands for any text.",
                      constraint=_GLOB)
    provider: str = key("Providers; * stands for any text.", "*", _GLOB)
    valid_from: date | None = key(  # noqa: RUF009  # it makes a field, as all of these
        "The first day, UTC; any day, if empty.", None)
    input: float | None = key("USD for a million tokens of prompts.", None, _TOKENS_USD)
    cached: float | None = key("Those from a cache; as input, if empty.", None, _TOKENS_USD)
    cache_write: float | None = key("Those into a cache; as input, if empty.", None, _TOKENS_USD)
    output: float | None = key("USD for a million tokens generated.", None, _TOKENS_USD)
    reasoning: float | None = key("Those to reason; as output, if empty.", None, _TOKENS_USD)
    per_request: float | None = key("USD for a call, beside its tokens.", None, _TOKENS_USD)
    self_hosted: bool = key("Whether it costs nothing here: its GPUs are paid already.", False)


@dataclass(frozen=True)
class CalledModel:
    """What calls to one model are held against."""

    limits: Mapping[str, float] = table("In the place of those of all models.", CALL_LIMIT_VALUES)

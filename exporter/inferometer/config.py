"""What the user wants: the validated shape of inferometer.yml.

The dataclasses below are the file: a field is a key, its default the key's default, its type what
it takes. Everything else in this module turns a mistake into one line naming file and key path.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import yaml

from inferometer.catalogue import (
    BUDGET,
    LIMITS_RATIO,
    LIMITS_SECONDS,
    LIMITS_USD,
    PERIOD,
    TARGETS,
)
from inferometer.roles import NO_ROLE, ROLES, belongs, foreign

T = TypeVar("T")

# Key of a limit in the file: the limit and its unit, as in `request_duration_p95_seconds`.
LIMITS = {
    f"{limit}_{unit}": (limit, unit)
    for unit, limits in (
        ("seconds", LIMITS_SECONDS), ("ratio", LIMITS_RATIO), ("usd", LIMITS_USD))
    for limit in limits
}


class ConfigError(ValueError):
    """A mistake in the configuration; the message names file and key path in one line."""


def _check(test: Callable[[Any], bool], wanted: str, default: Any = dataclasses.MISSING) -> Any:
    """A field whose value must pass a test."""
    return field(default=default, metadata={"test": test, "wanted": wanted})


def _table(test: Callable[[str, Any], bool], wanted: str, keys: tuple[str, ...] = ()) -> Any:
    """A field that maps keys, any or only these, to values; key and value must pass a test."""
    return field(default_factory=dict, metadata={"each": test, "wanted": wanted, "keys": keys})


def split_address(text: str) -> tuple[str, int]:
    """HOST:PORT, [IPV6]:PORT or :PORT as host and port. Raises ValueError."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+(?:%\w+)?)\]|([\w.-]*)):(\d{1,5})", text, re.ASCII)
    if match is None or int(match[3]) > 65535:
        raise ValueError(text)
    return match[1] or match[2], int(match[3])


def _is_address(text: str) -> bool:
    try:
        split_address(text)
    except ValueError:
        return False
    return True


def is_engine_url(url: str) -> bool:
    """Whether this is an http(s) URL with a host, no user and nothing odd in it."""
    try:
        parts = urlsplit(url)
        good_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url
    return (plain and good_port and parts.scheme in ("http", "https") and bool(parts.hostname)
            and parts.username is None and not parts.fragment)


def _is_wait(seconds: float) -> bool:
    return 0 < seconds <= 86400


def _money(value: float) -> bool:
    return 0 <= value < math.inf


ADDRESS = "HOST:PORT"
URL = "an http:// or https:// URL without user, password or fragment"
SECONDS = "a number of seconds above 0 and at most 86400"
USD = "an amount of USD, 0 or more"
SOCKET = "an absolute path of at most 107 bytes"  # the kernel takes no longer one


@dataclass(frozen=True)
class WebSection:
    """Where the page is served and who may read it."""

    listen: str = _check(_is_address, ADDRESS, "127.0.0.1:9839")
    config_file: str = ""
    enable_reload: bool = False
    enable_alert_log: bool = False


@dataclass(frozen=True)
class GpuSection:
    """Reading GPUs through NVML."""

    enabled: bool = True
    interval_seconds: float = _check(_is_wait, SECONDS, 1.0)
    time_to_live_seconds: float = _check(_is_wait, SECONDS, 5.0)
    retry_seconds: float = _check(_is_wait, SECONDS, 10.0)
    kubelet_socket: str = _check(
        lambda path: not path or (path.startswith("/") and len(path.encode()) <= 107), SOCKET, "")


@dataclass(frozen=True)
class EngineTarget:
    """One engine endpoint."""

    url: str = _check(is_engine_url, URL)
    name: str = _check(lambda name: len(name) <= 100, "at most 100 characters", "")
    bearer_token_file: str = ""
    bearer_token_env: str = ""
    ca_file: str = ""
    insecure_skip_verify: bool = False


@dataclass(frozen=True)
class EnginesSection:
    """Which engines are read, and how patiently."""

    targets: tuple[EngineTarget, ...] = ()
    discover_ports: tuple[int, ...] | None = _check(
        lambda ports: ports is None or all(0 < port < 65536 for port in ports),
        "ports from 1 to 65535", None,
    )
    discover_seconds: float = _check(_is_wait, SECONDS, 10.0)
    timeout_seconds: float = _check(_is_wait, SECONDS, 5.0)
    max_page_bytes: int = _check(
        lambda size: 2**10 <= size <= 2**30, "a size from 1024 to 1073741824", 16 * 2**20)


@dataclass(frozen=True)
class CostSection:
    """What GPUs cost."""

    gpu_hour_usd: Mapping[str, float] = _table(lambda _, usd: _money(usd), USD)


@dataclass(frozen=True)
class MonthlyUsd:
    """Fixed costs a month, accrued per second."""

    storage: float | None = _check(lambda v: v is None or _money(v), USD, None)
    vector_db: float | None = _check(lambda v: v is None or _money(v), USD, None)
    network: float | None = _check(lambda v: v is None or _money(v), USD, None)
    other: float | None = _check(lambda v: v is None or _money(v), USD, None)


@dataclass(frozen=True)
class ModelFleet:
    """Budgets and limits of one model."""

    budgets_usd: Mapping[str, float] = _table(
        lambda _, usd: _money(usd), USD, PERIOD.values)
    limits: Mapping[str, float] = _table(
        lambda key, value: _money(value) and (value <= 1 or LIMITS[key][1] != "ratio"),
        "0 or more, and a ratio at most 1", tuple(LIMITS))


@dataclass(frozen=True)
class FleetSection(ModelFleet):
    """What the one exporter that speaks for all adds."""

    monthly_usd: MonthlyUsd = field(default_factory=MonthlyUsd)
    overhead_percent: float | None = _check(
        lambda v: v is None or 0 <= v <= 1000, "a percentage from 0 to 1000", None)
    models: Mapping[str, ModelFleet] = field(default_factory=dict)


@dataclass(frozen=True)
class Config:
    """The whole file."""

    role: str = _check(
        lambda role: role in ROLES, f"one of {', '.join(filter(None, ROLES))}", NO_ROLE)
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
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise ConfigError(f"{path}: {why}") from error
    return parse(text, str(path), role)


def parse(text: str, name: str, role: str = NO_ROLE) -> Config:
    """Validate a file's text; `name` is what messages call it. Raises ConfigError."""
    try:
        raw = yaml.load(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}:" if error.problem_mark else ""
        raise ConfigError(f"{name}:{line} {error.problem}") from error
    except Exception as error:  # PyYAML lets out whatever int(), chr() and the like raise
        raise ConfigError(f"{name}: is not YAML: {' '.join(str(error).split())}") from error
    try:
        config: Config = _build(Config, raw, "")
        config = dataclasses.replace(config, role=role or config.role)
        _check_role(config.role, raw or {})
    except _Mistake as mistake:
        raise ConfigError(f"{name}: {mistake}") from mistake
    check(config, name)
    return config


def check(config: Config, name: str) -> None:
    """Look for what no single key can tell; `name` is to blame. Raises ConfigError."""
    try:
        _check_whole(config)
    except _Mistake as mistake:
        raise ConfigError(f"{name}: {mistake}") from mistake


def target_name(target: EngineTarget) -> str:
    """What a target is called: its name, else host:port of its URL."""
    parts = urlsplit(target.url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return target.name or f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def local_port(target: EngineTarget) -> int:
    """The port of a target on this machine's loopback address, else 0."""
    parts = urlsplit(target.url)
    local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    return (parts.port or (443 if parts.scheme == "https" else 80)) if local else 0


class _Mistake(ValueError):
    def __init__(self, path: str, what: str) -> None:
        super().__init__(f"{path or 'the file'}: {what}")


class Loader(yaml.SafeLoader):
    """YAML as the file has it: no key twice, and numbers as machines write them."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """The mapping. Raises ConstructorError where a key is given twice."""
        seen: set[str] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


# YAML 1.1 has no number like 5e-05, without a point; those who write YAML by machine do.
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), [*"-+0123456789"])


def _build(shape: Any, raw: Any, path: str) -> Any:
    """`raw` as a value of the type `shape`; raises _Mistake."""
    origin, arguments = typing.get_origin(shape), typing.get_args(shape)
    if dataclasses.is_dataclass(shape):
        return _build_record(typing.cast(type, shape), raw, path)
    if origin in (types.UnionType, typing.Union):
        return None if raw is None else _build(arguments[0], raw, path)
    if origin is tuple:
        if not isinstance(raw, list | None):
            raise _Mistake(path, f"must be a list, not {_shown(raw)}")
        return tuple(_build(arguments[0], item, f"{path}[{i}]") for i, item in enumerate(raw or ()))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: _build(arguments[1], value, f"{path}.{key}")
                for key, value in _mapping(raw, path).items()}
    return _build_scalar(shape, raw, path)


def _build_scalar(shape: type, raw: Any, path: str) -> Any:
    if shape is float and isinstance(raw, int) and not isinstance(raw, bool):
        raw = float(raw) if abs(raw) < 2**1000 else math.inf
    if not isinstance(raw, shape) or (shape is not bool and isinstance(raw, bool)):
        raise _Mistake(path, f"must be {_NAMES[shape]}, not {_shown(raw)}")
    if isinstance(raw, str) and not raw.isprintable():
        raise _Mistake(path, f"must be text on one line, not {_shown(raw)}")
    return raw


def _build_record(shape: type[T], raw: Any, path: str) -> T:
    given = _mapping(raw, path)
    hints = typing.get_type_hints(shape)
    fields = {f.name: f for f in dataclasses.fields(typing.cast(Any, shape))}
    values: dict[str, Any] = {}
    for key, value in given.items():
        where = f"{path}.{key}" if path else key
        if key not in fields:
            raise _Mistake(where, f"unknown key; known here are {', '.join(fields)}")
        values[key] = _build(hints[key], value, where)
        _check_value(fields[key].metadata, values[key], where)
    for key, known in fields.items():
        required = (known.default is dataclasses.MISSING
                    and known.default_factory is dataclasses.MISSING)
        if required and key not in values:
            raise _Mistake(f"{path}.{key}", "is missing")
    return shape(**values)


def _check_value(rules: Mapping[str, Any], value: Any, where: str) -> None:
    for key, item in value.items() if "each" in rules else ():
        if rules["keys"] and key not in rules["keys"]:
            known = ", ".join(rules["keys"])
            raise _Mistake(f"{where}.{key}", f"unknown key; known here are {known}")
        if not rules["each"](key, item):
            raise _Mistake(f"{where}.{key}", f"must be {rules['wanted']}, not {_shown(item)}")
    if "test" in rules and not rules["test"](value):
        raise _Mistake(where, f"must be {rules['wanted']}, not {_shown(value)}")


def _check_role(role: str, raw: Mapping[str, Any]) -> None:
    """Refuse keys that are another role's; an empty section says nothing."""
    for section, keys in raw.items():
        for key, value in keys.items() if isinstance(keys, dict) else ():
            if value is not None and (why := foreign(role, section)):
                raise _Mistake(f"{section}.{key}", why)


def _check_whole(config: Config) -> None:
    gpu, targets, models = config.gpu, config.engines.targets, config.fleet.models
    if gpu.time_to_live_seconds < gpu.interval_seconds:
        raise _Mistake("gpu.time_to_live_seconds", "must not be below gpu.interval_seconds")
    if gpu.kubelet_socket and not gpu.enabled:
        raise _Mistake("gpu.kubelet_socket", "is of no use while gpu.enabled is false")
    if len(targets) > TARGETS:
        raise _Mistake("engines.targets", f"at most {TARGETS} targets, not {len(targets)}")
    if "" in models:
        raise _Mistake("fleet.models", "a model has no name")
    if len(models) >= BUDGET.seats:  # the fleet's own figures count as one
        raise _Mistake("fleet.models", f"at most {BUDGET.seats - 1} models, not {len(models)}")
    seen: set[str] = set()
    for i, target in enumerate(targets):
        name = target_name(target)
        if name in seen:
            raise _Mistake(f"engines.targets[{i}]", f"the name {name!r} is taken; give it another")
        seen.add(name)
        if target.bearer_token_file and target.bearer_token_env:
            raise _Mistake(f"engines.targets[{i}].bearer_token_env",
                           "excludes bearer_token_file; give one of them")


def _mapping(raw: Any, path: str) -> dict[str, Any]:
    if raw is None:  # all that is below the key is commented out
        return {}
    if not isinstance(raw, dict):
        raise _Mistake(path, f"must be a mapping of keys, not {_shown(raw)}")
    for key in raw:
        if not isinstance(key, str):
            raise _Mistake(path, f"the key {_shown(key)} must be text; put it in quotes")
        if not key.isprintable():
            raise _Mistake(path, f"the key {_shown(key)} must be text on one line")
    return raw


_NAMES = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


def _shown(raw: Any) -> str:
    """A value as messages quote it: cut short, and without the password of a URL."""
    if raw is None:
        return "empty"
    if isinstance(raw, dict | list):
        return "a mapping" if isinstance(raw, dict) else "a list"
    if isinstance(raw, tuple):
        return f"[{', '.join(map(_shown, raw))}]"[:80]
    if isinstance(raw, int) and raw.bit_length() > 256:
        return "a number that large"
    if not isinstance(raw, str | int | float):
        return f"a {type(raw).__name__}"  # what else YAML has: dates, sets, bytes
    text = repr(raw).lower() if isinstance(raw, bool) else repr(raw)
    return re.sub("(?<=^.).*@", "***@", text)[:80]

"""Composition root: configuration in, running exporter out."""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
import os
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import PlatformCollector, ProcessCollector

from inferometer import __version__, alert_log
from inferometer import catalogue as c
from inferometer import config as configuration
from inferometer.collector import Collector, Deadline, Scrape
from inferometer.config import Config, ConfigError, EnginesSection, EngineTarget
from inferometer.cost.collector import CostCollector
from inferometer.documents.mistakes import Document, Mistake
from inferometer.engines.collector import EnginesCollector
from inferometer.engines.discovery import USUAL_PORTS, Discovery
from inferometer.engines.fetch import Access
from inferometer.engines.tables import TABLES
from inferometer.engines.target import State, Target
from inferometer.exposition import render, render_client
from inferometer.families import Family
from inferometer.gpu.collector import GpuCollector
from inferometer.gpu.kubelet import Kubelet
from inferometer.gpu.pods import PodsCollector
from inferometer.gpu.sampler import Sampler
from inferometer.guard import Guard
from inferometer.home.cards import gather
from inferometer.home.content import Endpoint, Surroundings
from inferometer.home.history import STEP_SECONDS, History, Recorder
from inferometer.home.page import render as render_home
from inferometer.roles import NO_ROLE, foreign
from inferometer.serve.server import Server, Site
from inferometer.serve.web_config import WebConfig
from inferometer.serve.web_settings import WebConfigError

log = logging.getLogger(__name__)

NEXT_START = (("web", "listen"), ("web", "enable_reload"), ("web", "enable_alert_log"),
              ("gpu", "enabled"), ("gpu", "kubelet_socket"))
FACTS_PATIENCE_SECONDS = 5.0  # for the documents beside a page
HOME_SECONDS = 8.0  # for the reading behind the page for a person


@dataclass(frozen=True)
class Flags:
    """What the command line sets over the file."""

    listen: str | None = None
    engines: Sequence[EngineTarget] = ()
    role: str = NO_ROLE

    def over(self, config: Config) -> Config:
        """The configuration with the flags in it. Raises ConfigError."""
        if self.role:
            config = dataclasses.replace(config, role=self.role)
        if self.listen is not None:
            config = dataclasses.replace(
                config, web=dataclasses.replace(config.web, listen=self.listen))
        if self.engines:
            if why := foreign(config.role, "engines"):
                raise ConfigError(Mistake("--engine", why, document="command line"))
            config = dataclasses.replace(
                config, engines=dataclasses.replace(config.engines, targets=tuple(self.engines)))
            configuration.check(config, "command line")
        return config


def load_config(path: Path | None, flags: Flags) -> Config:
    """The file, or the defaults without one, with the command line over it. Raises ConfigError.

    Names of files in it are seen from the file's own directory.
    """
    config = flags.over(configuration.load(path, flags.role) if path else Config())
    folder = path.parent if path else Path()
    targets = tuple(
        dataclasses.replace(target, bearer_token_file=_beside(folder, target.bearer_token_file),
                            ca_file=_beside(folder, target.ca_file))
        for target in config.engines.targets)
    for i, target in enumerate(targets):
        _check_secrets(target, str(path or "command line"), f"engines.targets[{i}].")
    load_web_config(config, path)
    if config.gpu.kubelet_socket and importlib.util.find_spec("grpc") is None:
        raise ConfigError(Mistake("gpu.kubelet_socket", "needs the package grpcio; pip install "
                                  "'inferometer[kubelet]'", document=str(path)))
    return dataclasses.replace(
        config, engines=dataclasses.replace(config.engines, targets=targets))


def load_web_config(config: Config, path: Path | None) -> WebConfig | None:
    """The web configuration file, by a path relative to the config's. Raises ConfigError."""
    if not config.web.config_file:
        return None
    try:
        return WebConfig.load((path.parent if path else Path()) / config.web.config_file)
    except WebConfigError as error:
        raise ConfigError(*error.lines_under("web.config_file")).placed(
            Document(str(path or "command line"))) from error


class App:
    """The exporter: its collectors in one explicit list, and how they change on a reload."""

    def __init__(self, path: Path | None, flags: Flags,
                 history_step: float = STEP_SECONDS) -> None:
        self._path = path
        self._flags = flags
        self.config = load_config(path, flags)
        self._web = load_web_config(self.config, path)
        self._reloads = {"success": 0.0, "failure": 0.0}
        self._reload_good = True
        self._started_at = self._loaded_at = time.time()
        self._lock = threading.Lock()
        reads_gpus = self.config.has("gpu") and self.config.gpu.enabled
        self.sampler = Sampler(self.config.gpu) if reads_gpus else None
        self._server: Server | None = None
        self._was_ready = False
        self._targets: dict[str, tuple[object, Target]] = {}
        self._set_targets()
        self._search = self._search_wanted()
        self.discovery = self._make_discovery()
        self._cost = CostCollector(self.config, self.sampler.gpus if self.sampler else list)
        self._guard = Guard()
        collectors: list[Collector] = [
            *self._gpu_collectors(),
            *([EnginesCollector(self.targets)] if self.config.has("engines") else []),
            *([self._cost] if self.config.has("cost") or self.config.has("fleet") else []),
        ]
        self._scrape = Scrape(collectors, self._guard)
        self._look = Scrape(collectors, self._guard, tells=False)  # joined by no scrape
        self._history = History(history_step)
        self._recorder = Recorder(self._history, self._look.families)
        self._process = ProcessCollector(registry=None), PlatformCollector(registry=None)

    def _gpu_collectors(self) -> Iterator[Collector]:
        socket = self.config.gpu.kubelet_socket
        if self.sampler:
            yield GpuCollector(self.sampler)
        if self.sampler and socket:
            yield PodsCollector(Kubelet(socket), self.sampler)

    def start(self) -> Server:
        """Begin to watch, and listen. Raises OSError if the address cannot be had."""
        host, port = configuration.split_address(self.config.web.listen)
        reload = self.reload if self.config.web.enable_reload else None
        log_alerts = alert_log.write if self.config.web.enable_alert_log else None
        site = Site(self.page, lambda: self._scrape.names, self.ready, self.home, reload,
                    log_alerts)
        server = self._server = Server(host, port, site, self._web)
        if self.sampler:
            self.sampler.start()
        self.discovery.start()
        self._recorder.start()
        return server

    def targets(self) -> list[Target]:
        """All engine targets: those of the file, then those found."""
        named = [target for _, target in self._targets.values()]
        return [*named, *self.discovery.targets()]

    def ready(self) -> bool:
        """Whether the first look for GPUs and engines has ended."""
        gpus_looked = self.sampler is None or self.sampler.looked.is_set()
        self._was_ready = self._was_ready or (gpus_looked and self.discovery.looked.is_set())
        return self._was_ready

    def page(self, deadline: Deadline, chosen: Sequence[str] | None, content: str) -> bytes:
        """The whole page in one of the two formats."""
        began = self._recorder.now()
        said = self._scrape.families(deadline, chosen)
        if chosen is None:
            self._recorder.overhear(said, began)
        page = render([*self._about_us(), *said], content)
        return render_client(self._process, content) + page

    def home(self, refresh: bool) -> bytes:
        """The page for a person, which may reload itself."""
        began = self._recorder.now()
        said = self._look.families(Deadline(HOME_SECONDS))
        self._recorder.overhear(said, began)
        facts = gather([*self._about_us(), *said], self._history, self._surroundings())
        return render_home(facts, refresh)

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            time.time(), self._started_at, self.ready(),
            self.sampler.gpus() if self.sampler else None,
            self.sampler.state if self.sampler else "", self.config.gpu.retry_seconds,
            [Endpoint(target.name, target.url, target.last) for target in self.targets()],
            self.discovery.ports, self.config.engines.discover_seconds, self.config.role)

    def reload(self) -> str:
        """Read the file again; what went wrong, if anything: then the old one stays in force."""
        with self._lock:
            try:
                new = load_config(self._path, self._flags)
                self._apply(new)
            except (ConfigError, OSError) as error:
                self._reload_good = False
                self._reloads["failure"] += 1
                log.error("reload failed, the old configuration stays", extra={"why": str(error)})
                return str(error)
            self._reload_good, self._loaded_at = True, time.time()
            self._reloads["success"] += 1
            log.info("configuration reloaded")
            return ""

    def _apply(self, new: Config) -> None:
        web = load_web_config(new, self._path)
        if new.role != self.config.role:  # its sections are not for what runs here
            log.warning("takes effect at the next start", extra={"key": "role"})
            new = dataclasses.replace(self.config, web=new.web)
        for section, key in NEXT_START:
            in_force, wanted = getattr(self.config, section), getattr(new, section)
            if getattr(in_force, key) != getattr(wanted, key):
                log.warning("takes effect at the next start", extra={"key": f"{section}.{key}"})
                kept = dataclasses.replace(wanted, **{key: getattr(in_force, key)})
                new = dataclasses.replace(new, **{section: kept})
        self.config = new
        if self._server:
            self._server.web = web
        if self.sampler:
            self.sampler.configure(new.gpu)
        self._cost.configure(new)
        self._set_targets()
        if self._search_wanted() != self._search:
            self._search = self._search_wanted()
            self.discovery.stop()
            self.discovery = self._make_discovery()
            self.discovery.start()

    def _set_targets(self) -> None:
        """Targets as configured; one that did not change keeps what it knows."""
        targets: dict[str, tuple[object, Target]] = {}
        for settings in self.config.engines.targets:
            name = configuration.target_name(settings)
            wanted = (settings, _ca(settings), self._patience())
            known = self._targets.get(name)
            targets[name] = known if known and known[0] == wanted else (
                wanted, make_target(name, settings, self.config.engines))
        self._targets = targets

    def _patience(self) -> tuple[float, int]:
        return self.config.engines.timeout_seconds, self.config.engines.max_page_bytes

    def _search_wanted(self) -> tuple[Sequence[int], float, tuple[float, int]]:
        """All that discovery depends on; while it stays the same, so does what was found."""
        engines = self.config.engines
        ports: Sequence[int] | None = engines.discover_ports
        if not self.config.has("engines"):
            ports = ()
        elif ports is None:
            ports = () if engines.targets else USUAL_PORTS
        ours = configuration.split_address(self.config.web.listen)[1]
        taken = {ours, *(configuration.local_port(target) for target in engines.targets)}
        ports = [port for port in ports if port not in taken]
        return ports, engines.discover_seconds, self._patience()

    def _make_discovery(self) -> Discovery:
        ports, seconds, _ = self._search
        return Discovery(
            ports, TABLES, seconds,
            lambda name, url: make_target(name, EngineTarget(url), self.config.engines))

    def _about_us(self) -> list[Family]:
        build, reloads = Family(c.BUILD_INFO), Family(c.CONFIG_RELOADS)
        good, when = Family(c.CONFIG_RELOAD_OK), Family(c.CONFIG_RELOAD_TIME)
        build.add(1.0, version=__version__)
        for result, count in self._reloads.items():
            reloads.add(count, result=result)
        good.add(1.0 if self._reload_good else 0.0)
        when.add(self._loaded_at)
        return [build, reloads, good, when]


def make_target(name: str, settings: EngineTarget, engines: EnginesSection) -> Target:
    """A target as configured, its secrets and certificates at hand."""
    token = os.environ.get(settings.bearer_token_env, "").strip()
    access = Access(token, settings.bearer_token_file, _tls(settings), engines.max_page_bytes)
    return Target(name, settings.url, TABLES, access, engines.timeout_seconds)


def ask_once(settings: EngineTarget, engines: EnginesSection) -> tuple[str, State]:
    """The URL of an endpoint's page, and what it answers. Raises ConfigError."""
    _check_secrets(settings, "command line", "")
    target = make_target("explained", settings, engines)
    state = target.state(target.ask(), engines.timeout_seconds + FACTS_PATIENCE_SECONDS)
    return target.url, state


def _beside(folder: Path, name: str) -> str:
    return str(folder / name) if name else ""


def _ca(target: EngineTarget) -> bytes:
    return Path(target.ca_file).read_bytes() if target.ca_file else b""


def _check_secrets(target: EngineTarget, document: str, path: str) -> None:
    """Files and variables a target names must be there. Raises ConfigError."""
    for key in ("bearer_token_file", "ca_file"):
        file = getattr(target, key)
        if file:
            try:
                Path(file).read_bytes()
            except OSError as error:
                raise ConfigError(Mistake(f"{path}{key}", f"{file}: {error.strerror}",
                                          document=document)) from error
    if target.bearer_token_env and not os.environ.get(target.bearer_token_env):
        raise ConfigError(Mistake(f"{path}bearer_token_env", f"{target.bearer_token_env} is not "
                                  "set", document=document))
    try:
        _tls(target)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(Mistake(f"{path}ca_file", f"{target.ca_file}: no usable certificate",
                                  document=document)) from error


def _tls(target: EngineTarget) -> ssl.SSLContext | None:
    if not (target.ca_file or target.insecure_skip_verify):
        return None
    context = ssl.create_default_context(cafile=target.ca_file or None)
    if target.insecure_skip_verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context

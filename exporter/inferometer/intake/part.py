"""Intake: where applications send their telemetry, and who may."""

from __future__ import annotations

import importlib.util
import secrets
import ssl
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inferometer.addresses import split_address
from inferometer.collector import Collector
from inferometer.config import Config
from inferometer.documents.mistakes import Document
from inferometer.heartbeats import BeatLedger
from inferometer.intake.access import Admission, Tokens, read_token
from inferometer.intake.body import BodyMemory, Sizes
from inferometer.intake.collector import IntakeCollector
from inferometer.intake.heartbeat import Heartbeat, HeartbeatPace
from inferometer.intake.tally import IntakeTally
from inferometer.parts import Part, Row, Watch, Watched
from inferometer.reasons import reason_of
from inferometer.serve.listening import ListenError, listening_socket
from inferometer.serve.web_config import WebConfig
from inferometer.serve.web_settings import WebConfigError
from inferometer.sinks.destinations import forwarded
from inferometer.threads import Standing

if TYPE_CHECKING:  # what it needs at run time is in an extra
    from inferometer.intake.service import Commit, IntakeService

# Packages of it.
EXTRA = ("alembic", "genai_prices", "h2", "httptools", "jsonschema", "opentelemetry.proto",
         "sqlalchemy", "starlette", "uvicorn")
STOP_SECONDS = 12.0  # for what is being sent when it is to stop


class IntakePart(Part):
    """Takes telemetry over OTLP/HTTP and OTLP/gRPC, on listeners of its own."""

    sections = ("intake", "content")
    noun, kind = "gateway", "gateway"

    def __init__(self, config: Config, commit: Commit, beats: BeatLedger | None = None,
                 pace: HeartbeatPace | None = None) -> None:
        self._config = config
        self._commit = commit
        self._tally = IntakeTally()
        self._memory = BodyMemory(Sizes().held_bytes)
        self._web: WebConfig | None = None
        self._own_token = secrets.token_urlsafe()
        self._access = Admission(None, Tokens(()), self._own_token)
        self._service: IntakeService | None = None
        self._urls: dict[str, str] = {}  # by protocol
        self._door: tuple[str, int] | None = None  # over HTTP
        self._heartbeat = None if beats is None else Heartbeat(
            beats, self._post, lambda: self._config.intake.settle_seconds, pace)
        self.title = "gateway" if config.takes_telemetry else ""

    def check(self, config: Config, document: Document) -> None:
        """Report a missing extra, and files that are named and cannot be read."""
        if not config.takes_telemetry:
            return
        if not is_installed():
            key = next((key for key in ("listen", "grpc_listen") if getattr(config.intake, key)),
                       "")
            document.report(f"intake.{key}" if key else "role",
                            "needs the packages of the extra: pip install 'inferometer[gateway]'")
        if config.intake.config_file and document.good("intake.config_file"):
            _load_web(config, document)
        for number, file in enumerate(config.intake.bearer_token_files):
            try:
                read_token(Path(file))
            except (OSError, ValueError) as error:
                document.report(f"intake.bearer_token_files[{number}]",
                                f"{file}: {reason_of(error)}")

    def configure(self, config: Config) -> None:
        """Let in whom the files name now."""
        self._config = config
        web = _load_web(config, Document("")) if config.intake.config_file else None
        if web is not None and self._web is not None:
            web.inherit(self._web)
        self._web = web
        self._access = Admission(web, Tokens(config.intake.bearer_token_files), self._own_token)

    def collectors(self) -> Sequence[Collector]:
        """What it counts of what comes in, where it listens."""
        if not self._config.takes_telemetry:
            return []
        beats = [] if self._heartbeat is None else [self._heartbeat]
        return [IntakeCollector(self._tally, self._memory), *beats]

    def start(self) -> None:
        """Listen. Raises ListenError."""
        if not self._config.takes_telemetry:
            return
        # Here alone: who takes no telemetry is not to have it in memory.
        from inferometer.intake.service import IntakeService, Opening

        doors = {"http": (self._config.intake_listen, self._context),
                 "grpc": (self._config.intake_grpc_listen, self._http2_context)}
        openings = {}
        try:
            for name, (address, context) in doors.items():
                if address:
                    openings[name] = Opening(listening_socket(*split_address(address)), context)
        except ListenError:
            for opening in openings.values():
                opening.listener.close()
            raise
        tls = bool(self._web and self._web.tls)
        self._urls = {name: _url(opening.listener.getsockname(), tls)
                      for name, opening in openings.items()}
        self._service = IntakeService(
            openings.get("http"), openings.get("grpc"), self._commit, self._tally, self._memory,
            access=lambda: self._access,
            headers=lambda: self._web.headers if self._web is not None else {},
            settings=lambda: self._config.intake, content=lambda: self._config.content,
            forwarded=forwarded(self._config))
        if "http" in openings:
            self._door = openings["http"].listener.getsockname()[:2]
        self._service.start()
        if self._heartbeat is not None:
            self._heartbeat.start()

    @property
    def url(self) -> str:
        """Where telemetry comes in over HTTP, once it listens; empty where it does not."""
        return self._urls.get("http", "")

    def loops(self) -> Sequence[Standing]:
        """The event loop, the threads that read bodies, and the heartbeat."""
        beat = [] if self._heartbeat is None else [self._heartbeat.loop]
        return [*self._service.loops(), *beat] if self._service is not None else ()

    def stop(self) -> None:
        """Answer what is being sent, and nobody else."""
        if self._heartbeat is not None:
            self._heartbeat.stop()
        if self._service is not None:
            self._service.stop(STOP_SECONDS)

    def greeting(self, seconds: float) -> Iterable[Row]:
        """Where applications send to."""
        if url := self._urls.get("http"):
            yield "intake", f"{url}  OTEL_EXPORTER_OTLP_ENDPOINT of applications"
        if url := self._urls.get("grpc"):
            yield "gRPC", f"{url}  the same, where OTEL_EXPORTER_OTLP_PROTOCOL is grpc"

    def watch(self) -> Watch:
        """The gateway itself, and where applications send to."""
        details = [(label, self._urls[name]) for name, label in (
            ("http", "OTLP over HTTP"), ("grpc", "OTLP over gRPC")) if name in self._urls]
        failure = "" if details else "nothing listens for applications yet"
        return Watch([Watched("", "Telemetry of applications", failure=failure,
                              details=details)], 1)

    def _post(self, body: bytes) -> int:
        """A heartbeat's way in: over HTTP, but where there is no such door, or where only those may
        enter who have a certificate. Raises OSError, HTTPException, TimeoutError.
        """
        from inferometer.intake.own_door import SECONDS, post_traces  # here alone, as in `start`

        assert self._service is not None  # it has started
        context = self._context()
        if self._door is None or (context and context.verify_mode == ssl.CERT_REQUIRED):
            return self._service.hand_in(body, SECONDS)
        return post_traces(self._door, context is not None, self._own_token, body)

    def _context(self) -> ssl.SSLContext | None:
        """For a new connection. Raises OSError and WebConfigError."""
        web = self._web
        return web.fresh_context() if web is not None and web.tls else None

    def _http2_context(self) -> ssl.SSLContext | None:
        """The same for a connection of gRPC."""
        web = self._web
        return web.http2_context() if web is not None and web.tls else None


def is_installed() -> bool:
    """Whether the extra is."""
    return not any(_missing(package) for package in EXTRA)


def _missing(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is None
    except ModuleNotFoundError:  # of the package around it
        return True


def _load_web(config: Config, document: Document) -> WebConfig | None:
    """The web configuration; what is wrong with it is reported."""
    try:
        web = WebConfig.load(Path(config.intake.config_file))
        if web.tls and config.intake_grpc_listen:
            web.http2_context()  # so that certificates that break later do not close the door
        return web
    except WebConfigError as error:
        document.report_all("intake.config_file", error)
        return None


def _url(address: tuple[str, int], tls: bool) -> str:
    host, port = address[:2]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"

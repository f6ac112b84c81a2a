"""Feedback: where people's votes are posted to, and who may; off unless an address is set."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inferometer.addresses import split_address
from inferometer.capabilities import LEAST_KEY
from inferometer.collector import Collector
from inferometer.config import Config
from inferometer.documents.mistakes import Document
from inferometer.intake.access import Admission, TokenFile, Tokens, read_token
from inferometer.intake.feedback.origins import AllowedOrigins
from inferometer.intake.feedback.tally import FeedbackTally
from inferometer.parts import Part, Row
from inferometer.reasons import reason_of
from inferometer.serve.listening import listening_socket
from inferometer.serve.web_config import WebConfig
from inferometer.serve.web_settings import WebConfigError
from inferometer.threads import Standing

if TYPE_CHECKING:  # what it needs at run time is in an extra
    from inferometer.intake.feedback.application import FeedbackAccess
    from inferometer.intake.feedback.service import CastVote, FeedbackService

STOP_SECONDS = 12.0  # for what is being sent when it is to stop


class FeedbackPart(Part):
    """Takes votes over HTTP, on a listener of its own: a browser never reaches the one of OTLP."""

    sections = ("feedback",)

    def __init__(self, config: Config, cast: CastVote) -> None:
        self._config, self._cast = config, cast
        self._tally = FeedbackTally()
        self._web: WebConfig | None = None
        self._access: FeedbackAccess | None = None
        self._service: FeedbackService | None = None
        self.url = ""  # once it listens

    def check(self, config: Config, document: Document) -> None:
        """Report a door without a ledger behind it or a lock, and files that cannot be read."""
        section = config.feedback
        if not section.listen:
            return
        if not config.takes_telemetry:
            document.report("feedback.listen", "is a gateway's: set intake.listen, or its role")
        if not (section.bearer_token_files or section.capability_key_file
                or section.config_file):
            document.report("feedback.listen", "lets nobody vote: give bearer_token_files, "
                                               "capability_key_file, or users in config_file")
        if section.config_file and document.good("feedback.config_file"):
            _load_web(config, document)
        files = [(f"bearer_token_files[{i}]", file, 1)
                 for i, file in enumerate(section.bearer_token_files)]
        if section.capability_key_file:
            files.append(("capability_key_file", section.capability_key_file, LEAST_KEY))
        for key, file, least in files:
            try:
                read_token(Path(file), least)
            except (OSError, ValueError) as error:
                document.report(f"feedback.{key}", f"{file}: {reason_of(error)}")

    def configure(self, config: Config) -> None:
        """Let in whom the files and the list of origins name now."""
        self._config = config
        section = config.feedback
        if not section.listen:
            return
        # Here alone: who takes no votes is not to have HTTP's library in memory.
        from inferometer.intake.feedback.application import FeedbackAccess

        web = _load_web(config, Document("")) if section.config_file else None
        if web is not None and self._web is not None:
            web.inherit(self._web)
        self._web = web
        self._access = FeedbackAccess(
            Admission(web, Tokens(section.bearer_token_files)),
            bool(section.bearer_token_files or (web and web.has_users)),
            TokenFile(section.capability_key_file, LEAST_KEY) if section.capability_key_file
            else None,
            AllowedOrigins(section.allowed_origins), web.headers if web is not None else {})

    def collectors(self) -> Sequence[Collector]:
        """What it counts of what is posted, where it listens."""
        return [self._tally] if self._config.feedback.listen else []

    def start(self) -> None:
        """Listen. Raises ListenError."""
        if self._access is None:
            return
        from inferometer.intake.feedback.service import FeedbackService  # as in `configure`

        listener = listening_socket(*split_address(self._config.feedback.listen))
        host, port = listener.getsockname()[:2]
        scheme = "https" if self._web is not None and self._web.tls else "http"
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/v1/feedback"
        self._service = FeedbackService(listener, self._context, self._cast, self._now,
                                        self._tally)
        self._service.start()

    def loops(self) -> Sequence[Standing]:
        """The event loop, and the thread that tries passwords."""
        return self._service.loops() if self._service is not None else ()

    def stop(self) -> None:
        """Answer what is being sent, and nobody else."""
        if self._service is not None:
            self._service.stop(STOP_SECONDS)

    def greeting(self, seconds: float) -> Iterable[Row]:
        """Where votes are posted to."""
        if self.url:
            yield "feedback", self.url

    def _now(self) -> FeedbackAccess:
        assert self._access is not None  # it has started
        return self._access

    def _context(self) -> ssl.SSLContext | None:
        """For a new connection. Raises OSError and WebConfigError."""
        web = self._web
        return web.fresh_context() if web is not None and web.tls else None


def _load_web(config: Config, document: Document) -> WebConfig | None:
    """The web configuration; what is wrong with it is reported."""
    try:
        return WebConfig.load(Path(config.feedback.config_file))
    except WebConfigError as error:
        document.report_all("feedback.config_file", error)
        return None

"""A log in which each line has its request and its trace: lines of JSON on standard error."""

from __future__ import annotations

import logging
import re
import sys
import uuid

import structlog
from opentelemetry import context, trace
from opentelemetry.sdk.trace import Span, SpanProcessor
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import EventDict, Processor

HEADER = "X-Request-Id"
SAFE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


class RequestIds(SpanProcessor):
    """Puts the id of the request on every span that begins while it is answered."""

    def on_start(self, span: Span, parent_context: context.Context | None = None) -> None:
        """Of whatever begins now."""
        if request_id := current_request_id():
            span.set_attribute("http.request.id", request_id)


def current_request_id() -> str:
    """That of the request which is being answered, or empty."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


class RequestIdMiddleware:
    """Takes a request's X-Request-Id, or makes one; answers have it too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it with its id bound."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        header = Headers(scope=scope).get(HEADER)
        request_id = header if header and SAFE.fullmatch(header) else uuid.uuid4().hex

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._app(scope, receive, send_with_id)


def _add_trace(_logger: object, _name: str, event: EventDict) -> EventDict:
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace.id"], event["span.id"] = f"{span.trace_id:032x}", f"{span.span_id:016x}"
    if "request_id" in event:
        event["http.request.id"] = event.pop("request_id")
    return event


def set_up_log() -> None:
    """Once, before anything is logged; libraries' own lines are of the same form."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars, _add_trace, structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", key="@timestamp")]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for name in ("bm25s", "httpx", "httpx2", "wordllama"):
        logging.getLogger(name).setLevel(logging.WARNING)

"""Asks the endpoint of a judge: one request, one reply, whatever becomes of it."""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from inferometer.evaluations import JudgementResult
from inferometer.quality.judge.completions import (
    REFUSALS,
    CompletionDialect,
    body_of,
    failed,
    plainer,
    reply_of,
)
from inferometer.quality.judge.http_post import HttpReply, post
from inferometer.quality.judge.interface import JudgeReply, JudgeRequest
from inferometer.reasons import reason_of
from inferometer.sinks.destinations import header_value

MOST_TOKENS = 4096  # that a reply may have, reasoning included
_PATH = "/chat/completions"
_MOST_DIALECTS = 6  # that are tried for one request


@dataclass(frozen=True)
class JudgeEndpoint:
    """Where a judge is asked."""

    url: str  # as https://api.openai.com/v1, or in full
    model: str
    key_file: str = ""  # sent as a bearer's token; it is read for each request
    ca_file: str = ""
    timeout: float = 60.0  # seconds, for a request and its reply
    most_tokens: int = MOST_TOKENS

    @property
    def address(self) -> str:
        """The URL to which requests are posted. Raises ValueError for what is none."""
        parts = urlsplit(self.url)
        path = parts.path.rstrip("/")
        if not path.endswith(_PATH):
            path = f"{path or '/v1'}{_PATH}"
        return parts._replace(path=path).geturl()


class KeyFileUnreadableError(ValueError):
    """The file of the key has none; the message says why."""


class JudgeClient:
    """Sends requests; several threads may do so at a time.

    `new_trace` makes the trace id that goes with each, by which a gateway knows spans that an
    engine or a proxy sends of it: 16 bytes.
    """

    def __init__(self, endpoint: JudgeEndpoint, new_trace: Callable[[], bytes]) -> None:
        self._endpoint, self._new_trace = endpoint, new_trace
        self._dialect = CompletionDialect()

    def send(self, request: JudgeRequest) -> JudgeReply:
        """What came of a request. Raises what `new_trace` raises."""
        trace_id = self._new_trace()
        deadline = time.monotonic() + self._endpoint.timeout
        try:
            return reply_of(self._posted(request, trace_id, deadline))
        except KeyFileUnreadableError as error:
            return failed(str(error))
        except TimeoutError:
            return JudgeReply(result=JudgementResult.TIMEOUT, reason="no reply in "
                              f"{self._endpoint.timeout:g} seconds")
        except http.client.HTTPException:
            return failed("the connection was closed without a reply, or it is no HTTP")
        except (OSError, ValueError) as error:
            return failed(reason_of(error))

    def _posted(self, request: JudgeRequest, trace_id: bytes, deadline: float) -> HttpReply:
        """The reply to the first dialect that the endpoint takes, or to the first of all."""
        endpoint, dialect = self._endpoint, self._dialect
        headers = {
            "Content-Type": "application/json", "User-Agent": "inferometer-judge",
            "Traceparent": f"00-{trace_id.hex()}-{os.urandom(8).hex()}-01",
            "Baggage": "inferometer.purpose=judge", **_access(endpoint.key_file)}
        refused: HttpReply | None = None
        for _ in range(_MOST_DIALECTS):
            body = body_of(request, endpoint.model, endpoint.most_tokens, dialect)
            reply = post(endpoint.address, headers, body, deadline, endpoint.ca_file)
            if reply.status == 200:
                self._dialect = dialect
            following = plainer(dialect, reply)
            if following is None:
                return refused if refused and reply.status in REFUSALS else reply
            refused, dialect = refused or reply, following
        return reply


def _access(key_file: str) -> dict[str, str]:
    """The header that lets in. Raises KeyFileUnreadableError."""
    if not key_file:
        return {}
    try:
        return {"Authorization": f"Bearer {header_value(Path(key_file))}"}
    except (OSError, ValueError) as error:
        raise KeyFileUnreadableError(f"{key_file}: {reason_of(error)}") from error

"""Which pages may vote: CORS by an allow-list, and Origin itself.

A browser runs the POST of a foreign page although it hides the answer from it, so the Origin of
each request is looked at, too. Source: the Fetch standard, "CORS protocol".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from inferometer.intake.answer import Reply, refused
from inferometer.intake.body import BodyRefusedError

METHOD = "POST"
# That a page may send: those of ours, and those that its instrumentation adds.
HEADERS = ("authorization", "content-type", "traceparent", "tracestate", "baggage", "x-request-id")
EXPOSED = "Retry-After, X-Request-Id"  # headers of an answer that a page may read
MAX_AGE = 600  # seconds, for which a browser may remember what it was told
_VARY = {"Vary": "Origin"}


class AllowedOrigins:
    """The list, as it is now."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = frozenset(allowed)

    def check(self, origin: str | None) -> None:
        """Raise BodyRefusedError for a page that is not in the list; who is no page has none."""
        if origin is not None and origin not in self._allowed:
            raise BodyRefusedError(HTTPStatus.FORBIDDEN,
                                   "the origin is not in feedback.allowed_origins")

    def headers(self, origin: str | None) -> Mapping[str, str]:
        """What an answer has for a page of the list to read it."""
        if origin is None or origin not in self._allowed:
            return _VARY
        return {**_VARY, "Access-Control-Allow-Origin": origin,
                "Access-Control-Expose-Headers": EXPOSED}

    def preflight(self, headers: Mapping[bytes, bytes]) -> Reply:
        """The answer to a browser that asks before it posts."""
        origin = _text(headers, b"origin")
        method = _text(headers, b"access-control-request-method")
        asked = {name.strip().lower() for name in _text(
            headers, b"access-control-request-headers").split(",")} - {""}
        if origin not in self._allowed or method != METHOD or not asked <= {*HEADERS}:
            return refused(HTTPStatus.FORBIDDEN, "this page may not send that")
        return Reply(HTTPStatus.NO_CONTENT, headers={
            "Access-Control-Allow-Methods": METHOD,
            "Access-Control-Allow-Headers": ", ".join(HEADERS),
            "Access-Control-Max-Age": str(MAX_AGE)})


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")

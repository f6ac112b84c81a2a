"""Votes over HTTP as an ASGI application: who may cast one, and how it is answered."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from inferometer import capabilities
from inferometer.capabilities import Capability, CapabilityError
from inferometer.documents.mistakes import DocumentError
from inferometer.intake.access import Admission, TokenFile, bearer_of
from inferometer.intake.answer import JSON, Reply, refused
from inferometer.intake.application import Guess, RequestScope, Send, Upload, respond
from inferometer.intake.body import (
    BodyMemory,
    BodyRefusedError,
    LostError,
    Portion,
    Receive,
    Sizes,
    read,
)
from inferometer.intake.feedback.origins import METHOD, AllowedOrigins
from inferometer.intake.feedback.post import vote_in
from inferometer.intake.feedback.tally import FeedbackTally
from inferometer.reasons import reason_of
from inferometer.request_ids import begin
from inferometer.votes import BurntNonce, Casting, VoteOutcome

PATH = "/v1/feedback"
SIZES = Sizes(body_bytes=2**16, held_bytes=2**22)
Cast = Callable[[Casting], Awaitable[None]]  # until it is committed; raises BodyRefusedError

log = logging.getLogger(__name__)
_RESULTS: Mapping[HTTPStatus, str] = {
    HTTPStatus.ACCEPTED: "taken", HTTPStatus.OK: "repeated", HTTPStatus.BAD_REQUEST: "invalid",
    HTTPStatus.UNAUTHORIZED: "unauthorized", HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported", HTTPStatus.SERVICE_UNAVAILABLE: "put_off"}


@dataclass(frozen=True)
class FeedbackAccess:
    """Who may vote, by the configuration as it is now."""

    admission: Admission  # of backends: users and tokens
    admits: bool  # whether there are any of these
    key: TokenFile | None  # of capabilities
    origins: AllowedOrigins
    headers: Mapping[str, str]  # of every answer


@dataclass(frozen=True)
class FeedbackDoor:
    """What the application needs of the part that serves it; `access` may change."""

    access: Callable[[], FeedbackAccess]
    guess: Guess
    cast: Cast
    memory: BodyMemory
    tally: FeedbackTally


class FeedbackApplication:
    """Answers for the door."""

    def __init__(self, door: FeedbackDoor) -> None:
        self._door = door

    async def __call__(self, scope: RequestScope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Upload(dict(scope["headers"]), scope["state"], receive)
        begin(request.id)
        access = self._door.access()
        origin = _header(request, b"origin") if b"origin" in request.headers else None
        try:
            answer = await self._answer(scope["method"], scope["path"], access, origin, request)
            if request.arrived and not request.complete:
                # What is refused unread is passed over, so that the connection can go on.
                request.complete = not (await request.receive()).get("more_body", False)
        except LostError:
            self._door.tally.note("lost")
            return
        await respond(answer, {**access.headers, **access.origins.headers(origin),
                               **request.id.headers}, request, send)

    async def _answer(self, method: str, path: str, access: FeedbackAccess, origin: str | None,
                      request: Upload) -> Reply:
        """Raises LostError."""
        if path != PATH:
            return refused(HTTPStatus.NOT_FOUND, f"votes are posted to {PATH}")
        if method == "OPTIONS":
            return access.origins.preflight(request.headers)
        if method != METHOD:
            return refused(HTTPStatus.METHOD_NOT_ALLOWED, f"only {METHOD}")._replace(
                headers={"Allow": f"{METHOD}, OPTIONS"})
        try:
            answer = await self._take(access, origin, request)
        except BodyRefusedError as error:
            answer = refused(error.status, str(error), lag=error.lag)
        except LostError:
            raise
        except Exception as error:  # a fault of ours: who votes gets an answer, and we the place
            log.error("a vote could not be taken", exc_info=error, extra={"why": reason_of(error)})
            answer = refused(HTTPStatus.INTERNAL_SERVER_ERROR, "it could not be taken")
        self._door.tally.note(_RESULTS.get(answer.status, "failed"))
        return answer

    async def _take(self, access: FeedbackAccess, origin: str | None, request: Upload) -> Reply:
        """Raises BodyRefusedError and LostError."""
        access.origins.check(origin)
        capability = await self._let_in(access, request)
        if _header(request, b"content-type").partition(";")[0].strip().lower() != JSON:
            raise BodyRefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send Content-Type: {JSON}")
        if _header(request, b"content-encoding").strip().lower() not in ("", "identity"):
            raise BodyRefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send no Content-Encoding")
        with Portion(self._door.memory) as load:
            pieces = await read(request.receive, request.declared, request.arrived, SIZES, load)
            request.complete = True
            casting = _casting(b"".join(pieces), capability)
            await self._door.cast(casting)
        return _answer_to(casting)

    async def _let_in(self, access: FeedbackAccess, request: Upload) -> Capability | None:
        """The capability, or None for a backend. Raises BodyRefusedError."""
        access.admission.check(request.peer)
        header = _header(request, b"authorization")
        if access.key is not None and capabilities.is_capability(token := bearer_of(header)):
            key = access.key.token()
            try:
                return capabilities.read(key, token, time.time()) if key else _no_key()
            except CapabilityError as error:
                raise BodyRefusedError(HTTPStatus.FORBIDDEN, str(error)) from error
        if access.admits:
            decided = access.admission.decision(header)
            if decided is None:
                decided = await self._door.guess(header)
            if decided:
                return None
        raise BodyRefusedError(HTTPStatus.UNAUTHORIZED, "unauthorized")


def _casting(body: bytes, capability: Capability | None) -> Casting:
    """The vote of a body, which the capability must let in. Raises BodyRefusedError."""
    try:
        vote = vote_in(body)
    except DocumentError as error:
        raise BodyRefusedError(HTTPStatus.BAD_REQUEST, error.line) from error
    if capability is None:
        return Casting(vote)
    if vote.kind not in capability.kinds:
        raise BodyRefusedError(HTTPStatus.FORBIDDEN, "the capability is for another name")
    if vote.subject != capability.subject:
        raise BodyRefusedError(HTTPStatus.FORBIDDEN, "the capability is for another subject")
    return Casting(vote, BurntNonce(capability.nonce, capability.expires))


def _answer_to(casting: Casting) -> Reply:
    """What becomes of the vote. Raises BodyRefusedError."""
    if casting.outcome == VoteOutcome.BURNT:
        raise BodyRefusedError(HTTPStatus.FORBIDDEN, "the capability was used before")
    if casting.outcome == VoteOutcome.CONFLICT:
        raise BodyRefusedError(HTTPStatus.BAD_REQUEST, "id is that of another vote")
    status = HTTPStatus.OK if casting.outcome == VoteOutcome.REPEATED else HTTPStatus.ACCEPTED
    return Reply(status, json.dumps({"id": casting.vote.id}).encode(), JSON)


def _no_key() -> Capability:
    raise BodyRefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "the key of capabilities is not there")


def _header(request: Upload, name: bytes) -> str:
    return request.headers.get(name, b"").decode("latin-1")

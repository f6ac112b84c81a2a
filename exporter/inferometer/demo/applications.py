"""The demo's applications: what they asked of models, and what their readers say of it.

Both are posted to a gateway as they would do it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from random import Random, SystemRandom
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from inferometer.demo.agents import AgentRuns
from inferometer.demo.answers import answered_freely, answered_from, answered_in_json
from inferometer.demo.endings import CallEnding
from inferometer.demo.fleet import APPLICATIONS, Caller
from inferometer.demo.people import People, VoteBody
from inferometer.demo.searches import found_pages, searched
from inferometer.demo.telemetry import NANO, SpanPlace, body, engine_span, new_id, span
from inferometer.demo.world import World
from inferometer.reasons import reason_of
from inferometer.threads import Loop

STEP_SECONDS = 0.5  # between two batches of spans
ANSWER_SECONDS = 10.0
TRACED = "vllm"  # the engine that sends spans of its own
NETWORK_SECONDS = 0.004, 0.02  # from an application to a model and back


class Doors(NamedTuple):
    """Where a gateway takes spans and votes, and by which token the latter."""

    spans: str
    votes: str
    token: str


class Applications:
    """Whoever calls a model of the world, from `start` on. `doors`: the gateway's."""

    def __init__(self, world: World, doors: Doors, callers: Iterable[Caller] = APPLICATIONS
                 ) -> None:
        self._world = world
        self._callers = tuple(callers)
        self._doors = doors
        self._dice: Random = SystemRandom()  # ids of traces are nobody else's
        self._runs = {caller.service: AgentRuns(caller.agent, self._dice)
                      for caller in self._callers if caller.agent}
        self._people = {caller.service: People(self._dice)
                        for caller in self._callers if caller.has_readers}
        self._votes: list[VoteBody] = []  # on calls whose spans are on their way
        self._seen = time.time_ns()
        self._lock = threading.Lock()  # while spans are on their way
        self._loop = Loop("demo-applications", self._turn, lambda: STEP_SECONDS)
        self._stopped = False

    def start(self) -> None:
        """Call, and post what came of it, until stopped."""
        self._loop.start()

    def stop(self) -> None:
        """Post nothing more; what is on its way arrives."""
        self._loop.stop()
        with self._lock:
            self._stopped = True

    def revive(self) -> None:
        """Go on, if it could not for want of a thread."""
        self._loop.revive()

    def _turn(self) -> None:
        with self._lock:
            if not self._stopped:
                self._send()

    def _send(self) -> None:
        """Post the spans of all calls that ended since the last time, and votes. Raises OSError."""
        earlier, self._seen = self._seen, time.time_ns()
        with _connected(self._doors.spans) as connection:
            for caller in self._callers:
                endings = [ending for name in caller.served_by
                           for ending in self._world.endings(name)]
                if endings:
                    _post(connection, "/v1/traces", self._body(caller, endings, earlier), {})
        votes, self._votes = self._votes, []
        with _connected(self._doors.votes) as connection:
            for vote in votes:
                _post(connection, "/v1/feedback", json.dumps(vote).encode(),
                      {"Authorization": f"Bearer {self._doors.token}"})

    def _body(self, caller: Caller, endings: Collection[CallEnding], earlier: int) -> bytes:
        ends = sorted(self._dice.randint(min(earlier, self._seen), self._seen) for _ in endings)
        spans: dict[str, list[Mapping[str, Any]]] = {caller.service: [], TRACED: []}
        for ending, end in zip(endings, ends, strict=True):
            for service, one in self._spans(caller, self._over_network(ending), end):
                spans[service].append(one)
        return body(spans)

    def _spans(self, caller: Caller, ending: CallEnding, end: int
               ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Spans of a call, and what is around it, by the service that sends them."""
        service, runs = caller.service, self._runs.get(caller.service)
        place = runs.place if runs else SpanPlace(new_id(self._dice, 16), "")
        pages = found_pages(caller.index, self._dice) if caller.index else ()
        if caller.index is not None:
            before = end - int(ending.seconds * NANO)
            yield from ((service, one) for one in searched(
                caller.index, pages, place, before, self._dice))
        people = self._people.get(service)
        more = {"gen_ai.conversation.id": people.conversation} if people else {}
        if ending.first_token is not None and not ending.error:
            more |= self._answered(caller, pages)
        call = span(caller.model, ending, end, self._dice, place, more)
        if people and not ending.error:
            self._votes += people.votes(place.trace_id)
        yield service, call
        if ending.phases is not None and caller.model.provider == TRACED:
            yield TRACED, engine_span(call, ending, self._dice)
        if runs:
            yield from ((service, one) for one in runs.followed(ending, end))

    def _answered(self, caller: Caller, pages: Sequence[int]) -> Mapping[str, Any]:
        if caller.index is not None:
            return answered_from(caller.index.handbook, pages, self._dice)
        return (answered_in_json if caller.answers_in_json else answered_freely)(self._dice)

    def _over_network(self, ending: CallEnding) -> CallEnding:
        way = self._dice.uniform(*NETWORK_SECONDS)
        first = None if ending.first_token is None else ending.first_token + way
        return replace(ending, seconds=ending.seconds + way, first_token=first)


@contextmanager
def _connected(url: str) -> Iterator[HTTPConnection]:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=ANSWER_SECONDS)
    try:
        yield connection
    finally:
        connection.close()


def _post(connection: HTTPConnection, path: str, sent: bytes, headers: Mapping[str, str]) -> None:
    """Raises OSError if the gateway does not take it."""
    try:
        connection.request("POST", path, sent, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        text = answer.read()
    except HTTPException as error:
        raise OSError(f"the gateway does not answer: {reason_of(error)}") from error
    if answer.status not in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
        raise OSError(f"the gateway answers {answer.status}: {text[:200]!r}")

"""Addresses of a name, within a deadline: the C library may look for them far longer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from inferometer.threads import NoThreadError, Threads

MOST_NAMES = 128  # that are looked for at a time; each may keep a thread for as long as it likes

Address = tuple[socket.AddressFamily, tuple[Any, ...]]  # and the place: address, port, and more
Look = Callable[[str], list[Address]]


def system_look(host: str) -> list[Address]:
    """What the C library finds, with port 0. Raises OSError, UnicodeError; may take minutes."""
    return _listed(host, 0)


class UnresolvedError(TimeoutError):
    """A name that was not resolved in time; the message says why in a few words."""


class Resolver:
    """Looks names up in threads of its own: one for each name, whoever else waits for it.

    So a name that is never answered costs those who ask its deadline, and one thread.
    """

    def __init__(self, look: Look = system_look) -> None:
        self._look = look
        self._threads = Threads("resolve")
        self._lock = threading.Lock()
        self._questions: dict[str, Question] = {}

    def addresses(self, host: str, deadline: float) -> list[Address]:
        """Those of a name or an IP address, with port 0.

        Raises OSError or UnicodeError; UnresolvedError past the monotonic deadline, and where no
        thread can be had.
        """
        if literal := _literal(host):
            return literal
        question = self._question(host)
        if not question.answered.wait(max(0.0, deadline - time.monotonic())):
            raise UnresolvedError(f"the name {host[:100]} was not resolved in time")
        if question.error is not None:
            raise question.error
        return question.addresses

    def _question(self, host: str) -> Question:
        with self._lock:
            question = self._questions.get(host)
            if question is None:
                if len(self._questions) >= MOST_NAMES:
                    raise UnresolvedError(f"{MOST_NAMES} names are not resolved yet")
                question = Question()
                try:
                    self._threads.run(lambda: self._answer(host, question))
                except NoThreadError as error:
                    raise UnresolvedError("no thread to resolve a name") from error
                self._questions[host] = question
            return question

    def _answer(self, host: str, question: Question) -> None:
        try:
            question.addresses = self._look(host)
        except (OSError, UnicodeError) as error:
            question.error = error
        finally:
            with self._lock:
                self._questions.pop(host, None)
            question.answered.set()


class Question:
    """What is asked about one name; the rest is there once it is answered."""

    def __init__(self) -> None:
        self.answered = threading.Event()
        self.addresses: list[Address] = []
        self.error: Exception | None = None


def _literal(host: str) -> list[Address]:
    """The address that the text itself is; none if it is a name."""
    try:
        return _listed(host, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return []


def _listed(host: str, flags: int) -> list[Address]:
    return [(family, place) for family, _, _, _, place in socket.getaddrinfo(
        host, 0, type=socket.SOCK_STREAM, flags=flags)]

"""What single users cost, as a family of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.families import Family
from inferometer.pricing import NANO


class UsersCollector:
    """The dearest users, where somebody asked for them."""

    name = "users"
    punctual = True

    def __init__(self, read: Callable[[], Mapping[str, int]]) -> None:
        self._read = read

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """A point a user; those of the last reading are replaced, whole."""
        return [Family(c.USER_COST, {(user,): cost / NANO for user, cost in self._read().items()})]

"""Which users are shown: the dearest, as many as there are seats."""

from __future__ import annotations

from collections.abc import Container, Mapping
from heapq import nsmallest

from inferometer.catalogue import USER_SEATS


def dearest(costs: Mapping[str, int], before: Container[str], seats: int = USER_SEATS
            ) -> dict[str, int]:
    """The users that have a seat, with what they cost; of equals those that had one `before`.

    Who comes among the dearest takes the seat of the lowest outside of them, so all of these have
    one and nobody else has.
    """
    users = nsmallest(seats, costs, key=lambda user: (-costs[user], user not in before, user))
    return {user: costs[user] for user in users}

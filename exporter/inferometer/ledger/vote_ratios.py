"""What the votes that hold come to, of calls of the last complete hours: reckoned once an hour.

A ratio is of one set of calls, those that arrived in these hours, whenever people voted on them.
"""

from __future__ import annotations

from inferometer.ledger.counting import HOUR
from inferometer.ledger.database import Database
from inferometer.ledger.hourly import complete_until
from inferometer.ledger.vote_statements import statements_of
from inferometer.sinks.feedback import Ratios

HOURS = 24  # that are looked at
SATISFACTION = "satisfaction"
OF_CALLS = ("regenerate", "copy")  # kinds that are held against all calls


def ratios_of(database: Database, now: int) -> Ratios:
    """Those of the complete hours before `now`, Unix nanoseconds."""
    until = complete_until(now)
    since = until - HOURS
    statements = statements_of(database.dialect)
    ratios: dict[tuple[str, str, str], float] = {}
    with database.snapshot() as connection:
        kinds = {*map(tuple, connection.execute(statements.kinds_by_service).fetchall())}
        if not kinds:
            return ratios
        votes = {(service, model, kind): (calls, number) for service, model, kind, calls, number
                 in connection.execute(statements.sum_votes, (since * HOUR, until * HOUR))}
        calls_by_model = connection.execute(statements.sum_calls, (since, until)).fetchall()
    for service, model in {key[:2] for key in votes}:
        up, down = (votes.get((service, model, kind), (0, 0))[1]
                    for kind in ("thumbs_up", "thumbs_down"))
        if up + down:
            ratios[service, model, SATISFACTION] = up / (up + down)
    for service, model, calls in calls_by_model:
        for kind in OF_CALLS:
            if calls and (service, kind) in kinds:
                ratios[service, model, kind] = votes.get(
                    (service, model, kind), (0, 0))[0] / int(calls)
    return ratios

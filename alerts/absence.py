"""When no replica answers: as expressions, of models by name and of workloads that have none.

A replica that its exporter cannot read is down. A replica that vanished with its exporter was lost
if it had requests at work, or if its exporter is still a target; else it was taken away.
"""

from __future__ import annotations

from inferometer import catalogue as c
from recording_rules.capacity import (
    MISSED,
    REPLICAS,
    RUNNING,
    WORKLOAD_REPLICAS,
    WORKLOAD_RUNNING,
)
from recording_rules.exporters import SEEN
from recording_rules.model import Rule
from recording_rules.promql import FLEET, MODEL, SCOPE, WORKERS, by, on
from recording_rules.requests import RATE_HOUR, SUCCESS
from recording_rules.workloads import LABEL, WORKLOAD, of_workload

MINUTES = 30
WINDOW = f"{MINUTES}m"
LEAST_SHARE = c.AWAY_RATIO  # a replica that is away for less of the window is not flapping
CHANGES = c.AWAY_CHANGES  # it went away, came back and went away again
RETURNS = 2
STILL = "5m"  # who has answered for as long is back
LATE = "90s"  # who was seen as long ago missed one scrape
SIDE_BY_SIDE = "30m"  # an update takes less: what lives together for longer is two things

IDENTIFIED = f'{c.ENGINE.name}!="unknown"'  # of others no page has been read yet: they start
NAMED, UNNAMED = f'{c.MODEL.name}!=""', f'{c.MODEL.name}=""'
_PLACE = (*SCOPE, c.MODEL.name)  # where a model is served, by whatever engine
_ANYWHERE = (*FLEET, c.MODEL.name)
_POD = (*SCOPE, LABEL)


def _flapping(series: str, window: str) -> str:
    """The share of a window, where it was away again and again, and lately."""
    return (f"avg_over_time({window}) < {LEAST_SHARE} and changes({window}) >= {CHANGES} "
            f"and min_over_time({series}[{STILL}]) == 0")


def endpoints_away(series: str) -> str:
    """The share of the window in which an endpoint answered that does not, or not for long."""
    window = f"{series}[{WINDOW}]"
    return f"avg_over_time({window}) and {series} == 0 or {_flapping(series, window)}"


def _all_away(replicas: str, matcher: str, level: tuple[str, ...]) -> str:
    """0 where no replica is up; where that is so now and then, the share with one that is.

    While their exporters cannot be scraped, none is seen. A scrape that fails now and then, or an
    exporter of several engines, is not taken for it.
    """
    def seen(series: str) -> str:
        return f"count_over_time(({series})[{WINDOW}:1m])"

    often = f"{seen(f'max_over_time({replicas}[{LATE}]) > 0')} / {MINUTES} < {LEAST_SHARE}"
    again = f"{seen(f'{replicas} unless {replicas} offset 1m')} >= {RETURNS}"
    exporters = (f"last_over_time({WORKLOAD_REPLICAS}{{{IDENTIFIED}, {matcher}}}[{WINDOW}]) "
                 f"and {on(_POD)} {of_workload(f'min_over_time(up[{STILL}]) == 0')} "
                 f"unless {on(_POD)} {_several(WINDOW)}")
    return (f"{replicas} == 0 or {_flapping(replicas, f'({replicas} > bool 0)[{WINDOW}:1m]')} "
            f"or {seen(f'{replicas} > 0')} / {MINUTES} and {often} and {again} "
            f"and {on(level)} ({exporters})")


def _several(window: str) -> str:
    """Exporters of several engines: one that is gone says nothing of them, while the exporter of
    one engine shares its fate."""
    targets = f"group {by(WORKLOAD)} (last_over_time({WORKLOAD_REPLICAS}[{window}]))"
    return f"count {by(_POD)} ({targets}) > 1"


def away_at_times(replicas: str) -> str:
    """Whether there was a minute of the last hour in which none answered, or none was seen."""
    present = f"(last_over_time({replicas}[10m]))[1h:1m]"
    return f"count_over_time(({replicas} > 0)[1h:1m]) < count_over_time({present})"


def _side_by_side(level: tuple[str, ...], distinct: str) -> str:
    """Where more than one of what is `distinct` was there at two times of the last hours."""
    return (f"count_over_time((count {by(level)} ({distinct}) > 1)[{MISSED}:{SIDE_BY_SIDE}]) > 1")


def _last(series: Rule | str) -> str:
    return f"last_over_time({series}[{MISSED}])"


REPLICAS_NAMED = f"{REPLICAS}{{{IDENTIFIED}, {NAMED}}}"
REPLICAS_UNNAMED = f"{WORKLOAD_REPLICAS}{{{IDENTIFIED}, {UNNAMED}}}"

NAMED_AWAY = _all_away(REPLICAS_NAMED, NAMED, MODEL)
UNNAMED_AWAY = _all_away(REPLICAS_UNNAMED, UNNAMED, WORKLOAD)

_WATCHED = f"{WORKLOAD_REPLICAS}{{{IDENTIFIED}}}"
_UNSEEN = f"({_several(MISSED)} unless {on(_POD)} {of_workload(c.BUILD_INFO.name)})"
# What answers by another name was given it, unless it had both names for long.
_NAMES = f"group {by((*WORKLOAD, c.MODEL.name))} ({WORKLOAD_REPLICAS}{{{IDENTIFIED}, {NAMED}}})"
_RENAMED = f"({_WATCHED} unless {on(WORKLOAD)} {_side_by_side(WORKLOAD, _NAMES)})"
# A model that runs elsewhere has moved there, unless it was in both places for long.
_WORKED_ON = f"{RUNNING}{{{WORKERS}}}"  # a front that is left works on nothing
_PLACES = f"group {by(_PLACE)} ({_WORKED_ON})"
_MOVED = f"({_WORKED_ON} unless {on(_ANYWHERE)} {_side_by_side(_ANYWHERE, _PLACES)})"

_WORKLOADS = _last(f"{WORKLOAD_RUNNING}{{{NAMED}}}")
_GONE = f"{_WORKLOADS} unless {on(WORKLOAD)} {_RENAMED} unless {on(_POD)} {_UNSEEN}"
# With little traffic no request is at work at most times.
_ASKED = f"sum {by(MODEL)} (max_over_time({RATE_HOUR}{{{SUCCESS}, {NAMED}}}[{MISSED}])) > 0"
_LOST = f"{_ASKED} and {on(MODEL)} ({_WORKLOADS} and {on(_POD)} {of_workload('up == 0')})"
VANISHED_NAMED = (
    f"({_last(f'{RUNNING}{{{NAMED}}}')} > 0 or {_LOST}) and {on(MODEL)} ({_GONE}) "
    f"unless {on(MODEL)} {RUNNING} unless {on(_PLACE)} {_WORKED_ON} "
    f"unless {on(_ANYWHERE)} {_MOVED} and {on(FLEET)} {SEEN}")
VANISHED_UNNAMED = (
    f"{_last(f'{WORKLOAD_RUNNING}{{{UNNAMED}}}')} > 0 unless {on(WORKLOAD)} {_WATCHED} "
    f"unless {on(_POD)} {_UNSEEN} and {on(FLEET)} {SEEN}")

"""Plays the story upon the world, and tells it as it happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from inferometer.demo.clock import MINUTE, StoryClock
from inferometer.demo.exporters import Exporters
from inferometer.demo.fleet import DAY_BUDGET_USD, SPENT_AN_HOUR_USD
from inferometer.demo.prometheus import Fired, Prometheus
from inferometer.demo.story import STORY, Episode, Expected
from inferometer.demo.world import World

STEP_SECONDS = 0.5  # between two turns
SETTLE_MINUTES = 12.0  # before a story that begins in its midst
LEAST_BUDGET_USD = 0.01  # a budget of nothing is none
Say = Callable[[str], None]


class Director:
    """Takes one turn after another; `over` once the last episode is.

    `prometheus`: asked which alerts fire; None: nobody knows. `first`: the episode to begin with,
    from 1. `again`: whether the story begins anew after its end.
    """

    def __init__(self, world: World, exporters: Exporters, prometheus: Prometheus | None,
                 say: Say, episodes: Sequence[Episode] = STORY, *, first: int = 1,
                 again: bool = True) -> None:
        self._world = world
        self._exporters = exporters
        self._prometheus = prometheus
        self._say = say
        self._clock: StoryClock = world.clock
        self._again = again
        self._episodes = tuple(episodes)
        self._number = first - 2  # the next one is the first
        self._began = self._clock.minutes()
        self._resting = True
        self._begun = False
        self._settling = 0.0 if first == 1 else SETTLE_MINUTES
        self._firing: set[Fired] = set()
        self._waiting: list[Expected] = []
        self.missed: list[Expected] = []
        self.over = False
        if self._settling:
            say(f"\nAll is well for the first {SETTLE_MINUTES:g} minutes, as rules need a past.")

    def turn(self) -> None:
        """Look at the clock and at the alerts, and go on with the story."""
        if self.over:
            return
        self._note_alerts()
        minutes = self._clock.minutes() - self._began
        episode = self._episodes[self._number] if self._begun else None
        if minutes >= (episode.minutes + episode.rest if episode else self._settling):
            self._next()
        elif episode and minutes >= episode.minutes and not self._resting:
            self._rest()

    def _next(self) -> None:
        self._begun = True
        self._number += 1
        if self._number == len(self._episodes):
            if not self._again:
                self.over = True
                return
            self._number = 0
            self._say("\nThe story begins anew.")
        episode = self._episodes[self._number]
        self._began, self._resting = self._clock.minutes(), False
        self._waiting = list(episode.expected) if self._prometheus else []
        for line in self._announcement(episode):
            self._say(line)
        self._befall(episode)

    def _announcement(self, episode: Episode) -> Iterator[str]:
        yield f"\n{self._time()}  {episode.title}\n         {episode.wrong}"
        yield f"         Look at: {episode.look} Board: {episode.board}."
        for expected in episode.expected:
            yield (f"         Should fire by {self._time(self._began + expected.minutes)}: "
                   f"{expected.alert} ({expected.severity})")

    def _befall(self, episode: Episode) -> None:
        world = self._world
        for name, condition in episode.conditions.items():
            world.turn(name, condition)
        for index, ailment in episode.ailments.items():
            world.gpus[index].ailment = ailment
        for index in episode.lost:
            world.gpus[index].lose(episode.xid)
        for name in episode.dead:
            world.engines[name].die()
        if episode.budget_used:
            budget = self._spent_today() / episode.budget_used
            self._exporters.set_day_budget(max(LEAST_BUDGET_USD, budget))

    def _rest(self) -> None:
        self._resting = True
        episode = self._episodes[self._number]
        self._world.heal()
        if episode.budget_used:
            self._exporters.set_day_budget(DAY_BUDGET_USD)
        if episode.rest:
            self._say(f"{self._time()}  All is well again.")

    def _spent_today(self) -> float:
        """USD since the story or the UTC day began, as the hurried rules have it.

        Without what calls to the hosted model cost, which is little.
        """
        now = datetime.now(UTC)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        of_day = (now - midnight).total_seconds() / MINUTE * self._clock.faster
        return SPENT_AN_HOUR_USD * min(self._clock.minutes(), of_day) / 60

    def _note_alerts(self) -> None:
        if self._prometheus is None:
            return
        firing = self._prometheus.firing()
        if firing is not None:
            self._tell_changes({alert for alert in firing if alert[1] != "info"})
        for late in [one for one in self._waiting
                     if self._clock.minutes() > self._began + one.minutes]:
            self._say(f"{self._time()}  LATE: {late.alert} ({late.severity}) should fire by now")
            self._waiting.remove(late)
            self.missed.append(late)

    def _tell_changes(self, firing: set[Fired]) -> None:
        for alert in sorted(firing - self._firing):
            self._say(f"{self._time()}  fires: {alert[0]} ({alert[1]}){self._after(alert)}")
        for alert in sorted(self._firing - firing):
            self._say(f"{self._time()}  ended: {alert[0]} ({alert[1]})")
        self._firing = firing
        self._waiting = [one for one in self._waiting if (one.alert, one.severity) not in firing]

    def _after(self, alert: Fired) -> str:
        """How long it took, where the story expected it."""
        if alert not in {(one.alert, one.severity) for one in self._waiting}:
            return ""
        minutes = self._clock.minutes() - self._began
        seconds = self._clock.seconds(minutes)
        return f", as expected, {minutes:.0f} min after it began ({seconds:.0f} s on your clock)"

    def _time(self, minutes: float | None = None) -> str:
        """The story's time of day."""
        whole_minutes = int(self._clock.minutes() if minutes is None else minutes)
        return f"{whole_minutes // 60:02}:{whole_minutes % 60:02}"

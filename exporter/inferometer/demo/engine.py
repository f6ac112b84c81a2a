"""A scripted engine: a made-up load, served as a real one would, on a page of its own dialect.

It goes on whenever somebody looks at its page or at its GPU, and keeps no thread for it.
"""

from __future__ import annotations

import json
import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from inferometer.demo.clock import StoryClock
from inferometer.demo.endings import FAILED, LEFT, REFUSED, TIMED_OUT, CallEnding
from inferometer.demo.quantities import COUNTED, DERIVED
from inferometer.demo.template import Dialect, Template

DAY_MINUTES = 90.0  # of the story, in which a load swells and ebbs once
LONGEST_STEP = 60.0  # seconds that are made up for at most, after nobody looked
LONGEST_ANSWER, LONGEST_PROMPT = 1500, 8000  # tokens
LOG_MEAN, LOG_DEVIATION = -0.1, 0.5  # of lengths, as shares of the typical one
MEAN_LENGTH = math.exp(LOG_MEAN + LOG_DEVIATION**2 / 2)
CACHE_SHARE = 0.45  # of input tokens, that are in the prefix cache
CUT_SHARE, LEFT_SHARE = 0.06, 0.01  # of requests: at their longest, left by the caller
PREEMPTED_SHARE = 0.9  # of requests, while the cache is full
PATIENCE_SECONDS = 8.0  # after which callers of an engine that generates nothing give up
FAILURE_SECONDS, REFUSAL_SECONDS = 0.2, 0.005  # until a caller hears of it
MOST_ENDINGS = 1000  # that are remembered, where nobody asks for them


@dataclass(frozen=True)
class Workload:
    """What an engine serves, and how it does when all is well."""

    model: str
    seats: int  # requests that run at a time
    least: float  # share of the seats that is taken when it is quiet
    most: float  # the same when it is not
    phase: float = 0.0  # of the swell, 0 to 1
    input_tokens: float = 700.0  # of a typical request
    output_tokens: float = 170.0
    prefill_seconds: float = 0.07  # of a typical request, on an engine without load
    token_seconds: float = 0.011
    max_length: int = 16384
    cache_tokens: int = 460_000


@dataclass(frozen=True)
class Condition:
    """How an engine fares.

    `demand`, `slowness`: times the usual. `failing`: share of requests. `crowded`: whether its
    cache is full, so that it preempts. `hung`: whether it generates nothing, though it answers.
    """

    demand: float = 1.0
    slowness: float = 1.0
    failing: float = 0.0
    crowded: bool = False
    hung: bool = False


WELL = Condition()


class ScriptedEngine:
    """One engine and the requests that it serves."""

    def __init__(self, dialect: Dialect, workload: Workload, clock: StoryClock, seed: int = 1,
                 seconds: Callable[[], float] = time.monotonic) -> None:
        text = resources.files(__package__).joinpath("pages", dialect.page).read_text(
            encoding="utf-8")
        self.workload = workload
        self._dialect = dialect
        self._template = Template(text, dialect, workload.model)
        self._clock = clock
        self._seconds = seconds
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self._condition = WELL
        self._endings: deque[CallEnding] = deque(maxlen=MOST_ENDINGS)
        self.restart()

    def restart(self) -> None:
        """Begin anew, and well: counters from 0."""
        with self._lock:
            self._condition = WELL
            self._started = time.time()
            self._seen = self._seconds()
            self._counted = dict.fromkeys(COUNTED, 0.0)
            self._due_failures = 0.0
            self._template.clear()
            self._running = self._waiting = self._busy = self._rate = 0.0
            self._hung_seconds = 0.0
            self._endings.clear()

    def turn(self, condition: Condition) -> None:
        """Fare like that from now on."""
        with self._lock:
            self._go_on()
            self._condition, self._hung_seconds = condition, 0.0

    def busy(self) -> float:
        """How much of its seats is taken, 0 to 1; one that hangs keeps its GPU busy."""
        with self._lock:
            self._go_on()
            return 1.0 if self._condition.hung else self._busy

    def page(self) -> str:
        """Its page as it is now."""
        with self._lock:
            self._go_on()
            return self._template.render(self._number)

    def endings(self) -> Sequence[CallEnding]:
        """How requests ended since the last call of this, the latest ones of very many."""
        with self._lock:
            self._go_on()
            endings = tuple(self._endings)
            self._endings.clear()
            return endings

    def refusals(self) -> Sequence[CallEnding]:
        """What callers got since the last look, while nobody listens in its place."""
        with self._lock:
            passed = self._pass()
            return [CallEnding(REFUSAL_SECONDS, REFUSED)] * self._rounded(self._rate * passed)

    def documents(self) -> Mapping[str, bytes]:
        """The documents beside the page, by path."""
        models = {"data": [{"id": self.workload.model, "max_model_len": self.workload.max_length}]}
        info = {"model_id": self.workload.model, "version": "3.3.5",
                "max_total_tokens": self.workload.max_length}
        texts = {"/v1/models": models, "/info": info, **self._dialect.documents}
        return {path: json.dumps(text).encode() if text else b"" for path, text in texts.items()}

    def _number(self, quantity: str) -> float:
        if quantity in self._counted:
            return int(self._counted[quantity])
        return DERIVED[quantity](self._counted) if quantity in DERIVED else self._now()[quantity]

    def _now(self) -> Mapping[str, float]:
        usage, room = self._usage(), self.workload.cache_tokens
        return {
            "now": time.time(), "started": self._started, "busy": self._busy,
            "running": round(self._running), "waiting": round(self._waiting),
            "cache_usage": usage, "cache_capacity": room, "cache_tokens": round(usage * room),
            "store_tokens": round(0.7 * usage * 2 * room), "store_capacity": 2 * room,
            "tokens_per_second": self._rate * self.workload.output_tokens,
        }

    def _usage(self) -> float:
        """How much of the KV cache is in use, 0 to 1."""
        return 0.99 if self._condition.crowded else min(0.93, 0.06 + 0.8 * self._busy)

    def _go_on(self) -> None:
        """Let the load run on from the last look until now."""
        passed = self._pass()
        condition, workload = self._condition, self.workload
        if condition.hung:
            self._give_up(passed)
        if condition.hung or passed <= 0:
            return
        demand = workload.seats * self._usual() * condition.demand
        self._running = min(demand, workload.seats)
        self._waiting = demand - self._running
        self._busy = self._running / workload.seats
        each_token = workload.token_seconds * (1 + 0.9 * self._busy**2) * condition.slowness
        prefill = workload.prefill_seconds * (1 + 1.2 * self._busy**3) * condition.slowness
        self._rate = self._running / (prefill + each_token * workload.output_tokens * 1.1)
        for _ in range(self._rounded(self._rate * passed)):
            self._serve(each_token, prefill)
        # Tokens come one by one, not at the end of a request.
        self._counted["output"] += self._rate * passed * MEAN_LENGTH * workload.output_tokens * (
            1 - condition.failing)
        if each_token and self._running >= 1:
            self._template.observe("step", round(self._running), passed // each_token + 1)
            self._counted["steps"] += passed / each_token
        if condition.crowded:
            self._counted["preempted"] += self._rounded(PREEMPTED_SHARE * self._rate * passed)

    def _pass(self) -> float:
        """Seconds since the last look, of which this is the next one."""
        now = self._seconds()
        passed, self._seen = min(now - self._seen, LONGEST_STEP), now
        return passed

    def _give_up(self, passed: float) -> None:
        """Callers end what they have asked for, as no token comes: the engine counts nothing."""
        self._hung_seconds += passed
        overdue = min(passed, self._hung_seconds - PATIENCE_SECONDS)
        if overdue > 0:
            self._endings += [CallEnding(PATIENCE_SECONDS, TIMED_OUT)] * self._rounded(
                self._rate * overdue)

    def _usual(self) -> float:
        """The share of the seats that is wanted at this time of the day."""
        turns = self._clock.minutes() / DAY_MINUTES + self.workload.phase
        swell = 0.5 - 0.5 * math.cos(2 * math.pi * turns) + 0.08 * math.sin(14 * math.pi * turns)
        share = self.workload.least + (self.workload.most - self.workload.least) * swell
        return max(0.0, share * self._dice.uniform(0.95, 1.05))

    def _serve(self, each_token: float, prefill: float) -> None:
        """One request from its arrival to its end."""
        dice, counted = self._dice, self._counted
        self._due_failures += self._condition.failing  # by turns, not by chance
        if self._due_failures >= 1:
            self._due_failures -= 1
            counted["failed"] += 1
            self._endings.append(CallEnding(FAILURE_SECONDS, FAILED))
            return
        long = self._length(self.workload.input_tokens, LONGEST_PROMPT)
        short = self._length(self.workload.output_tokens, LONGEST_ANSWER)
        wait = self._waiting / max(self._rate, 0.1)
        queued = wait * dice.lognormvariate(0, 0.2) if wait > 0.01 else dice.uniform(0.001, 0.02)
        prefilled = prefill * (0.4 + 0.6 * long / self.workload.input_tokens) * (
            dice.lognormvariate(0, 0.15))
        token = each_token * dice.lognormvariate(0, 0.12)
        decoded = token * (short - 1)
        for quantity, value in (
                ("queue", queued), ("prefill", prefilled), ("first_token", queued + prefilled),
                ("each_token", token), ("decode", decoded), ("inference", prefilled + decoded),
                ("duration", queued + prefilled + decoded), ("input_length", long),
                ("output_length", short), ("answers", 1), ("retractions", self._retractions()),
                ("storing", 0.02 * prefilled), ("loading", 0.01 * prefilled)):
            self._template.observe(quantity, value)
        self._template.observe("between_tokens", token, short - 1)
        left = self._count(long)
        self._endings.append(CallEnding(
            queued + prefilled + decoded, LEFT if left else "", queued + prefilled, long,
            round(CACHE_SHARE * long), short, (queued, prefilled, decoded)))

    def _length(self, typical: float, most: int) -> int:
        """Tokens of a prompt or an answer."""
        return 1 + min(most, int(typical * self._dice.lognormvariate(LOG_MEAN, LOG_DEVIATION)))

    def _retractions(self) -> int:
        """How often the request had to give its place in the cache away."""
        return int(self._condition.crowded and self._dice.random() < PREEMPTED_SHARE)

    def _count(self, long: int) -> bool:
        """Count a request that was served; whether its caller left it."""
        counted, chance = self._counted, self._dice.random()
        end = ("cut" if chance < CUT_SHARE else
               "left" if chance < CUT_SHARE + LEFT_SHARE else "stopped")
        counted[end] += 1
        counted["input"] += long
        counted["cached"] += round(CACHE_SHARE * long)
        return end == "left"

    def _rounded(self, expected: float) -> int:
        """A whole number that is so much on average."""
        count = int(expected)
        return count + (self._dice.random() < expected - count)

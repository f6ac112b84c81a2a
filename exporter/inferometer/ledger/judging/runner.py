"""Judges: looks for answers, has them judged some at a time, and goes on until it is stopped.

Each in a thread of its own, with one connection that chooses and one that asks. Where the ledger or
the judge is away, it is tried again; nothing is lost, as all of it is in the ledger.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from inferometer.evaluations import JudgementResult
from inferometer.ledger.database import Database
from inferometer.ledger.judging.days import DailyLimits
from inferometer.ledger.judging.queue import (
    MOST_TRIES,
    PAUSES,
    BudgetSpentError,
    JudgeQueue,
    PriceTokens,
    QueuedUnit,
    SentRequest,
    UnitLostError,
)
from inferometer.ledger.judging.sample import JudgeSample
from inferometer.quality.judge.interface import (
    AnswerJudge,
    AnswerVerdict,
    JudgeReply,
    JudgeRequest,
)
from inferometer.threads import Failures, Loop

CHOOSE_SECONDS = 2.0  # between looks for answers
LOOK_SECONDS = 1.0  # between looks for one that is due
MOST_TAKES = 2 * MOST_TRIES  # of a unit, in which whoever took it ended on the way
MOST_REST = 60.0  # seconds between two answers, while the judge does not reply
MOST_SILENT = 10
KEEP_TRIES, KEEP_SECONDS = 3, 1.0  # to write a reply down, and between them
_NO_REPLY = frozenset((JudgementResult.TIMEOUT, JudgementResult.FAILED))

log = logging.getLogger(__name__)
T = TypeVar("T")


class StoppingError(Exception):
    """Nothing more is to be asked."""


class JudgeTerms(NamedTuple):
    """What a runner is told."""

    judge: AnswerJudge
    evaluations: Collection[str]
    send: Callable[[JudgeRequest], JudgeReply]
    price: PriceTokens
    concurrency: int
    call_seconds: float  # that a request may take


class JudgeRunner:
    """One process's part of judging for a ledger."""

    def __init__(self, opened: Callable[[], Database], terms: JudgeTerms, limits: DailyLimits,
                 clock: Callable[[], int] = time.time_ns) -> None:
        self._opened, self._terms, self._limits, self._clock = opened, terms, limits, clock
        self._lock = threading.Lock()  # over what is opened
        self._sample: JudgeSample | None = None
        self._queue: JudgeQueue | None = None
        self._stopping = False
        self._at_work = 0  # answers that are being judged, about
        self._spent_on = -1  # the day of which it was logged
        self._failures = Failures("judge")
        self.silent = 0  # answers in a row of which the judge did not reply
        self._pauses = [0.0] * terms.concurrency  # until each looks for the next answer

    def configure(self, limits: DailyLimits) -> None:
        """Keep to these from now on."""
        with self._lock:
            self._limits = limits
            for one in (self._sample, self._queue):
                if one is not None:
                    one.limits = limits

    def loops(self) -> list[Loop]:
        """What is to go on."""
        return [Loop("judge_sample", self.choose, lambda: CHOOSE_SECONDS), *(
            Loop(f"judge_{number}", partial(self._work, number),
                 partial(self._pauses.__getitem__, number))
            for number in range(self._terms.concurrency))]

    def choose(self) -> None:
        """Look for answers in all that has settled since. Raises what the ledger does."""
        sample = self._opened_sample()
        while not self._stopping and sample.choose():
            pass

    def judge_next(self) -> bool:
        """Have one answer judged that is due; whether there was one. Raises what the ledger does.
        """
        queue = self._opened_queue()
        unit = None if self._stopping else queue.take()
        if unit is None:
            self._log_spent(queue)
            return False
        self._at_work += 1  # the lock of Python's interpreter is enough for a look at the end
        try:
            self._judge(queue, unit)
        finally:
            self._at_work -= 1
        return True

    def stop(self) -> None:
        """Ask nothing more. What is on its way is waited for by its own thread alone."""
        self._stopping = True

    def rest(self, seconds: float) -> None:
        """Wait so long for answers that are being judged."""
        end = time.monotonic() + seconds
        while self._at_work and time.monotonic() < end:
            time.sleep(0.05)  # nobody tells when; it is at the end

    def close(self) -> None:
        """Close the ledger."""
        self._close_sample()
        if self._queue is not None:
            self._close_queue(self._queue)

    def _work(self, number: int) -> None:
        self._pauses[number] = LOOK_SECONDS  # also where it fails
        if self.judge_next():
            # One that is away is asked seldom, so that its answers keep their tries.
            self._pauses[number] = min(
                MOST_REST, LOOK_SECONDS * 2**self.silent) if self.silent else 0.0

    def _judge(self, queue: JudgeQueue, unit: QueuedUnit) -> None:
        try:
            self._judge_one(queue, unit)
        except UnitLostError:
            log.info("an answer took so long that another one judges it", extra={"unit": unit.id})
        except BudgetSpentError:
            queue.put_back(unit, queue.until_midnight(), is_try=False)
            self._log_spent(queue)
        except StoppingError:
            queue.put_back(unit, 0.0, is_try=False)
        except queue.failures:
            raise
        except Exception as error:  # a fault of ours, or of a library: it costs this answer alone
            self._failures.note(error)
            self._give_up(queue, unit, [])

    def _judge_one(self, queue: JudgeQueue, unit: QueuedUnit) -> None:
        answer = queue.answer(unit)
        if answer is None:
            queue.leave_out(unit)
            return
        judge, evaluations = self._terms.judge, self._terms.evaluations
        retry_after = 0.0

        def ask(request: JudgeRequest) -> JudgeReply:
            nonlocal retry_after
            if self._stopping:
                raise StoppingError
            reply = queue.reply_to(unit, request.step)
            if reply is None:
                sent = queue.begin(unit, request.step)
                reply = self._terms.send(request)
                self._keep(queue, unit, sent, reply)
                retry_after = max(retry_after, reply.retry_after or 0.0)
            return reply

        if unit.tries > MOST_TAKES:
            queue.finish(unit, failed(judge.applicable(answer.unit, evaluations)))
            return
        verdicts = judge.judge(answer.unit, evaluations, ask)
        if any(one.result in _NO_REPLY for one in verdicts):
            self.silent = min(self.silent + 1, MOST_SILENT)
            self._give_up(queue, unit, verdicts, retry_after)
            return
        self.silent = 0
        queue.finish(unit, verdicts)

    def _give_up(self, queue: JudgeQueue, unit: QueuedUnit, verdicts: Sequence[AnswerVerdict],
                 retry_after: float = 0.0) -> None:
        """For a while, or for good."""
        if unit.tries < MOST_TRIES:
            queue.put_back(unit, max(retry_after, PAUSES[unit.tries - 1]))
        else:
            queue.finish(unit, verdicts or failed(self._terms.evaluations))

    def _keep(self, queue: JudgeQueue, unit: QueuedUnit, sent: SentRequest, reply: JudgeReply
              ) -> None:
        """Write down what is paid for. Raises what the ledger does, after a few tries."""
        for _ in range(KEEP_TRIES - 1):
            try:
                queue.end(unit, sent, reply)
                return
            except queue.failures as error:
                self._failures.note(error)
                time.sleep(KEEP_SECONDS)  # else it would be paid for once more
        queue.end(unit, sent, reply)

    def _log_spent(self, queue: JudgeQueue) -> None:
        """A line for a day whose budget is spent."""
        if queue.day().is_spent(queue.limits) and self._spent_on != queue.today():
            self._spent_on = queue.today()
            log.warning("the day's budget for judging is spent: answers wait until midnight UTC",
                        extra={"calls": queue.day().calls,
                               "usd": round(queue.day().cost / 1e9, 6)})

    def _opened_sample(self) -> JudgeSample:
        if self._sample is not None and not self._sample.is_current:
            self._close_sample()
        with self._lock:
            if self._sample is None:
                self._sample = self._made(lambda database: JudgeSample(
                    database, self._limits, self._clock))
            return self._sample

    def _opened_queue(self) -> JudgeQueue:
        if self._queue is not None and not self._queue.is_current:
            self._close_queue(self._queue)
        with self._lock:
            if self._queue is None:
                self._queue = self._made(lambda database: JudgeQueue(
                    database, self._terms.judge.version, self._limits, self._terms.price,
                    self._terms.call_seconds, self._clock))
            return self._queue

    def _made(self, make: Callable[[Database], T]) -> T:
        """What is made of the ledger, which is open then. Raises what it does."""
        database = self._opened()
        try:
            database.be_fast()
            return make(database)
        except BaseException:
            database.close()
            raise

    def _close_sample(self) -> None:
        """So that it is opened anew, whatever was wrong with it."""
        with self._lock:
            if self._sample is not None:
                self._sample.close()
            self._sample = None

    def _close_queue(self, queue: JudgeQueue) -> None:
        with self._lock:
            if self._queue is queue:
                queue.close()
                self._queue = None


def failed(evaluations: Collection[str]) -> list[AnswerVerdict]:
    """Verdicts that never came."""
    return [AnswerVerdict(one, None, None, JudgementResult.FAILED, "") for one in evaluations]

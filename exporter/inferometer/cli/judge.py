"""`inferometer judge`: have answers judged that a gateway keeps."""

from __future__ import annotations

import argparse
import importlib.util
import signal
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from inferometer import settings
from inferometer.cli.arguments import add_log
from inferometer.cli.verbs import FAILED, OK, Verb, complain
from inferometer.config import Config, ConfigError
from inferometer.cost.prices import CallPrices
from inferometer.documents.mistakes import Mistake
from inferometer.ledger.errors import LedgerError
from inferometer.ledger.judging.part import check_judge
from inferometer.logs import start_logging
from inferometer.outside import masked
from inferometer.roles import GATEWAY
from inferometer.settings import COMMAND_LINE, Flags

if TYPE_CHECKING:  # what it needs at run time is in an extra
    from inferometer.ledger.judging.runner import JudgeRunner

ACTIONS = ("run",)
STOP_SECONDS = 10.0  # for replies that are on their way
MOST_SILENT = 3  # answers in a row to which the judge does not reply, with --once


def judge(options: argparse.Namespace) -> int:
    """Judge until told to stop, or what there is. Raises ConfigError."""
    start_logging(options.log_level, options.log_format)
    if importlib.util.find_spec("sqlalchemy") is None:
        raise ConfigError(Mistake("judge", "needs the packages of the extra: pip install "
                                           "'inferometer[gateway]'", document=COMMAND_LINE))
    config, document = settings.load(options.config, Flags(role=GATEWAY))
    check_judge(config, document)
    document.finish(ConfigError)
    if not config.judge.url:
        raise ConfigError(Mistake("judge.url", "names no judge; --config names the file that does",
                                  document=COMMAND_LINE))
    try:
        return _run(config, options.once)
    except LedgerError as error:
        complain(str(error))
        return FAILED


def _run(config: Config, once: bool) -> int:
    """Raises LedgerError."""
    # Here alone: no other verb needs what is in the extra.
    from inferometer.ledger.judging.making import require_gateway, runner_of
    from inferometer.ledger.opening import open_beside

    with closing(open_beside(config.ledger)) as database:
        require_gateway(database)
        name = database.name
    prices = CallPrices(config)
    prices.open()
    runner = runner_of(config, prices.price)
    stopped = threading.Event()

    def stop(*_: object) -> None:
        stopped.set()
        runner.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        if once:
            return _judge_once(runner, masked(config.judge.url))
        print(f"{config.judge.model} at {masked(config.judge.url)} judges answers in {name}",
              flush=True)
        _judge_until(stopped, runner)
        return OK
    finally:
        runner.close()


def _judge_once(runner: JudgeRunner, judge: str) -> int:
    """Judge what there is, as long as the judge replies."""
    runner.choose()
    answers = 0
    while runner.silent < MOST_SILENT and runner.judge_next():
        answers += 1
    if runner.silent:
        complain(f"{judge} did not reply of late; {answers} answers were tried, and are asked "
                 "about again later where it did not")
        return FAILED
    print(f"{answers} answers judged")
    return OK


def _judge_until(stopped: threading.Event, runner: JudgeRunner) -> None:
    loops = runner.loops()
    for loop in loops:
        loop.start()
    while not stopped.wait(1.0):
        for loop in loops:
            loop.revive()
    for loop in loops:
        loop.stop()
    runner.rest(STOP_SECONDS)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=ACTIONS, metavar="ACTION",
                        help=f"one of {', '.join(ACTIONS)}")
    parser.add_argument("--config", type=Path, metavar="FILE",
                        help="the gateway's configuration file, which names ledger and judge")
    parser.add_argument("--once", action="store_true",
                        help="end when nothing is left to be judged now")
    add_log(parser)


VERB = Verb(
    "judge", "have a model judge a sample of the answers that a gateway keeps",
    "Ask the judge of a configuration, a model behind an API like OpenAI's, whether answers are\n"
    "good: a random part of those that a gateway keeps, and those that people voted down.\n"
    "It runs beside the gateway, or while that rests, and may run several times: no answer is\n"
    "judged twice, and all share the day's budget. With judge.enabled the gateway does it itself.\n"
    "Its verdicts are in the gateway's metrics.",
    "Examples:\n"
    "  inferometer judge run --config /etc/inferometer/gateway.yml\n"
    "  inferometer judge run --once --config gateway.yml\n\n"
    "Exit codes: 0 it was stopped, or is through, 1 the ledger cannot be read, or the judge does\n"
    "not reply, 2 wrong arguments or configuration.",
    _add_arguments, judge)

"""`inferometer demo`: a fleet to try without any, and a story in which things go wrong."""

from __future__ import annotations

import argparse
import signal
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from inferometer.addresses import is_engine_url
from inferometer.cli.arguments import add_log, address
from inferometer.cli.verbs import FAILED, OK, Verb, complain
from inferometer.config import ConfigError, WebSection
from inferometer.documents.mistakes import Mistake
from inferometer.logs import start_logging
from inferometer.reasons import reason_of

if TYPE_CHECKING:
    from inferometer.demo.show import Choices

PARTS = ("all is calm", "requests queue", "a saturated GPU", "a provider turns calls away",
         "a lost GPU", "an engine that hangs", "a budget that goes")


def demo(options: argparse.Namespace) -> int:
    """Play the story until told to stop; with `--once`, to its end. Raises ConfigError."""
    # Loaded here alone: no other verb is to have it in memory, or within reach.
    from inferometer.demo.prometheus import PrometheusError
    from inferometer.demo.show import Show
    from inferometer.ledger.errors import LedgerError

    start_logging(options.log_level, options.log_format)
    choices = _choices(options)
    with tempfile.TemporaryDirectory(prefix="inferometer-demo-") as folder:
        show = Show(choices, Path(folder), lambda line: print(line, flush=True))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: show.stop())
        try:
            return OK if show.run() or not options.once else FAILED
        except (PrometheusError, LedgerError) as error:
            complain(str(error))
        except OSError as error:
            complain(f"cannot listen on {choices.listen}: {reason_of(error)}")
    return FAILED


def _choices(options: argparse.Namespace) -> Choices:
    from inferometer.demo.show import Choices, Elsewhere

    plain = Choices(options.listen, options.faster, options.prometheus, options.once,
                    options.first)
    if not is_engine_url(options.prometheus):
        if options.out:
            raise ConfigError(Mistake("--out", "is for a Prometheus that runs elsewhere: give its "
                                               "URL as --prometheus"))
        return plain
    if not options.out:
        raise ConfigError(Mistake("--out", "is missing: the folder from which the Prometheus at "
                                           "--prometheus has its configuration"))
    return replace(plain, prometheus="", elsewhere=Elsewhere(
        urlsplit(options.prometheus).netloc, options.out, options.name))


def _faster(text: str) -> int:
    from inferometer.demo.show import FASTER

    if text not in map(str, FASTER):
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(map(str, FASTER))}")
    return int(text)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--listen", type=address, metavar="HOST:PORT", default=WebSection.listen,
                        help=f"where to serve ({WebSection.listen})")
    parser.add_argument("--faster", type=_faster, default=60, metavar="N",
                        help="how many minutes of the story pass in one real minute: a divisor of "
                             "60; 1 is real time (60)")
    parser.add_argument("--from", type=int, choices=range(1, 1 + len(PARTS)), default=1,
                        dest="first", metavar="PART",
                        help="begin with this part of the story: " + ", ".join(
                            f"{number} {part}" for number, part in enumerate(PARTS, 1)) + " (1)")
    parser.add_argument("--prometheus", default="", metavar="FILE",
                        help="the program that evaluates the rules, or its folder (prometheus on "
                             "PATH); or the URL of one that you run yourself")
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="with such a URL: the folder for its rules and configuration")
    parser.add_argument("--name", default="127.0.0.1", metavar="HOST",
                        help="with such a URL: the host by which it reaches this one (127.0.0.1)")
    parser.add_argument("--once", action="store_true",
                        help="end after one round; exit code 1 if an alert did not fire in time")
    add_log(parser, "error")


VERB = Verb(
    "demo", "show a made-up fleet in which things go wrong",
    "Watch six GPUs, four engines and what calls them, all made up: no GPU, engine or account\n"
    "is needed, and nothing on this machine is read. A story happens to them: requests queue,\n"
    "a GPU is saturated, a provider turns calls away, another GPU is lost, an engine hangs, a\n"
    "budget goes. Each page says that it is a demo. With a Prometheus the shipped rules and\n"
    "alerts run too, with all durations divided by --faster; the terminal says which alert\n"
    "should fire by when, and when it does. Prometheus is started on a free port of 127.0.0.1,\n"
    "and ends with the demo.",
    "Examples:\n"
    "  inferometer demo\n"
    "  inferometer demo --faster 1 --listen 127.0.0.1:9000\n"
    "  inferometer demo --prometheus /opt/prometheus/prometheus --once\n\n"
    "Exit codes: 0 it was stopped or the story ended well, 1 it cannot start or an alert was\n"
    "late, 2 wrong arguments.",
    _add_arguments, demo)

"""`inferometer run`: serve /metrics until told to stop."""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from inferometer import __version__, heap
from inferometer.app import App, named_variables
from inferometer.cli.arguments import ROLES_HELP, add_log, add_role, address, engine
from inferometer.cli.verbs import FAILED, OK, Verb, complain, strange_variables
from inferometer.config import STANDARD_OUTPUT
from inferometer.home.markup import NBSP
from inferometer.home.units import duration
from inferometer.ledger.errors import LedgerError
from inferometer.logs import start_logging
from inferometer.outside import on_one_line
from inferometer.serve.listening import ListenError
from inferometer.serve.server import Server
from inferometer.settings import Flags
from inferometer.threads import Errand, NoThreadError, start_thread

GREETING_SECONDS = 3.0  # for which the greeting waits for each part
STOPPING: Mapping[int, str] = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "Ctrl-C (SIGINT)"}

log = logging.getLogger(__name__)


def run(options: argparse.Namespace) -> int:
    """Serve until told to stop."""
    heap.slim()
    start_logging(options.log_level, options.log_format)
    began = time.monotonic()
    reloads = Errand("reload", lambda: app.reload())
    signal.signal(signal.SIGHUP, lambda *_: reloads.wish())  # it would end the process until then
    app = App(options.config, Flags(options.listen, options.engine, options.role))
    try:
        server = app.start()
    except (ListenError, LedgerError) as error:
        complain(str(error))
        return FAILED
    reasons: list[str] = []
    _handle_signals(reloads, server, reasons)
    if names := strange_variables(options, named_variables(app.config)):
        log.warning("environment variables that nobody reads", extra={"names": names})
    try:
        start_thread(lambda: _greet(app, server, GREETING_SECONDS), "greeting")
    except NoThreadError:
        _greet(app, server, 0.0)
    gc.collect()
    gc.freeze()  # what is loaded by now stays: the collector need not search it

    def tend() -> None:
        app.revive()
        reloads.revive()

    with server:
        server.serve_forever(tend)
    app.stop()
    log.info("stopped", extra={"why": "".join(reasons[:1]),
                               "after": duration(time.monotonic() - began).replace(NBSP, " ")})
    return OK


def _handle_signals(reloads: Errand, server: Server, reasons: list[str]) -> None:
    """A handler only makes a note: it may have interrupted whoever starts a thread.

    Why it is to stop is noted in `reasons`.
    """

    def stop(number: int, _: object) -> None:
        reasons.append(STOPPING[number])
        server.shutdown()

    def reload(*_: object) -> None:
        reloads.wish()
        server.wake()

    for number in STOPPING:
        signal.signal(number, stop)
    signal.signal(signal.SIGHUP, reload)


def _greet(app: App, server: Server, seconds: float) -> None:
    """Print the addresses, and what each part has found after at most so many seconds."""
    role = f", {app.config.role}" if app.config.role else ""
    # What stands on standard output is for programs then.
    file = sys.stderr if app.config.request_log.path == STANDARD_OUTPUT else sys.stdout
    with contextlib.suppress(OSError):  # nobody may read it
        print(f"Inferometer {__version__}{role}\n"
              f"  metrics  {server.url}/metrics\n"
              f"  page     {server.url}/  for a person", file=file, flush=True)
        for label, text in app.greeting(seconds):
            print(f"  {label:8} {on_one_line(text)}", file=file, flush=True)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE",
                        help="the configuration file; without one all defaults hold")
    parser.add_argument("--listen", type=address, metavar="HOST:PORT",
                        help="the address to serve on (127.0.0.1:9839)")
    parser.add_argument("--engine", type=engine, metavar="[NAME=]URL", action="append",
                        default=[],
                        help="an engine to read, instead of the file's; may be repeated")
    add_role(parser)
    add_log(parser)


VERB = Verb(
    "run", "serve /metrics",
    "Serve /metrics until stopped. SIGHUP reads the configuration again.",
    "A flag wins over the same key of the file. If neither names an engine, engines are\n"
    "looked for on the usual ports of this machine: see engines.discover_ports.\n\n"
    "Examples:\n"
    "  inferometer run\n"
    "  inferometer run --engine http://127.0.0.1:8000 --listen 0.0.0.0:9839\n"
    "  inferometer run --role node\n\n"
    "Exit codes: 0 it was stopped, 1 it cannot listen, 2 wrong arguments or configuration.\n\n"
    f"{ROLES_HELP}",
    _add_arguments, run)

"""`inferometer run`: serve /metrics until told to stop."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import signal
import sys
from pathlib import Path

from inferometer import __version__
from inferometer.addresses import ADDRESS, URL, is_engine_url, split_address
from inferometer.app import App
from inferometer.cli.verbs import FAILED, OK, ROLES_HELP, Verb, add_role
from inferometer.config import EngineTarget
from inferometer.logs import start_logging
from inferometer.outside import masked, on_one_line
from inferometer.serve.server import Server
from inferometer.settings import Flags
from inferometer.threads import Errand, NoThreadError, start_thread

GREETING_SECONDS = 3.0  # for which the greeting waits for each part
M_TRIM_THRESHOLD, M_ARENA_MAX = -1, -8  # of glibc's malloc.h
KEPT_BYTES = 2**20  # of free memory at the end of the heap


def run(options: argparse.Namespace) -> int:
    """Serve until told to stop."""
    slim_heap()
    start_logging(options.log_level)
    reloads = Errand("reload", lambda: app.reload())
    signal.signal(signal.SIGHUP, lambda *_: reloads.wish())  # it would end the process until then
    app = App(options.config, Flags(options.listen, options.engine, options.role))
    try:
        server = app.start()
    except OSError as error:
        print(f"inferometer: cannot listen on {app.config.web.listen}: {error.strerror}",
              file=sys.stderr)
        return FAILED
    _handle_signals(reloads, server)
    try:
        start_thread(lambda: _greet(app, server, GREETING_SECONDS), "greeting")
    except NoThreadError:
        with contextlib.suppress(OSError):  # nobody may read it
            _greet(app, server, 0.0)
    gc.collect()
    gc.freeze()  # what is loaded by now stays: the collector need not search it

    def tend() -> None:
        app.revive()
        reloads.revive()

    with server:
        server.serve_forever(tend)
    app.stop()
    return OK


def slim_heap() -> None:
    """Make glibc use one heap and return free memory: mostly one thread runs at a time.

    By default glibc gives each thread a heap that grows, and keeps the memory of large pages.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not every C library has it
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def _handle_signals(reloads: Errand, server: Server) -> None:
    """A handler only makes a note: it may have interrupted whoever starts a thread."""

    def stop(*_: object) -> None:
        server.shutdown()

    def reload(*_: object) -> None:
        reloads.wish()
        server.wake()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, reload)


def _greet(app: App, server: Server, seconds: float) -> None:
    """Print the addresses, and what each part has found after at most so many seconds."""
    role = f", {app.config.role}" if app.config.role else ""
    print(f"Inferometer {__version__}{role}\n"
          f"  metrics  {server.url}/metrics\n"
          f"  page     {server.url}/  for a person", flush=True)
    for label, text in app.greeting(seconds):
        print(f"  {label:8} {on_one_line(text)}", flush=True)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="inferometer.yml")
    parser.add_argument("--listen", type=_address, metavar="HOST:PORT",
                        help="where to serve; over the file (127.0.0.1:9839)")
    parser.add_argument("--engine", type=_engine, metavar="[NAME=]URL", action="append",
                        default=[],
                        help="an engine to read, may be repeated; over the file's targets")
    add_role(parser)
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"),
                        default="info", help="least level of log lines (info)")


def _address(text: str) -> str:
    try:
        split_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{masked(text)!r} is not {ADDRESS}") from error
    return text


def _engine(text: str) -> EngineTarget:
    name, equals, url = text.partition("=")
    if not equals or "/" in name:  # an equals sign in the URL is part of its query
        name, url = "", text
    if not is_engine_url(url):
        raise argparse.ArgumentTypeError(f"{masked(text)!r} is not {URL}")
    return EngineTarget(url, name)


VERB = Verb(
    "run", "serve /metrics",
    "Serve /metrics until stopped. SIGHUP reads the configuration again.",
    "Without --config the defaults hold; without --engine and without targets in the\n"
    "file, engines are looked for on the usual ports of this machine.\n\n"
    "  inferometer run\n"
    "  inferometer run --engine http://127.0.0.1:8000 --listen 0.0.0.0:9839\n"
    f"  inferometer run --role node\n\n{ROLES_HELP}",
    _add_arguments, run)

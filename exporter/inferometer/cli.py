"""The command line: arguments, what is printed, exit codes."""

from __future__ import annotations

import argparse
import ctypes
import gc
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from inferometer import __version__
from inferometer.app import App, Flags, ask_once, load_config
from inferometer.config import (
    ADDRESS,
    URL,
    ConfigError,
    EnginesSection,
    EngineTarget,
    is_engine_url,
    split_address,
)
from inferometer.documents.mistakes import Mistake
from inferometer.engines.explain import explain as explain_page
from inferometer.engines.explain import state_of
from inferometer.engines.tables import TABLES
from inferometer.logs import start_logging
from inferometer.roles import NO_ROLE, ROLES
from inferometer.serve.server import Server

OK, FAILED, MISUSED = 0, 1, 2
FIRST_LOOK_SECONDS = 3.0
NOT_READ = "not read in this role"
M_TRIM_THRESHOLD, M_ARENA_MAX = -1, -8  # of glibc's malloc.h
KEPT_BYTES = 2**20  # of free memory at the end of the heap


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code: 0 well, 1 failed, 2 wrong arguments or configuration."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except ConfigError as error:
        for line in str(error).splitlines():
            print(f"inferometer: {line}", file=sys.stderr)
        return MISUSED


def run(options: argparse.Namespace) -> int:
    """Serve until told to stop."""
    slim_heap()
    start_logging(options.log_level)
    app = App(options.config, Flags(options.listen, options.engine, options.role))
    try:
        server = app.start()
    except OSError as error:
        print(f"inferometer: cannot listen on {app.config.web.listen}: {error.strerror}",
              file=sys.stderr)
        return FAILED
    _handle_signals(app, server)
    threading.Thread(target=_greet, args=(app, server), daemon=True).start()
    gc.collect()
    gc.freeze()  # what is loaded by now stays: no scrape has to look through it for garbage
    with server:
        server.serve_forever()
    return OK


def check_config(options: argparse.Namespace) -> int:
    """Load the file as `run` would, and say whether it is good."""
    config = load_config(options.config, Flags(role=options.role))
    print(f"{options.config}: good ({len(config.engines.targets)} engine targets, "
          f"{len(config.cost.gpu_hour_usd)} GPU prices)")
    return OK


def explain(options: argparse.Namespace) -> int:
    """Print what an engine's page, or a file that holds one, is to the exporter."""
    start_logging("error")
    file = Path(options.page)
    if options.page == "-" or file.is_file():
        body = sys.stdin.buffer.read() if options.page == "-" else file.read_bytes()
        where, state = options.page, state_of(body, TABLES)
    else:
        where, state = ask_once(_endpoint(options), EnginesSection(timeout_seconds=options.timeout))
    print("\n".join(explain_page(where, state)))
    return OK if state.up else FAILED


def slim_heap() -> None:
    """Have one heap, as but for moments one thread runs at a time, and give back what is free.

    By itself glibc gives each thread a heap that grows, and keeps the memory of large pages.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not every C library has it
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inferometer",
        description="Measures LLM inference: GPUs, engines and their cost, for Prometheus.",
        epilog="Exit codes: 0 well, 1 failed, 2 wrong arguments or configuration.")
    parser.add_argument("--version", action="version", version=f"inferometer {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    running = commands.add_parser(
        "run", help="serve /metrics", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Serve /metrics until stopped. SIGHUP reads the configuration again.",
        epilog="Without --config the defaults hold; without --engine and without targets in the\n"
               "file, engines are looked for on the usual ports of this machine.\n\n"
               "  inferometer run\n"
               "  inferometer run --engine http://127.0.0.1:8000 --listen 0.0.0.0:9839\n"
               f"  inferometer run --role node\n\n{_ROLES_HELP}")
    running.add_argument("--config", type=Path, metavar="FILE", help="inferometer.yml")
    running.add_argument("--listen", type=_address, metavar="HOST:PORT",
                         help="where to serve; over the file (127.0.0.1:9839)")
    running.add_argument("--engine", type=_engine, metavar="[NAME=]URL", action="append",
                         default=[],
                         help="an engine to read, may be repeated; over the file's targets")
    _add_role(running)
    running.add_argument("--log-level", choices=("debug", "info", "warning", "error"),
                         default="info", help="least level of log lines (info)")
    running.set_defaults(command=run)

    explaining = commands.add_parser(
        "explain", help="say what an engine's page is, and where each signal comes from",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Say what an engine's metrics page is to the exporter: the engine, each\n"
                    "signal and the family it is read from, every family that is not used and\n"
                    "why, and what would be folded or coarsened. For a bug report, send all of it.",
        epilog="Exit code 1 if the page cannot be had, or is of no known engine.\n\n"
               "  inferometer explain http://127.0.0.1:8000\n"
               "  curl -s http://engine:8000/metrics | inferometer explain -")
    explaining.add_argument("page", metavar="URL", help="endpoint, file with its page, or -")
    explaining.add_argument("--bearer-token-file", default="", metavar="FILE",
                            help="token to send")
    explaining.add_argument("--ca-file", default="", metavar="FILE",
                            help="certificates to trust")
    explaining.add_argument("--insecure-skip-verify", action="store_true",
                            help="trust any certificate")
    explaining.add_argument("--timeout", type=float, default=5.0, metavar="SECONDS",
                            help="how long to wait for the page (5)")
    explaining.set_defaults(command=explain)

    checking = commands.add_parser(
        "check-config", help="say whether a configuration file is good",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Load a configuration file as `run` would. Exit code 2 and one line naming\n"
                    "file and key if it is not good.", epilog=_ROLES_HELP)
    checking.add_argument("config", type=Path, metavar="FILE")
    _add_role(checking)
    checking.set_defaults(command=check_config)
    return parser


_ROLES_HELP = "\n".join((
    "Roles, where several exporters share the work, and the sections of the file each has:",
    *(f"  {name:9} {', '.join(role.sections):16} {role.does}"
      for name, role in ROLES.items() if name),
    "Without a role an exporter does all of it."))


def _add_role(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--role", choices=[*filter(None, ROLES)], default=NO_ROLE,
                        help="which part of the work is its own; over the file (all of it)")


def _handle_signals(app: App, server: Server) -> None:
    def stop(*_: object) -> None:
        server.shutdown()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, lambda *_: threading.Thread(target=app.reload).start())


def _greet(app: App, server: Server) -> None:
    """Say where to look, and what was found so far."""
    host = str(server.server_address[0])
    shown = f"[{host}]" if ":" in host else host
    scheme = "https" if server.web is not None and server.web.tls else "http"
    site = f"{scheme}://{shown}:{server.server_port}"
    role = f", {app.config.role}" if app.config.role else ""
    print(f"Inferometer {__version__}{role}\n"
          f"  metrics  {site}/metrics\n"
          f"  page     {site}/  for a person", flush=True)
    if not app.config.has("gpu"):
        print(f"  GPUs     {NOT_READ}")
    elif app.sampler is None:
        print("  GPUs     switched off by gpu.enabled")
    else:
        app.sampler.looked.wait(FIRST_LOOK_SECONDS)
        print(f"  GPUs     {app.sampler.state or 'the driver has not answered yet'}; "
              f"looking again every {app.config.gpu.retry_seconds:g} s")
    if not app.config.has("engines"):
        print(f"  engines  {NOT_READ}")
    app.discovery.looked.wait(FIRST_LOOK_SECONDS)
    for target in app.targets():
        print(f"  engine   {target.name}  {target.url}")
    if app.discovery.ports:
        ports = ", ".join(map(str, app.discovery.ports))
        found = "" if app.targets() else "none found; "
        print(f"  engines  {found}looking on 127.0.0.1, ports {ports}, every "
              f"{app.config.engines.discover_seconds:g} s")
    sys.stdout.flush()


def _address(text: str) -> str:
    try:
        split_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not {ADDRESS}") from error
    return text


def _endpoint(options: argparse.Namespace) -> EngineTarget:
    """The engine the command line speaks of. Raises ConfigError."""
    if not is_engine_url(options.page):
        raise ConfigError(Mistake(repr(options.page), f"is no file and not {URL}"))
    return EngineTarget(options.page, bearer_token_file=options.bearer_token_file,
                        ca_file=options.ca_file,
                        insecure_skip_verify=options.insecure_skip_verify)


def _engine(text: str) -> EngineTarget:
    name, equals, url = text.partition("=")
    if not equals or "/" in name:  # the sign is of the URL's own query, if it is there
        name, url = "", text
    if not is_engine_url(url):
        raise argparse.ArgumentTypeError(f"{text!r} is not {URL}")
    return EngineTarget(url, name)

"""`inferometer explain`: say what an engine's page is, and where each signal comes from."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from inferometer.addresses import URL, is_engine_url
from inferometer.cli.arguments import seconds
from inferometer.cli.verbs import FAILED, OK, Verb
from inferometer.config import ConfigError, EnginesSection, EngineTarget
from inferometer.documents.mistakes import Document, Mistake
from inferometer.engines.access import ask, check_tls
from inferometer.engines.explain import as_data, as_text, state_of
from inferometer.engines.explain import explain as explain_page
from inferometer.engines.reading import Names
from inferometer.engines.tables import TABLES
from inferometer.logs import start_logging
from inferometer.outside import as_json, masked
from inferometer.settings import COMMAND_LINE, check_secrets


def explain(options: argparse.Namespace) -> int:
    """Print how the exporter reads an engine's page, or a file that holds one."""
    start_logging("error")
    file = Path(options.page)
    if options.page == "-" or file.is_file():
        body = sys.stdin.buffer.read() if options.page == "-" else file.read_bytes()
        where = options.page
        state, shape = state_of(body, TABLES, Names(options.model, tuple(options.entry_model)))
    else:
        target = _endpoint(options)
        document = Document(COMMAND_LINE)
        check_secrets(target, "", document)
        check_tls(target, "", document)
        document.finish(ConfigError)
        where, state, shape = ask(target, EnginesSection(timeout_seconds=options.timeout))
    chapters = explain_page(where, state, shape)
    print(as_json(as_data(chapters), indent=2) if options.json
          else "\n".join(as_text(chapters)))
    return OK if state.up else FAILED


def _endpoint(options: argparse.Namespace) -> EngineTarget:
    """The endpoint given on the command line. Raises ConfigError."""
    if not is_engine_url(options.page):
        raise ConfigError(Mistake(repr(masked(options.page)), f"is no file and not {URL}"))
    return EngineTarget(options.page, model=options.model,
                        entry_models=tuple(options.entry_model),
                        bearer_token_file=options.bearer_token_file,
                        ca_file=options.ca_file,
                        insecure_skip_verify=options.insecure_skip_verify)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("page", metavar="URL|FILE",
                        help="endpoint, file with its page, or -")
    parser.add_argument("--json", action="store_true", help="as JSON, for a program")
    parser.add_argument("--model", default="", metavar="NAME",
                        help="the model's name, where the page has none")
    parser.add_argument("--entry-model", action="append", default=[], metavar="NAME",
                        help="a model that hands requests on to others of the page; repeatable")
    parser.add_argument("--bearer-token-file", default="", metavar="FILE", help="token to send")
    parser.add_argument("--ca-file", default="", metavar="FILE", help="certificates to trust")
    parser.add_argument("--insecure-skip-verify", action="store_true",
                        help="trust any certificate")
    parser.add_argument("--timeout", type=seconds, default=5.0, metavar="SECONDS",
                        help="how long to wait for the page (5)")


VERB = Verb(
    "explain", "say what an engine's page is, and where each signal comes from",
    "Say what an engine's metrics page is to the exporter: the engine, each\n"
    "signal and the family it is read from, every family that is not used and\n"
    "why, and what would be folded or coarsened. Of a page that is no known engine's:\n"
    "what is on it, the engine that comes nearest, and what to try. For a bug report,\n"
    "send all of it.",
    "Examples:\n"
    "  inferometer explain http://127.0.0.1:8000\n"
    "  curl -s http://engine:8000/metrics | inferometer explain -\n"
    "  inferometer explain --json http://127.0.0.1:8000 | jq '.page'\n\n"
    "Exit codes: 0 it is an engine's page, 1 it cannot be had, or is of no known engine,\n"
    "2 wrong arguments.",
    _add_arguments, explain)

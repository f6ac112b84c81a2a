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
                        help="the engine, a file with its page, or - for standard input")
    parser.add_argument("--json", action="store_true", help="print JSON, for a program")
    parser.add_argument("--model", default="", metavar="NAME",
                        help="the model's name, if the page has none")
    parser.add_argument("--entry-model", action="append", default=[], metavar="NAME",
                        help="a model that hands requests on to other models of the page; "
                             "may be repeated")
    parser.add_argument("--bearer-token-file", default="", metavar="FILE",
                        help="a file with the token to send")
    parser.add_argument("--ca-file", default="", metavar="FILE",
                        help="the certificate authorities to trust")
    parser.add_argument("--insecure-skip-verify", action="store_true",
                        help="trust any certificate")
    parser.add_argument("--timeout", type=seconds, default=5.0, metavar="SECONDS",
                        help="how long to wait for the page (5)")


VERB = Verb(
    "explain", "show how an engine's page is read, signal by signal",
    "Show how the exporter reads an engine's metrics page: which engine it is, from which\n"
    "family each signal comes, which families are not used and why, and which label values\n"
    "or buckets are merged because there are too many. Of an unknown page: what is on it,\n"
    "which engine comes nearest, and what to try. Put all of it into a bug report.",
    "Examples:\n"
    "  inferometer explain http://127.0.0.1:8000\n"
    "  curl -s http://engine:8000/metrics | inferometer explain -\n"
    "  inferometer explain --json http://127.0.0.1:8000 | jq '.page'\n\n"
    "Exit codes: 0 it is an engine's page, 1 it is not, or cannot be read,\n"
    "2 wrong arguments.",
    _add_arguments, explain)

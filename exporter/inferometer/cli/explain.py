"""`inferometer explain`: say how an engine's page is read, or captured bodies of OTLP."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from inferometer.addresses import URL, is_engine_url
from inferometer.chapters import as_data, as_text
from inferometer.cli.arguments import seconds
from inferometer.cli.verbs import FAILED, OK, Verb, warn_of_strangers
from inferometer.config import ConfigError, EnginesSection, EngineTarget
from inferometer.documents.mistakes import Document, Mistake
from inferometer.engines.access import ask, check_tls
from inferometer.engines.explain import explain as explain_page
from inferometer.engines.explain import state_of
from inferometer.engines.reading import Names
from inferometer.engines.tables import TABLES
from inferometer.logs import start_logging
from inferometer.outside import as_json, masked
from inferometer.settings import COMMAND_LINE, check_secrets


def explain(options: argparse.Namespace) -> int:
    """Print how an engine's page is read, or what applications send. Raises ConfigError."""
    start_logging("error")
    warn_of_strangers(options)
    if options.otlp:
        # Here alone: pages of engines need nothing of it.
        from inferometer.cli.explain_otlp import explain_otlp
        return explain_otlp(options)
    if len(options.page) > 1:
        raise ConfigError(Mistake(repr(masked(options.page[1])),
                                  "is a second page; several files go with --otlp alone",
                                  document=COMMAND_LINE))
    return _explain_page(options.page[0], options)


def _explain_page(page: str, options: argparse.Namespace) -> int:
    """Print how the exporter reads an engine's page, or a file that holds one."""
    file = Path(page)
    if page == "-" or file.is_file():
        body = sys.stdin.buffer.read() if page == "-" else file.read_bytes()
        where = page
        state, shape = state_of(body, TABLES, Names(options.model, tuple(options.entry_model)))
    else:
        target = _endpoint(page, options)
        document = Document(COMMAND_LINE)
        check_secrets(target, "", document)
        check_tls(target, "", document)
        document.finish(ConfigError)
        where, state, shape = ask(target, EnginesSection(timeout_seconds=options.timeout))
    chapters = explain_page(where, state, shape)
    print(as_json(as_data(chapters), indent=2) if options.json
          else "\n".join(as_text(chapters)))
    return OK if state.up else FAILED


def _endpoint(page: str, options: argparse.Namespace) -> EngineTarget:
    """The endpoint given on the command line. Raises ConfigError."""
    if not is_engine_url(page):
        raise ConfigError(Mistake(repr(masked(page)), f"is no file and not {URL}"))
    return EngineTarget(page, model=options.model,
                        entry_models=tuple(options.entry_model),
                        bearer_token_file=options.bearer_token_file,
                        ca_file=options.ca_file,
                        insecure_skip_verify=options.insecure_skip_verify)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("page", metavar="URL|FILE", nargs="+",
                        help="the engine, a file with its page, or - for standard input; with "
                             "--otlp the files")
    parser.add_argument("--otlp", action="store_true",
                        help="the files are bodies of OTLP that an application sent: protobuf or "
                             "JSON, gzip or not; all of them together are explained")
    parser.add_argument("--config", type=Path, metavar="FILE",
                        help="with --otlp: the gateway's configuration, for its prices")
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
    "explain", "show how an engine's page or an application's spans are read",
    "Show how the exporter reads an engine's metrics page: which engine it is, from which\n"
    "family each signal comes, which families are not used and why, and which label values\n"
    "or buckets are merged because there are too many. Of an unknown page: what is on it,\n"
    "which engine comes nearest, and what to try. Put all of it into a bug report.\n\n"
    "With --otlp, show how a gateway reads what an application sends: which table reads each\n"
    "instrumentation, from which attribute each field comes, which attributes are not used\n"
    "and why, which spans are one call and why, what counts in the end, and what no span\n"
    "holds. It prints no prompt and no answer, and ids only in part.",
    "A body is what was posted to /v1/traces or /v1/logs, as it was sent; a file of a\n"
    "Collector's file exporter is read too, a body a line. The traces of all files are\n"
    "counted together, as one gateway would.\n\n"
    "Examples:\n"
    "  inferometer explain http://127.0.0.1:8000\n"
    "  curl -s http://engine:8000/metrics | inferometer explain -\n"
    "  inferometer explain --json http://127.0.0.1:8000 | jq '.page'\n"
    "  inferometer explain --otlp traces.pb\n"
    "  inferometer explain --otlp first.json.gz second.json.gz\n"
    "  inferometer explain --otlp --config /etc/inferometer/gateway.yml - < traces.pb\n"
    "  inferometer explain --otlp --json traces.pb | jq '.\"Calls that count\"'\n\n"
    "Exit codes: 0 it is an engine's page, or bodies with steps that count, 1 it is not, or\n"
    "cannot be read, 2 wrong arguments.",
    _add_arguments, explain)

"""`inferometer status`: print what an exporter's page lists as problems."""

from __future__ import annotations

import argparse
import ssl
import time
from pathlib import Path

from inferometer.cli.arguments import plain_url, seconds
from inferometer.cli.status_report import FINE, as_lines, read_report
from inferometer.cli.verbs import FAILED, MISUSED, OK, Verb, complain
from inferometer.config import ConfigError, EngineTarget
from inferometer.documents.mistakes import Document, Mistake
from inferometer.documents.readers import read_json
from inferometer.engines.access import check_tls, tls
from inferometer.engines.fetch import Access, fetch
from inferometer.engines.page import PageError
from inferometer.outside import as_json, masked
from inferometer.reasons import reason_of
from inferometer.settings import COMMAND_LINE, check_secrets

PATH = "/status"
USUAL_URL = "http://127.0.0.1:9839"
LARGEST_ANSWER = 4 * 2**20  # bytes
MORE = {  # of what a failure means here, by its beginning
    "HTTP status 404": ": no exporter, or an older one",
    "HTTP status 401": ": give --user and --password-file",
}


def status(options: argparse.Namespace) -> int:
    """Print the problems of the exporter at a URL. Raises ConfigError."""
    url = options.url.removesuffix("/").removesuffix(PATH)
    access = Access(login=_login(options), tls=_context(options), max_bytes=LARGEST_ANSWER)
    try:
        top = read_json(fetch(f"{url}{PATH}", access, options.timeout))
    except PageError as error:
        more = next((text for start, text in MORE.items() if str(error).startswith(start)), "")
        complain(f"{masked(url)} cannot be asked: {error}{more}")
        return MISUSED
    report = read_report(top)
    if mistakes := top.document.error():
        complain(f"{masked(url)} answers with no status: {mistakes.line}")
        return MISUSED
    print(as_json(top.value, indent=2) if options.json
          else "\n".join(as_lines(masked(url), report, time.time())))
    return OK if report.status == FINE else FAILED


def _login(options: argparse.Namespace) -> str:
    """User and password of HTTP Basic. Raises ConfigError."""
    if bool(options.user) != bool(options.password_file):
        raise _wrong("--user" if options.user else "--password-file",
                     "needs --password-file" if options.user else "needs --user")
    if not options.user:
        return ""
    try:
        password = Path(options.password_file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong("--password-file", f"{options.password_file}: {reason_of(error)}") from error
    return f"{options.user}:{password}"


def _context(options: argparse.Namespace) -> ssl.SSLContext | None:
    """What the exporter's certificate is held against, with ours. Raises ConfigError."""
    target = EngineTarget(options.url, ca_file=options.ca_file,
                          insecure_skip_verify=options.insecure_skip_verify)
    document = Document(COMMAND_LINE)
    check_secrets(target, "", document)
    check_tls(target, "", document)
    document.finish(ConfigError)
    context = tls(target)
    if not options.cert_file:
        return context
    context = context or ssl.create_default_context()
    try:
        context.load_cert_chain(options.cert_file, options.key_file or None,
                                password="")  # which asks nobody for one
    except OSError as error:
        raise _wrong("--cert-file", f"{options.cert_file}: {reason_of(error)}") from error
    return context


def _wrong(flag: str, problem: str) -> ConfigError:
    return ConfigError(Mistake(flag, problem, document=COMMAND_LINE))


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", nargs="?", type=plain_url, default=USUAL_URL, metavar="URL",
                        help=f"the exporter ({USUAL_URL})")
    parser.add_argument("--json", action="store_true", help="print JSON, for a program")
    parser.add_argument("--timeout", type=seconds, default=10.0, metavar="SECONDS",
                        help="how long to wait for the answer (10)")
    parser.add_argument("--user", default="", metavar="NAME",
                        help="the user, if the exporter's web configuration has users")
    parser.add_argument("--password-file", default="", metavar="FILE",
                        help="a file with the password")
    parser.add_argument("--ca-file", default="", metavar="FILE",
                        help="the certificate authorities to trust")
    parser.add_argument("--cert-file", default="", metavar="FILE",
                        help="a client certificate, if the exporter asks for one")
    parser.add_argument("--key-file", default="", metavar="FILE",
                        help="the certificate's key, if it is in another file")
    parser.add_argument("--insecure-skip-verify", action="store_true",
                        help="trust any certificate")


VERB = Verb(
    "status", "print what is wrong now, as an exporter sees it",
    "Print what a running exporter finds wrong: problems, and figures over their limits.\n"
    "Its page for a person lists the same, worst first, with how long each has lasted, its\n"
    "alert and its runbook entry. Lines of severity info are listed and do not count as\n"
    "problems.",
    "Examples:\n"
    "  inferometer status\n"
    "  inferometer status http://gpu-1:9839 && echo all is well\n"
    "  inferometer status --user ops --password-file pw --ca-file ca.pem https://gpu-1:9839\n"
    "  inferometer status --json | jq -r '.problems[].text'\n\n"
    "Exit codes: 0 no problems, 1 a problem, or something is over its limit,\n"
    "2 the exporter cannot be asked, or wrong arguments.",
    _add_arguments, status)

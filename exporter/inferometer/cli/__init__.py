"""The command line: its verbs in a list, and exit codes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from inferometer import __version__
from inferometer.cli import bundle, check_config, explain, run
from inferometer.cli.verbs import MISUSED
from inferometer.config import ConfigError
from inferometer.outside import on_one_line

VERBS = (run.VERB, explain.VERB, check_config.VERB, bundle.VERB)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code: 0 well, 1 failed, 2 wrong arguments or configuration."""
    options = make_parser().parse_args(arguments)
    try:
        return int(options.verb.run(options))
    except ConfigError as error:
        for line in str(error).splitlines():
            print(f"inferometer: {line}", file=sys.stderr)
        return MISUSED


class _CommandParser(argparse.ArgumentParser):
    """Repeats no secret of a URL in its messages."""

    def error(self, message: str) -> NoReturn:
        super().error(on_one_line(message))


def make_parser() -> argparse.ArgumentParser:
    """The parser of all verbs and their arguments."""
    parser = _CommandParser(
        prog="inferometer",
        description="Measures LLM inference: GPUs, engines and their cost, for Prometheus.",
        epilog="Exit codes: 0 well, 1 failed, 2 wrong arguments or configuration.")
    parser.add_argument("--version", action="version", version=f"inferometer {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for verb in VERBS:
        command = commands.add_parser(
            verb.name, help=verb.help, description=verb.description, epilog=verb.epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter)
        verb.add_arguments(command)
        command.set_defaults(verb=verb)
    return parser

"""The command line: its verbs in a list, and exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from inferometer import __version__
from inferometer.cli import (
    bundle,
    check_config,
    completion,
    cost,
    demo,
    explain,
    feedback,
    judge,
    ledger,
    outbox,
    review,
    run,
    status,
)
from inferometer.cli.environment import NO_ENVIRONMENT, FlagParser, help_lines, variables
from inferometer.cli.verbs import FAILED, INTERRUPTED, MISUSED, Verb, complain, warn_of_strangers
from inferometer.config import ConfigError
from inferometer.outside import on_one_line
from inferometer.reasons import places_of, reason_of

VERBS = (run.VERB, demo.VERB, explain.VERB, check_config.VERB, status.VERB, ledger.VERB,
         judge.VERB, review.VERB, outbox.VERB, feedback.VERB, cost.VERB, bundle.VERB,
         completion.VERB)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code: 0 well, 1 failed, 2 wrong arguments or configuration."""
    options = make_parser(os.environ).parse_args(arguments)
    if not hasattr(options, "config"):  # a file may name variables of its own: those verbs warn
        warn_of_strangers(options)
    try:
        code = int(options.verb.run(options))
        sys.stdout.flush()
        return code
    except ConfigError as error:
        for line in str(error).splitlines():
            complain(line)
        return MISUSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # who reads what is printed has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        complain(": ".join(filter(None, (str(error.filename or ""), reason_of(error)))))
    except Exception as error:  # nobody else says it in words
        complain(f"{reason_of(error)} (at {places_of(error)}): a fault of ours, please report it")
    return FAILED


class _CommandParser(FlagParser):
    """Repeats no secret of a URL in its messages."""

    def error(self, message: str) -> NoReturn:
        super().error(on_one_line(message))


def make_parser(environ: Mapping[str, str] = NO_ENVIRONMENT) -> argparse.ArgumentParser:
    """The parser of all verbs and their arguments, and of the flags that the environment has."""
    parser = _CommandParser(
        prog="inferometer",
        description="Measures LLM inference: GPUs, engines and their cost, for Prometheus.",
        epilog="Each command has a --help with examples. Every flag may also come from the\n"
               "environment: --listen is INFEROMETER_LISTEN.\n\n"
               "Exit codes: 0 well, 1 failed, 2 wrong arguments or configuration.",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"inferometer {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    all_variables: set[str] = set()
    for verb in VERBS:
        command = commands.add_parser(
            verb.name, help=verb.help, description=verb.description,
            formatter_class=argparse.RawDescriptionHelpFormatter)
        _fill(command, verb, environ)
        all_variables.update(variables(command))
    parser.set_defaults(parser=parser, variables=frozenset(all_variables))
    return parser


def _fill(command: _CommandParser, verb: Verb, environ: Mapping[str, str]) -> None:
    command.environ = environ
    verb.add_arguments(command)
    command.set_defaults(verb=verb)
    command.epilog = "\n\n".join(filter(None, (verb.epilog, "\n".join(help_lines(command)))))

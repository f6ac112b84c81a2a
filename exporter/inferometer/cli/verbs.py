"""What all verbs of the command line share."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from inferometer.cli.environment import strangers
from inferometer.outside import on_one_line

OK, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130  # exit codes


@dataclass(frozen=True)
class Verb:
    """One command: its name, a line of help, the text of its `--help`, and what it runs.

    The epilog has examples and exit codes; the environment's part of it is added by its flags.
    """

    name: str
    help: str
    description: str
    epilog: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]  # the exit code; raises ConfigError


def complain(text: str) -> None:
    """Say on standard error what is wrong, on one line and safely."""
    print(f"inferometer: {on_one_line(text)}", file=sys.stderr)


def strange_variables(options: argparse.Namespace, named: Iterable[str] = ()) -> list[str]:
    """Variables of the environment that look like ours and are read by nobody."""
    return strangers(os.environ, options.variables, named)


def warn_of_strangers(options: argparse.Namespace, named: Iterable[str] = ()) -> None:
    """Complain about such variables, once; `named` are those that a file speaks of."""
    if names := strange_variables(options, named):
        complain(f"environment variables that nobody reads: {', '.join(names)}")

"""What all verbs of the command line share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from inferometer.roles import NO_ROLE, ROLES

OK, FAILED, MISUSED = 0, 1, 2  # exit codes


@dataclass(frozen=True)
class Verb:
    """One command: its name, a line of help, the text of its `--help`, and what it runs."""

    name: str
    help: str
    description: str
    epilog: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]  # the exit code; raises ConfigError


ROLES_HELP = "\n".join((
    "Roles, where several exporters share the work, and the sections of the file each has:",
    *(f"  {name:9} {', '.join(role.sections):16} {role.does}"
      for name, role in ROLES.items() if name),
    "Without a role an exporter does all of it."))


def add_role(parser: argparse.ArgumentParser) -> None:
    """The flag for the exporter's role."""
    parser.add_argument("--role", choices=[*filter(None, ROLES)], default=NO_ROLE,
                        help="which part of the work is its own; over the file (all of it)")

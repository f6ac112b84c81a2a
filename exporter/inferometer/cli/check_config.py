"""`inferometer check-config`: say whether a configuration file is good."""

from __future__ import annotations

import argparse
from pathlib import Path

from inferometer import app
from inferometer.cli.verbs import OK, ROLES_HELP, Verb, add_role
from inferometer.outside import spelt
from inferometer.settings import Flags


def check_config(options: argparse.Namespace) -> int:
    """Load the file as `run` would, and say that it is good. Raises ConfigError."""
    config = app.check(options.config, Flags(role=options.role))
    print(f"{spelt(str(options.config))}: good ({len(config.engines.targets)} engine targets, "
          f"{len(config.cost.gpu_hour_usd)} GPU prices)")
    return OK


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="FILE")
    add_role(parser)


VERB = Verb(
    "check-config", "say whether a configuration file is good",
    "Load a configuration file as `run` would. Exit code 2 and one line for each\n"
    "mistake, naming file and key, if it is not good.", ROLES_HELP, _add_arguments, check_config)

"""`inferometer check-config`: say whether a configuration file is good."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from inferometer import app
from inferometer.cli.arguments import ROLES_HELP, add_role
from inferometer.cli.verbs import MISUSED, OK, Verb, warn_of_strangers
from inferometer.config import Config, ConfigError
from inferometer.documents.readers import read_yaml
from inferometer.outside import as_json, spelt, without_secrets
from inferometer.settings import Flags

STANDARD_INPUT = "standard input"  # what messages call it


def check_config(options: argparse.Namespace) -> int:
    """Load the file as `run` would, and say whether it is good. Raises ConfigError."""
    try:
        config = _checked(options.config, Flags(role=options.role))
    except ConfigError as error:
        if not options.json:
            raise
        print(as_json({"good": False, "mistakes": [*_mistakes(error)], "more": error.more},
                      indent=2))
        return MISUSED
    warn_of_strangers(options, app.named_variables(config))
    targets, prices = len(config.engines.targets), len(config.cost.gpu_hour_usd)
    if options.json:
        print(as_json({"good": True, "mistakes": [], "more": 0, "engine_targets": targets,
                       "gpu_prices": prices}, indent=2))
    else:
        file = STANDARD_INPUT if options.config == "-" else options.config
        print(f"{spelt(file)}: good ({targets} engine targets, {prices} GPU prices)")
    return OK


def _checked(file: str, flags: Flags) -> Config:
    if file == "-":
        return app.check(Path(), flags, read_yaml(sys.stdin.buffer.read(), STANDARD_INPUT))
    return app.check(Path(file), flags)


def _mistakes(error: ConfigError) -> Iterable[dict[str, object]]:
    for mistake in error.mistakes:
        yield {"file": mistake.document, "line": mistake.line, "key": mistake.path or None,
               "message": without_secrets(mistake.problem)}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="FILE", help="the file, or - for standard input")
    parser.add_argument("--json", action="store_true",
                        help="print JSON: whether it is good, and each mistake with file, "
                             "line, key and message")
    add_role(parser)


VERB = Verb(
    "check-config", "say whether a configuration file is good",
    "Load a configuration file as `run` would, and print a line for each mistake, with\n"
    "file, line and key. Files that it names are looked for in its own folder, or in the\n"
    "present one if it comes from standard input.",
    "Examples:\n"
    "  inferometer check-config inferometer.yml\n"
    "  inferometer check-config --role node node.yml\n"
    "  ssh node cat /etc/inferometer/inferometer.yml | inferometer check-config -\n"
    "  inferometer check-config --json inferometer.yml | jq -r '.mistakes[].key'\n\n"
    "Exit codes: 0 it is good, 2 it is not, or the arguments are wrong.\n\n"
    f"{ROLES_HELP}", _add_arguments, check_config)

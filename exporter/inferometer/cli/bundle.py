"""`inferometer bundle`: write rules, alerts, boards and manifests for a deployment."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from inferometer.bundle import RUNBOOK, render, runbook
from inferometer.bundle.options import OptionError, Options, flag_name, flags
from inferometer.cli.verbs import FAILED, OK, Verb, complain
from inferometer.config import ConfigError
from inferometer.documents.mistakes import Mistake
from inferometer.outside import spelt


def bundle(options: argparse.Namespace) -> int:
    """Write the files, or list them. Raises ConfigError for options that cannot be."""
    from inferometer.bundle import folder, guide  # not at the top: see inferometer.bundle

    contents = _chosen(options)
    if options.list:
        width = max(map(len, contents))
        print("\n".join(f"{path:{width}}  {guide.purpose(path)}" for path in contents))
        return OK
    if options.out is None:
        raise ConfigError(Mistake("--out", "is missing: the folder to write; or --list"))
    try:
        folder.write(contents, options.out)
    except folder.FolderError as error:
        complain(str(error))
        return FAILED
    print(spelt(f"{options.out} has {len(contents)} files. What to do with them:"))
    print("\n".join(f"- {spelt(line)}" for line in guide.todo(contents, options.out)))
    return OK


def _chosen(options: argparse.Namespace) -> dict[str, str]:
    """The text of every file that is meant, by its path. Raises ConfigError."""
    try:
        contents = render(Options.from_flags(vars(options))) | {RUNBOOK: runbook()}
    except OptionError as error:
        raise ConfigError(Mistake(error.flag, error.problem)) from error
    meant = {path: text for path, text in contents.items()
             if not options.only or _is_meant(path, options.only)}
    if not meant:
        top = dict.fromkeys(path.partition("/")[0] for path in contents)
        raise ConfigError(Mistake("--only", f"meets none of {', '.join(top)}"))
    return meant


def _is_meant(path: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns is of the file, or of a folder that it is in."""
    places = (path, *map(str, PurePosixPath(path).parents))
    return any(fnmatchcase(place, pattern.rstrip("/")) for pattern in patterns for place in places)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="the folder to write; replaces what an earlier run wrote there")
    parser.add_argument("--list", action="store_true",
                        help="write nothing; print what each file is for")
    parser.add_argument("--only", action="append", default=[], metavar="FILES",
                        help="a folder of the list, or a pattern such as 'kubernetes/*.yaml';\n"
                             "may be repeated (all files)")
    for flag in flags():
        parser.add_argument(flag_name(flag), type=type(flag.default), default=flag.default,
                            metavar=flag.metadata["form"].word,
                            help=f"{flag.metadata['help']} ({flag.default})")


VERB = Verb(
    "bundle", "write rules, alerts, boards and manifests for a deployment",
    "Write what goes with the exporter: recording rules, alerts and a configuration\n"
    "for Prometheus, routing for Alertmanager, boards for Grafana, manifests for\n"
    "Kubernetes, the runbook. It needs no network and no other program.\n"
    "Limits and budgets have no flags: they are set in inferometer.yml.",
    "Examples:\n"
    "  inferometer bundle --list\n"
    "  inferometer bundle --out monitoring --only prometheus --only dashboards\n"
    "  inferometer bundle --out monitoring --cluster prod --exporters gpu-1:9839,gpu-2:9839 "
    "\\\n    --runbook-url https://wiki.example.org/inferometer "
    "--grafana-url https://grafana.example.org\n"
    "  inferometer bundle --out manifests --only kubernetes --cluster prod "
    "\\\n    --image registry.example.org/inferometer\n\n"
    "Exit codes: 0 it is written, 1 the folder cannot be written, or holds other files,\n"
    "2 wrong arguments.",
    _add_arguments, bundle)

"""`inferometer bundle`: write rules, alerts, boards and manifests for a deployment."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from inferometer.bundle.options import OptionError, Options, flag_name, flags
from inferometer.cli.verbs import FAILED, OK, Verb
from inferometer.config import ConfigError
from inferometer.documents.mistakes import Mistake
from inferometer.outside import spelt


def bundle(options: argparse.Namespace) -> int:
    """Write the files, or list them. Raises ConfigError for options that cannot be."""
    # The exporter starts without any of this.
    from inferometer.bundle import folder, guide, render, runbook

    try:
        contents = {**render(Options.from_flags(vars(options))), folder.RUNBOOK: runbook()}
        chosen = {path: text for path, text in contents.items()
                  if _is_meant(path, options.only or ["*"])}
        if not chosen:
            raise ConfigError(Mistake("--only", f"meets none of {', '.join(_folders(contents))}"))
        if options.list:
            width = max(map(len, chosen))
            print("\n".join(f"{path:{width}}  {guide.purpose(path)}" for path in chosen))
            return OK
        folder.write(chosen, options.out)
        print(spelt(f"{options.out} has {len(chosen)} files. What to do with them:"))
        print("\n".join(f"- {spelt(line)}" for line in guide.todo(chosen, options.out)))
        return OK
    except OptionError as error:
        raise ConfigError(Mistake(error.flag, error.problem)) from error
    except ValueError as error:
        problem = str(error)
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}"
    print(f"inferometer: {spelt(problem)}", file=sys.stderr)
    return FAILED


def _is_meant(path: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns is of the file, or of a folder that it is in."""
    places = (path, *map(str, PurePosixPath(path).parents))
    return any(fnmatchcase(place, pattern.rstrip("/")) for pattern in patterns for place in places)


def _folders(paths: Iterable[str]) -> list[str]:
    """The folders and files at the top."""
    return [*dict.fromkeys(path.partition("/")[0] for path in paths)]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--out", type=Path, metavar="DIR",
                        help="the folder to write; what was written there before is replaced")
    action.add_argument("--list", action="store_true",
                        help="write nothing, say what each file is for")
    parser.add_argument("--only", action="append", metavar="FILES",
                        help="a folder of the list, or a pattern as 'kubernetes/*.yaml';\n"
                             "may be repeated (all)")
    for flag in flags():
        parser.add_argument(flag_name(flag), type=type(flag.default), default=flag.default,
                            metavar=flag.metadata["form"].word,
                            help=f"{flag.metadata['help']} ({flag.default})")


VERB = Verb(
    "bundle", "write rules, alerts, boards and manifests for a deployment",
    "Write what goes with the exporter: recording rules, alerts and a configuration\n"
    "for Prometheus, routing for Alertmanager, boards for Grafana, manifests for\n"
    "Kubernetes, the runbook. Needs neither network nor anything that is not installed.\n"
    "Limits and budgets are not chosen here: they stand in inferometer.yml.",
    "Exit code 1 if the folder cannot be written, or holds other files.\n\n"
    "  inferometer bundle --list\n"
    "  inferometer bundle --out monitoring --only prometheus --only dashboards\n"
    "  inferometer bundle --out monitoring --cluster prod --exporters gpu-1:9839,gpu-2:9839 "
    "\\\n    --runbook-url https://wiki.example.org/inferometer "
    "--grafana-url https://grafana.example.org\n"
    "  inferometer bundle --out manifests --only kubernetes --cluster prod "
    "\\\n    --image registry.example.org/inferometer",
    _add_arguments, bundle)

"""The command: writes deploy/generated/ from the definitions, once they are proven.

The chart's own copy of some of them, deploy/chart/files/, and the schema of its values go with it.
`--check` writes nothing and says which files are missing, extra or different.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from deploy.build import files, proofs
from deploy.build.bundle import Bundle, assemble
from deploy.build.writers import helm
from inferometer.bundle.folder import write
from inferometer.bundle.options import Options, flag_name, flags

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "deploy" / "generated"


def main(arguments: Sequence[str] | None = None,
         assemble: Callable[[], Bundle] = assemble) -> int:
    """Run the command; returns its exit status."""
    chosen = _parser().parse_args(arguments)
    bundle = assemble()
    if findings := proofs.findings(bundle):
        return _report(findings)
    try:
        contents = files.render(bundle, Options.from_flags(vars(chosen)))
        if chosen.check:
            return _report([*(line for folder, texts in _folders(contents, chosen.folder)
                              for line in _stale(texts, folder)),
                            *(_stale_schema() if chosen.folder == GENERATED else ())])
        for folder, texts in _folders(contents, chosen.folder):
            write(texts, folder)
        if chosen.folder == GENERATED:
            helm.SCHEMA.write_text(helm.schema(), encoding="utf-8")
    except OSError as error:
        return _report([f"{error.filename}: {error.strerror}"])
    except ValueError as error:
        return _report([str(error)])
    return 0


def _folders(contents: Mapping[str, str],
             folder: Path) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """What is written where: with what is committed, also what the chart carries of it."""
    if folder == GENERATED:
        yield helm.FILES, helm.carried(contents)
    yield folder, contents


def _stale_schema() -> Iterator[str]:
    if not helm.SCHEMA.exists() or helm.SCHEMA.read_text(encoding="utf-8") != helm.schema():
        yield _freshen(helm.SCHEMA)


def _stale(contents: Mapping[str, str], folder: Path) -> list[str]:
    """The differences of the folder, and then what to do about them."""
    differences = files.differences(contents, folder)
    advice = (_freshen(folder) if folder in (GENERATED, helm.FILES)
              else f"{folder} is stale: run the same command without --check")
    return [*differences, advice] if differences else []


def _freshen(path: Path) -> str:
    return f"{path.relative_to(ROOT)} is stale: run `make bundle` and commit what it writes"


def _report(findings: Iterable[str]) -> int:
    """Print each finding on a line of its own; 1 if there are any."""
    lines = [*findings]
    for line in lines:
        print(line, file=sys.stderr)
    return 1 if lines else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.build",
        description="Writes deploy/generated/ from the definitions, once they are proven.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, say what is stale")
    parser.add_argument("--folder", type=Path, default=GENERATED, help="where to write")
    for flag in flags():
        parser.add_argument(flag_name(flag), type=type(flag.default),
                            default=flag.default, help=flag.metadata["help"])
    return parser

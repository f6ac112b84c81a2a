"""The command: refuses, or makes all of a release in a folder; nothing of it leaves the machine."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from deploy.release.checks import findings
from deploy.release.steps import STEPS, SUMS
from deploy.release.workshop import FailedStepError, Release, unpacked

ROOT = Path(__file__).parents[2]
PUBLISHING = """
{folder} has the release. Nothing was published; whoever may, does, with a registry in the place of
REGISTRY:

    git push origin {tag}
    twine upload {folder}/{name}.tar.gz {folder}/{name}-py3-none-any.whl
    helm push {folder}/{name}.tgz oci://REGISTRY/charts
    tar -xzf {folder}/{name}-image.tar.gz
    docker build -f {name}-image/deploy/Dockerfile -t REGISTRY/inferometer:{version} {name}-image
    docker push REGISTRY/inferometer:{version}

and the page of the tag gets RELEASE_NOTES.md, all files, SHA256SUMS and SHA256SUMS.sig."""


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run the command; returns its exit status."""
    chosen = _parser().parse_args(arguments)
    key = chosen.key and chosen.key.expanduser().absolute()
    release = Release(chosen.version, root, chosen.base_digest, key)
    try:
        if lines := [*findings(release), *_occupied(chosen.folder)]:
            return _refuse(lines)
        with tempfile.TemporaryDirectory(prefix="release-") as folder:
            workshop = unpacked(release, Path(folder))
            for step in STEPS:
                print(f"{step.__name__}: {step.__doc__}", flush=True)
                step(workshop)
            shutil.rmtree(chosen.folder, ignore_errors=True)
            shutil.copytree(workshop.made, chosen.folder)
    except FailedStepError as error:
        return _refuse(str(error).splitlines())
    print(PUBLISHING.format(folder=chosen.folder, tag=release.tag, name=release.name,
                            version=release.version))
    return 0


def _occupied(folder: Path) -> Iterator[str]:
    """A folder is emptied only of an earlier release."""
    if folder.exists() and any(folder.iterdir()) and not (folder / SUMS).exists():
        yield f"{folder} has files that are no release's: remove them"


def _refuse(lines: Iterable[str]) -> int:
    for line in lines:
        print(f"release: {line}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.release",
        description="Makes all of a release from the tag of HEAD; publishes nothing.")
    parser.add_argument("version", help="MAJOR.MINOR.PATCH, of the tag vMAJOR.MINOR.PATCH")
    parser.add_argument("--base-digest", default="", metavar="sha256:...",
                        help="of the base image, where deploy/Dockerfile has none")
    parser.add_argument("--key", type=Path, help="the SSH key to sign with")
    parser.add_argument("--folder", type=Path, default=Path("dist"),
                        help="where to put it all; an earlier release there is removed")
    return parser

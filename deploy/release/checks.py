"""What has to be so before anything is made: each says on one line what is not, and what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from deploy.release import places
from deploy.release.base import DIGEST, base
from deploy.release.changelog import section
from deploy.release.workshop import HELM, Release


def findings(release: Release) -> list[str]:
    """All that is against this release. Raises FailedStepError where git fails."""
    if not places.VERSION.fullmatch(release.version):  # else it would name no tag and no section
        return [f"{release.version!r} is no version: give it as MAJOR.MINOR.PATCH, as in 1.2.3"]
    return [line for check in CHECKS for line in check(release)]


def _clean(release: Release) -> Iterator[str]:
    if lines := release.git("status", "--porcelain").splitlines():
        files = ", ".join(line[3:] for line in lines[:3]) + (", ..." if lines[3:] else "")
        yield f"the working tree is not clean: commit or remove {files}"


def _tagged(release: Release) -> Iterator[str]:
    if release.tag not in release.git("tag", "--points-at", "HEAD").split():
        yield f"HEAD has no tag {release.tag}: git tag -s {release.tag}, or check it out"


def _version(release: Release) -> Iterator[str]:
    others = sorted((version, file) for file, version in places.versions(release.root)
                    if version != release.version)
    for version, group in groupby(others, lambda other: other[0]):
        files = ", ".join(dict.fromkeys(file for _, file in group))
        yield (f"the version is {version} in {files}: write it with "
               f"`make version VERSION={release.version}`, and then `make bundle contract`")


def _changelog(release: Release) -> Iterator[str]:
    text = (release.root / "CHANGELOG.md").read_text(encoding="utf-8")
    if not section(text, release.version):
        yield f"CHANGELOG.md says nothing under a heading `## {release.version}`"


def _base(release: Release) -> Iterator[str]:
    name, digest = base((release.root / "deploy/Dockerfile").read_text(encoding="utf-8"))
    if not DIGEST.fullmatch(release.base_digest or digest):
        yield (f"the base image {name} has no digest: give BASE_DIGEST=sha256:... with 64 "
               f"hexadecimal digits, as `docker buildx imagetools inspect {name}` prints it")


def _key(release: Release) -> Iterator[str]:
    if release.key is None or not release.key.is_file():
        yield (f"there is no key {release.key or ''}".rstrip()
               + " to sign with: give KEY=, the file of an SSH key")


def _programs(_: Release) -> Iterator[str]:
    for program in ("ssh-keygen", "tar", HELM):
        if shutil.which(program) is None:
            yield f"{program} is missing: `make release` brings it"


CHECKS: Sequence[Callable[[Release], Iterator[str]]] = (
    _clean, _tagged, _version, _changelog, _base, _key, _programs)

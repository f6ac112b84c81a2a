"""What is released, and from which files: those of the tag, and no other of the working tree."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.build.writers.helm import TOOLS

HELM = TOOLS / "helm-4" / "helm"  # unlike Helm 3 it packs files with their own times
_LAST_LINES = 20


class FailedStepError(Exception):
    """A program failed; the text is its last words."""


@dataclass(frozen=True)
class Release:
    """What whoever releases has chosen."""

    version: str
    root: Path  # the checkout
    base_digest: str = ""  # of the base image, as `sha256:...`; empty where the Dockerfile has it
    key: Path | None = None  # of SSH, private, or public with an agent that has the private one

    @property
    def tag(self) -> str:
        """The tag in git that is released."""
        return f"v{self.version}"

    @property
    def name(self) -> str:
        """What every file of the release begins with."""
        return f"inferometer-{self.version}"

    def git(self, *words: str) -> str:
        """What git prints. Raises FailedStepError."""
        return run(["git", *words], self.root)


@dataclass(frozen=True)
class Workshop:
    """Where a release is made: the tag's files, what is made of them, and room for the rest."""

    release: Release
    folder: Path
    epoch: int  # Unix seconds of the tag's commit, which is the time of all that is made

    @property
    def source(self) -> Path:
        """The tag's files, each with the time of its commit."""
        return self.folder / self.release.name

    @property
    def made(self) -> Path:
        """What will be published."""
        return self.folder / "made"

    @property
    def wheel(self) -> Path:
        """The wheel, once it is built."""
        return self.made / f"{self.release.name}-py3-none-any.whl"

    @property
    def trial(self) -> Path:
        """A virtual environment with the wheel and what it needs, once it is installed."""
        return self.folder / "trial"

    def python(self, *words: str | Path, **settings: str) -> str:
        """What this Python prints for these arguments among the tag's files."""
        return self.run(sys.executable, *words, **settings)

    def run(self, *words: str | Path, **settings: str) -> str:
        """What a program prints among the tag's files. Raises FailedStepError."""
        return run(words, self.source, SOURCE_DATE_EPOCH=str(self.epoch), **settings)


def unpacked(release: Release, folder: Path) -> Workshop:
    """A workshop in an empty folder, with the files of the tag."""
    workshop = Workshop(release, folder, int(release.git("log", "-1", "--format=%ct", release.tag)))
    archive = folder / "source.tar"
    release.git("archive", f"--prefix={release.name}/", f"--output={archive}", release.tag)
    run(["tar", "-xf", archive], folder)
    workshop.made.mkdir()
    return workshop


def run(words: Sequence[str | Path], folder: Path, **settings: str) -> str:
    """What a program prints, with no module of the checkout in its way. Raises FailedStepError."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(words, cwd=folder, env={**env, "LC_ALL": "C.UTF-8", **settings},
                          capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise FailedStepError("\n".join([f"{Path(words[0]).name} failed:",
                                         *lines[-_LAST_LINES:]]))
    return done.stdout

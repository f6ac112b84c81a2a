"""What a release is made of, in the order in which it is made."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.release.archive import pack
from deploy.release.base import with_digest
from deploy.release.changelog import section
from deploy.release.hashes import GATEWAY, RUNTIME
from deploy.release.workshop import HELM, FailedStepError, Workshop

DOCKERFILE = "deploy/Dockerfile"
SUMS, SIGNATURE, NOTES = "SHA256SUMS", "SHA256SUMS.sig", "RELEASE_NOTES.md"
NAMESPACE = "file"  # of the signature: what ssh-keygen calls files in general
CYCLONEDX = "1.6"
_PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check")
_HASHED = ("--only-binary=:all:", "--require-hashes", "-r")


def packages(workshop: Workshop) -> None:
    """The sdist of the tag, and of that the wheel, by the pinned backend."""
    workshop.python("-m", "build", "--no-isolation", "--outdir", workshop.made, workshop.source)
    workshop.python("-m", "twine", "--no-color", "check", "--strict",
                    *sorted(workshop.made.iterdir()))


def fresh(workshop: Workshop) -> None:
    """What is generated is what the tag's definitions make, by the wheel's own version."""
    site = workshop.folder / "site"
    with zipfile.ZipFile(workshop.wheel) as wheel:
        wheel.extractall(site)
    workshop.python("-m", "deploy.build", "--check", PYTHONPATH=f"{site}:{workshop.source}")


def chart(workshop: Workshop) -> None:
    """The chart, of that version and for the image of that version."""
    version = workshop.release.version
    workshop.run(HELM, "package", workshop.source / "deploy/chart", "--version", version,
                 "--app-version", version, "--destination", workshop.made)


def image(workshop: Workshop) -> None:
    """All that the image is built of: Dockerfile, hashes and source, on the base by its digest."""
    release, name = workshop.release, f"{workshop.release.name}-image"
    recipe = workshop.folder / name
    text = (workshop.source / DOCKERFILE).read_text(encoding="utf-8")
    for path in (".dockerignore", *copied(text)):
        source, target = workshop.source / path, recipe / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
    (recipe / DOCKERFILE).write_text(with_digest(text, release.base_digest), encoding="utf-8")
    pack(recipe, workshop.made / f"{name}.tar.gz", workshop.epoch)


def copied(dockerfile: str) -> list[str]:
    """The paths that a Dockerfile copies out of its context."""
    lines = (line.split()[1:-1] for line in dockerfile.splitlines() if line.startswith("COPY "))
    return [word for words in lines if not words[0].startswith("--from=") for word in words
            if not word.startswith("--")]


def trial(workshop: Workshop) -> None:
    """The wheel is installed as the image installs it, and says its version."""
    workshop.python("-m", "venv", "--without-pip", workshop.trial)
    _install(workshop, *_HASHED, RUNTIME)
    _install(workshop, "--no-index", "--no-deps", workshop.wheel)
    answer = workshop.run(workshop.trial / "bin/inferometer", "--version").strip()
    if answer != f"inferometer {workshop.release.version}":
        raise FailedStepError(f"the wheel, installed, says it is {answer}")


def bills(workshop: Workshop) -> None:
    """All that is installed with the wheel, as CycloneDX has it, and all with that of a gateway."""
    _bill(workshop, workshop.release.name)
    _install(workshop, *_HASHED, GATEWAY)
    _bill(workshop, f"{workshop.release.name}-gateway")


def _install(workshop: Workshop, *words: str | Path) -> None:
    workshop.python(*_PIP, "--python", workshop.trial, "install", *words)


def _bill(workshop: Workshop, name: str) -> None:
    """What the trial has; the schema of CycloneDX is asked."""
    release = workshop.release
    text = workshop.python(
        "-m", "cyclonedx_py", "environment", "--pyproject", "pyproject.toml",
        "--output-reproducible", "--validate", "--spec-version", CYCLONEDX,
        workshop.trial / "bin/python")
    document = json.loads(text)
    document["metadata"]["component"]["purl"] = f"pkg:pypi/inferometer@{release.version}"
    (workshop.made / f"{name}.cdx.json").write_text(
        json.dumps(document, indent=2) + "\n", encoding="utf-8")


def notes(workshop: Workshop) -> None:
    """The changelog's section."""
    text = (workshop.source / "CHANGELOG.md").read_text(encoding="utf-8")
    (workshop.made / NOTES).write_text(section(text, workshop.release.version) + "\n",
                                       encoding="utf-8")


def sums(workshop: Workshop) -> None:
    """The hash of every file, to be asked by `sha256sum --check`."""
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
             for file in sorted(workshop.made.iterdir())]
    (workshop.made / SUMS).write_text("".join(lines), encoding="utf-8")


def signature(workshop: Workshop) -> None:
    """The hashes, signed by whoever releases; a passphrase is asked for on the terminal."""
    workshop.run("ssh-keygen", "-Y", "sign", "-f", str(workshop.release.key), "-n", NAMESPACE,
                 workshop.made / SUMS)


STEPS: Sequence[Callable[[Workshop], None]] = (
    packages, fresh, chart, image, trial, bills, notes, sums, signature)

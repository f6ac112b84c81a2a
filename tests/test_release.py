"""When a release is refused. What is made of one: tests/e2e/test_release.py."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.release import places
from deploy.release.archive import pack
from deploy.release.base import base, with_digest
from deploy.release.changelog import section
from deploy.release.command import main

ROOT = Path(__file__).parents[1]
VERSION = "1.2.3"
DIGEST = f"sha256:{'0a' * 32}"
GIT = ("git", "-c", "user.name=nobody", "-c", "user.email=nobody@example.org")


def git(folder: Path, *words: str) -> None:
    subprocess.run([*GIT, *words], cwd=folder, check=True, capture_output=True, timeout=60)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with all that is looked at, tagged."""
    folder = tmp_path / "checkout"
    for path in {file for file, _ in places.versions()}:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, folder / path)
    places.write(VERSION, folder)
    (folder / "CHANGELOG.md").write_text(f"## Unreleased\n\n## {VERSION}\n\n- [FIX] a: b.\n")
    (tmp_path / "key").touch()
    git(folder, "init", "-q")
    commit(folder)
    git(folder, "tag", f"v{VERSION}")
    return folder


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "-q", "--message", "Change", "--no-gpg-sign")


def retagged(folder: Path) -> None:
    commit(folder)
    git(folder, "tag", "--force", f"v{VERSION}")


def unclean(folder: Path) -> None:
    (folder / "new").touch()


def untagged(folder: Path) -> None:
    git(folder, "tag", "--delete", f"v{VERSION}")


def moved(folder: Path) -> None:
    unclean(folder)
    commit(folder)


def another_version(folder: Path) -> None:
    file = folder / "pyproject.toml"
    file.write_text(file.read_text().replace(f'version = "{VERSION}"', 'version = "1.2.2"'))
    retagged(folder)


def another_version_of_the_chart(folder: Path) -> None:
    file = folder / "deploy/chart/Chart.yaml"
    file.write_text(file.read_text().replace(f'appVersion: "{VERSION}"', 'appVersion: "1.2.2"'))
    retagged(folder)


def silent(folder: Path) -> None:
    (folder / "CHANGELOG.md").write_text(f"## {VERSION}\n\n## 1.2.2\n\n- [FIX] a: b.\n")
    retagged(folder)


def as_it_is(_: Path) -> None:
    pass


@pytest.mark.parametrize(("spoil", "flags", "line"), [
    (unclean, [], "the working tree is not clean: commit or remove new"),
    (untagged, [], "HEAD has no tag v1.2.3: git tag -s v1.2.3, or check it out"),
    (moved, [], "HEAD has no tag v1.2.3: git tag -s v1.2.3, or check it out"),
    (another_version, [], "the version is 1.2.2 in pyproject.toml: write it with "
                          "`make version VERSION=1.2.3`, and then `make bundle contract`"),
    (another_version_of_the_chart, [],
     "the version is 1.2.2 in deploy/chart/Chart.yaml: write it with "
     "`make version VERSION=1.2.3`, and then `make bundle contract`"),
    (silent, [], "CHANGELOG.md says nothing under a heading `## 1.2.3`"),
    (as_it_is, ["--base-digest", ""], "the base image {base} has no digest: give "
     "BASE_DIGEST=sha256:... with 64 hexadecimal digits, as `docker buildx imagetools inspect "
     "{base}` prints it"),
    (as_it_is, ["--base-digest", "sha256:0a"], "the base image {base} has no digest: give "
     "BASE_DIGEST=sha256:... with 64 hexadecimal digits, as `docker buildx imagetools inspect "
     "{base}` prints it"),
    (as_it_is, ["--key", "/nowhere/key"],
     "there is no key /nowhere/key to sign with: give KEY=, the file of an SSH key"),
])
def test_what_is_not_ready_is_refused_in_one_line(
        checkout: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], None],
        flags: list[str], line: str) -> None:
    spoil(checkout)
    made = checkout.parent / "dist"
    status = main([VERSION, "--base-digest", DIGEST, "--key", str(checkout.parent / "key"),
                   "--folder", str(made), *flags], checkout)
    name, _ = base((ROOT / "deploy/Dockerfile").read_text())
    assert (status, capsys.readouterr().err) == (1, f"release: {line.format(base=name)}\n")
    assert not made.exists()


def test_a_folder_of_something_else_is_left_alone(
        checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = checkout.parent / "home"
    made.mkdir()
    (made / "letter").write_text("dear")
    assert main([VERSION, "--base-digest", DIGEST, "--key", str(checkout.parent / "key"),
                 "--folder", str(made)], checkout) == 1
    assert capsys.readouterr().err == (
        f"release: {made} has files that are no release's: remove them\n")
    assert (made / "letter").exists()


@pytest.mark.parametrize("version", ["", "1.2", "v1.2.3", "1.2.3rc1", "../1.2.3"])
def test_what_is_no_version_is_refused_before_anything_else(
        version: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main([version], tmp_path) == 1
    assert capsys.readouterr().err == (f"release: {version!r} is no version: give it as "
                                       "MAJOR.MINOR.PATCH, as in 1.2.3\n")


def test_the_version_is_written_wherever_it_stands(checkout: Path) -> None:
    places.write("4.5.6", checkout)
    assert {version for _, version in places.versions(checkout)} == {"4.5.6"}
    assert 'version = "4.5.6"' in (checkout / "pyproject.toml").read_text()


@pytest.mark.parametrize(("text", "notes"), [
    ("## 1.2.3\n\n- a\n\n- b\n\n## 1.2.2\n\n- c\n", "- a\n\n- b"),
    ("## Unreleased\n\n- a\n\n## 1.2.3 2026-12-01\n\n- b\n", "- b"),
    ("## 1.2.30\n\n- a\n", ""),
    ("## 1.2.3\n\n## 1.2.2\n\n- a\n", ""),
    ("", ""),
])
def test_release_notes_are_the_section_of_that_version(text: str, notes: str) -> None:
    assert section(text, VERSION) == notes


def test_a_digest_is_put_behind_the_base_and_in_place_of_an_older_one() -> None:
    older = f"ARG PYTHON_IMAGE=python:3.13-slim@sha256:{'1b' * 32}\n"
    assert with_digest(older, "") == older
    assert with_digest("ARG PYTHON_IMAGE=python:3.13-slim\n", DIGEST) == with_digest(
        older, DIGEST) == f"ARG PYTHON_IMAGE=python:3.13-slim@{DIGEST}\n"
    assert base(older) == ("python:3.13-slim", f"sha256:{'1b' * 32}")


def test_an_archive_is_the_same_whatever_the_times_and_permissions_of_its_files(
        tmp_path: Path) -> None:
    packed = []
    for number, mode in enumerate((0o600, 0o664)):
        folder = tmp_path / str(number) / "recipe"
        folder.mkdir(parents=True)
        for name in ("b", "a") if number else ("a", "b"):
            (folder / name).write_text(name)
            (folder / name).chmod(mode)
        file = tmp_path / f"{number}.tar.gz"
        pack(folder, file, 1_700_000_000)
        packed.append(file.read_bytes())
    assert packed[0] == packed[1]

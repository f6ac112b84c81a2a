"""The commands of a document, each proven by the very tool that it calls, with no cluster at hand.

What would change a cluster or start containers is asked of the tool in the form that only says what
it would do: `helm install` as `helm template`, `kubectl apply -k` as `kubectl kustomize`, `docker
compose up` as `docker compose config`. A block whose first line is a comment that names a file is
that file, for the commands after it. A command that nobody knows how to prove raises.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import _jsonnet
import yaml

from tests.bundle.kubernetes import Manifest, parsed, validated
from tests.bundle.promtool import TOOLS, VERSIONS

ROOT = Path(__file__).parents[1]
HELMS, KUBECTLS = ("3", "4"), ("1.32", "1.37")
SIDECAR = "inferometer/role"
ENGINE: Manifest = {
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "engine"},
    "spec": {"selector": {"matchLabels": {"app": "engine"}}, "template": {
        "metadata": {"labels": {"app": "engine"}},
        "spec": {"containers": [{"name": "vllm", "image": "vllm/vllm-openai"}]}}},
}

_BLOCK = re.compile(r"^```\w*\n(.*?)^```$|((?:^(?: {4}[^\n]*)?\n)+)", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"(?:#|//) ([\w.-]+\.(?:ya?ml|jsonnet))\b")


def section(document: str, heading: str) -> str:
    """What stands under a heading. Raises AssertionError where there is none."""
    found = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", document, re.MULTILINE | re.DOTALL)
    assert found, f"there is no section {heading}"
    return found[1]


def blocks(text: str) -> Iterator[str]:
    """Its blocks of code, fenced or indented."""
    for fenced, indented in _BLOCK.findall(text + "\n"):
        block = fenced or "".join(line[4:] or "\n" for line in indented.splitlines(keepends=True))
        if block.strip():
            yield block.strip("\n") + "\n"


def commands(block: str) -> Iterator[list[str]]:
    """Its commands, as words."""
    for line in block.replace("\\\n", " ").splitlines():
        for command in line.split("&&"):
            if words := shlex.split(command, comments=True):
                yield words


class Trial:
    """A reader who does as the document says, in a folder with the checkout's files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.applied: list[Manifest] = []
        self._proofs: Mapping[tuple[str, ...], Callable[[list[str]], None]] = {
            ("helm", "install"): self._helm, ("helm", "upgrade"): self._helm,
            ("helm", "template"): self._helm,
            ("kubectl", "apply"): self._apply, ("kubectl", "patch"): self._patch,
            ("kubectl", "create"): self._create, ("kubectl", "rollout", "status"): self._there,
            ("kubectl", "logs"): self._there, ("kubectl", "port-forward"): self._there,
            ("docker", "compose"): self._compose, ("docker", "build"): self._image,
            ("docker", "push"): self._tag, ("docker", "tag"): self._tag,
            ("jb", "install"): self._vendor, ("jsonnet",): self._jsonnet,
            ("pip", "install"): self._pip, ("make",): self._make,
            ("inferometer",): self._inferometer, ("prometheus",): self._prometheus,
            ("alertmanager",): self._alertmanager,
        }
        for entry in ROOT.iterdir():
            (folder / entry.name).symlink_to(entry)

    def follow(self, text: str) -> int:
        """Do all that it says, and say how many commands that was. Raises AssertionError."""
        followed = 0
        for block in blocks(text):
            if named := _FILE.match(block):
                file = self.folder / named[1]
                file.unlink(missing_ok=True)  # a link to one of the checkout
                file.write_text(block, encoding="utf-8")
                continue
            for words in commands(block):
                self.prove(words)
                followed += 1
        return followed

    def prove(self, words: list[str]) -> None:
        """Prove one command."""
        for word in words:
            path = word.rpartition("=")[2]
            if (ROOT / path.partition("/")[0]).is_dir() and "/" in path:
                assert (self.folder / path).exists(), f"{shlex.join(words)}: there is no {path}"
        if words[:2] == ["kubectl", "-n"]:
            words = ["kubectl", *words[3:], *words[1:3]]
        for known, proof in self._proofs.items():
            if tuple(words[:len(known)]) == known:
                proof(words[len(known):])
                return
        raise AssertionError(f"nobody knows how to prove: {shlex.join(words)}")

    def _run(self, tool: str, *words: str | Path) -> str:
        process = subprocess.run(
            [TOOLS / tool, *words], cwd=self.folder, capture_output=True, text=True, check=False,
            timeout=100, env={"HOME": str(self.folder / "home"), "PATH": os.environ["PATH"]})
        said = process.stdout + process.stderr
        assert process.returncode == 0, f"{shlex.join(map(str, words))}: {said}"
        return process.stdout

    def _manifests(self, *texts: str) -> None:
        """What each version of a tool comes to: the same, and valid."""
        documents, *others = map(parsed, texts)
        assert documents
        assert all(other == documents for other in others)
        self.applied += validated(documents)

    def _helm(self, words: list[str]) -> None:
        asked = [word for word in words if word not in ("--install", "--wait")]
        self._manifests(*(
            self._run(f"helm-{version}/helm", "template", *asked) for version in HELMS))

    def _apply(self, words: list[str]) -> None:
        given = _options(words, "-n|--namespace", "-k", "-f")
        for file in given["f"]:
            self._manifests((self.folder / file).read_text(encoding="utf-8"))
        for folder in given["k"]:
            self._manifests(*(self._run(f"kubectl-{version}/kubectl", "kustomize", folder)
                              for version in KUBECTLS))

    def _patch(self, words: list[str]) -> None:
        given = _options(words, "-n|--namespace", "--patch-file")
        assert given["words"][:1] in (["deployment"], ["statefulset"])
        (self.folder / "engine.yaml").write_text(yaml.safe_dump(ENGINE), encoding="utf-8")
        for version in KUBECTLS:
            (patched,) = validated(parsed(self._run(
                f"kubectl-{version}/kubectl", "patch", "--local", "-f", "engine.yaml", "-o", "yaml",
                *(f"--patch-file={file}" for file in given["patch_file"]))))
            assert patched["spec"]["template"]["metadata"]["labels"][SIDECAR] == "sidecar"
            names = {each["name"] for each in patched["spec"]["template"]["spec"]["containers"]}
            assert names == {"vllm", "inferometer"}

    def _create(self, words: list[str]) -> None:
        for version in KUBECTLS:
            validated(parsed(self._run(
                f"kubectl-{version}/kubectl", "create", *words, "--dry-run=client", "-o", "yaml")))

    def _there(self, words: list[str]) -> None:
        given = _options(words, "-n|--namespace")
        kind, _, name = given["words"][0].partition("/")
        assert [each for each in self.applied if each["kind"].lower() == kind
                and each["metadata"]["name"] == name], f"nothing before made a {kind} {name}"

    def _compose(self, words: list[str]) -> None:
        verb = next(index for index, word in enumerate(words) if word in ("up", "down", "logs"))
        text = self._run("docker-compose/docker-compose", *words[:verb], "config")
        for service in yaml.safe_load(text)["services"].values():
            for volume in service.get("volumes", ()):
                bound = volume["type"] == "bind"
                assert not bound or Path(volume["source"]).exists(), volume["source"]

    def _image(self, words: list[str]) -> None:
        given = _options(words, "-f", "-t")
        (context,) = given["words"]
        assert all((self.folder / file).is_file() for file in given["f"] or ["Dockerfile"])
        assert (self.folder / context / "pyproject.toml").exists(), f"nothing to build in {context}"
        self._tag(given["t"])

    def _tag(self, words: list[str]) -> None:
        for word in words:
            assert word.rpartition("/")[2] == f"inferometer:{_project()['version']}", word

    def _vendor(self, words: list[str]) -> None:
        for word in words:
            path, _, _ = word.partition("@")
            inside = path.split("inferometer/", 1)[1]
            assert (ROOT / inside).is_dir(), word
            (self.folder / "vendor" / path).parent.mkdir(parents=True)
            (self.folder / "vendor" / path).symlink_to(ROOT / inside)

    def _jsonnet(self, words: list[str]) -> None:
        given = _options(words, "-J")
        library = [str(self.folder / each) for each in given["J"]]
        for file in given["words"]:
            assert json.loads(_jsonnet.evaluate_file(str(self.folder / file), jpathdir=library))

    def _pip(self, words: list[str]) -> None:
        (what,) = _options(words, "-c")["words"]
        extra = re.fullmatch(r"\.(?:\[(\w+)\])?", what)
        assert extra, f"pip install {what}"
        assert not extra[1] or extra[1] in _project()["optional-dependencies"], what

    def _make(self, words: list[str]) -> None:
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        for target in (word for word in words if "=" not in word):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"

    def _inferometer(self, words: list[str]) -> None:
        if words[0] == "run":  # its arguments, that is: it would go on for ever
            words = [*words, "--config", "nowhere.yml"]
        process = subprocess.run(
            [sys.executable, "-m", "inferometer", *words], cwd=self.folder, capture_output=True,
            text=True, check=False, timeout=60)
        said = process.stdout + process.stderr
        assert (": good (" if words[0] == "check-config" else "nowhere.yml") in said, said

    def _prometheus(self, words: list[str]) -> None:
        for version in VERSIONS:
            self._run(f"promtool-{version}/promtool", "check", "config", _config_file(words))

    def _alertmanager(self, words: list[str]) -> None:
        for version in VERSIONS:
            self._run(f"amtool-{version}/amtool", "check-config", _config_file(words))


def _options(words: Sequence[str], *known: str) -> dict[str, Any]:
    """What is given by each of these options, and all else as `words`; no other one may be."""
    parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False, add_help=False)
    for option in known:
        parser.add_argument(*option.split("|"), action="append", default=[])
    given, rest = parser.parse_known_args(words)
    unknown = [word for word in rest if word.startswith("-")]
    assert not unknown, f"nobody knows how to prove {unknown}: {shlex.join(words)}"
    return {**vars(given), "words": rest}


def _config_file(words: Sequence[str]) -> str:
    (file,) = (word.partition("=")[2] for word in words if word.startswith("--config.file="))
    return file


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project

"""The commands of a document, each proven by the very tool that it calls, with no cluster at hand.

What would change a cluster or start containers is asked of the tool in a form that only says what
it would do: `helm install` as `helm template`, `kubectl apply -k` as `kubectl kustomize`, `docker
compose up` as `docker compose config`. A block whose first line is a comment that names a file is
that file, for the commands after it. A command that nobody knows how to prove raises.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import _jsonnet
import yaml

from inferometer.cli import make_parser
from tests.bundle.kubernetes import Manifest, parsed, validated
from tests.bundle.promtool import TOOLS, VERSIONS
from tests.dockerfile import stages_of

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
_UNTIMED = re.compile(r"^ *creationTimestamp: null\n", re.MULTILINE)  # as older ones write it
_FILE = re.compile(r"(?:#|//) ([\w.-]+\.(?:ya?ml|jsonnet))\b")


def section(document: str, heading: str) -> str:
    """What stands under a heading. Raises AssertionError where there is none."""
    match = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", document, re.MULTILINE | re.DOTALL)
    assert match, f"there is no section {heading}"
    return match[1]


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
        self.built: set[str] = set()  # targets of the Dockerfile, which are named as the images
        self.released: dict[str, set[tuple[str, str]]] = {}
        self._proofs: Mapping[tuple[str, ...], Callable[[list[str]], None]] = {
            ("helm", "install"): self._helm, ("helm", "upgrade"): self._helm,
            ("kubectl", "apply"): self._apply, ("kubectl", "patch"): self._patch,
            ("kubectl", "get"): self._get, ("kubectl", "rollout", "status"): self._rolled_out,
            ("kubectl", "create", "secret", "generic"): self._secret,
            ("docker", "compose"): self._compose, ("docker", "build"): self._image,
            ("docker", "push"): self._pushed, ("jsonnet",): self._jsonnet, ("make",): self._make,
            ("python3", "-m", "venv"): lambda _: None, ("systemd-sysusers",): lambda _: None,
            ("systemctl",): self._systemctl, ("install",): self._copied,
            ("/opt/inferometer/bin/pip", "install"): self._pip,
            ("pip", "install"): self._pip, ("inferometer",): self._inferometer,
            ("prometheus",): partial(self._configured, "promtool", ("check", "config")),
            ("alertmanager",): partial(self._configured, "amtool", ("check-config",)),
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
            top, slash, _ = path.partition("/")
            if top and slash and (ROOT / top).is_dir():
                assert (self.folder / path).exists(), f"{shlex.join(words)}: there is no {path}"
        if words[:2] == ["kubectl", "-n"]:
            words = ["kubectl", *words[3:], *words[1:3]]
        for prefix, proof in self._proofs.items():
            if tuple(words[:len(prefix)]) == prefix:
                proof(words[len(prefix):])
                return
        raise AssertionError(f"nobody knows how to prove: {shlex.join(words)}")

    def _run(self, tool: str, *words: str | Path) -> str:
        process = subprocess.run(
            [TOOLS / tool, *words], cwd=self.folder, capture_output=True, text=True, check=False,
            timeout=100, env={"HOME": str(self.folder / "home"), "PATH": os.environ["PATH"]})
        output = process.stdout + process.stderr
        assert process.returncode == 0, f"{shlex.join(map(str, words))}: {output}"
        return process.stdout

    def _manifests(self, *texts: str) -> list[Manifest]:
        """What each version of a tool comes to: the same, and valid."""
        documents, *others = map(parsed, texts)
        assert documents
        assert all(other == documents for other in others)
        self.applied += validated(documents)
        return documents

    def _helm(self, words: list[str]) -> None:
        made = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in self._manifests(*(
            self._run(f"helm-{version}/helm", "template", *words) for version in HELMS))}
        lost = self.released.get(words[0], set()) - made
        assert not lost, f"helm upgrade {words[0]} takes away {sorted(lost)}"
        self.released[words[0]] = made

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
            names = {container["name"]
                     for container in patched["spec"]["template"]["spec"]["containers"]}
            assert names == {"vllm", "inferometer"}

    def _get(self, words: list[str]) -> None:
        given = _options(words, "-n|--namespace", "-o")
        kind, name, arrow, file = given["words"]
        assert arrow == ">"
        (self.folder / "found.yaml").write_text(yaml.safe_dump(self._made(kind, name)))
        # What `get` prints, of a manifest in a file.
        (self.folder / file).write_text(self._run(
            f"kubectl-{KUBECTLS[0]}/kubectl", "annotate", "--local", "-f", "found.yaml", "a=b",
            "-o", given["o"][0]))

    def _secret(self, words: list[str]) -> None:
        self._manifests(*(_UNTIMED.sub("", self._run(
            f"kubectl-{version}/kubectl", "create", "secret", "generic", *words,
            "--dry-run=client", "-o", "yaml")) for version in KUBECTLS))

    def _rolled_out(self, words: list[str]) -> None:
        (resource,) = _options(words, "-n|--namespace")["words"]
        self._made(*resource.split("/"))

    def _made(self, kind: str, name: str) -> Manifest:
        """The object that an earlier command made. Raises AssertionError where there is none."""
        for manifest in reversed(self.applied):
            if (manifest["kind"].lower(), manifest["metadata"]["name"]) == (kind, name):
                return manifest
        raise AssertionError(f"nothing before made a {kind} {name}")

    def _compose(self, words: list[str]) -> None:
        verb = next(index for index, word in enumerate(words) if word == "up")
        text = self._run("docker-compose/docker-compose", *words[:verb], "config")
        for service in yaml.safe_load(text)["services"].values():
            for volume in service.get("volumes", ()):
                bound = volume["type"] == "bind"
                assert not bound or Path(volume["source"]).exists(), volume["source"]

    def _image(self, words: list[str]) -> None:
        given = _options(words, "-f", "-t", "--target")
        (context,) = given["words"]
        (file,) = given["f"] or ["Dockerfile"]
        assert (self.folder / file).is_file()
        assert (self.folder / context / "pyproject.toml").exists(), f"nothing to build in {context}"
        (target,) = given["target"] or [[*stages_of(self.folder / file)][-1]]
        assert target in stages_of(self.folder / file), f"{file} has no target {target}"
        self.built.add(target)
        self._pushed(given["t"])

    def _pushed(self, words: list[str]) -> None:
        version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
        for word in words:
            name, _, tag = word.rpartition("/")[2].partition(":")
            assert tag == version, word
            assert name in self.built, f"nothing before built {word}"

    def _jsonnet(self, words: list[str]) -> None:
        (file,) = words
        assert json.loads(_jsonnet.evaluate_file(str(self.folder / file)))

    def _pip(self, words: list[str]) -> None:
        (source,) = words
        assert (self.folder / source / "pyproject.toml").exists(), f"nothing to install in {source}"

    def _copied(self, words: list[str]) -> None:
        *sources, _ = _options([word for word in words if word != "-D"], "-m")["words"]
        assert all((self.folder / source).is_file() for source in sources), sources

    def _systemctl(self, words: list[str]) -> None:
        verb, *units = [word for word in words if word != "--now"]
        assert verb in ("daemon-reload", "enable", "reload"), verb
        assert all((ROOT / f"deploy/systemd/{unit}.service").exists() for unit in units), units

    def _inferometer(self, words: list[str]) -> None:
        if words[0] == "bundle":
            process = subprocess.run(
                [sys.executable, "-m", "inferometer", *words], cwd=self.folder,
                capture_output=True, text=True, check=False, timeout=100)
            assert process.returncode == 0, process.stderr
            return
        with contextlib.redirect_stderr(io.StringIO()) as output:
            try:
                make_parser().parse_args(words)
            except SystemExit:
                raise AssertionError(output.getvalue()) from None

    def _configured(self, tool: str, verbs: Sequence[str], words: list[str]) -> None:
        given = _options(words, "--config.file", "--storage.tsdb.retention.time")
        for version in VERSIONS:
            self._run(f"{tool}-{version}/{tool}", *verbs, *given["config.file"])

    def _make(self, words: list[str]) -> None:
        target, *given = words
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"
        if target == "bundle":
            flags = [flag for word in given for flag in shlex.split(word.removeprefix("ARGS="))]
            process = subprocess.run(
                [sys.executable, "-m", "deploy.build", *flags, "--folder", self.folder / "made"],
                cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
            assert process.returncode == 0, process.stderr


def _options(words: Sequence[str], *options: str) -> dict[str, Any]:
    """The values of each of these options, and all other words as `words`.

    Raises AssertionError for any other option.
    """
    parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False, add_help=False)
    for option in options:
        parser.add_argument(*option.split("|"), action="append", default=[])
    given, rest = parser.parse_known_args(words)
    unknown = [word for word in rest if word.startswith("-")]
    assert not unknown, f"nobody knows how to prove {unknown}: {shlex.join(words)}"
    return {**vars(given), "words": rest}

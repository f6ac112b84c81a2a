"""A Dockerfile built and run without an engine: each stage in a folder that stands for its root.

What a stage has besides is this machine's: its Python stands for the base image's. Stages are
built at one place, one after the other, as an image has them all at /: what a later one copies
finds itself where it was made, and nothing else of the earlier one is there. Absolute paths of the
file are seen from that place. Only what our Dockerfile uses is known, anything else is an error.

    python -m tests.dockerfile     how large each image's own files are, without its base
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

BASE_PYTHON = Path(sys.executable)  # with pip, which Debian's own need not have
BASE_PATH = "/usr/bin:/bin"
_ABSOLUTE = re.compile(r"(?<![^=:])/(?=\w)")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SHELL = set("&|;<>$`*")
# Reads whatever this machine's Python needs of it, writes nothing that root owns.
_DEMOTED = ("setpriv", "--clear-groups", "--no-new-privs", "--inh-caps=-all,+dac_read_search",
            "--ambient-caps=-all,+dac_read_search")


@cache
def can_demote() -> bool:
    """Whether this is root, and may be made somebody else who reads what root does."""
    return os.geteuid() == 0 and not subprocess.run(
        [*_DEMOTED, "true"], capture_output=True, check=False).returncode


@dataclass(frozen=True)
class Instruction:
    """One instruction, its continued lines joined."""

    word: str
    rest: str

    def words(self) -> list[str]:
        return shlex.split(self.rest)


@dataclass
class Image:
    """What the last stage has built: its root and how it is run."""

    root: Path
    base: str = ""
    env: dict[str, str] = field(default_factory=lambda: {"PATH": BASE_PATH})
    labels: dict[str, str] = field(default_factory=dict)
    directory: str = "/"
    ports: list[int] = field(default_factory=list)
    user: str = ""
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    ran: list[list[str]] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)  # of what was copied, by where it is

    def path(self, inside: str) -> Path:
        return self.root / os.path.join(self.directory, inside).lstrip("/")

    def program(self, name: str) -> str:
        """The path of a program in the image."""
        executable = shutil.which(name, path=self.env["PATH"].removesuffix(BASE_PATH))
        return executable or {"python": str(BASE_PYTHON)}[name]

    def process(self, command: Sequence[str], **settings: str) -> list[str]:
        """The command as the image's user runs it, with no variable but the image's own."""
        user, _, group = self.user.partition(":")
        demoted = [*_DEMOTED, f"--reuid={user}", f"--regid={group}"] if can_demote() else []
        variables = [f"{name}={value}" for name, value in {**self.env, **settings}.items()]
        return [*demoted, "env", "-i", *variables, self.program(command[0]), *command[1:]]


def instructions(file: Path) -> Iterator[Instruction]:
    """All of a file."""
    text = re.sub(r"^\s*#.*\n", "", file.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    for line in filter(str.strip, text.splitlines()):
        word, _, rest = line.partition(" ")
        yield Instruction(word, rest.strip())


def context(folder: Path) -> list[Path]:
    """The files of the build's context: all that .dockerignore does not keep out."""
    lines = [line for line in (folder / ".dockerignore").read_text().splitlines()
             if line and not line.startswith("#")]
    rules = [(line.startswith("!"), _pattern(line.removeprefix("!"))) for line in lines]
    inside = {str(parent) for line in lines if line.startswith("!")
              for parent in Path(line.removeprefix("!")).parents}
    paths: list[Path] = []
    for top, folders, files in os.walk(folder):
        here = Path(top).relative_to(folder)
        folders[:] = [name for name in folders
                      if _kept(here / name, rules) or str(here / name) in inside]
        paths += [here / name for name in files if _kept(here / name, rules)]
    return sorted(paths)


def _pattern(line: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*)", line)
    wildcards = {"**/": "(?:.*/)?", "*": "[^/]*"}
    return re.compile("".join(wildcards.get(part) or re.escape(part) for part in parts))


def _kept(file: Path, rules: Sequence[tuple[bool, re.Pattern[str]]]) -> bool:
    """The last rule that the file or a folder of it matches decides."""
    names = [str(file), *map(str, file.parents)][:-1]
    kept = True
    for keeps, pattern in rules:
        if any(pattern.fullmatch(name) for name in names):
            kept = keeps
    return kept


def stages_of(file: Path) -> dict[str, list[Instruction]]:
    """The instructions of each stage by its name, each with its FROM first."""
    given: dict[str, str] = {}
    stages: dict[str, list[Instruction]] = {}
    name = ""
    for instruction in instructions(file):
        if instruction.word == "ARG":
            variable, _, value = instruction.rest.partition("=")
            given[variable] = value
            continue
        if instruction.word == "FROM":
            instruction = Instruction("FROM", expanded(instruction.rest, given))
            name = instruction.rest.partition(" AS ")[2]
        stages.setdefault(name, []).append(instruction)
    return stages


def needed(stages: Mapping[str, list[Instruction]], target: str) -> list[str]:
    """The stages that a target is made of, in the order of the file, itself last."""
    parts = {target}
    for name in reversed([*stages]):
        if name in parts:
            parts |= {base_of(stages[name]), *map(_source_stage, stages[name])} & stages.keys()
    return [name for name in stages if name in parts]


def base_of(stage: list[Instruction]) -> str:
    """What a stage begins with: another one's name, or an image's."""
    return stage[0].rest.partition(" AS ")[0]


def build(file: Path, folder: Path, work: Path, target: str) -> Image:
    """Carry out what a target takes of the file, in `work`, with `folder` as its context."""
    stages = stages_of(file)
    built: dict[str, Image] = {}
    image = Image(work / "root")
    names = needed(stages, target)
    for number, name in enumerate(names):
        base = base_of(stages[name])
        others = {base_of(stages[later]) for later in names[number + 1:]} | {
            _source_stage(instruction) for later in names[number:] for instruction in stages[later]}
        image = _begun(work / "root", base, built, last=base not in others)
        for instruction in stages[name][1:]:
            if instruction.word == "COPY":
                _copy(image, instruction.words(), folder, built)
            else:
                _KNOWN[instruction.word](image, instruction)
        if name != target:
            built[name] = replace(image, root=image.root.rename(work / f"stage-{name}"))
    return image


def _begun(root: Path, base: str, built: Mapping[str, Image], *, last: bool) -> Image:
    """A stage with what it begins with, moved if nobody else needs that."""
    if base not in built:
        root.mkdir(parents=True)
        return Image(root, base)
    if last:
        built[base].root.rename(root)
    else:
        shutil.copytree(built[base].root, root, symlinks=True)
    return replace(deepcopy(built[base]), root=root)


def _source_stage(instruction: Instruction) -> str:
    """The stage out of which an instruction copies; none if it does not."""
    return _flags(instruction.words()).get("from", "") if instruction.word == "COPY" else ""


def _flags(words: Sequence[str]) -> dict[str, str]:
    pairs = (word.removeprefix("--").partition("=") for word in words if word.startswith("--"))
    return {name: value for name, _, value in pairs}


def expanded(text: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: variables[match[1]], text)


def _copy(image: Image, words: list[str], folder: Path, built: Mapping[str, Image]) -> None:
    flags = _flags(words)
    assert flags.keys() <= {"from", "chown"}, f"nobody knows how to prove {sorted(flags)}"
    *sources, target = (word for word in words if not word.startswith("--"))
    owner = flags.get("chown", "0:0")
    if stage := flags.get("from"):
        (source,) = sources
        shutil.copytree(built[stage].root / source.lstrip("/"), image.path(target), symlinks=True)
        image.owners[target] = owner
        return
    for source in sources:
        files = [file for file in context(folder) if file.is_relative_to(source)]
        assert files, f"COPY {source}: there is none in the context"
        for file in files:
            inside = file.name if str(file) == source else file.relative_to(source)
            copied = image.path(target) / inside
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / file, copied)
            image.owners[os.path.join(target, inside)] = owner


def _run(image: Image, instruction: Instruction) -> None:
    assert not _SHELL & set(instruction.rest), f"needs a shell: {instruction.rest}"
    program, *words = instruction.words()
    command = [image.program(program),
               *(_ABSOLUTE.sub(f"{image.root}/", word) for word in words)]
    done = subprocess.run(command, cwd=image.path("."), env={**os.environ, **image.env},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    image.ran.append(command)


def _env(image: Image, instruction: Instruction) -> None:
    for word in instruction.words():
        name, _, value = word.partition("=")
        image.env[name] = expanded(_ABSOLUTE.sub(f"{image.root}/", value), image.env)


def _directory(image: Image, instruction: Instruction) -> None:
    image.directory = instruction.rest
    image.path(".").mkdir(parents=True, exist_ok=True)


def _label(image: Image, instruction: Instruction) -> None:
    for word in instruction.words():
        name, _, value = word.partition("=")
        image.labels[name] = value


def _user(image: Image, instruction: Instruction) -> None:
    image.user = instruction.rest


def _port(image: Image, instruction: Instruction) -> None:
    image.ports += map(int, instruction.rest.split())


def _entrypoint(image: Image, instruction: Instruction) -> None:
    image.entrypoint = json.loads(instruction.rest)


def _command(image: Image, instruction: Instruction) -> None:
    image.command = json.loads(instruction.rest)


def _health(image: Image, instruction: Instruction) -> None:
    image.health = json.loads(instruction.rest.partition(" CMD ")[2])


_KNOWN: Mapping[str, Callable[[Image, Instruction], None]] = {
    "RUN": _run, "ENV": _env, "WORKDIR": _directory, "LABEL": _label, "USER": _user,
    "EXPOSE": _port, "ENTRYPOINT": _entrypoint, "CMD": _command, "HEALTHCHECK": _health,
}


def main(file: Path = Path("deploy/Dockerfile"), folder: Path = Path()) -> int:
    """Build every stage that nothing else is made of, and print how large it is."""
    stages = stages_of(file)
    inner = {base_of(stage) for stage in stages.values()} | {
        _source_stage(instruction) for stage in stages.values() for instruction in stage}
    for target in sorted(stages.keys() - inner):
        with tempfile.TemporaryDirectory() as work:
            image = build(file, folder, Path(work), target)
            sizes = (path.stat().st_size for path in image.root.rglob("*") if path.is_file()
                     and not path.is_symlink())
            print(f"{target} {sum(sizes) / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""The image by its Dockerfile's own steps; a real engine builds it in tests/e2e/test_docker.py."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pickle
import re
import signal
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import bcrypt
import pytest

from deploy.release.hashes import BACKEND, GATEWAY, RUNTIME, normal, pinned
from inferometer.about import PROJECT_URL
from inferometer.bundle import RUNBOOK, render
from tests.dockerfile import Image, build, can_demote, context, instructions, stages_of
from tests.exporter.support import Page, free_port, get, wait_for

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "deploy/Dockerfile"
START_SECONDS = 60.0
TARGETS = {"inferometer": RUNTIME, "inferometer-gateway": GATEWAY}  # and what each installs
FOLDER = Path("/var/lib/inferometer")  # of a gateway's ledger
pytestmark = pytest.mark.timeout(600)  # two of them are built
PASSWORDS = "basic_auth_users: {{someone: '{}'}}\n"


# To install the packages of a gateway takes minutes.
@pytest.fixture(scope="session", params=[
    "inferometer", pytest.param("inferometer-gateway", marks=pytest.mark.heavy)])
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """One of the Dockerfile's targets, built once for all processes of this run, and read-only
    since."""
    own = tmp_path_factory.getbasetemp()
    work = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / request.param
    work.mkdir(exist_ok=True)
    enter(work)
    done = work / "done"
    with (work / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            built = build(DOCKERFILE, ROOT, work, request.param)
            subprocess.run(["chmod", "-R", "a-w", built.root], check=True)
            done.write_bytes(pickle.dumps(built))
    made: Image = pickle.loads(done.read_bytes())
    return made


@contextlib.contextmanager
def running(image: Image, port: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The image's entry point with these arguments, ready on that port."""
    command = [*image.entrypoint, *arguments]
    process = subprocess.Popen(image.process(command), cwd=image.root, text=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_for(lambda: process.poll() is not None or serves(port), START_SECONDS)
        yield process
    finally:
        process.kill()
        process.communicate()


def own_command(image: Image, ports: dict[int, int], folder: Path) -> list[str]:
    """The image's own, on free ports of loopback; a file it names writes below the folder."""
    words = here(image.command, ports)
    enter(folder)
    for file in (word for word in words if word.startswith("/")):
        place = folder / "place"
        place.mkdir()
        place.chmod(0o777)  # it is another user who writes
        copy = folder / Path(file).name
        copy.write_text("\n".join(here(image.path(file).read_text().replace(
            str(FOLDER), str(place)).splitlines(), ports)))
        words[words.index(file)] = str(copy)
    return words


def enter(folder: Path) -> None:
    """Let the image's user pass: access(2), as Alembic and SQLite ask, knows no capability."""
    for entered in (folder, *folder.parents):
        if can_demote() and not entered.stat().st_mode & stat.S_IXOTH:
            entered.chmod(entered.stat().st_mode | stat.S_IXOTH)


def here(texts: list[str], ports: dict[int, int]) -> list[str]:
    """Texts of the image with free ports of loopback in place of its own."""
    for own, free in ports.items():
        texts = [re.sub(rf'(^:|":|\b){own}\b', lambda match, free=free: {  # type: ignore[misc]
            ":": "127.0.0.1:", '":': '"127.0.0.1:'}.get(match[1], "") + str(free), text)
            for text in texts]
    return texts


def serves(port: int) -> bool:
    try:
        return get(port, "/-/healthy", seconds=2).status in (200, 401)
    except OSError:
        return False


def health(image: Image, port: int) -> int:
    """What the image's own check says."""
    return subprocess.run(image.process(here(image.health, {image.ports[0]: port})), cwd=image.root,
                          stderr=subprocess.DEVNULL, check=False, timeout=30).returncode


def test_nothing_but_what_it_is_built_from_is_sent_to_the_engine() -> None:
    sent = context(ROOT)
    sources = {Path(word) for instruction in instructions(DOCKERFILE)
               if instruction.word == "COPY" and "--from=" not in instruction.rest
               for word in instruction.words()[:-1] if not word.startswith("--")}
    assert {source for file in sent for source in (file, *file.parents) if source in sources
            } == sources
    assert not [file for file in sent if sources.isdisjoint((file, *file.parents))]
    assert not [file for file in sent if "__pycache__" in file.parts]


def test_it_is_a_virtual_environment_on_the_base_image_and_nothing_else(image: Image) -> None:
    files = {file.relative_to(image.root) for file in image.root.rglob("*") if file.is_file()}
    assert {"/" + "/".join(file.parts[:2]) for file in files} == {"/opt/inferometer"} | (
        {"/etc/inferometer"} if is_gateway(image) else set())
    packages = image.path("/opt/inferometer/lib")
    assert not [*packages.rglob("pip")]
    assert not [*packages.rglob("pytest")]


def test_each_package_has_the_version_that_the_tests_run_with(image: Image) -> None:
    versions = pinned((ROOT / "constraints.txt").read_text())
    installed = {name.replace("_", "-"): version for name, version in (
        folder.name.lower().removesuffix(".dist-info").split("-", 1)
        for folder in image.path("/opt/inferometer/lib").rglob("*.dist-info"))}
    version = project()["version"]
    assert image.labels["org.opencontainers.image.version"] == version
    assert installed.pop("inferometer") == version
    assert "grpcio" in installed  # asks the kubelet
    assert installed == {name: versions[name] for name in installed}
    assert installed == pinned(
        (ROOT / TARGETS[image.labels["org.opencontainers.image.title"]]).read_text())


def test_where_no_target_is_named_it_is_the_image_of_all_but_gateways() -> None:
    assert [*stages_of(DOCKERFILE)][-1] == "inferometer"
    assert TARGETS.keys() <= stages_of(DOCKERFILE).keys()


def test_of_all_files_its_user_owns_those_of_a_gateways_alone(image: Image) -> None:
    owned = {path for path, owner in image.owners.items() if owner != "0:0"}
    assert owned == ({str(FOLDER), "/etc/inferometer/inferometer.yml"} if is_gateway(image)
                     else set())
    assert {owner for owner in image.owners.values() if owner != "0:0"} <= {image.user}


def is_gateway(image: Image) -> bool:
    return TARGETS[image.labels["org.opencontainers.image.title"]] == GATEWAY


def project() -> dict[str, str]:
    table: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


def test_it_has_its_labels_and_runs_as_a_numeric_user_other_than_root(image: Image) -> None:
    label = "org.opencontainers.image"
    described = image.labels[f"{label}.description"]
    assert "gateway" in described if is_gateway(image) else described == project()["description"]
    assert image.labels[f"{label}.licenses"] == project()["license"]
    assert image.labels[f"{label}.url"] == image.labels[f"{label}.source"] == PROJECT_URL
    assert image.labels[f"{label}.documentation"] == f"{PROJECT_URL}/tree/main/docs"
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", image.user)
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", image.base)
    assert image.ports == [9839, *([4317, 4318] if is_gateway(image) else [])]


def test_it_asks_for_no_gpu_by_itself(image: Image) -> None:
    assert "NVIDIA_VISIBLE_DEVICES" not in image.env
    assert image.env["NVIDIA_DRIVER_CAPABILITIES"] == "utility"


ARCHITECTURE = re.compile(r"\b(amd64|x86[_-]64|arm64|aarch64|--platform)\b|kubernetes\.io/arch")


def test_neither_the_image_nor_what_runs_it_is_for_one_architecture() -> None:
    files = [file for folder in ("deploy", "examples") for file in (ROOT / folder).rglob("*")
             if file.is_file() and "__pycache__" not in file.parts]
    assert DOCKERFILE in files
    assert len(files) > 100
    assert [(str(file.relative_to(ROOT)), match[0]) for file in files
            for match in ARCHITECTURE.finditer(file.read_text(encoding="utf-8"))] == []


@pytest.mark.heavy
@pytest.mark.parametrize("file", [RUNTIME, GATEWAY, BACKEND])
@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_each_package_has_a_wheel_of_a_pinned_hash_for(
        architecture: str, file: str, tmp_path: Path) -> None:
    base = re.search(r"PYTHON_IMAGE=python:(\d+\.\d+)", DOCKERFILE.read_text(encoding="utf-8"))
    assert base
    report = tmp_path / "report.json"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed",
         "--target", tmp_path / "none", "--no-deps", "--only-binary=:all:", "--require-hashes",
         "--python-version", base[1], "--platform", f"manylinux_2_28_{architecture}",
         "--platform", f"manylinux_2_17_{architecture}", "-r", ROOT / file, "--report", report],
        check=True, timeout=300)
    wheels = {item["metadata"]["name"] for item in json.loads(report.read_text())["install"]}
    assert {*map(normal, wheels)} == {
        *pinned((ROOT / file).read_text())}


def test_nothing_is_run_in_the_final_stage_so_that_it_needs_no_shell(image: Image) -> None:
    assert image.ran == []


def test_it_serves_from_a_read_only_root_and_its_check_tells_life_from_death(
        image: Image, tmp_path: Path) -> None:
    ports = {own: free_port() for own in image.ports}
    port = ports[image.ports[0]]
    with running(image, port, *own_command(image, ports, tmp_path)) as process:
        wait_for(lambda: get(port, "/-/ready").status == 200, START_SECONDS)
        if is_gateway(image):
            assert sent(ports[4318]) == 200
        page = Page(get(port).text)
        assert page.value("inferometer_build_info", version=project()["version"]) == 1
        assert health(image, port) == 0
        process.send_signal(signal.SIGSTOP)
        assert health(image, port) == 1
        process.send_signal(signal.SIGCONT)
        process.terminate()
        assert process.wait(START_SECONDS) == 0
        assert health(image, port) == 1


def sent(port: int) -> int:
    """How a gateway answers a body of telemetry."""
    request = Request(f"http://127.0.0.1:{port}/v1/traces", b'{"resourceSpans": []}',
                      {"Content-Type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        status: int = answer.status
        return status


def test_it_has_the_files_of_a_deployment(image: Image) -> None:
    done = subprocess.run(image.process([*image.entrypoint, "bundle", "--list"]), cwd=image.root,
                          capture_output=True, text=True, check=True, timeout=30)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [*render(), RUNBOOK]


@pytest.mark.skipif(os.geteuid() == 0 and not can_demote(),
                    reason="root may be made nobody else here, and root writes where it likes")
def test_its_user_cannot_write_to_it(image: Image) -> None:
    done = subprocess.run(image.process(["python", "-c", (
        "import os, sys; print(os.getuid()); open(sys.prefix + '/new', 'w')")]),
        cwd=image.root, capture_output=True, text=True, check=False, timeout=30)
    assert "PermissionError" in done.stderr
    if os.geteuid() == 0:  # else the test itself is not root already
        assert done.stdout == f"{image.user.split(':')[0]}\n"


def test_a_password_on_the_page_leaves_it_healthy(image: Image, tmp_path: Path) -> None:
    port, config, hashed = free_port(), tmp_path / "inferometer.yml", bcrypt.gensalt(4)
    (tmp_path / "web.yml").write_text(PASSWORDS.format(bcrypt.hashpw(b"secret", hashed).decode()))
    config.write_text(f"web: {{listen: '127.0.0.1:{port}', config_file: web.yml}}\n"
                      "gpu: {enabled: false}\nengines: {discover_ports: []}\n")
    with running(image, port, "run", "--config", str(config)):
        assert get(port, "/-/healthy").status == 401
        assert health(image, port) == 0

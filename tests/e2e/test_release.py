"""A release, all of it but the pushing: a throw-away version, tag and key, and no network.

What pip installs comes from a folder that `make` has filled (TOOLS/wheels).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from deploy.release import hashes
from deploy.release.changelog import section
from deploy.release.hashes import GATEWAY, RUNTIME
from inferometer.about import PROJECT_URL
from tests.bundle.promtool import TOOLS
from tests.dockerfile import build
from tests.pythons import interpreter, modules, supported

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[2]
VERSION = "987.6.5"
NAME = f"inferometer-{VERSION}"
WHEEL = f"{NAME}-py3-none-any.whl"
FILES = {f"{NAME}.tar.gz", WHEEL, f"{NAME}.tgz", f"{NAME}-image.tar.gz", f"{NAME}.cdx.json",
         f"{NAME}-gateway.cdx.json", "RELEASE_NOTES.md", "SHA256SUMS", "SHA256SUMS.sig"}
DIGEST = f"sha256:{'0a' * 32}"
SIGNER = "releaser@example.org"
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(TOOLS / "wheels"),
           "PIP_CONFIG_FILE": os.devnull}
SECRET = "-".join(("not", "to", "be", "published"))  # so that this file does not have it
# What git ignores, so that a tree which has it is clean.
IGNORED = ("deploy/compose/secrets/smtp_password", "deploy/compose/.env",
           "exporter/inferometer/__pycache__/app.cpython-399.pyc", ".pytest_cache/README.md")


@dataclass(frozen=True)
class Rehearsal:
    """A checkout that is tagged, the releaser's key, and what was made, by two calls."""

    checkout: Path
    key: Path
    made: Path
    again: Path
    output: str

    def tracked(self) -> list[str]:
        return git(self.checkout, "ls-files").split()


def git(folder: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-c", "user.name=nobody", "-c", "user.email=nobody@example.org", *words],
        cwd=folder, check=True, capture_output=True, text=True, timeout=60).stdout


def called(*words: str | Path, folder: Path = ROOT, status: int = 0, stdin: str = "",
           **settings: str) -> str:
    """All that a command prints, which sees no module of this checkout by itself."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(words, cwd=folder, env={**own, **OFFLINE, **settings},
                          input=stdin, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Rehearsal:
    folder = tmp_path_factory.mktemp("release")
    checkout, key = folder / "checkout", folder / "key"
    copied(checkout)
    tagged(checkout, modules(folder / "site", VERSION, checkout))
    for path in IGNORED:
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        (checkout / path).write_text(SECRET)
    called("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", SIGNER, "-f", key)
    output = released(checkout, key, folder / "made")
    again = shutil.copytree(checkout, folder / "elsewhere/checkout", symlinks=True)
    (again / "README.md").touch()
    (again / "README.md").chmod(0o600)
    released(again, key, folder / "again", umask="0077", zone="Asia/Kathmandu")
    return Rehearsal(checkout, key, folder / "made", folder / "again", output)


def copied(checkout: Path) -> None:
    """This working tree, as it would be committed."""
    paths = git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    for path in filter(lambda path: os.path.lexists(ROOT / path), paths):
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, checkout / path, follow_symlinks=False)


def tagged(checkout: Path, path: str) -> None:
    """Do what CONTRIBUTING.md says of a new version, up to its tag."""
    called(sys.executable, "-m", "deploy.release.places", VERSION, folder=checkout,
           PYTHONPATH=path)
    log = checkout / "CHANGELOG.md"
    log.write_text(log.read_text().replace("## Unreleased\n", f"## Unreleased\n\n## {VERSION}\n",
                                           1))
    for module in ("deploy.build", "deploy.build.contract"):
        called(sys.executable, "-m", module, folder=checkout, PYTHONPATH=path, TOOLS=str(TOOLS))
    git(checkout, "init", "-q")
    git(checkout, "add", "--all")
    git(checkout, "commit", "-q", "--no-gpg-sign", "--message", "Release")
    git(checkout, "tag", f"v{VERSION}")


def released(checkout: Path, key: Path, made: Path, umask: str = "0022",
             zone: str = "UTC") -> str:
    command = ("umask $0 && exec $1 -m deploy.release $2 --base-digest $3 --key $4 --folder $5")
    return called("sh", "-c", command, umask, sys.executable, VERSION, DIGEST, key, made,
                  folder=checkout, PYTHONPATH=f"{checkout}/exporter:{checkout}", TOOLS=str(TOOLS),
                  TZ=zone)


def test_all_is_made_and_how_to_publish_it_is_printed_last(rehearsal: Rehearsal) -> None:
    assert {file.name for file in rehearsal.made.iterdir()} == FILES
    published = rehearsal.output[rehearsal.output.index("Nothing was published"):]
    for command in (f"git push origin v{VERSION}", "twine upload ", "helm push ", "docker push "):
        assert f"    {command}" in published
    for word in re.findall(rf"{re.escape(str(rehearsal.made))}/(\S+)", published):
        assert word in FILES


def test_two_calls_make_the_same_bytes_wherever_and_whenever(rehearsal: Rehearsal) -> None:
    different = [name for name in sorted(FILES)
                 if (rehearsal.made / name).read_bytes() != (rehearsal.again / name).read_bytes()]
    assert different == []


def test_the_hashes_are_of_all_files_and_signed_by_the_releaser(
        rehearsal: Rehearsal, tmp_path: Path) -> None:
    listed = called("sha256sum", "--check", "SHA256SUMS", folder=rehearsal.made)
    assert {line.removesuffix(": OK") for line in listed.splitlines()} == {
        name for name in FILES if not name.startswith("SHA256SUMS")}
    signers = tmp_path / "signers"
    signers.write_text(f"{SIGNER} {rehearsal.key.with_suffix('.pub').read_text()}")
    text = (rehearsal.made / "SHA256SUMS").read_text()
    verify = ("ssh-keygen", "-Y", "verify", "-f", signers, "-I", SIGNER, "-n", "file",
              "-s", rehearsal.made / "SHA256SUMS.sig")
    assert "Good" in called(*verify, stdin=text)
    assert "Good" not in called(*verify, stdin=text.replace("0", "1", 1), status=255)


def test_an_index_would_take_the_packages(rehearsal: Rehearsal) -> None:
    files = [rehearsal.made / name for name in (WHEEL, f"{NAME}.tar.gz")]
    assert called(sys.executable, "-m", "twine", "--no-color", "check", "--strict",
                  *files).count("PASSED") == 2


def metadata(rehearsal: Rehearsal) -> str:
    with zipfile.ZipFile(rehearsal.made / WHEEL) as wheel:
        return wheel.read(f"{NAME}.dist-info/METADATA").decode()


def test_the_readme_on_an_index_is_markdown_whose_links_lead_to_the_tag(
        rehearsal: Rehearsal) -> None:
    head, _, readme = metadata(rehearsal).partition("\n\n")
    assert "\nDescription-Content-Type: text/markdown\n" in f"{head}\n"
    assert f"]({PROJECT_URL}/blob/v{VERSION}/CONTRIBUTING.md)" in readme
    assert re.findall(r"\]\((?!https?:|#)[^)]*\)", readme) == []


def test_the_sdist_is_the_files_of_the_tag_and_no_other(rehearsal: Rehearsal) -> None:
    with tarfile.open(rehearsal.made / f"{NAME}.tar.gz") as archive:
        names = {member.name.removeprefix(f"{NAME}/") for member in archive
                 if member.isfile() or member.issym()}
    assert names - {"PKG-INFO"} == {*rehearsal.tracked()}


def test_the_wheel_is_the_package_and_its_data_and_no_other_file(rehearsal: Rehearsal) -> None:
    tracked = {(rehearsal.checkout / path).read_bytes() for path in rehearsal.tracked()
               if (rehearsal.checkout / path).is_file()}
    with zipfile.ZipFile(rehearsal.made / WHEEL) as wheel:
        names = [name for name in wheel.namelist() if ".dist-info/" not in name]
        assert [name for name in names if wheel.read(name) not in tracked] == []
    assert {name.split("/")[0] for name in names} == {"inferometer"}
    assert {path.removeprefix("exporter/") for path in rehearsal.tracked()
            if path.startswith("exporter/inferometer/")} <= {*names}
    assert "inferometer/py.typed" in names
    assert not [name for name in names if "test" in name]


def test_nothing_that_git_ignores_is_in_any_file(rehearsal: Rehearsal) -> None:
    for name in sorted(FILES):
        file = rehearsal.made / name
        if tarfile.is_tarfile(file):
            with tarfile.open(file) as archive:
                contents = [data.read() for member in archive
                            if (data := archive.extractfile(member))]
        elif zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as wheel:
                contents = [wheel.read(inside) for inside in wheel.namelist()]
        else:
            contents = [file.read_bytes()]
        assert not [content for content in contents if SECRET.encode() in content], name


def test_notes_are_the_section_of_the_changelog(rehearsal: Rehearsal) -> None:
    log = (rehearsal.checkout / "CHANGELOG.md").read_text()
    assert (rehearsal.made / "RELEASE_NOTES.md").read_text().strip() == section(log, VERSION)


@pytest.mark.parametrize("helm", ["3", "4"])
def test_the_chart_has_the_version_and_runs_the_image_of_it(
        helm: str, rehearsal: Rehearsal) -> None:
    program, package = TOOLS / f"helm-{helm}/helm", rehearsal.made / f"{NAME}.tgz"
    shown = yaml.safe_load(called(program, "show", "chart", package))
    assert shown["version"] == shown["appVersion"] == VERSION
    assert shown["home"] == PROJECT_URL
    manifests = called(program, "template", "inferometer", package,
                       "--set", "image.repository=registry.example.org/inferometer")
    assert set(re.findall(r"image: (\S+)", manifests)) == {
        f"registry.example.org/inferometer:{VERSION}"}


@pytest.mark.parametrize(("bill", "requirements"), [
    (f"{NAME}.cdx.json", RUNTIME), (f"{NAME}-gateway.cdx.json", GATEWAY)])
def test_a_bill_of_materials_has_all_that_is_installed(
        bill: str, requirements: str, rehearsal: Rehearsal) -> None:
    from cyclonedx.schema import SchemaVersion  # of the extra, which `make test` is without
    from cyclonedx.validation.json import JsonStrictValidator

    text = (rehearsal.made / bill).read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document = json.loads(text)
    main = document["metadata"]["component"]
    assert (main["name"], main["version"]) == ("inferometer", VERSION)
    assert main["purl"] == f"pkg:pypi/inferometer@{VERSION}"
    expected = hashes.pinned((rehearsal.checkout / requirements).read_text())
    assert {component["purl"]: component["version"] for component in document["components"]} == {
        f"pkg:pypi/{name}@{version}": version for name, version in expected.items()}
    for component in [main, *document["components"]]:
        assert [licence.get("expression") or licence["license"].get("id")
                or licence["license"]["name"] for licence in component["licenses"]]


def test_the_recipe_of_the_image_is_complete_and_pins_its_base(
        rehearsal: Rehearsal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in OFFLINE.items():
        monkeypatch.setenv(name, value)
    called("tar", "-xzf", rehearsal.made / f"{NAME}-image.tar.gz", "-C", tmp_path)
    folder = tmp_path / f"{NAME}-image"
    image = build(folder / "deploy/Dockerfile", folder, tmp_path, "inferometer")
    assert re.fullmatch(rf"python:\S+@{DIGEST}", image.base)
    assert image.labels["org.opencontainers.image.version"] == VERSION
    assert called(image.program("inferometer"), "--version") == f"inferometer {VERSION}\n"


@pytest.mark.parametrize("version", supported())
def test_the_wheel_installs_and_starts_on_every_python_of_this_machine(
        version: str, rehearsal: Rehearsal, tmp_path: Path) -> None:
    if (program := interpreter(version)) is None:
        pytest.skip(f"there is no Python {version} here")
    called(program, "-m", "venv", tmp_path / "venv")
    own = tmp_path / "venv/bin"
    called(own / "python", "-m", "pip", "install", "-q", f"{rehearsal.made / WHEEL}[kubelet]")
    assert called(own / "inferometer", "--version") == f"inferometer {VERSION}\n"
    called(own / "inferometer", "check-config", ROOT / "examples/inferometer.yml")
    called(own / "inferometer", "bundle", "--out", tmp_path / "bundle")
    generated = rehearsal.checkout / "deploy/generated"
    assert [file for file in sorted(generated.rglob("*")) if file.is_file() and file.read_bytes()
            != (tmp_path / "bundle" / file.relative_to(generated)).read_bytes()] == []


def test_what_is_generated_by_another_version_of_a_definition_is_not_released(
        rehearsal: Rehearsal, tmp_path: Path) -> None:
    checkout = shutil.copytree(rehearsal.checkout, tmp_path / "checkout", symlinks=True)
    runbook = checkout / "deploy/generated/prometheus/alerts.rules.yml"
    runbook.write_text(runbook.read_text().replace("summary: ", "summary: Oh, ", 1))
    git(checkout, "commit", "-qa", "--no-gpg-sign", "--message", "By hand")
    git(checkout, "tag", "--force", f"v{VERSION}")
    made = tmp_path / "made"
    printed = called(sys.executable, "-m", "deploy.release", VERSION, "--base-digest", DIGEST,
                     "--key", rehearsal.key, "--folder", made, folder=checkout, status=1,
                     PYTHONPATH=f"{checkout}/exporter:{checkout}", TOOLS=str(TOOLS))
    assert "deploy/generated is stale: run `make bundle`" in printed
    assert not made.exists()

"""What becomes of options is what definitions and Helm make of them, with or without a checkout."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields
from fnmatch import fnmatchcase
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.build import command
from deploy.build.bundle import Bundle, assemble
from deploy.build.files import defined
from inferometer import cli
from inferometer.bundle import Addresses, Options, render, runbook
from inferometer.bundle.options import OptionError, flag_name, flags
from inferometer.bundle.places import PLACES
from inferometer.bundle.splice import EMBEDDED

ROOT = Path(__file__).parents[2]
# All that may be chosen, in values that YAML, templates and relabelling might take for others.
NASTY = (
    "--cluster", "it's: \"east\" #1, " + "[a] long {b} " * 30 + "ü", "--namespace", "1e3",
    "--image", "registry.example.org:5000/team/inferometer",
    "--gateway-image", "registry.example.org:5000/team/telemetry",
    "--exporters", "gpu-1:9839, [::1]:9840", "--alertmanagers", "a:9093,b:9093",
    "--prometheus", "10.0.0.1:80", "--runbook-url", "https://books.example.org/%7Er's/",
    "--grafana-url", "https://grafana.example.org/sub/",
    "--secrets", "/run/keys: of # mine", "--slack-channel", "true", "--email-to", "Ä <a@b>, c@d",
    "--finance-channel", "#'money'", "--finance-email-to", "null@example.org",
    "--email-from", "- a: b@c #d", "--smarthost", "mail:25", "--alert-log", "https://fleet/v1/alerts",
    "--dead-mans-switch", "https://switch.example.org/?" + "a=%20&" * 60)
SETS: Mapping[str, tuple[str, ...]] = {
    "all, in nasty values": NASTY,
    "none": (),
    "words that are booleans": ("--cluster", "y", "--namespace", "null", "--image", "no",
                                "--gateway-image", "inferometer"),
    "a hurry": ("--faster", "60", "--cluster", "east", "--alert-log", "http://127.0.0.1:1/x"),
}


@cache
def definitions() -> Bundle:
    return assemble()


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes()
            for file in folder.rglob("*") if file.is_file()}


def meaning(path: str, text: str) -> Any:
    """What a file says, whatever its line breaks and quotes."""
    if path.endswith((".yml", ".yaml")):
        return [opened(document) for document in yaml.load_all(text, yaml.CSafeLoader)]
    return json.loads(text) if path.endswith(".json") else text


def opened(document: Any, key: str = "") -> Any:
    """A document in which texts that are YAML again are documents too."""
    if isinstance(document, dict):
        return {name: opened(value, name) for name, value in document.items()}
    if isinstance(document, list):
        return [opened(item) for item in document]
    if isinstance(document, str) and any(fnmatchcase(key, name) for name in EMBEDDED):
        return opened(yaml.load(document, yaml.CSafeLoader))
    return document


@pytest.mark.parametrize("name", [
    "all, in nasty values",
    *(pytest.param(name, marks=pytest.mark.heavy) for name in [*SETS][1:])])
def test_command_and_build_write_the_same_bytes_and_what_definitions_and_helm_make(
        name: str, tmp_path: Path) -> None:
    assert cli.main(["bundle", "--out", str(tmp_path / "command"), *SETS[name]]) == 0
    assert command.main(["--folder", str(tmp_path / "build"), *SETS[name]], definitions) == 0
    written, built = files_of(tmp_path / "command"), files_of(tmp_path / "build")
    assert written.pop("runbook.md").decode() == runbook()
    assert written == built
    if "--faster" in SETS[name]:
        return  # tests/bundle/test_rehearsal.py looks at that
    values = dict(zip(SETS[name][::2], SETS[name][1::2], strict=True))
    chosen = Options.from_flags({flag.name: values.get(flag_name(flag), flag.default)
                                 for flag in flags()})
    made = defined(definitions(), chosen.tidy())
    assert made.keys() == written.keys()
    for path, text in made.items():
        assert meaning(path, written[path].decode()) == meaning(path, text), path


def test_a_file_within_a_manifest_is_the_same_file_also_in_a_hurry() -> None:
    made = render(Options(faster=60, cluster="1e3", runbook_url="https://books.example.org"))
    (recording, alerts, _) = yaml.load_all(made["kubernetes/prometheus/prometheus.yaml"],
                                           yaml.CSafeLoader)
    for manifest in (recording, alerts):
        ((name, text),) = manifest["data"].items()
        assert text == made[f"prometheus/{name}"]
        assert text != render(only=["prometheus/*"])[f"prometheus/{name}"]


def test_the_nasty_values_are_of_all_flags_but_one() -> None:
    assert {*NASTY[::2]} == {flag_name(flag) for flag in flags()} - {"--faster"}


def test_every_option_stands_somewhere() -> None:
    assert {place.option for place in PLACES} == {flag.name for flag in flags()} - {"faster"}
    names = [field.name for kind in (Options, Addresses) for field in fields(kind)]
    assert len(names) == len({*names})


def test_what_no_option_touches_is_not_even_read_as_yaml() -> None:
    same, other = render(), render(Options(image="other"))
    touched = {path for path in same if same[path] != other[path]}
    assert touched == {
        "kubernetes/inferometer.yaml", "kubernetes/node/node.yaml", "kubernetes/fleet/fleet.yaml",
        "kubernetes/sidecar/patch.yaml", "kubernetes/sidecar/kustomization.yaml"}
    assert same == {
        file.relative_to(command.GENERATED).as_posix(): file.read_text(encoding="utf-8")
        for file in command.GENERATED.rglob("*") if file.is_file()}


def test_only_some_files_can_be_had() -> None:
    assert [*render(Options(), ["prometheus/*", "metrics.md"])] == [
        "metrics.md", "prometheus/alerts.rules.yml", "prometheus/prometheus.yml",
        "prometheus/recording.rules.yml"]


@pytest.mark.parametrize(("options", "problem"), [
    (Options(cluster=""), "--cluster '' must be a label's value"),
    (Options(cluster="a$1"), "--cluster 'a$1' must be a label's value: printable text without $"),
    (Options(cluster=" a"), "--cluster ' a' must be a label's value"),
    (Options(namespace="a\nb"), r"--namespace 'a\nb' must be a label's value"),
    (Options(image="a:1"), "--image 'a:1' must be the name of an image without a tag"),
    (Options(image="Here it is"), "--image 'Here it is' must be the name of an image"),
    (Options(exporters="gpu-1"), "--exporters 'gpu-1' must be HOST:PORT, or several"),
    (Options(exporters="a:1,"), "--exporters 'a:1,' must be HOST:PORT, or several"),
    (Options(alertmanagers=":9093"), "--alertmanagers ':9093' must be HOST:PORT"),
    (Options(prometheus="http://a:9"), "--prometheus 'http://a:9' must be HOST:PORT"),
    (Options(runbook_url="wiki"), "--runbook-url 'wiki' must be an http:// or https:// URL"),
    (Options(runbook_url="http://g?x"), "--runbook-url 'http://g?x' must be an http:// or"),
    (Options(grafana_url="http://u:p@g"), "--grafana-url 'http://u:p@g' must be an http://"),
    (Options(grafana_url="http://g/{{x}}"), "--grafana-url 'http://g/{{x}}' must be an http://"),
    (Options(faster=0), "--faster 0 must be 1 or more"),
    (Options(faster=7), "--faster 7: "),
    (Options(addresses=Addresses(alert_log="a:1")), "--alert-log 'a:1' must be an http:// or"),
    (Options(addresses=Addresses(smarthost="mail")), "--smarthost 'mail' must be HOST:PORT"),
    (Options(addresses=Addresses(email_to="me")), "--email-to 'me' must be a mail address"),
    (Options(addresses=Addresses(slack_channel=" ")), "--slack-channel ' ' must be printable"),
])
def test_a_value_that_cannot_be_is_refused_by_the_name_of_its_flag(
        options: Options, problem: str) -> None:
    with pytest.raises(OptionError) as error:
        render(options)
    assert str(error.value).startswith(problem)
    assert "\n" not in str(error.value)


@pytest.mark.heavy
def test_a_wheel_writes_the_same_with_nothing_but_what_it_needs(tmp_path: Path) -> None:
    """No checkout, no Helm, no grafanalib: the wheel itself and what it depends on."""
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps",
                    "--wheel-dir", tmp_path, ROOT], check=True, timeout=100)
    (wheel,) = tmp_path.glob("*.whl")
    needed = tmp_path / "needed"
    needed.mkdir()
    for module in ("yaml", "_yaml", "bcrypt", "prometheus_client", "pynvml"):
        file = Path(str((find_spec(module) or pytest.fail(module)).origin))
        place = file.parent if file.name == "__init__.py" else file
        (needed / place.name).symlink_to(place)
    ran = subprocess.run(
        [sys.executable, "-S", "-m", "inferometer", "bundle", "--out", "made", *NASTY],
        cwd=tmp_path, env={"PYTHONPATH": f"{wheel}:{needed}", "PYTHONUTF8": "1"}, text=True,
        capture_output=True, check=False, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert cli.main(["bundle", "--out", str(tmp_path / "here"), *NASTY]) == 0
    assert files_of(tmp_path / "made") == files_of(tmp_path / "here")

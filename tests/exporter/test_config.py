from __future__ import annotations

import dataclasses
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inferometer.config import (
    LIMITS,
    Config,
    ConfigError,
    EngineTarget,
    load,
    local_port,
    parse,
    split_address,
    target_name,
)
from tests.exporter.process import command

EXAMPLE = Path(__file__).parents[2] / "examples" / "inferometer.yml"
INVALID = sorted((Path(__file__).parent / "config").glob("invalid-*.yml"))

def test_there_is_a_file_for_what_can_be_wrong() -> None:
    assert len(INVALID) > 90


@pytest.mark.parametrize("file", INVALID, ids=lambda file: file.stem)
def test_a_mistake_is_said_in_one_line_with_file_and_key(file: Path) -> None:
    expected = file.read_bytes().splitlines()[0].decode().removeprefix("# expect: ")
    with pytest.raises(ConfigError) as raised:
        load(file)
    assert str(raised.value) == f"{file}: {expected}"
    assert str(raised.value).isprintable()


def test_a_mistake_never_repeats_a_password() -> None:
    for file in INVALID:
        with pytest.raises(ConfigError) as raised:
            load(file)
        assert "secret" not in str(raised.value)


@pytest.mark.parametrize(("make", "why"), [
    (lambda file: None, "No such file or directory"),
    (Path.mkdir, "Is a directory"),
])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, make: Any, why: str) -> None:
    file = tmp_path / "inferometer.yml"
    make(file)
    with pytest.raises(ConfigError) as raised:
        load(file)
    assert str(raised.value) == f"{file}: {why}"


SECTIONS = {field.name: type(getattr(Config(), field.name))
            for field in dataclasses.fields(Config) if field.name != "role"}
KEYS = sorted({field.name for shape in (Config, EngineTarget, *SECTIONS.values())
    for field in dataclasses.fields(shape)} | set(LIMITS) | {"day", "storage", "models"})
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.dates(), st.binary(),
    st.sampled_from([10**400, "http://127.0.0.1:8000", "127.0.0.1:1", "http://[", "\ud800", "\n"]),
)
NAMES = st.one_of(st.sampled_from(KEYS), st.text(), st.integers(), st.none())
patiently = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4))


@patiently
@given(DOCUMENTS)
def test_no_value_does_worse_than_a_config_error(document: object) -> None:
    only_a_config_error(yaml.safe_dump(document))


@patiently
@given(st.sampled_from(["role: %s"]
                       + [f"{section}: {{{key.name}: %s}}" for section, shape in SECTIONS.items()
                          for key in dataclasses.fields(shape)]
                       + [f"engines: {{targets: [{{url: 'http://a', {key.name}: %s}}]}}"
                          for key in dataclasses.fields(EngineTarget)]), DOCUMENTS)
def test_no_value_of_a_key_does_worse_than_a_config_error(key: str, value: object) -> None:
    flow = yaml.safe_dump(value, default_flow_style=True, width=10**9)
    only_a_config_error(key % flow.removesuffix("...\n").strip())


@patiently
@given(st.text())
def test_no_text_does_worse_than_a_config_error(text: str) -> None:
    only_a_config_error(text)


@pytest.mark.parametrize("text", [
    "? [a]\n: b", "? {a: b}\n: c", "!!map x", "!!map [a]", "!!set [a]", "!!bool maybe", "!!int ''",
    "!!int x", "!!float x", "!!timestamp x", "!!binary ä", "!!omap {a: b}", "!!pairs [1]",
    "web: !!set {a, b}", "web: {listen: 2026-02-31}", r'"\UFFFFFFFF"', r'web: {"\ud800": 1}',
    "&a [*a]", "&a {web: *a}", "fleet: &a {models: {x: *a}}", "<<: 1", "<<: [1]",
    "web: {<<: {listen: 1}}", "[" * 1500, "{a: " * 1500, "a: " + "9" * 5000, "0x" + "f" * 9999,
    "web: !!set {0x" + "f" * 9999 + "}", "%YAML " + "9" * 5000 + ".1\n---\na", "\x00", "\ufeff",
    "---", "...", "- - - -", "!<tag:yaml.org,2002:str> a", "!!python/name:os.system", "a: 1:60:60",
    "web: {listen: 0b_}", "web: {listen: 0x_}", "web: {listen: ._}", "a: {b: c}\rb",
])
def test_no_oddity_of_yaml_does_worse_than_a_config_error(text: str) -> None:
    only_a_config_error(text)


def only_a_config_error(text: str) -> None:
    said = "inferometer.yml: good"
    try:
        parse(text, "inferometer.yml")
    except ConfigError as error:
        said = str(error)
    assert said.startswith("inferometer.yml: ")
    assert said.isprintable(), said


@pytest.mark.parametrize("text", ["", "# nothing", "web:", "cost: {gpu_hour_usd: }",
                                  "engines: {targets: }", "fleet: {models: , limits: }"])
def test_what_is_commented_out_leaves_the_defaults(text: str) -> None:
    assert parse(text, "x") == Config()


def test_the_default_listens_where_only_this_machine_reaches_it() -> None:
    assert split_address(Config().web.listen) == ("127.0.0.1", 9839)


@pytest.mark.parametrize(("text", "usd"), [
    ("5e-05", 0.00005), ("2E3", 2000.0), ("1.5e-3", 0.0015), ("1_000", 1000.0), (".5", 0.5),
])
def test_a_number_is_taken_as_machines_write_it_too(text: str, usd: float) -> None:
    assert parse(f"cost: {{gpu_hour_usd: {{L4: {text}}}}}", "x").cost.gpu_hour_usd == {"L4": usd}


@pytest.mark.parametrize(("text", "address"), [
    ("0.0.0.0:80", ("0.0.0.0", 80)), (":9839", ("", 9839)), ("[::1]:0", ("::1", 0)),
    ("[fe80::1%eth0]:65535", ("fe80::1%eth0", 65535)),
    ("gpu-7.example.org:1", ("gpu-7.example.org", 1)),
])
def test_an_address_has_a_host_and_a_port(text: str, address: tuple[str, int]) -> None:
    assert split_address(text) == address


@pytest.mark.parametrize(("url", "name", "port"), [
    ("http://engine", "engine:80", 0),
    ("https://engine/metrics", "engine:443", 0),
    ("http://[::1]:8000/", "[::1]:8000", 8000),
    ("http://localhost:8000", "localhost:8000", 8000),
    ("https://127.0.0.1", "127.0.0.1:443", 443),
])
def test_a_target_without_a_name_is_called_by_host_and_port(url: str, name: str,
                                                            port: int) -> None:
    assert target_name(EngineTarget(url)) == name
    assert target_name(EngineTarget(url, "chat")) == "chat"
    assert local_port(EngineTarget(url)) == port


def uncommented(text: str) -> str:
    """With the keys that are commented out: "#" with no space behind it."""
    return re.sub(r"^( *)#(?=[^ \n])", r"\1", text, flags=re.MULTILINE)


def records(shape: type, value: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The keys a mapping of this shape may have, each with its value; all that is nested too."""
    assert isinstance(value, dict)
    hints = get_type_hints(shape)
    for field in dataclasses.fields(shape):
        inner = value.get(field.name)
        yield field.name, value
        for name in field.metadata.get("keys", ()):
            yield name, inner or {}
        if dataclasses.is_dataclass(hints[field.name]):
            yield from records(hints[field.name], inner or {})


def test_the_example_is_the_default_configuration() -> None:
    assert load(EXAMPLE) == Config()


def test_the_example_sets_every_key_that_has_a_default() -> None:
    raw = yaml.safe_load(EXAMPLE.read_text())
    default = dataclasses.asdict(Config())
    for section in SECTIONS:
        for key, value in default[section].items():
            if value not in ("", None, (), {}) and key != "monthly_usd":
                assert raw[section][key] == value, f"{section}.{key}"


def test_the_example_with_all_its_examples_sets_every_key() -> None:
    text = uncommented(EXAMPLE.read_text())
    config, raw = parse(text, "example"), yaml.safe_load(text)
    whole = dict(raw["fleet"]["models"]["meta-llama/Llama-3.1-8B-Instruct"])
    assert whole.keys() == {"budgets_usd", "limits"}
    missing = [key for key, there in records(Config, raw) if key not in there]
    assert missing == []
    targets = raw["engines"]["targets"]
    assert {key for target in targets for key in target} == {
        field.name for field in dataclasses.fields(EngineTarget)}
    assert set(config.fleet.limits) == set(LIMITS)
    assert config.cost.gpu_hour_usd


def test_each_key_commented_out_in_the_example_loads_by_itself() -> None:
    """What a reader does: remove one "#"."""
    lines = EXAMPLE.read_text().splitlines()
    nested = re.compile(r" +#(name|bearer_token|ca_file|insecure|budgets|limits|day|month|time_to)")
    for i, line in enumerate(lines):
        if uncommented(line) == line or (nested.match(line) and line.startswith("      ")):
            continue
        parse("\n".join([*lines[:i], uncommented(line), *lines[i + 1:]]), f"line {i + 1}")


def test_every_key_of_the_example_is_explained() -> None:
    """A key, or the first of several in a row, has a comment above it."""
    lines = EXAMPLE.read_text().splitlines()
    for i, line in enumerate(lines):
        if re.match(r"  [a-z_]+:", line):
            assert lines[i - 1].startswith("  # "), line


def test_the_shapes_are_what_the_reader_of_files_understands() -> None:
    """A field of a new kind would pass unchecked."""
    known = (str, bool, int, float)
    for shape in (EngineTarget, *SECTIONS.values()):
        for hint in get_type_hints(shape).values():
            assert hint in known or dataclasses.is_dataclass(hint) or get_origin(hint) is not None
            assert all(argument in (*known, type(None), Ellipsis)
                       or dataclasses.is_dataclass(argument) or get_origin(argument) is tuple
                       for argument in get_args(hint))


# check-config.


def checked(file: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return command("check-config", file, env=env)


def test_check_config_says_that_a_file_is_good() -> None:
    done = checked(EXAMPLE)
    assert (done.returncode, done.stdout, done.stderr) == (
        0, f"{EXAMPLE}: good (0 engine targets, 0 GPU prices)\n", "")


def test_check_config_names_the_mistake_in_one_line_and_exits_with_2() -> None:
    file = next(file for file in INVALID if file.stem == "invalid-unknown-key")
    done = checked(file)
    assert (done.returncode, done.stdout, done.stderr) == (
        2, "", f"inferometer: {file}: web.port: unknown key; known here are listen, config_file, "
               "enable_reload, enable_alert_log\n")


@pytest.mark.parametrize(("text", "why"), [
    ("web: {config_file: web.yml}",
     "web.config_file: {folder}/web.yml: cannot be read: No such file or directory"),
    ("web: {config_file: bad.yml}",
     "web.config_file: {folder}/bad.yml: tls_server: is not a known key"),
    ("engines: {targets: [{url: 'http://engine', bearer_token_file: token}]}",
     "engines.targets[0].bearer_token_file: {folder}/token: No such file or directory"),
    ("engines: {targets: [{url: 'http://engine', bearer_token_file: .}]}",
     "engines.targets[0].bearer_token_file: {folder}: Is a directory"),
    ("engines: {targets: [{url: 'http://a'}, {url: 'http://b', bearer_token_env: INFEROMETER_T}]}",
     "engines.targets[1].bearer_token_env: INFEROMETER_T is not set"),
    ("engines: {targets: [{url: 'https://engine', ca_file: ca.pem}]}",
     "engines.targets[0].ca_file: {folder}/ca.pem: No such file or directory"),
    ("engines: {targets: [{url: 'https://engine', ca_file: bad.yml}]}",
     "engines.targets[0].ca_file: {folder}/bad.yml: no usable certificate"),
])
def test_check_config_looks_for_what_the_file_names(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "inferometer.yml"
    file.write_text(text)
    (tmp_path / "bad.yml").write_text("tls_server: {}\n")
    done = checked(file)
    expected = f"inferometer: {file}: {why.format(folder=tmp_path)}\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", expected)


def test_check_config_is_content_when_all_it_names_is_there(tmp_path: Path) -> None:
    file = tmp_path / "inferometer.yml"
    file.write_text("web: {config_file: web.yml}\nengines:\n  targets:\n"
                    "    - {url: 'http://a', bearer_token_file: token}\n"
                    "    - {url: 'http://b', bearer_token_env: INFEROMETER_T}\n"
                    "cost: {gpu_hour_usd: {NVIDIA L4: 0.81}}\n")
    (tmp_path / "web.yml").write_text("rate_limit: {interval: 1s, burst: 5}\n")
    (tmp_path / "token").write_text("secret\n")
    done = command("check-config", os.path.relpath(file, "/"), env={"INFEROMETER_T": "x"},
                   cwd=Path("/"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("inferometer.yml: good (2 engine targets, 1 GPU prices)\n")


@pytest.mark.parametrize("arguments", [("run", "--config"), ("check-config",)])
def test_run_refuses_what_check_config_refuses(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    file = tmp_path / "inferometer.yml"
    file.write_text("gpu: {interval_seconds: 500ms}\n")
    done = command(*arguments, file)
    assert (done.returncode, done.stdout, done.stderr) == (
        2, "", f"inferometer: {file}: gpu.interval_seconds: must be a number, not '500ms'\n")

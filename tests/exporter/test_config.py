from __future__ import annotations

import dataclasses
import datetime
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

from inferometer.addresses import local_port, split_address
from inferometer.config import (
    LIMITS,
    BillRule,
    Config,
    ConfigError,
    DestinationEntry,
    EngineTarget,
    PriceEntry,
    WebSection,
    load,
    parse,
)
from inferometer.next_start import keep_until_next_start, next_start_keys
from tests.exporter.process import command

EXAMPLE = Path(__file__).parents[2] / "examples" / "inferometer.yml"
INVALID = sorted((Path(__file__).parent / "config").glob("invalid-*.yml"))

def test_there_is_a_file_for_what_can_be_wrong() -> None:
    assert len(INVALID) > 110


def test_no_more_than_twenty_mistakes_are_listed_and_the_rest_is_counted() -> None:
    prices = "".join(f"  GPU {i}: cheap\n" for i in range(25))
    with pytest.raises(ConfigError) as raised:
        parse("cost:\n gpu_hour_usd:\n" + prices, "x.yml")
    lines = str(raised.value).splitlines()
    assert lines[0] == ("x.yml:3: cost.gpu_hour_usd.GPU 0: must be an amount of USD, 0 or more, "
                        "not 'cheap'")
    assert lines[20:] == ["x.yml: has 5 more mistakes"]


def test_a_mistake_in_a_key_is_not_blamed_on_the_keys_beside_it() -> None:
    for text in ("gpu: {interval_seconds: 500ms, time_to_live_seconds: 0.5}",
                 "gpu: {enabled: 0, kubelet_socket: /kubelet.sock}",
                 "role: nod\ncost: {gpu_hour_usd: {}}\nfleet: {overhead_percent: 1}",
                 "engines: {targets: [{url: 1}, {url: 2}]}"):
        with pytest.raises(ConfigError) as raised:
            parse(text, "x.yml")
        assert all(": must be " in line for line in str(raised.value).splitlines())


def test_a_misspelt_key_is_answered_with_the_right_one() -> None:
    with pytest.raises(ConfigError, match=r"^x:1: gpu\.interval: is not a known key "
                                          r"\(did you mean interval_seconds\?\); known here are "):
        parse("gpu: {interval: 1}", "x")


@pytest.mark.parametrize("file", INVALID, ids=lambda file: file.stem)
def test_each_mistake_is_one_line_with_file_line_and_key(file: Path) -> None:
    """The file begins with these lines: "# expect: LINE: KEY: WHAT"."""
    lines = file.read_bytes().splitlines()
    expected = [line.decode().removeprefix("# expect: ") for line in lines
                if line.startswith(b"# expect: ")]
    with pytest.raises(ConfigError) as raised:
        load(file)
    assert str(raised.value).splitlines() == [f"{file}:{mistake}" for mistake in expected]
    assert all(line.isprintable() for line in str(raised.value).splitlines())
    assert expected


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
    assert str(raised.value) == f"{file}: cannot be read: {why}"


SECTIONS = {field.name: type(getattr(Config(), field.name)) for field in dataclasses.fields(Config)
            if dataclasses.is_dataclass(getattr(Config(), field.name))}
KEYS = sorted({field.name for shape in (Config, EngineTarget, PriceEntry, *SECTIONS.values())
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
                          for key in dataclasses.fields(EngineTarget)]
                       + ["prices: %s", "limits: %s", "limits: {call_cost_usd: %s}"]
                       + [f"prices: [{{model: m, {key.name}: %s}}]"
                          for key in dataclasses.fields(PriceEntry)]), DOCUMENTS)
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
    try:
        parse(text, "inferometer.yml")
    except ConfigError as error:
        lines = str(error).splitlines()
        assert lines == [line for line in lines if re.match(r"inferometer\.yml(:\d+)?: .", line)]
        assert all(line.isprintable() for line in lines), lines
        assert len(lines) <= 21


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
    assert EngineTarget(url).label == name
    assert EngineTarget(url, "chat").label == "chat"
    assert local_port(url) == port


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
        for name in field.metadata.get("constraints", ()):
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
                entry = raw[section][key]
                assert (tuple(entry) if isinstance(entry, list) else entry) == value, (
                    f"{section}.{key}")


def test_the_example_with_all_its_examples_sets_every_key() -> None:
    text = uncommented(EXAMPLE.read_text())
    config, raw = parse(text, "example"), yaml.safe_load(text)
    model = dict(raw["fleet"]["models"]["meta-llama/Llama-3.1-8B-Instruct"])
    assert model.keys() == {"budgets_usd", "limits"}
    missing = [key for key, given_keys in records(Config, raw) if key not in given_keys]
    assert missing == []
    targets = raw["engines"]["targets"]
    assert {key for target in targets for key in target} == {
        field.name for field in dataclasses.fields(EngineTarget)}
    assert {key for entry in raw["prices"] for key in entry} == {
        field.name for field in dataclasses.fields(PriceEntry)}
    assert {key for entry in raw["destinations"] for key in entry} == {
        field.name for field in dataclasses.fields(DestinationEntry)}
    assert set(config.fleet.limits) == set(LIMITS)
    assert config.cost.gpu_hour_usd
    assert {key for rule in raw["cost"]["bill"] for key in rule} == {
        field.name for field in dataclasses.fields(BillRule)}


def test_each_key_commented_out_in_the_example_loads_by_itself() -> None:
    """What a reader does: remove one "#"."""
    lines = EXAMPLE.read_text().splitlines()
    nested = re.compile(r" +#(name|model|entry_models|bearer_token|ca_file|insecure|budgets|limits"
                        r"|day|month|time_to)")
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


def comments_above_keys(text: str) -> dict[str, str]:
    """What is written above each key of the example, those commented out too, by its path."""
    comments: dict[str, str] = {}
    path: list[str] = []
    comment = ""
    for line in text.splitlines():
        if match := re.match(r"((?:  )*)#?([a-z_]+):", line):
            path = [*path[:len(match[1]) // 2], match[2]]
            comments[".".join(path)] = comment
            comment = ""
        else:
            comment = f"{comment} {line.strip().removeprefix('#').strip()}" if line else ""
    return comments


def test_the_example_says_of_each_key_whether_it_waits_for_the_next_start() -> None:
    comments = comments_above_keys(EXAMPLE.read_text())
    waiting = set(next_start_keys())
    documented = {key for key, comment in comments.items()
                  if "takes effect at the next start" in comment}
    assert waiting <= set(comments)
    assert waiting - documented == set(), (
        'write "A change takes effect at the next start." above these keys in '
        "examples/inferometer.yml, or take next_start off their fields in config/")
    assert documented - waiting == set(), (
        "set next_start=True on the fields of these keys in config/, or take the sentence "
        '"A change takes effect at the next start." from above them in examples/inferometer.yml')


def test_these_keys_wait_for_the_next_start() -> None:
    assert next_start_keys() == (
        "role", "web.listen", "web.enable_reload", "web.enable_alert_log", "gpu.enabled",
        "gpu.kubelet_socket", "intake.listen", "intake.grpc_listen", "feedback.listen",
        "ledger.path",
        "ledger.dsn_file", "ledger.gateway", "ledger.key_file", "ledger.outbox_max_bytes",
        "ledger.outbox_hours", "ledger.user_costs",
        "ledger.clickhouse.url", "ledger.clickhouse.database", "ledger.clickhouse.user",
        "ledger.clickhouse.password_file", "request_log.path", "judge.enabled", "judge.url",
        "judge.model", "judge.library", "judge.key_file", "judge.ca_file",
        "judge.evaluations", "judge.concurrency", "judge.timeout_seconds", "destinations")


@pytest.mark.parametrize(("text", "waiting"), [
    ("", ()),
    ("web: {listen: ':1', enable_alert_log: true}", ("web.listen", "web.enable_alert_log")),
    ("gpu: {enabled: false}", ("gpu.enabled",)),
    ("web: {enable_reload: true}\ngpu: {kubelet_socket: /k}",
     ("web.enable_reload", "gpu.kubelet_socket")),
])
def test_what_waits_for_the_next_start_is_kept_and_named(text: str,
                                                         waiting: tuple[str, ...]) -> None:
    assert keep_until_next_start(Config(), parse(text, "x")) == (Config(), waiting)


def test_what_does_not_wait_is_taken_beside_what_does() -> None:
    in_force = parse("web: {config_file: a.yml}\ngpu: {enabled: false}", "x")
    new = parse("web: {config_file: b.yml}\ngpu: {retry_seconds: 3}\n"
                "engines: {targets: [{url: 'http://a'}]}\nfleet: {monthly_usd: {other: 1}}", "x")
    kept, waiting = keep_until_next_start(in_force, new)
    assert waiting == ("gpu.enabled",)
    assert kept == dataclasses.replace(new, gpu=dataclasses.replace(new.gpu, enabled=False))


def test_with_another_role_its_sections_wait_too() -> None:
    in_force = parse("role: node\ncost: {gpu_hour_usd: {L4: 1}}", "x")
    new = parse("role: fleet\nfleet: {overhead_percent: 1}\n"
                "web: {config_file: b.yml, enable_reload: true}", "x")
    kept, waiting = keep_until_next_start(in_force, new)
    assert waiting == ("role", "web.enable_reload")
    assert kept == dataclasses.replace(in_force, web=WebSection(config_file="b.yml"))


def test_the_shapes_are_what_the_reader_of_files_understands() -> None:
    """A field of a new kind would pass unchecked."""
    scalars = (str, bool, int, float)
    for shape in (EngineTarget, PriceEntry, *SECTIONS.values()):
        for hint in get_type_hints(shape).values():
            assert hint in scalars or dataclasses.is_dataclass(hint) or get_origin(hint) is not None
            assert all(argument in (*scalars, datetime.date, type(None), Ellipsis)
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
        2, "", f"inferometer: {file}:3: web.port: is not a known key; known here are listen, "
               "config_file, enable_reload, enable_alert_log\n")


@pytest.mark.parametrize(("text", "why"), [
    ("web: {config_file: web.yml}",
     "web.config_file: {folder}/web.yml: cannot be read: No such file or directory"),
    ("web: {config_file: bad.yml}",
     "web.config_file: {folder}/bad.yml:1: tls_server: is not a known key (did you mean "
     "tls_server_config?); known here are tls_server_config, http_server_config, "
     "basic_auth_users, rate_limit"),
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
    expected = f"inferometer: {file}:1: {why.format(folder=tmp_path)}\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", expected)


def test_check_config_names_all_mistakes_at_once_those_beside_the_file_too(tmp_path: Path) -> None:
    file = tmp_path / "inferometer.yml"
    file.write_text("gpu: {interval_seconds: 0}\nweb: {config_file: web.yml}\nengines:\n"
                    "  targets:\n    - {url: 'http://a', bearer_token_env: INFEROMETER_NONE}\n"
                    "    - {url: 'https://b', ca_file: web.yml}\n    - {url: b}\n")
    users = "".join(f"  u{number}: secret\n" for number in range(25))
    (tmp_path / "web.yml").write_text(
        "tls_server_config: {client_auth_type: Foo, min_version: Foo}\n"
        f"basic_auth_users:\n{users}")
    done = checked(file)
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout, len(lines)) == (2, "", 21)
    assert lines[0].startswith(f"inferometer: {file}:1: gpu.interval_seconds: must be ")
    assert lines[1].startswith(f"inferometer: {file}:2: web.config_file: {tmp_path}/web.yml:1: ")
    assert lines[-1] == f"inferometer: {file}: has 11 more mistakes"
    assert any("INFEROMETER_NONE is not set" in line for line in lines)
    assert "secret" not in done.stderr


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
    file.write_text("gpu:\n  interval_seconds: 500ms\n  retry_second: 1\n")
    done = command(*arguments, file)
    assert (done.returncode, done.stdout, done.stderr) == (
        2, "",
        f"inferometer: {file}:2: gpu.interval_seconds: must be a number of seconds above 0 and at "
        "most 86400, not '500ms'\n"
        f"inferometer: {file}:3: gpu.retry_second: is not a known key (did you mean "
        "retry_seconds?); known here are enabled, interval_seconds, time_to_live_seconds, "
        "retry_seconds, kubelet_socket\n")

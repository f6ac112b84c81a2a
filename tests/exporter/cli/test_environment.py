"""Every flag may come from the environment: below the command line, above the file."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from inferometer import cli
from inferometer.cli.environment import FlagParser, strangers, variable
from inferometer.config import EngineTarget
from tests.exporter.process import command, messages, started
from tests.exporter.support import Engine, fixture, free_port, get, wait_for

pytestmark = pytest.mark.timeout(60)
# What a pod has beside a service called inferometer, by kubelets' envvars.go.
SERVICE = {
    "INFEROMETER_SERVICE_HOST": "10.0.0.1", "INFEROMETER_SERVICE_PORT": "9839",
    "INFEROMETER_SERVICE_PORT_METRICS": "9839", "INFEROMETER_PORT": "tcp://10.0.0.1:9839",
    "INFEROMETER_PORT_9839_TCP": "tcp://10.0.0.1:9839", "INFEROMETER_PORT_9839_TCP_PROTO": "tcp",
    "INFEROMETER_PORT_9839_TCP_PORT": "9839", "INFEROMETER_PORT_9839_TCP_ADDR": "10.0.0.1",
    "INFEROMETER_FLEET_SERVICE_HOST": "10.0.0.2", "INFEROMETER_FLEET_PORT": "tcp://10.0.0.2:9839",
}


def parsed(arguments: str, **environ: str) -> argparse.Namespace:
    return cli.make_parser(environ).parse_args(arguments.split())


def refused(capsys: pytest.CaptureFixture[str], arguments: str, **environ: str) -> str:
    with pytest.raises(SystemExit) as ended:
        parsed(arguments, **environ)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_a_flag_goes_before_its_variable_and_that_before_the_default() -> None:
    assert parsed("run").log_level == "info"
    assert parsed("run", INFEROMETER_LOG_LEVEL="error").log_level == "error"
    assert parsed("run --log-level debug", INFEROMETER_LOG_LEVEL="error").log_level == "debug"
    assert parsed("run --log-level info", INFEROMETER_LOG_LEVEL="error").log_level == "info"
    assert parsed("run --log-l debug", INFEROMETER_LOG_LEVEL="error").log_level == "debug"


def test_a_flag_that_may_be_repeated_has_its_values_with_spaces_between() -> None:
    two = [EngineTarget("http://a:1"), EngineTarget("http://b:1?x=1", "chat")]
    assert parsed("run", INFEROMETER_ENGINE=" http://a:1 chat=http://b:1?x=1\n").engine == two
    assert parsed("run --engine http://c", INFEROMETER_ENGINE="http://a:1").engine == [
        EngineTarget("http://c")]


@pytest.mark.parametrize(("text", "on"), [("true", True), ("1", True), ("YES", True), ("on", True),
                                          ("false", False), ("0", False), ("", False)])
def test_a_switch_is_true_or_false(text: str, on: bool) -> None:
    assert parsed("explain x", INFEROMETER_JSON=text).json is on
    assert parsed("explain --json x", INFEROMETER_JSON=text).json is True


def test_values_are_what_the_flags_would_make_of_them() -> None:
    options = parsed("run", INFEROMETER_CONFIG="a b.yml", INFEROMETER_LISTEN=":1",
                     INFEROMETER_ROLE="node")
    assert (options.config, options.listen, options.role) == (Path("a b.yml"), ":1", "node")
    assert parsed("explain x", INFEROMETER_TIMEOUT="2").timeout == 2.0


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert parsed("run", INFEROMETER_ROLE="", INFEROMETER_LISTEN="").listen is None


@pytest.mark.parametrize(("arguments", "name", "text", "why"), [
    ("run", "INFEROMETER_LISTEN", "9839", "'9839' is not HOST:PORT"),
    ("run", "INFEROMETER_ENGINE", "http://a b", "'b' is not an http:// or https:// URL"),
    ("run", "INFEROMETER_LOG_LEVEL", "loud", "'loud' is none of debug, info, warning, error"),
    ("run", "INFEROMETER_ROLE", "queen", "'queen' is none of sidecar, node, fleet, gateway"),
    ("explain x", "INFEROMETER_JSON", "maybe", "'maybe' is not true or false"),
    ("status", "INFEROMETER_TIMEOUT", "soon", "'soon' is not a number of seconds above 0"),
])
def test_a_value_that_cannot_be_names_its_variable(
        capsys: pytest.CaptureFixture[str], arguments: str, name: str, text: str,
        why: str) -> None:
    assert f"error: environment variable {name}: {why}" in refused(
        capsys, arguments, **{name: text})


def test_no_secret_of_a_variable_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert "s3cr3t" not in refused(capsys, "run", INFEROMETER_ENGINE="http://u:s3cr3t@engine")


def test_a_variable_of_another_command_is_neither_read_nor_strange() -> None:
    options = parsed("run", INFEROMETER_TIMEOUT="soon", INFEROMETER_PASSWORD_FILE="pw")
    assert strangers({"INFEROMETER_TIMEOUT": "soon"}, options.variables) == []


def test_a_flag_that_is_needed_may_come_from_the_environment() -> None:
    parser = FlagParser()
    parser.add_argument("--out", required=True)
    parser.environ = {"INFEROMETER_OUT": "here"}
    assert parser.parse_args([]).out == "here"


def test_what_kubernetes_sets_for_services_does_no_harm_and_is_not_told() -> None:
    assert strangers(SERVICE, parsed("run", **SERVICE).variables) == []
    parser = FlagParser()
    parser.add_argument("--port", type=int, default=0)
    parser.environ = SERVICE
    assert parser.parse_args([]).port == 0
    parser.environ = {"INFEROMETER_PORT": "9840"}
    assert parser.parse_args([]).port == 9840


def test_variables_that_nobody_reads_are_named_with_what_may_be_meant() -> None:
    readable = parsed("run").variables
    environ = {"INFEROMETER_LISTN": ":1", "INFEROMETER_XYZ": "", "INFEROMETER_MODEL": "m",
               "INFEROMETER_FOLDER": ".", "INFEROMETER_TOKEN_A": "t", "HOME": "/"}
    assert strangers(environ, readable, ["INFEROMETER_TOKEN_A"]) == [
        "INFEROMETER_LISTN (did you mean INFEROMETER_LISTEN?)", "INFEROMETER_XYZ"]


@pytest.mark.parametrize("verb", [verb.name for verb in cli.VERBS])
def test_the_help_of_every_command_names_the_variable_of_each_flag(
        verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(f"{verb} --help")
    text = capsys.readouterr().out
    (verbs,) = [action.choices for action in cli.make_parser()._actions
                if isinstance(action.choices, dict)]
    parser = verbs[verb]
    for name in filter(None, map(variable, parser._actions)):
        assert f"\n  {name} " in text


def test_an_exporter_is_configured_by_its_environment_alone(tmp_path: Path) -> None:
    file, port = tmp_path / "inferometer.yml", free_port()
    with (Engine(fixture("vllm/0.32.0/idle.prom")) as one,
          Engine(fixture("tgi/datadog/3.3.5.prom")) as other):
        file.write_text("gpu: {enabled: false}\nweb: {listen: '127.0.0.1:1'}\nengines: "
                        "{targets: [{url: 'http://127.0.0.1:1', name: of-the-file}]}\n")
        environ = {"INFEROMETER_CONFIG": str(file), "INFEROMETER_LISTEN": f"127.0.0.1:{port}",
                   "INFEROMETER_ENGINE": f"chat={one.url} {other.url}",
                   "INFEROMETER_LISTN": "x", "INFEROMETER_XYZ": "y", **SERVICE}
        with started(env=environ) as running:
            assert running.port == port
            wait_for(lambda: get(port, "/-/ready").status == 200)
            assert {series.labels["target"] for series in running.scrape().find("llm_server_up")
                    } == {"chat", other.name}
            (line,) = messages(running, "environment variables that nobody reads")
            assert line["names"] == ["INFEROMETER_LISTN (did you mean INFEROMETER_LISTEN?)",
                                     "INFEROMETER_XYZ"]


def test_check_config_tells_strange_variables_but_none_that_the_file_names(
        tmp_path: Path) -> None:
    file = tmp_path / "inferometer.yml"
    file.write_text("engines: {targets: [{url: 'http://a', bearer_token_env: INFEROMETER_T}]}\n")
    done = command("check-config", file, env={"INFEROMETER_T": "t", "INFEROMETER_ODD_ONE": "u"})
    assert (done.returncode, done.stderr) == (
        0, "inferometer: environment variables that nobody reads: INFEROMETER_ODD_ONE\n")


def test_a_command_without_a_file_tells_strange_variables_once(
        capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFEROMETER_PASSWORD_FLIE", "pw")
    for name, text in SERVICE.items():
        monkeypatch.setenv(name, text)
    assert cli.main(["completion", "bash"]) == 0
    assert capsys.readouterr().err == (
        "inferometer: environment variables that nobody reads: INFEROMETER_PASSWORD_FLIE (did you "
        "mean INFEROMETER_PASSWORD_FILE?)\n")

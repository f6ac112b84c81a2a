from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from inferometer import __version__, cli
from inferometer.cli.verbs import Verb
from inferometer.engines.discovery import USUAL_PORTS
from tests.exporter.process import ALONE, ANYWHERE, command, ready, started
from tests.exporter.support import Engine, exporter, fixture, free_port, send, wait_for

pytestmark = pytest.mark.timeout(60)

def test_help_says_what_there_is_to_do_and_the_exit_codes() -> None:
    done = command("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for words in ("run", "serve /metrics", "explain", "check-config",
                  "say whether a configuration file is good",
                  "Exit codes: 0 well, 1 failed, 2 wrong arguments or configuration"):
        assert words in " ".join(done.stdout.split())


def test_help_of_run_teaches_by_defaults_and_examples() -> None:
    done = command("run", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    help_text = " ".join(done.stdout.split())
    for words in ("--config FILE", "--listen HOST:PORT", "127.0.0.1:9839", "--engine [NAME=]URL",
                  "may be repeated", "wins over", "SIGHUP reads the configuration again",
                  "engines are looked for on the usual ports",
                  "inferometer run --engine http://127.0.0.1:8000 --listen 0.0.0.0:9839"):
        assert words in help_text


def test_every_example_in_the_help_is_understood() -> None:
    examples = re.findall(r"^  inferometer (run.*)$", command("run", "--help").stdout, re.MULTILINE)
    assert len(examples) == 3
    for example in examples:
        assert cli.make_parser().parse_args(example.split()).verb is cli.run.VERB


def test_help_of_check_config_names_the_file_and_the_exit_code() -> None:
    done = command("check-config", "--help")
    assert done.returncode == 0
    assert "FILE" in done.stdout
    assert "Exit codes: 0 it is good, 2 it is not" in done.stdout


def test_version_is_the_packages() -> None:
    done = command("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"inferometer {__version__}\n", "")
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


@pytest.mark.parametrize(("arguments", "why"), [
    ([], "the following arguments are required: COMMAND"),
    (["serve"], "invalid choice: 'serve'"),
    (["run", "--port", "9839"], "unrecognized arguments: --port 9839"),
    (["run", "inferometer.yml"], "unrecognized arguments: inferometer.yml"),
    (["run", "--listen", "9839"], "argument --listen: '9839' is not HOST:PORT"),
    (["run", "--listen", "127.0.0.1:65536"], "argument --listen: '127.0.0.1:65536' is not HOST"),
    (["run", "--engine", "127.0.0.1:8000"],
     "argument --engine: '127.0.0.1:8000' is not an http:// or https:// URL"),
    (["run", "--engine", "http://user:pw@engine"], "URL without user, password"),
    (["run", "--log-level", "loud"], "argument --log-level: invalid choice: 'loud'"),
    (["check-config"], "the following arguments are required: FILE"),
])
def test_wrong_arguments_are_explained_and_exit_with_2(
        arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    captured = capsys.readouterr()
    assert (ended.value.code, captured.out) == (2, "")
    assert why in captured.err
    assert captured.err.startswith("usage: inferometer")


def test_the_process_exits_with_2_too() -> None:
    assert command("run", "--listen", "nowhere").returncode == 2


def test_a_missing_configuration_file_is_named(tmp_path: Path) -> None:
    done = command("run", "--config", tmp_path / "none.yml")
    assert (done.returncode, done.stdout, done.stderr) == (
        2, "", f"inferometer: {tmp_path}/none.yml: cannot be read: No such file or directory\n")


def test_two_engines_of_one_name_on_the_command_line_are_refused() -> None:
    done = command("run", *ANYWHERE, "--engine", "http://127.0.0.1:1", "--engine",
                   "http://127.0.0.1:1/metrics")
    assert (done.returncode, done.stdout, done.stderr) == (
        2, "", "inferometer: command line: engines.targets[1]: has the name '127.0.0.1:1', as "
               "engines.targets[0] has; give it another name\n")


def test_flags_override_the_file(tmp_path: Path) -> None:
    config = tmp_path / "inferometer.yml"
    config.write_text("web: {listen: '127.0.0.1:1'}\ngpu: {enabled: false}\n"
                      "engines: {targets: [{url: 'http://127.0.0.1:1', name: of-the-file}]}\n")
    with (Engine(fixture("vllm/0.32.0/idle.prom")) as one,
          Engine(fixture("tgi/datadog/3.3.5.prom")) as other,
          exporter("--engine", one.url, "--engine", other.url, config=config) as running):
        page = running.scrape()
        assert {s.labels["target"]: s.value for s in page.find("llm_server_up")} == {
            one.name: 1.0, other.name: 1.0}
        assert page.find("inferometer_collector_success", collector="gpu") == []  # of the file


def test_with_nothing_to_find_it_says_where_it_serves_and_what_it_looks_for(tmp_path: Path) -> None:
    config, nobody = tmp_path / "inferometer.yml", free_port()
    config.write_text(f"gpu: {{enabled: false}}\nengines: {{discover_ports: [{nobody}]}}\n")
    with started(*ANYWHERE, "--config", config) as running:
        wait_for(lambda: len(running.printed) == 5)
        assert running.printed == [
            f"Inferometer {__version__}\n",
            f"  metrics  http://127.0.0.1:{running.port}/metrics\n",
            f"  page     http://127.0.0.1:{running.port}/  for a person\n",
            "  GPUs     switched off by gpu.enabled\n",
            f"  engines  none found; looking on 127.0.0.1, ports {nobody}, every 10 s\n",
        ]
        page = ready(running).scrape()
        assert page.value("inferometer_build_info", version=__version__) == 1.0
        assert page.find("llm_server_up") == []
        assert running.process.poll() is None


def test_without_a_driver_it_says_so_and_when_it_looks_again(tmp_path: Path) -> None:
    config = tmp_path / "inferometer.yml"
    config.write_text("gpu: {retry_seconds: 30}\nengines: {discover_ports: []}\n")
    (tmp_path / "libnvidia-ml.so.1").write_text("not a library")  # found before a real one
    with started(*ANYWHERE, "--config", config, env={"LD_LIBRARY_PATH": str(tmp_path)}) as running:
        wait_for(lambda: len(running.printed) == 4)
        assert running.printed[3].startswith("  GPUs     no driver: ")
        assert running.printed[3].endswith("; looking again every 30 s\n")
        assert ready(running).scrape().value("inferometer_collector_success",
                                             collector="gpu") == 1.0


def test_engines_that_are_found_or_given_are_listed(tmp_path: Path) -> None:
    config = tmp_path / "inferometer.yml"
    with Engine(fixture("vllm/0.32.0/idle.prom")) as engine:
        config.write_text("gpu: {enabled: false}\nengines:\n"
                          f"  discover_ports: [{engine.port}]\n"
                          "  targets: [{url: 'http://127.0.0.1:1/page', name: chat}]\n")
        with started(*ANYWHERE, "--config", config) as running:
            wait_for(lambda: len(running.printed) == 7)
            assert running.printed[4:] == [
                "  engine   chat  http://127.0.0.1:1/page\n",
                f"  engine   {engine.name}  {engine.url}/metrics\n",
                f"  engines  looking on 127.0.0.1, ports {engine.port}, every 10 s\n",
            ]


def test_the_usual_ports_are_looked_at_when_nothing_is_configured() -> None:
    with started(*ANYWHERE) as running:
        wait_for(lambda: running.printed[-1].startswith("  engines  "), 15)
        assert running.printed[-1].endswith(
            f"looking on 127.0.0.1, ports {', '.join(map(str, USUAL_PORTS))}, every 10 s\n")


def test_logs_are_json_on_standard_error_and_tell_changes_only(tmp_path: Path) -> None:
    config = tmp_path / "inferometer.yml"
    with Engine(fixture("vllm/0.32.0/idle.prom")) as engine:
        config.write_text("gpu: {enabled: false}\n"
                          f"engines: {{targets: [{{url: '{engine.url}', name: 'chät'}}]}}\n")
        with started(*ANYWHERE, "--config", config) as running:
            for _ in range(5):
                running.scrape()
            engine.serve(lambda handler: send(handler, "busy", 503))
            for _ in range(5):
                running.scrape()
            wait_for(lambda: len(running.lines) >= 4)
            logged = [(line["level"], line["message"]) for line in running.logged()
                      if line.get("collector", "engines") == "engines"]
            assert sorted(logged) == [
                ("info", "collector works"), ("info", "engine answers"),
                ("warning", "engine does not answer")]
            for line in running.lines:
                assert list(json.loads(line))[:3] == ["time", "level", "message"]
                assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$",
                                json.loads(line)["time"])
            assert {line["target"] for line in running.logged() if "target" in line} == {"chät"}


def test_the_log_level_leaves_out_what_is_below(tmp_path: Path) -> None:
    config = tmp_path / "inferometer.yml"
    config.write_text(ALONE)
    with started(*ANYWHERE, "--config", config, "--log-level", "error") as running:
        running.scrape()
        assert running.stop() == 0
        assert running.lines == []


def test_an_engine_may_be_named_on_the_command_line() -> None:
    with Engine(fixture("llama_cpp/0.6.0/after.prom")) as engine:
        engine.paths["/metrics?model=b"] = fixture("llama_cpp/0.6.0/idle.prom")
        urls = (f"first={engine.url}", "--engine", f"{engine.url}/metrics?model=b")
        with exporter("--engine", *urls) as running:
            page = running.scrape()
    assert page.value("llm_server_up", target="first") == 1
    assert page.value("llm_server_up", target=engine.name, model="b") == 1


@pytest.mark.parametrize("verb", cli.VERBS, ids=lambda verb: verb.name)
def test_the_help_of_every_command_teaches(
        verb: Verb, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([verb.name, "--help"])
    text = re.sub(r"\\\n\s*", "", capsys.readouterr().out)  # lines that go on
    for words in (verb.description, "\nExamples:\n", "\nExit codes: 0 "):
        assert words in text
    examples = [line.rpartition("| ")[2] if line.startswith("  curl") or "ssh" in line else line
                for line in text.partition("\nExamples:\n")[2].partition("\n\n")[0].splitlines()]
    assert examples
    for example in examples:
        line = re.split(r" (\||>|&&) |\)", example.replace("source <(", ""))[0]
        program, *arguments = shlex.split(line)
        assert program == "inferometer", example
        assert cli.make_parser().parse_args(arguments).verb is verb

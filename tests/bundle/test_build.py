"""What the build writes, what it finds stale, and that Prometheus and Alertmanager take it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts.model import ENGINE, SATURATION, Alert
from dashboards import replicas
from deploy.build.bundle import Bundle, assemble
from deploy.build.command import GENERATED, main
from deploy.build.files import differences, render
from deploy.build.writers import alerts
from inferometer import catalogue as c
from inferometer.bundle.folder import ORIGIN, write
from inferometer.bundle.options import Options
from recording_rules.promql import MODEL, by
from tests.bundle.promtool import SCRAPE, TOOLS, VERSIONS, check, series
from tests.bundle.running import alertmanager, asked, evaluated, prometheus
from tests.exporter.support import Engine, exporter, fixture, get, wait_for

ROOT = Path(__file__).parents[2]
BUNDLE = assemble()
MADE = render(BUNDLE, Options())
FASTER = 60
BOARDS = [path for path in MADE if path.startswith("dashboards/")]


def build_in_a_process(folder: Path, seed: str, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.build", "--folder", folder, *flags], cwd=ROOT, text=True,
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": "exporter"}, capture_output=True,
        check=False, timeout=60)


def run(*command: str | Path) -> str:
    process = subprocess.run([*command], capture_output=True, text=True, check=False, timeout=60)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def folder_of(tmp_path: Path, options: Options) -> Path:
    write(render(BUNDLE, options), tmp_path / "made")
    return tmp_path / "made"


# Written, and found to be stale.


def test_what_is_committed_is_what_the_definitions_give() -> None:
    assert differences(MADE, GENERATED) == [], "run `make bundle` and commit what it writes"


def test_a_second_build_gives_the_same_bytes_whatever_the_order_of_sets(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        process = build_in_a_process(tmp_path / seed, seed)
        assert process.returncode == 0, process.stderr
        assert differences(MADE, tmp_path / seed) == []


def test_a_check_names_what_is_missing_extra_and_different(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, Options())
    assert build_in_a_process(folder, "1", "--check").returncode == 0
    (folder / BOARDS[0]).unlink()
    (folder / "notes.txt").write_text("mine")
    (folder / "metrics.md").write_text("# Other\n")
    process = build_in_a_process(folder, "1", "--check")
    assert process.returncode == 1
    assert process.stderr.splitlines() == [
        "different: metrics.md", "extra: notes.txt", f"missing: {BOARDS[0]}",
        f"{folder} is stale: run the same command without --check"]
    assert (folder / "notes.txt").exists()


def test_a_check_says_how_to_freshen_what_is_committed(
        capsys: pytest.CaptureFixture[str]) -> None:
    def changed() -> Bundle:
        uid = Path(BOARDS[0]).stem
        boards = {**BUNDLE.boards, uid: {**BUNDLE.boards[uid], "title": "Other"}}
        return replace(BUNDLE, boards=boards)

    assert main(["--check"], changed) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "deploy/generated is stale: run `make bundle` and commit what it writes")


def test_a_build_leaves_nothing_of_an_earlier_one(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, Options())
    (folder / "dashboards" / "inferometer-gone.json").write_text("{}")
    write(MADE, folder)
    assert differences(MADE, folder) == []


def test_a_folder_that_it_did_not_make_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="left as it is"):
        write(MADE, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(("faster", "reason"), [
    ("7", "--faster 7: 4m cannot be divided by 7"), ("0", "--faster 0 must be 1 or more"),
    ("-1", "--faster -1 must be 1 or more")])
def test_durations_that_do_not_come_out_even_are_refused(
        faster: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--folder", str(tmp_path / "made"), "--faster", faster]) == 1
    assert capsys.readouterr().err == f"{reason}\n"


def test_a_folder_that_cannot_be_read_costs_one_line(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["--folder", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err == f"{tmp_path}/file: Not a directory\n"


def test_nothing_is_written_of_what_is_not_proven(tmp_path: Path,
                                                  capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> Bundle:
        return replace(BUNDLE, runbook="")

    assert main(["--folder", str(tmp_path / "made")], broken) == 1
    assert "has no heading in the runbook" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def nested(value: Any, key: str) -> Iterator[Any]:
    """Every value under that key, however deep in objects."""
    if isinstance(value, dict):
        yield from (value[key],) if key in value else ()
        for inner in value.values():
            yield from nested(inner, key)


def test_every_file_says_where_it_comes_from_or_cannot() -> None:
    for path, text in MADE.items():
        if path.startswith("dashboards/"):
            assert json.loads(text)["uid"] == Path(path).stem  # JSON has no comments
        elif path.endswith(".json"):
            assert [*nested(json.loads(text), "_meta")] == [{"description": ORIGIN}], path
        elif not path.endswith(".ndjson"):
            assert ORIGIN in text.splitlines()[0], path


# Derived of an alert.


def test_an_alert_is_complete() -> None:
    groups = yaml.safe_load(MADE["prometheus/alerts.rules.yml"])["groups"]
    written = [alert for group in groups for alert in group["rules"]]
    assert len(written) == len([*BUNDLE.alerts]) > 30
    for alert in written:
        assert [*alert] == ["alert", "expr", "for", "keep_firing_for", "labels", "annotations"]
        assert [*alert["labels"]][:3] == ["severity", "subject", "team"]
        assert [*alert["annotations"]] == ["summary", "description", "runbook_url",
                                           "dashboard_url"]
        heading = alert["annotations"]["runbook_url"].partition("/runbook.md#")[2]
        assert heading == alert["alert"].lower()
        assert f"\n## {alert['alert']}\n" in BUNDLE.runbook


@pytest.mark.parametrize("version", VERSIONS)
def test_its_link_opens_the_board_on_what_it_is_about(version: str, tmp_path: Path) -> None:
    waiting = Alert("LLMQueueLong", SATURATION, "warning",
                    f"sum {by(MODEL)} ({c.SERVER_WAITING.name}) > 3", "Many wait.",
                    "{{ $value }} wait.", "latency")
    board = {"uid": "inferometer-latency", "templating": {"list": [
        {"name": name} for name in ("datasource", "cluster", "engine", "model", "node")]
        + [{"name": "namespace", "hide": 2}]}}
    options = Options(runbook_url="https://books.example", grafana_url="https://grafana.example")
    group = replace(BUNDLE.alert_groups[0], alerts=(waiting,))
    document = alerts.document([group], {"inferometer-latency": board}, options)
    link = ("https://grafana.example/d/inferometer-latency"
            "?var-cluster=east&var-engine=vllm&var-model=a%2Fb+c%26d")
    check(version, tmp_path, document["groups"], [{
        "interval": "1m",
        "input_series": [series(c.SERVER_WAITING, "9x15", target="t", engine="vllm",
                                model="a/b c&d")],
        "alert_rule_test": [{"eval_time": "11m", "alertname": "LLMQueueLong", "exp_alerts": [{
            "exp_labels": {"cluster": SCRAPE["cluster"], "namespace": SCRAPE["namespace"],
                           "engine": "vllm", "model": "a/b c&d", "severity": "warning",
                           "subject": "saturation", "team": "serving"},
            "exp_annotations": {
                "summary": "Many wait.", "description": "9 wait.",
                "runbook_url": "https://books.example/runbook.md#llmqueuelong",
                "dashboard_url": link}}]}],
    }])


def test_an_alert_about_a_replica_opens_what_compares_it_with_the_others() -> None:
    links = {(alert, link["alert"]): link["annotations"]["dashboard_url"]
             for alert, link in zip(BUNDLE.alerts, (
                 rule for group in yaml.safe_load(MADE["prometheus/alerts.rules.yml"])["groups"]
                 for rule in group["rules"]), strict=True)}
    opened = 0
    for (alert, _), link in links.items():
        _, _, choice = link.partition("?")
        shown = dict(part.split("=") for part in choice.split("&")) if choice else {}
        if alert.subject is not ENGINE:
            assert "viewPanel" not in shown, alert
            continue
        opened += 1
        assert shown["var-model"] == "{{$labels.model|urlquery}}"
        assert shown["var-pod"] == "{{$labels.pod|urlquery}}"
        row = next(panel for panel in BUNDLE.boards[f"inferometer-{alert.board}"]["panels"]
                   if panel["title"] == replicas.TITLE)
        first = row["panels"][0]
        assert row["collapsed"]
        assert int(shown["viewPanel"]) == first["id"]
        assert first["title"].endswith("by replica")
    assert opened > 1


def test_where_notifications_go_is_chosen_by_flags(tmp_path: Path) -> None:
    process = build_in_a_process(
        tmp_path, "0", "--slack-channel", "#gpus", "--secrets", "/run/keys",
        "--alert-log", "http://fleet.example:9839/v1/alerts")
    assert process.returncode == 0, process.stderr
    text = (tmp_path / "alertmanager/alertmanager.yml").read_text()
    assert "channel: '#gpus'" in text
    assert "url: http://fleet.example:9839/v1/alerts" in text
    assert "/etc/alertmanager/secrets" not in text
    composed = (tmp_path / "compose/alertmanager.yml").read_text()
    assert "channel: '#gpus'" in composed
    assert "_file: /etc/alertmanager/secrets/" in composed  # where Compose mounts them
    assert "url: http://inferometer:9839/v1/alerts" in composed


@pytest.mark.parametrize("image", ["inferometer:1", "here.example:5000/a/b:1", "a@sha256:0"])
def test_an_image_with_a_tag_is_refused(image: str, tmp_path: Path) -> None:
    process = build_in_a_process(tmp_path, "0", "--image", image)
    assert process.returncode == 1
    assert process.stderr.splitlines() == [
        f"--image {image!r} must be the name of an image without a tag, which is the version"]


# Taken by the programs it is for.


@pytest.mark.parametrize("faster", [1, FASTER])
@pytest.mark.parametrize("version", VERSIONS)
def test_promtool_finds_no_fault(version: str, faster: int, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, Options(faster=faster)) / "prometheus"
    tool = TOOLS / f"promtool-{version}" / "promtool"
    run(tool, "check", "rules", "--lint=all", "--lint-fatal", folder / "recording.rules.yml",
        folder / "alerts.rules.yml")
    output = run(tool, "check", "config", "--lint=all", "--lint-fatal", folder / "prometheus.yml")
    assert "2 rule files found" in output


@pytest.mark.parametrize("faster", [1, FASTER])
@pytest.mark.parametrize("version", VERSIONS)
def test_amtool_takes_the_routing(version: str, faster: int, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, Options(faster=faster))
    output = run(TOOLS / f"amtool-{version}" / "amtool", "check-config",
                 folder / "alertmanager" / "alertmanager.yml")
    assert "SUCCESS" in output


@pytest.mark.parametrize("version", VERSIONS)
def test_a_real_alertmanager_starts_with_the_routing(version: str, tmp_path: Path) -> None:
    config = folder_of(tmp_path, Options()) / "alertmanager" / "alertmanager.yml"
    with alertmanager(version, config, tmp_path) as port:
        loaded = yaml.safe_load(json.loads(get(port, "/api/v2/status").body)["config"]["original"])
    given = yaml.safe_load(config.read_text())
    assert [receiver["name"] for receiver in loaded["receivers"]] == [
        receiver["name"] for receiver in given["receivers"]]
    assert len(loaded["inhibit_rules"]) == len(given["inhibit_rules"])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_real_prometheus_scrapes_with_it_and_evaluates_every_rule(
        version: str, tmp_path: Path) -> None:
    with Engine(fixture("vllm/0.32.0/busy.prom")) as engine, exporter(
            "--engine", engine.url) as running:
        options = Options(faster=FASTER, exporters=f"127.0.0.1:{running.port}", cluster="east")
        config = folder_of(tmp_path, options) / "prometheus" / "prometheus.yml"
        with prometheus(version, config, tmp_path) as port:
            rules = evaluated(port)
            assert [rule for rule in rules if rule["health"] != "ok"] == []
            assert len(rules) == len([*BUNDLE.rules]) + len([*BUNDLE.alerts])

            def read() -> Any:
                return asked(port, "query?query=model:llm_server_up:sum")["result"]

            labels = wait_for(read, 20, every=0.5)[0]["metric"]
            assert labels == {"__name__": "model:llm_server_up:sum", "cluster": "east",
                              "namespace": "default", "engine": "vllm", "model": "tiny"}
            up = asked(port, "query?query=up{job='inferometer'}".replace("'", "%22"))["result"]
            assert up[0]["metric"]["node"] == "127.0.0.1"

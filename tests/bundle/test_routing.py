"""Who is told of what: judged by amtool and amlint, and by a real Alertmanager."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

import alerts
from alerts import cost, engines, errors, exporter, gpu, latency, saturation, unit_costs
from alerts.degraded import COVERS, SERVICE_DEGRADED
from alerts.model import SEVERITIES, TEAMS, Alert
from alerts.routing import (
    DEAD_MANS_SWITCH,
    FINANCE,
    TIERS,
    UNROUTED,
    configuration,
)
from inferometer.bundle import Addresses, Options, render
from inferometer.bundle.options import ALERT_LOG
from tests.bundle.alert_cases import alert_documents, labels
from tests.bundle.promtool import TOOLS, VERSIONS
from tests.exporter.process import ALONE, ANYWHERE, messages, started
from tests.exporter.support import free_port, wait_for

pytestmark = pytest.mark.timeout(90)
Labels = Mapping[str, str]

ALL = {"cluster": "east", "namespace": "chat", "engine": "vllm", "model": "tiny", "node": "n1",
       "uuid": "GPU-1", "instance": "10.0.0.1:9839", "target": "a", "period": "month"}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("routing") / "alertmanager.yml"
    file.write_text(yaml.safe_dump(configuration()))
    return file


def amtool(version: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOOLS / f"amtool-{version}" / "amtool", *map(str, arguments)],
                          capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize("version", VERSIONS)
def test_alertmanager_takes_the_configuration(file: Path, version: str) -> None:
    done = amtool(version, "check-config", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_amlint_finds_nothing_and_no_alert_that_has_no_route(file: Path) -> None:
    rules = file.with_name("alerts.yml")
    rules.write_text(json.dumps({"groups": alert_documents(alerts.ALERT_GROUPS)}))
    done = subprocess.run([Path(sys.executable).with_name("amlint"), "check", "--strict",
                           "--rules", rules, file],
                          capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "No issues found" in done.stdout) == (0, True), done.stdout


def receivers_of(severity: str, team: str) -> str:
    """Money is read by its own people, whoever it pages."""
    usual = TIERS[severity][0]
    if team != FINANCE or severity == "info":
        return usual
    return f"{FINANCE},{usual}" if severity == "critical" else FINANCE


@pytest.mark.parametrize("version", VERSIONS)
def test_every_severity_of_every_team_has_its_receiver(file: Path, version: str) -> None:
    for severity in SEVERITIES:
        for team in TEAMS:
            done = amtool(version, "config", "routes", "test", f"--config.file={file}",
                          f"--verify.receivers={receivers_of(severity, team)}",
                          f"severity={severity}", f"team={team}", "alertname=Any")
            assert done.returncode == 0, (severity, team, done.stdout)


def test_money_is_repeated_once_a_day_whomever_it_reaches() -> None:
    tiers = [route for route in configuration()["route"]["routes"] if "routes" in route]
    repeats = {(tier["matchers"][0], route["receiver"]):
               route.get("repeat_interval", tier["repeat_interval"])
               for tier in tiers for route in tier["routes"]
               if route["matchers"] == [f'team="{FINANCE}"']}
    assert repeats == {('severity="critical"', FINANCE): "1d",
                       ('severity="critical"', TIERS["critical"][0]): "1d",
                       ('severity="warning"', FINANCE): "1d",
                       ('severity="info"', TIERS["info"][0]): "1d"}


@pytest.mark.parametrize(("chosen", "receiver"), [
    ({"alertname": "Watchdog", "severity": "info", "team": "observability"}, DEAD_MANS_SWITCH),
    ({"alertname": "Others"}, UNROUTED),
    ({"alertname": "Others", "severity": "page"}, UNROUTED),
    ({"alertname": "Others", "severity": "critical", "team": "nobody"}, TIERS["critical"][0]),
])
@pytest.mark.parametrize("version", VERSIONS)
def test_the_watchdog_and_what_is_not_ours_have_a_receiver(
        file: Path, version: str, chosen: Labels, receiver: str) -> None:
    done = amtool(version, "config", "routes", "test", f"--config.file={file}",
                  f"--verify.receivers={receiver}", *(f"{k}={v}" for k, v in chosen.items()))
    assert done.returncode == 0, done.stdout


def test_no_secret_is_written_down() -> None:
    def keys(value: object) -> Iterator[tuple[str, object]]:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                yield key, inner
                yield from keys(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from keys(inner)

    secret = {"routing_key", "service_key", "api_url", "smtp_auth_password", "auth_password",
              "password", "credentials", "bearer_token"}
    settings = dict(keys(configuration(Addresses(secrets="/run/secrets"))))
    assert not secret & settings.keys()
    files = {value for key, value in settings.items() if key.endswith("_file")}
    assert len(files) == 4
    assert all(str(value).startswith("/run/secrets/") for value in files)


def test_every_receiver_but_the_dead_mans_switch_learns_when_it_is_over() -> None:
    for receiver in configuration()["receivers"]:
        for integrations in receiver.values():
            for integration in integrations if isinstance(integrations, list) else ():
                assert integration["send_resolved"] == (receiver["name"] != DEAD_MANS_SWITCH)


def test_every_cover_and_its_parts_share_more_than_their_cluster() -> None:
    """But for all exporters of a cluster: that they are gone is about no single thing in it."""
    assert all(set(cover.subject.scope) & set(part.subject.scope) > {"cluster"}
               for cover, parts in COVERS.items() for part in parts
               if cover is not exporter.GONE)


class Alertmanager:
    """A real one that has no one to tell."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v2/alerts"

    def post(self, alerts: Sequence[Labels]) -> None:
        body = json.dumps([{"labels": one} for one in alerts]).encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=10).close()

    def silent(self, alerts: Sequence[Labels], expected: Sequence[bool]) -> list[bool | None]:
        """Whether others silence each, None if it is not known: as expected, or after seconds."""
        until = time.monotonic() + 10
        while True:
            inhibited = {frozenset(alert["labels"].items()): bool(alert["status"]["inhibitedBy"])
                         for alert in self._all()}
            silenced = [inhibited.get(frozenset(one.items())) for one in alerts]
            if silenced == [*expected] or time.monotonic() > until:
                return silenced
            time.sleep(0.2)

    def answers(self) -> bool:
        try:
            self._all()
        except OSError:
            return False
        return True

    def _all(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(self._url, timeout=10) as answer:
            alerts: list[dict[str, Any]] = json.load(answer)
            return alerts


@pytest.fixture(scope="module", params=VERSIONS)
def alertmanager(request: pytest.FixtureRequest, file: Path,
                 tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    with running(request.param, deaf(file), tmp_path_factory.mktemp("data")) as alertmanager:
        yield alertmanager


@contextlib.contextmanager
def running(version: str, file: Path, data: Path) -> Iterator[Alertmanager]:
    port = free_port()
    process = subprocess.Popen(
        [TOOLS / f"alertmanager-{version}" / "alertmanager", f"--config.file={file}",
         f"--storage.path={data}", f"--web.listen-address=127.0.0.1:{port}",
         "--cluster.listen-address="],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    alertmanager = Alertmanager(port)
    try:
        wait_for(lambda: alertmanager.answers() or process.poll() is not None)
        assert process.poll() is None, process.stderr and process.stderr.read()
        yield alertmanager
    finally:
        process.kill()
        process.communicate()


def deaf(file: Path) -> Path:
    """The same routes and inhibitions, to receivers that tell nobody."""
    config = yaml.safe_load(file.read_text())
    config["receivers"] = [{"name": receiver["name"]} for receiver in config["receivers"]]
    quiet = file.with_name("deaf.yml")
    quiet.write_text(yaml.safe_dump(config))
    return quiet


def firing(alert: Alert, case: str, **changed: str) -> Labels:
    """As Prometheus sends it. A cluster of its own keeps each case to itself; "" is no label."""
    scope = {name: ALL[name] for name in alert.subject.scope if name in ALL}
    every = {"alertname": alert.name, **labels(alert), **scope, "cluster": case, **changed}
    return {name: value for name, value in every.items() if value}


# The first alert fires; whether the second is silent then, with these labels of it changed.
INHIBITIONS = (
    ("a critical one silences the warning on the same", latency.FIRST_TOKEN_VERY_SLOW,
     latency.FIRST_TOKEN_SLOW, {}, True),
    ("not another of the same subject, which is the cause", latency.FIRST_TOKEN_VERY_SLOW,
     latency.QUEUE_LONG, {}, False),
    ("nor the invalid requests beside errors", errors.BUDGET_BURNING_1H, errors.REQUESTS_INVALID,
     {}, False),
    ("not itself", latency.FIRST_TOKEN_VERY_SLOW, latency.FIRST_TOKEN_VERY_SLOW,
     {"pod": "another"}, False),
    ("one engine's restarts leave another's alone", engines.ENGINE_RESTARTING_ALONE,
     engines.ENGINE_RESTARTING, {"instance": "10.0.0.2:9839"}, False),
    ("not of another model", latency.FIRST_TOKEN_VERY_SLOW, latency.FIRST_TOKEN_SLOW,
     {"model": "large"}, False),
    ("not of the same model elsewhere", latency.FIRST_TOKEN_VERY_SLOW, latency.FIRST_TOKEN_SLOW,
     {"namespace": "other"}, False),
    ("not of another engine", latency.FIRST_TOKEN_VERY_SLOW, latency.FIRST_TOKEN_SLOW,
     {"engine": "tgi"}, False),
    ("not of a model without a name", latency.FIRST_TOKEN_VERY_SLOW, latency.FIRST_TOKEN_SLOW,
     {"model": ""}, False),
    ("nor what is critical of another kind", latency.FIRST_TOKEN_VERY_SLOW,
     errors.BUDGET_BURNING_1H, {}, False),
    ("nor warnings of another subject", latency.FIRST_TOKEN_VERY_SLOW, errors.REQUESTS_FAILING, {},
     False),
    ("a model's latency leaves its budget alone", latency.FIRST_TOKEN_VERY_SLOW,
     cost.MODEL_NEARLY_USED, {}, False),
    ("and its cost", latency.FIRST_TOKEN_VERY_SLOW, unit_costs.MODEL_REQUEST_DEAR, {}, False),
    ("an XID leaves the GPU's loss alone", gpu.XID_DRAIN, gpu.LOST, {}, False),
    ("and its heat", gpu.XID_DRAIN, gpu.HELD_DOWN, {}, False),
    ("and its memory error", gpu.XID_DRAIN, gpu.MEMORY_ERROR, {}, False),
    ("a warning silences nothing", gpu.LOST, gpu.XID_APPLICATION, {}, False),
    ("a spent budget silences that it was nearly spent", cost.EXCEEDED, cost.NEARLY_USED, {}, True),
    ("and its forecast", cost.EXCEEDED, cost.FORECAST, {}, True),
    ("not another period's", cost.EXCEEDED, cost.NEARLY_USED, {"period": "day"}, False),
    ("nor a model's", cost.EXCEEDED, cost.MODEL_NEARLY_USED, {}, False),
    ("nor what the day costs", cost.EXCEEDED, cost.DAILY, {}, False),
    ("a model's budget is its own", cost.MODEL_EXCEEDED, cost.MODEL_NEARLY_USED,
     {"model": "large"}, False),
    ("all exporters gone silence that a model is", exporter.GONE, engines.MODEL_DOWN, {}, True),
    ("not in another cluster", exporter.GONE, engines.MODEL_DOWN, {"cluster": "far"}, False),
    ("nor a model's latency", exporter.GONE, latency.FIRST_TOKEN_VERY_SLOW, {}, False),
    ("no alert silences the watchdog", exporter.GONE, exporter.ALWAYS, {}, False),
    ("nor do failing rules", exporter.RULES_FAIL, exporter.ALWAYS, {}, False),
    ("failing rules leave slow ones alone", exporter.RULES_FAIL, exporter.RULES_SLOW, {}, False),
    ("not an exporter's own", exporter.RULES_FAIL, exporter.COLLECTOR, {}, False),
    *((f"{cover} leaves {cause} alone", cover, cause, {}, False)
      for cover in (SERVICE_DEGRADED, engines.MODEL_DOWN)
      for cause in (latency.QUEUE_LONG, errors.REQUESTS_INVALID, *saturation.GROUP.alerts)),
    ("a hung engine leaves its cache alone", engines.ENGINE_HUNG, saturation.KV_CACHE_FULL, {},
     False),
    ("and other models", SERVICE_DEGRADED, latency.FIRST_TOKEN_VERY_SLOW, {"model": "large"},
     False),
    ("and what it costs", SERVICE_DEGRADED, cost.MODEL_EXCEEDED, {}, False),
    ("and its GPUs", SERVICE_DEGRADED, gpu.LOST, {}, False),
    ("a model that is down leaves others' engines alone", engines.MODEL_DOWN, engines.ENGINE_DOWN,
     {"model": "large"}, False),
    *((f"{cover} takes the place of {part}, {part.severity}", cover, part, {}, True)
      for cover, parts in COVERS.items() for part in parts),
)


def test_what_silences_what(alertmanager: Alertmanager) -> None:
    """All at once: each case has a cluster of its own."""
    posted = [firing(alert, f"case-{number}", **changed)
              for number, (_, first, second, others, _) in enumerate(INHIBITIONS)
              for alert, changed in ((first, {}), (second, others))]
    alertmanager.post(posted)
    expected = [silent for *_, inhibited in INHIBITIONS for silent in (False, inhibited)]
    silenced = alertmanager.silent(posted, expected)
    assert [case[0] for number, case in enumerate(INHIBITIONS)
            if silenced[2 * number : 2 * number + 2] != expected[2 * number : 2 * number + 2]] == []


def test_without_a_cluster_the_same_holds(alertmanager: Alertmanager) -> None:
    bare = {"cluster": "", "namespace": "", "node": ""}
    posted = [firing(gpu.XID_DRAIN, "", **bare), firing(gpu.LOST, "", **bare),
              firing(SERVICE_DEGRADED, "", **bare),
              firing(latency.FIRST_TOKEN_VERY_SLOW, "", **bare),
              firing(latency.FIRST_TOKEN_SLOW, "", **bare | {"model": "large"}),
              firing(latency.OUTPUT_VERY_SLOW, "", **bare | {"model": "small"}),
              firing(latency.OUTPUT_SLOW, "", **bare | {"model": "small"})]
    expected = [False, False, False, True, False, False, True]
    alertmanager.post(posted)
    assert alertmanager.silent(posted, expected) == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_of_severity_info_becomes_a_line_of_the_exporters_log(
        version: str, tmp_path: Path) -> None:
    settings, file = tmp_path / "inferometer.yml", tmp_path / "alertmanager.yml"
    settings.write_text(ALONE + "web: {enable_alert_log: true}\n")
    info = firing(gpu.UNDERUSED, "east")
    with started(*ANYWHERE, "--config", settings) as watching:
        chosen = Options(faster=60, addresses=Addresses(
            alert_log=f"http://127.0.0.1:{watching.port}{ALERT_LOG}"))
        file.write_text(render(chosen)["alertmanager/alertmanager.yml"])
        with running(version, file, tmp_path / "data") as alertmanager:
            alertmanager.post([info, firing(gpu.XID_APPLICATION, "", cluster="west")])
            wait_for(lambda: len(messages(watching, "alert")) == 2)
        logged = next(line for line in messages(watching, "alert") if line["labels"] == info)
        assert (logged["status"], logged["receiver"]) == ("firing", TIERS["info"][0])

"""Compose's files by the real Compose, and what they say of each other.

No Grafana can be had where this runs: its files are held against the names its documentation gives.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from inferometer.config import load, parse
from inferometer.intake import part as intake
from inferometer.ledger import part as ledger
from tests.bundle.composed import FILES, FOLDER, GENERATED, ROOT, Service, binds, compose, model
from tests.exporter.process import command

MOST_RETENTION = re.compile(r"--storage\.tsdb\.retention\.time=(\d+)d")
SECRET = re.compile(r"(?i)(password|passwd|secret_key|token|api_?key)\s*[:=]\s*\S")
# https://grafana.com/docs/grafana/latest/administration/provisioning/
DATASOURCE = {"name", "uid", "type", "access", "orgId", "url", "user", "database", "basicAuth",
              "basicAuthUser", "withCredentials", "isDefault", "jsonData", "secureJsonData",
              "version", "editable"}
OF_PROMETHEUS = {"httpMethod", "timeInterval", "prometheusType", "prometheusVersion", "cacheLevel",
                 "manageAlerts", "alertmanagerUid", "disableMetricsLookup", "customQueryParameters",
                 "incrementalQuerying", "exemplarTraceIdDestinations"}
PROVIDER = {"name", "orgId", "folder", "folderUid", "type", "disableDeletion",
            "updateIntervalSeconds", "allowUiUpdates", "options"}
# https://grafana.com/docs/grafana/latest/setup-grafana/configure-grafana/
SETTINGS = {
    "analytics": ("check_for_plugin_updates", "check_for_updates", "reporting_enabled"),
    "auth": ("disable_login_form",),
    "auth.anonymous": ("enabled", "org_role"),
    "auth.basic": ("enabled",),
    "dashboards": ("default_home_dashboard_path",),
    "log": ("mode",),
    "news": ("news_feed_enabled",),
    "plugins": ("preinstall_auto_update", "preinstall_disabled"),
    "security": ("disable_gravatar", "disable_initial_admin_creation"),
    "server": ("root_url",),
    "snapshots": ("external_enabled",),
}


@pytest.fixture(scope="module")
def services() -> Mapping[str, Service]:
    loaded: Mapping[str, Service] = model("compose.yml")["services"]
    return loaded


def read(file: Path) -> Any:
    return yaml.safe_load(file.read_text())


@pytest.mark.parametrize("files", [FILES[:1], FILES], ids="+".join)
@pytest.mark.parametrize("options", [(), ("--env-file", str(FOLDER / ".env.example"))],
                         ids=["plain", "example.env"])
def test_compose_takes_its_files(files: tuple[str, ...], options: tuple[str, ...]) -> None:
    named = [word for file in files for word in ("-f", str(FOLDER / file))]
    done = compose(*options, *named, "config", "-q")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_example_of_variables_is_what_holds_without_them() -> None:
    file = str(FOLDER / "compose.yml")
    plain = compose("-f", file, "config")
    assert plain.stdout == compose("--env-file", str(FOLDER / ".env.example"), "-f", file,
                                   "config").stdout
    names = re.findall(r"\$\{(\w+):-", (FOLDER / "compose.yml").read_text())
    assert sorted(names) == sorted(
        line.split("=")[0] for line in (FOLDER / ".env.example").read_text().splitlines()
        if line and not line.startswith("#"))


@pytest.mark.parametrize("key", ["services", "read_only", "healthcheck", "driver"])
def test_a_misspelt_key_is_refused_by_its_name(key: str, tmp_path: Path) -> None:
    for file in FILES:
        text = (FOLDER / file).read_text()
        (tmp_path / file).write_text(text.replace(f"{key}:", f"{key[:-1]}:"))
    done = compose("-f", tmp_path / FILES[0], "-f", tmp_path / FILES[1], "config", "-q")
    assert done.returncode != 0
    assert key[:-1] in done.stderr


def test_all_that_is_mounted_is_in_the_repository(services: Mapping[str, Service]) -> None:
    for service in services.values():
        for source in binds(service).values():
            assert source.exists(), source
            assert source.is_relative_to(ROOT), source


def test_everything_is_published_on_loopback_alone(services: Mapping[str, Service]) -> None:
    for name, service in services.items():
        assert service["ports"], name
        for port in service["ports"]:
            assert port["host_ip"] == "127.0.0.1", name
            assert port["published"] == str(port["target"]), name  # links say so here and there


def test_no_service_has_more_rights_than_it_needs(services: Mapping[str, Service]) -> None:
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert re.fullmatch(r"[1-9]\d*:\d+", service["user"]), name
        assert not {"privileged", "cap_add", "network_mode", "pid", "ipc"} & set(service), name
        assert all(mount["read_only"] for mount in service["volumes"] if mount["type"] == "bind")
        assert "docker.sock" not in str(service), name


def test_every_service_comes_back_says_how_it_is_and_has_a_version(
        services: Mapping[str, Service]) -> None:
    dockerfile = (ROOT / "deploy/Dockerfile").read_text()
    for name, service in services.items():
        assert service["restart"] == "unless-stopped", name
        assert "healthcheck" in service or ("build" in service and "HEALTHCHECK" in dockerfile)
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", service["image"]), name
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    for name in ("inferometer", "gateway"):
        target = services[name]["build"]["target"]
        assert services[name]["image"] == f"{target}:{version[1]}"
        assert re.search(rf"^FROM \S+ AS {target}$", dockerfile, re.MULTILINE)


def test_a_month_and_its_forecast_fit_into_what_prometheus_keeps(
        services: Mapping[str, Service]) -> None:
    kept = MOST_RETENTION.findall(" ".join(services["prometheus"]["command"]))
    assert [int(days) >= 35 for days in kept] == [True]


def test_no_password_stands_anywhere_and_nobody_has_one(services: Mapping[str, Service]) -> None:
    for file in filter(Path.is_file, FOLDER.rglob("*")):
        if file.suffix in (".yml", ".example"):
            text = re.sub(r"#.*", "", file.read_text())
            assert not SECRET.search(text), file
    settings = services["grafana"]["environment"]
    assert settings["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert settings["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert settings["GF_AUTH_BASIC_ENABLED"] == "false"
    assert settings["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"


def test_gpus_are_asked_for_in_the_second_file_alone(services: Mapping[str, Service]) -> None:
    assert "deploy" not in services["inferometer"]
    with_gpus = model(*FILES)["services"]["inferometer"]
    (device,) = with_gpus["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": -1, "capabilities": ["gpu", "utility"]}


def test_the_services_find_each_other_by_their_names(services: Mapping[str, Service]) -> None:
    # A gateway publishes where telemetry comes in, and its page to Prometheus alone.
    page = urlsplit(f"//{load(FOLDER / 'gateway/inferometer.yml').web.listen}").port
    endpoints = {f"{name}:{page if name == 'gateway' else port['target']}"
                 for name, service in services.items() for port in service["ports"]}
    prometheus = read(GENERATED / "compose/prometheus.yml")
    (managers,) = prometheus["alerting"]["alertmanagers"]
    targets = [target for job in (*prometheus["scrape_configs"], managers)
               for static in job["static_configs"] for target in static["targets"]]
    assert {*targets} == endpoints - {"grafana:3000"}
    (log,) = [hook["url"] for receiver in read(GENERATED / "compose/alertmanager.yml")["receivers"]
              for hook in receiver.get("webhook_configs", []) if "example.org" not in hook["url"]]
    assert urlsplit(log).netloc in endpoints
    (source,) = read(FOLDER / "grafana/datasource.yml")["datasources"]
    assert urlsplit(source["url"]).netloc == "prometheus:9090"


def test_links_lead_to_what_is_published(services: Mapping[str, Service]) -> None:
    open_ports = {f"127.0.0.1:{port['published']}": name for name, service in services.items()
                  for port in service["ports"]}
    runbook = (ROOT / "alerts/runbook.md").read_text().lower()
    boards = {file.stem for file in (ROOT / "deploy/generated/dashboards").iterdir()}
    for group in read(GENERATED / "compose/alerts.rules.yml")["groups"]:
        for rule in (rule for rule in group["rules"] if "alert" in rule):
            link = urlsplit(rule["annotations"]["runbook_url"])
            assert open_ports[link.netloc] == "prometheus"
            assert link.path == "/user/runbook.md"
            assert f"\n## {link.fragment}\n" in runbook
            link = urlsplit(rule["annotations"]["dashboard_url"])
            assert open_ports[link.netloc] == "grafana"
            assert link.path.split("/")[2] in boards
    for service in ("prometheus", "alertmanager"):
        (url,) = [word.split("=")[1] for word in services[service]["command"]
                  if word.startswith("--web.external-url=")]
        assert open_ports[urlsplit(url).netloc] == service


def test_the_exporter_takes_its_file_and_the_machine_is_where_it_looks_for_engines(
        services: Mapping[str, Service]) -> None:
    service = services["inferometer"]
    (folder,) = binds(service).values()
    done = command("check-config", folder / "inferometer.yml")
    assert done.returncode == 0, done.stderr
    config = load(folder / "inferometer.yml")
    (port,) = service["ports"]
    assert config.web.listen == f":{port['target']}"
    assert config.web.enable_alert_log
    hosts = [host.split("=")[0] for host in service["extra_hosts"]]
    assert [urlsplit(target.url).hostname for target in config.engines.targets] == hosts


def test_the_gateway_takes_its_file_and_writes_to_its_volume_alone(
        services: Mapping[str, Service], tmp_path: Path) -> None:
    service = services["gateway"]
    ((seen, folder),) = binds(service).items()
    (volume,) = [mount for mount in service["volumes"] if mount["type"] == "volume"]
    assert service["command"][-1] == f"{seen}/inferometer.yml"
    config = load(folder / "inferometer.yml")
    assert config.role == "gateway"
    assert str(Path(config.ledger.path).parent) == volume["target"]
    listens = {config.intake.listen, config.intake.grpc_listen}
    assert listens == {f":{port['target']}" for port in service["ports"]}
    text = (folder / "inferometer.yml").read_text()
    (tmp_path / "inferometer.yml").write_text(text.replace(volume["target"], str(tmp_path)))
    done = command("check-config", tmp_path / "inferometer.yml")
    assert done.returncode == 0, done.stderr
    grace = re.fullmatch(r"(\d+)s", service["stop_grace_period"])
    assert grace
    assert int(grace[1]) > intake.STOP_SECONDS + ledger.STOP_SECONDS


def test_prices_and_limits_that_the_gateways_file_shows_are_taken_once_they_are_uncommented(
) -> None:
    text = (FOLDER / "gateway/inferometer.yml").read_text()
    shown = parse(re.sub(r"(?m)^( *)#(?=[-\w])", r"\1", text), "inferometer.yml")
    assert [price.model for price in shown.prices] == ["gpt-4o*", "gpt-oss-*"]
    assert shown.limits
    assert [model.limits for model in shown.models.values()] != [{}]


def test_grafana_has_the_datasource_that_the_boards_begin_with() -> None:
    file = read(FOLDER / "grafana/datasource.yml")
    assert set(file) == {"apiVersion", "datasources"}
    (source,) = file["datasources"]
    assert set(source) <= DATASOURCE
    assert set(source["jsonData"]) <= OF_PROMETHEUS
    scraped = read(GENERATED / "compose/prometheus.yml")["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == scraped
    assert source["isDefault"]
    for board in boards():
        (variable,) = [variable for variable in board["templating"]["list"]
                       if variable["type"] == "datasource"]
        assert variable["query"] == source["type"]
        assert "current" not in variable  # so it is the default one


def test_grafana_has_every_board_in_a_folder_and_begins_with_the_fleet(
        services: Mapping[str, Service]) -> None:
    service = services["grafana"]
    seen = binds(service)
    file = read(FOLDER / "grafana/boards.yml")
    assert set(file) == {"apiVersion", "providers"}
    (provider,) = file["providers"]
    assert set(provider) <= PROVIDER
    assert provider["folder"]
    assert seen[provider["options"]["path"]] == GENERATED / "dashboards"
    home = Path(service["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    board = json.loads((seen[str(home.parent)] / home.name).read_text())
    assert board["title"] == "Inferometer / Fleet overview"
    assert {target.split("/")[-2] for target in seen if "/provisioning/" in target} == {
        "datasources", "dashboards"}


def test_every_setting_of_grafana_is_one_that_it_documents(
        services: Mapping[str, Service]) -> None:
    documented = {f"GF_{section}_{key}".replace(".", "_").upper()
                  for section, keys in SETTINGS.items() for key in keys}
    assert set(services["grafana"]["environment"]) == documented


def boards() -> list[Any]:
    return [json.loads(file.read_text()) for file in (GENERATED / "dashboards").iterdir()]

"""The roles as processes: each does its own and nothing else, on a machine that has everything."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.build.series import is_shown
from inferometer import catalogue as c
from inferometer.roles import NO_ROLE, ROLES, belongs
from tests.exporter.gpu.fake_nvml import FakeNvml
from tests.exporter.process import ANYWHERE, command, messages, ready, started
from tests.exporter.support import Engine, Page, fixture, get, wait_for

pytestmark = pytest.mark.timeout(60)
GPU = {metric.name for metric in c.GPU_METRICS}
ENGINE = {metric.name for metric in c.ENGINE_METRICS}
GPU_COST = {c.GPU_PRICE.name, c.COST_IDLE.name}
LIMITS = {metric.name for metric in c.LIMIT_METRICS.values()}
FIXED_COST = {c.BUDGET.name, c.LIMIT_RATIO.name}
COLLECTORS = {
    "sidecar": {"engines"}, "node": {"gpu", "cost"}, "fleet": {"cost"}, "gateway": {"cost"},
}
# A section each, as a role that has it would be given it.
SECTIONS = {
    "gpu": "gpu: {interval_seconds: 0.1, retry_seconds: 0.3}\n",
    "engines": "engines: {discover_ports: [%d], discover_seconds: 0.2}\n",
    "cost": "cost: {gpu_hour_usd: {NVIDIA H100 80GB HBM3: 3.6}}\n",
    "prices": "prices: [{model: m, input: 1}]\n",
    "limits": "limits: {call_cost_usd: 2}\n",
    "models": "models: {m: {limits: {call_cost_usd: 1}}}\n",
    "fleet": "fleet: {monthly_usd: {storage: 31}, budgets_usd: {day: 9}, "
             "limits: {error_ratio: 0.5}}\n",
}


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(fixture("vllm/0.32.0/busy.prom")) as engine:
        yield engine


@pytest.fixture
def fake(tmp_path: Path) -> FakeNvml:
    fake = FakeNvml(tmp_path / "nvml")
    fake.write("gpus 2")
    return fake


def configured(folder: Path, role: str, engine: Engine) -> Path:
    """A file with everything that the role may have."""
    own = "".join(text for section, text in SECTIONS.items() if belongs(role, section))
    file = folder / f"{role}.yml"
    file.write_text(f"role: {role}\n" + own.replace("%d", str(engine.port)))
    return file


def collectors(page: Page) -> set[str]:
    """Those on the page that are some role's own; a part of all roles is on every page."""
    succeeded = page.find(c.COLLECTOR_SUCCESS.name)
    assert all(series.value == 1.0 for series in succeeded)
    return {series.labels["collector"] for series in succeeded} & set().union(*COLLECTORS.values())


def families(page: Page) -> set[str]:
    return {series.name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum")
            for series in page.series}


def test_each_role_has_sections_of_its_own_and_all_of_them_are_somebodys() -> None:
    assert set(COLLECTORS) | {NO_ROLE} == set(ROLES)
    owned = [section for role in COLLECTORS for section in ROLES[role].sections]
    assert {section for section in owned if owned.count(section) > 1} == {"web"}
    assert set(owned) == set(ROLES[NO_ROLE].sections)


def test_a_sidecar_reads_the_engine_and_neither_gpus_nor_cost(
        tmp_path: Path, engine: Engine, fake: FakeNvml) -> None:
    file = configured(tmp_path, "sidecar", engine)
    with started(*ANYWHERE, "--config", file, env=fake.env()) as running:
        page = ready(running).scrape()
        assert page.values("llm_server_up") == [1.0]
        assert collectors(page) == COLLECTORS["sidecar"]
        assert families(page) & {*GPU, c.COST.name, *GPU_COST, *FIXED_COST, *LIMITS} == set()
        assert fake.calls() == []
        wait_for(lambda: len(running.printed) > 4)
        assert ", sidecar\n" in running.printed[0]
        assert running.printed[3] == "  GPUs     not read in this role\n"
        home = get(running.port, "/").text
        assert "Not read in the role sidecar." in home


def test_a_node_reads_gpus_and_their_cost_and_looks_for_no_engine(
        tmp_path: Path, engine: Engine, fake: FakeNvml) -> None:
    file = configured(tmp_path, "node", engine)
    with started(*ANYWHERE, "--config", file, env=fake.env()) as running:
        ready(running)
        wait_for(lambda: running.scrape().values("gpu_up") == [1.0, 1.0])
        page = running.scrape()
        assert collectors(page) == COLLECTORS["node"]
        assert {series.labels["category"] for series in page.find(c.COST.name)} == {"gpu"}
        assert families(page) & {*ENGINE, *FIXED_COST, *LIMITS} == set()
        wait_for(lambda: "  engines  not read in this role\n" in running.printed)
        assert get(running.port, "/metrics?collect[]=engines").status == 400


@pytest.mark.parametrize("role", ["fleet", "gateway"])
def test_a_fleet_has_fixed_costs_only_and_a_gateway_none_before_it_was_sent_calls(
        tmp_path: Path, engine: Engine, fake: FakeNvml, role: str) -> None:
    file = configured(tmp_path, role, engine)
    with started(*ANYWHERE, "--config", file, env=fake.env()) as running:
        page = ready(running).scrape()
        assert collectors(page) == COLLECTORS[role]
        assert families(page) & {*GPU, *ENGINE, *GPU_COST} == set()
        assert families(page) & {c.BUDGET.name, *LIMITS} == (
            FIXED_COST if role == "fleet" else set())
        assert {series.labels["category"] for series in page.find(c.COST.name)} == (
            {"storage"} if role == "fleet" else set())
        assert get(running.port, "/").status == 200
        assert (fake.calls(), engine.asked) == ([], [])


def test_without_a_role_it_does_all(tmp_path: Path, engine: Engine, fake: FakeNvml) -> None:
    file = configured(tmp_path, NO_ROLE, engine)
    file.write_text(file.read_text().replace("role: \n", ""))
    with started(*ANYWHERE, "--config", file, env=fake.env()) as running:
        ready(running)
        wait_for(lambda: running.scrape().values("llm_server_up") == [1.0])
        assert collectors(running.scrape()) == set.union(*COLLECTORS.values())


def test_a_role_by_flag_overrides_that_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "inferometer.yml"
    file.write_text("role: fleet\ngpu:\ncost: {gpu_hour_usd: }\nengines:\n  targets:\n")
    for role in ("sidecar", "node", "fleet", "gateway"):
        assert command("check-config", file, "--role", role).returncode == 0
    file.write_text("role: fleet\nfleet: {overhead_percent: 1}\n")
    assert command("check-config", file).returncode == 0
    for line in (("check-config", file), ("run", *ANYWHERE, "--config", file)):
        done = command(*line, "--role", "sidecar")
        assert (done.returncode, done.stdout, done.stderr) == (
            2, "", f"inferometer: {file}:2: fleet.overhead_percent: is for the role fleet, this is "
                   "a sidecar\n")


def test_an_engine_by_flag_is_refused_where_the_role_has_none(tmp_path: Path) -> None:
    file = tmp_path / "inferometer.yml"
    file.write_text("role: node\n")
    for arguments in (("--role", "node"), ("--config", file)):
        done = command("run", *ANYWHERE, *arguments, "--engine", "http://127.0.0.1:8000")
        assert (done.returncode, done.stdout, done.stderr) == (
            2, "", "inferometer: command line: --engine: is for the role sidecar, this is a node\n")


def test_an_unknown_role_is_refused_with_a_list_of_the_roles() -> None:
    done = command("run", *ANYWHERE, "--role", "agent")
    assert done.returncode == 2
    offered = done.stderr.partition("choose from")[2]
    for role in COLLECTORS:
        assert re.search(rf"\b{role}\b", offered)


def test_the_help_says_what_each_role_does() -> None:
    for name in ("run", "check-config"):
        help_text = command(name, "--help").stdout
        for role in COLLECTORS:
            assert ROLES[role].does in help_text


def test_a_change_of_role_waits_for_the_next_start_and_its_sections_with_it(
        tmp_path: Path, engine: Engine, fake: FakeNvml) -> None:
    file = configured(tmp_path, "node", engine)
    with started(*ANYWHERE, "--config", file, env=fake.env()) as running:
        ready(running)
        wait_for(lambda: running.scrape().values("gpu_up") == [1.0, 1.0])
        price = running.scrape().values(c.GPU_PRICE.name)
        assert price == [3.6, 3.6]
        configured(tmp_path, "fleet", engine).replace(file)
        running.process.send_signal(signal.SIGHUP)
        wait_for(lambda: messages(running, "configuration reloaded"))
        page = running.scrape()
        assert page.values(c.GPU_PRICE.name) == price
        assert collectors(page) == COLLECTORS["node"]
        assert {series.labels["category"] for series in page.find(c.COST.name)} == {"gpu"}
        assert page.find(c.BUDGET.name) == []
        assert [line["key"] for line in messages(running, "takes effect at the next start")] == [
            "role"]


def test_a_reload_with_a_key_of_another_role_changes_nothing(
        tmp_path: Path, engine: Engine, fake: FakeNvml) -> None:
    file = configured(tmp_path, "node", engine)
    with started(*ANYWHERE, "--config", file, env=fake.env()) as running:
        ready(running)
        with file.open("a") as more:
            more.write(SECTIONS["fleet"])
        running.process.send_signal(signal.SIGHUP)
        wait_for(lambda: messages(running, "reload failed, the old configuration stays"))
        (line,) = messages(running, "reload failed, the old configuration stays")
        assert str(line["why"]).splitlines() == [
            f"{file}:4: fleet.{key}: is for the role fleet, this is a node"
            for key in ("monthly_usd", "budgets_usd", "limits")]
        assert running.scrape().value("inferometer_config_last_reload_successful") == 0.0


@pytest.mark.parametrize("role", [role for role in ROLES if role])
def test_a_role_shows_no_family_that_its_series_are_not_counted_for(
        tmp_path: Path, engine: Engine, fake: FakeNvml, role: str) -> None:
    """By deploy/build/series.py, which says how many series a page of the role has at most."""
    file = configured(tmp_path, role, engine)
    with started(*ANYWHERE, "--config", file, env=fake.env()) as running:
        ready(running)
        if belongs(role, "gpu"):
            wait_for(lambda: running.scrape().values("gpu_up") == [1.0, 1.0])
        shown = families(running.scrape())
        counted = {metric.name for metric in c.METRICS if is_shown(metric, role)}
        assert shown & {metric.name for metric in c.METRICS} - counted == set()
        assert shown & counted

"""What the chart's gateway is given: prices, limits, ports, by the file that it reads."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import yaml

from inferometer import catalogue as c
from inferometer.call_limits import CallLimitTable
from inferometer.collector import Deadline
from inferometer.config import (
    CALL_LIMITS,
    LIMITS,
    Config,
    DestinationEntry,
    FeedbackSection,
    PriceEntry,
    parse,
)
from inferometer.cost.collector import CostCollector
from inferometer.values import Value
from tests.bundle.chart import (
    CHART,
    HELMS,
    LIGHT,
    NAMESPACE,
    configurations,
    container,
    helm,
    one,
    with_values,
    workloads,
)
from tests.bundle.kubernetes import Manifest, parsed
from tests.bundle.test_chart_gateway import gateway, policy

# As people write values: Helm itself reads the days, and makes 1e-07 of the smallest price.
PRICES = """
gateway:
  enabled: true
  config:
    prices:
      - {model: gpt-4o*, provider: openai, valid_from: 2026-12-01, input: 2.2, cached: 0.0000001}
      - {model: gpt-4o*, provider: openai, valid_from: "2027-01-01", input: 1000000, output: 8}
      - {model: thinker, output: 3, cache_write: 2.5, reasoning: 4.25}
      - {model: "1.5", per_request: 0.005}
      - {model: gpt-oss-*, self_hosted: true}
"""


def flagged(*flags: str) -> list[Manifest]:
    """The chart with a gateway and these flags of Helm."""
    process = helm("4", "template", "inferometer", CHART, "--namespace", NAMESPACE, "--set",
                   ",".join((
                       "gateway.enabled=true,rules.enabled=false,dashboards.enabled=false",
                       "networkPolicy.enabled=true", *flags)))
    assert process.returncode == 0, process.stderr
    return parsed(process.stdout)


def settings(documents: list[Manifest]) -> Any:
    """The gateway's inferometer.yml."""
    return yaml.safe_load(configurations(documents)["inferometer-gateway"])


def as_read(documents: list[Manifest]) -> Config:
    """The gateway's inferometer.yml as the gateway reads it."""
    return parse(configurations(documents)["inferometer-gateway"], "inferometer.yml")


# Prices.


@pytest.mark.parametrize("version", HELMS)
def test_the_prices_of_its_values_are_those_that_the_gateway_reads(version: str) -> None:
    process = helm(version, "template", "inferometer", CHART, "--values", "-", given=PRICES)
    assert process.returncode == 0, process.stderr
    assert as_read(parsed(process.stdout)).prices == (
        PriceEntry("gpt-4o*", "openai", date(2026, 12, 1), input=2.2, cached=1e-7),
        PriceEntry("gpt-4o*", "openai", date(2027, 1, 1), input=1e6, output=8),
        PriceEntry("thinker", output=3, cache_write=2.5, reasoning=4.25),
        PriceEntry("1.5", per_request=0.005),
        PriceEntry("gpt-oss-*", self_hosted=True))


def test_a_change_of_its_prices_replaces_its_pod_and_no_other() -> None:
    def configured(documents: list[Manifest]) -> dict[str, Any]:
        return {role: pod["metadata"].get("annotations", {}).get("inferometer/config")
                for role, pod in workloads(documents).items()}

    before = configured(gateway())
    after = configured(gateway({"config": {"prices": [{"model": "m", "input": 1}]}}))
    assert [role for role in before if before[role] != after[role]] == ["gateway"]


def test_without_prices_in_its_values_it_has_none_of_its_own() -> None:
    assert as_read(gateway()).prices == ()
    nothing: tuple[list[object] | None, ...] = (None, [])
    for prices in nothing:
        assert as_read(gateway({"config": {"prices": prices}})).prices == ()


# Limits and ports.


def test_what_each_call_is_held_against_is_given_once_for_the_fleet_and_the_gateway() -> None:
    limits = "fleet.config.fleet.limits.call_cost_usd=2,fleet.config.fleet.limits.error_ratio=1"
    documents = flagged(limits)
    assert settings(documents)["limits"] == {"call_cost_usd": 2}
    fleet = yaml.safe_load(configurations(documents)["inferometer-fleet"])["fleet"]["limits"]
    assert fleet == {"call_cost_usd": 2, "error_ratio": 1}
    assert not {"limits", "models"} & settings(gateway(fleet={"config": {"fleet": {
        "limits": {"error_ratio": 0.1}, "models": {"m": {"limits": {"error_ratio": 0.2}},
                                                   "n": {"budgets_usd": {"day": 1}}}}}})).keys()


def test_the_gateway_gets_every_limit_of_calls_and_no_other_of_the_fleet_and_its_models() -> None:
    given = dict.fromkeys(LIMITS, 0.5) | {"least_replicas": 1}
    models = {"org/model:1.5": {"limits": given, "budgets_usd": {"day": 3}},
              "small": {"limits": {"call_cost_usd": 0.25, "error_ratio": 0.1}},
              "other": {"budgets_usd": {"day": 1}}}
    gotten = settings(gateway(fleet={"config": {"fleet": {"limits": given, "models": models}}}))
    every = dict.fromkeys(CALL_LIMITS, 0.5)
    assert gotten["limits"] == every
    assert gotten["models"] == {"org/model:1.5": {"limits": every},
                                "small": {"limits": {"call_cost_usd": 0.25}}}


@pytest.mark.parametrize("version", HELMS)
def test_the_gateway_judges_calls_by_the_limits_that_the_fleets_exporter_publishes(
        version: str) -> None:
    limits = {"time_to_first_token_p95_seconds": 3, "call_cost_usd": 0.000001}
    process = with_values({**LIGHT, "gateway": {"enabled": True}, "fleet": {"config": {"fleet": {
        "limits": limits, "models": {"m": {"limits": {"call_cost_usd": 2}}}}}}}, version)
    assert process.returncode == 0, process.stderr
    documents = parsed(process.stdout)
    judged = CallLimitTable(as_read(documents))
    assert (judged.of("other").first_token, judged.of("other").cost) == (3 * 10**9, 1000)
    assert (judged.of("m").first_token, judged.of("m").cost) == (3 * 10**9, 2 * 10**9)
    assert {name: published(text) for name, text in configurations(documents).items()} == {
        "inferometer-node": {}, "inferometer-gateway": {}, "inferometer-fleet": {
            ("time_to_first_token_p95", ""): 3, ("call_cost", ""): 1e-6, ("call_cost", "m"): 2}}


def published(text: str) -> dict[tuple[str, ...], Value]:
    """The limits that an exporter of this file shows on its page."""
    families = CostCollector(parse(text, "inferometer.yml"), list).collect(Deadline(10))
    return dict(point for family in families if family.metric in c.LIMIT_METRICS.values()
                for point in family.items())


def test_a_port_is_open_where_the_gateway_listens_and_nowhere_else() -> None:
    for flags, ports in (("gateway.grpcPort=0,gateway.port=4400", {"otlp-http": 4400}),
                         ("gateway.grpcPort=4400", {"otlp-http": 4318, "otlp-grpc": 4400}),
                         ("gateway.feedbackPort=4319", {
                             "otlp-http": 4318, "otlp-grpc": 4317, "feedback": 4319})):
        documents = flagged(flags)
        config = settings(documents)
        assert {int(address.strip(":")) for section in ("intake", "feedback")
                for key, address in config.get(section, {}).items()
                if key.endswith("listen")} == {*ports.values()}
        opened = container(workloads(documents)["gateway"])["ports"]
        assert {port["name"]: port["containerPort"] for port in opened} == {
            "inferometer": 9839, **ports}
        service = one(documents, "Service", "inferometer-gateway")["spec"]["ports"]
        assert {port["name"]: port["port"] for port in service} == ports
        assert policy(documents).keys() == {"inferometer", *ports}


def test_destinations_are_its_own_and_their_secrets_are_mounted() -> None:
    entry = {"preset": "langsmith", "key_file": "/etc/inferometer-destinations/langsmith"}
    documents = gateway({"destinationsSecret": "keys", "config": {"destinations": [entry]}})
    assert as_read(documents).destinations == (
        DestinationEntry(preset="langsmith", key_file=entry["key_file"]),)
    pod = workloads(documents)["gateway"]
    (volume,) = (one for one in pod["spec"]["volumes"]
                 if one.get("secret", {}).get("secretName") == "keys")
    (mount,) = (one for one in container(pod)["volumeMounts"]
                if one["name"] == volume["name"])
    assert mount["mountPath"] == "/etc/inferometer-destinations"


def test_who_may_vote_is_read_from_a_secret_of_its_own() -> None:
    section = {"capability_key_file": "/etc/inferometer-feedback/key",
               "allowed_origins": ["https://chat.example.com"]}
    documents = gateway({"feedbackPort": 4319, "feedbackSecret": "votes",
                         "config": {"feedback": section}})
    assert as_read(documents).feedback == FeedbackSection(
        listen=":4319", capability_key_file=section["capability_key_file"],
        allowed_origins=("https://chat.example.com",))
    mounts = {mount["name"]: mount["mountPath"]
              for mount in container(workloads(documents)["gateway"])["volumeMounts"]}
    assert mounts["inferometer-feedback"] == "/etc/inferometer-feedback"


def test_several_replicas_share_a_database_and_are_kept_apart() -> None:
    documents = gateway({"replicas": 3, "dsnSecret": "database", "keySecret": "key"})
    assert settings(documents)["ledger"]["dsn_file"] == "/etc/inferometer-database/dsn"
    pod = workloads(documents)["gateway"]["spec"]
    (spread,) = pod["topologySpreadConstraints"]
    budget = one(documents, "PodDisruptionBudget", "inferometer-gateway")
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"] == spread["labelSelector"]
    assert not [document for document in gateway() if document["kind"] == "PodDisruptionBudget"]


def test_the_password_of_a_clickhouse_is_a_file_of_a_secret() -> None:
    documents = gateway({"clickhouseSecret": "archive", "config": {
        "ledger": {"clickhouse": {"url": "http://clickhouse:8123", "user": "inferometer"}}}})
    assert settings(documents)["ledger"]["clickhouse"] == {
        "url": "http://clickhouse:8123", "user": "inferometer",
        "password_file": "/etc/inferometer-clickhouse/password"}
    pod = workloads(documents)["gateway"]["spec"]
    (volume,) = (one for one in pod["volumes"] if one["name"] == "inferometer-clickhouse")
    assert volume["secret"]["secretName"] == "archive"
    (mount,) = (one for one in container(workloads(documents)["gateway"])["volumeMounts"]
                if one["name"] == volume["name"])
    assert mount["mountPath"] == "/etc/inferometer-clickhouse"

"""What a deployment may choose of the bundle; all else is said in the sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from alerts.routing import Addresses


@dataclass(frozen=True)
class Settings:
    """Each field is a flag of `python -m deploy.build`, and so is each address."""

    runbook_url: str = field(default="https://example.org/inferometer/alerts", metadata={
        "help": "the folder in which people read runbook.md; alerts link to its headings"})
    grafana_url: str = field(default="http://127.0.0.1:3000", metadata={
        "help": "where people reach Grafana; alerts link to its boards"})
    exporters: str = field(default="127.0.0.1:9839", metadata={
        "help": "exporters to scrape, as host:port, commas in between"})
    alertmanagers: str = field(default="127.0.0.1:9093", metadata={
        "help": "Alertmanagers, as host:port, commas in between"})
    prometheus: str = field(default="127.0.0.1:9090", metadata={
        "help": "this Prometheus, as host:port, which watches itself"})
    image: str = field(default="inferometer", metadata={
        "help": "the image of Kubernetes' manifests, without its tag, which is the version"})
    cluster: str = field(default="default", metadata={
        "help": "the `cluster` label of all that is scraped"})
    namespace: str = field(default="default", metadata={
        "help": "the `namespace` label of the exporters"})
    faster: int = field(default=1, metadata={
        "help": "divide every duration by this, to rehearse hours in minutes; thresholds stay"})
    addresses: Addresses = field(default_factory=Addresses)


def flags() -> Iterator[Field[Any]]:
    """What may be chosen, those of Alertmanager's addresses included."""
    yield from (each for each in fields(Settings) if "help" in each.metadata)
    yield from fields(Addresses)


def chosen(values: Mapping[str, Any]) -> Settings:
    """Settings of flags' values by their names, whatever else is among them."""
    own, addresses = ({each.name: values[each.name] for each in fields(kind)
                       if each.name in values} for kind in (Settings, Addresses))
    return Settings(**own, addresses=Addresses(**addresses))

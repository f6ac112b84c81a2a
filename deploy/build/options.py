"""The options of the build: what a deployment may choose. All else is in the definitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from alerts.routing import Addresses


@dataclass(frozen=True)
class Options:
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

    @classmethod
    def from_flags(cls, values: Mapping[str, Any]) -> Options:
        """The options of flags' values by their names, whatever else is among them."""
        own, addresses = ({option.name: values[option.name] for option in fields(kind)
                           if option.name in values} for kind in (cls, Addresses))
        return cls(**own, addresses=Addresses(**addresses))


def flags() -> Iterator[Field[Any]]:
    """What may be chosen, Alertmanager's addresses included."""
    yield from (option for option in fields(Options) if "help" in option.metadata)
    yield from fields(Addresses)

"""What a deployment may choose of the bundle; all else is said in the sources."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    """Each field is a flag of `python -m deploy.build`, with the same name and help."""

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

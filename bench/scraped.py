"""A fleet that a Prometheus scrapes, with all our rules and alerts: what that takes as it runs."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.fleet import PARTIES, Fleet
from bench.node_page import exporter_page
from bench.process import ROOT, cache, free_port, serving
from bench.report import Figure, say
from bench.server import Server, prometheus
from bench.sizes import Sizes

RULE_FILES = ROOT / "deploy/generated/prometheus"
LAST_SHARE = 0.4  # of the time, over which CPU time is taken: before, all series are new


def measure(sizes: Sizes) -> Iterator[Figure]:
    """Memory and CPU time by series, and whether the rules keep up."""
    with tempfile.TemporaryDirectory(dir=cache()) as name:
        folder, port = Path(name), free_port()
        page = folder / "page.prom"
        page.write_text(exporter_page())
        fleet = Fleet.of(sizes.replicas, sizes.scrape_seconds, page.read_text())
        pages = (sys.executable, "-m", "bench.pages", port, sizes.replicas, sizes.scrape_seconds,
                 page)
        with serving("pages", tuple(map(str, pages)), port, folder), \
                prometheus(folder, configuration(fleet, port)) as server:
            yield from _watched(server, sizes)


def configuration(fleet: Fleet, port: int) -> Mapping[str, Any]:
    """Scrapes every exporter of the fleet from one port; the rules are those that are shipped."""
    targets = [{"targets": [f"127.0.0.1:{port}"],
                "labels": {**fleet.target(node, party), "__metrics_path__": f"/{node}/{party}"}}
               for node in range(fleet.nodes) for party in PARTIES]
    return {
        "global": {"scrape_interval": f"{fleet.every}s", "scrape_timeout": f"{fleet.every}s",
                   "evaluation_interval": "1m"},
        "rule_files": [str(RULE_FILES / "*.rules.yml")],
        "scrape_configs": [{"job_name": "fleet", "static_configs": targets}],
    }


def _watched(server: Server, sizes: Sizes) -> Iterator[Figure]:
    time.sleep(sizes.live_seconds * (1 - LAST_SHARE))  # the fleet is scraped meanwhile
    began, spent = time.monotonic(), server.process.cpu_seconds()
    appended = server.own("prometheus_tsdb_head_samples_appended_total")
    largest = 0
    while time.monotonic() - began < sizes.live_seconds * LAST_SHARE:
        time.sleep(1.0)  # between two looks at its memory
        largest = max(largest, server.process.own_bytes())
    took = time.monotonic() - began
    cores = (server.process.cpu_seconds() - spent) / took
    appended = server.own("prometheus_tsdb_head_samples_appended_total") - appended
    memory, title = server.memory(), f"{sizes.replicas} replicas, scraped: "
    say(f"{title}{memory}, {appended / took:.0f} samples a second; "
        f"{100 * sum(_shares_of_groups(server).values()):.0f} % of intervals for all groups")
    yield Figure(f"{title}series in memory", "million", memory.series / 1e6, 5)
    yield Figure(f"{title}live heap of Prometheus, per series", "bytes",
                 memory.live / memory.series, 4096)
    yield Figure(f"{title}memory of Prometheus, per series", "bytes",
                 largest / memory.series, 8192)
    yield Figure(f"{title}memory of Prometheus", "GB", largest / 1e9, 14)
    yield Figure(f"{title}CPU time of Prometheus, of one core", "%", 100 * cores, 100)
    slowest, share = max(_shares_of_groups(server).items(), key=lambda one: one[1])
    yield Figure(f"{title}slowest group of rules or alerts, of its interval: {slowest}", "%",
                 100 * share, 50)
    yield Figure(f"{title}rounds of rules that were missed", "",
                 server.own("prometheus_rule_group_iterations_missed_total"), 0)
    yield Figure(f"{title}rules that failed", "",
                 server.own("prometheus_rule_evaluation_failures_total"), 0)


def _shares_of_groups(server: Server) -> Mapping[str, float]:
    """The share of its interval that each group took when it was last evaluated, by its name."""
    durations = server.labelled("prometheus_rule_group_last_duration_seconds", "rule_group")
    intervals = server.labelled("prometheus_rule_group_interval_seconds", "rule_group")
    return {group.partition(";")[2]: durations[group] / seconds
            for group, seconds in intervals.items()}

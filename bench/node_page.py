"""The page of one node: the real exporter's, of a fake driver, a captured engine, and calls."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from bench.gpus import busy_gpus
from bench.process import free_port, serving, wait_for_port
from bench.scraper import Scraper
from bench.vllm import DOCUMENTS, PAGE
from tests.bundle.application import post_calls
from tests.exporter.support import Engine

GPUS_A_NODE = 8
PRODUCT = "NVIDIA H100 80GB HBM3"
CALLED = ("gpt-4o", "gpt-4o-mini")  # by the application of each node
CALLS = 50  # of each before the page is read
CONFIG = """
engines: {targets: [{url: "%s", name: chat}], discover_ports: []}
cost: {gpu_hour_usd: {"%s": 2.5}}
intake: {listen: "127.0.0.1:%d", settle_seconds: 1}
ledger: {path: "%s"}
fleet:
  monthly_usd: {storage: 310, vector_db: 62, network: 31, other: 31}
  budgets_usd: {day: 50000, month: 1500000}
  limits: {error_ratio: 0.02}
  models: {tiny: {budgets_usd: {day: 8000}, limits: {time_to_first_token_p95_seconds: 0.4}}}
"""
# What is on the exporter's page when all has been read.
LATE = ("gpu_nvlink_bytes_total", "llm_cost_gpu_idle_usd_total", "llm_server_info",
        "llm_server_max_model_length_tokens", "llm_client_requests_total")


def exporter_page() -> str:
    """What the real exporter says of eight busy GPUs of a fake driver and a captured vLLM page."""
    with tempfile.TemporaryDirectory() as name, Engine(
            PAGE.read_bytes(), 0, **DOCUMENTS) as engine:
        folder, port, intake = Path(name), free_port(), free_port()
        config = folder / "inferometer.yml"
        config.write_text(CONFIG % (engine.url, PRODUCT, intake, folder / "ledger.db"))
        command = (sys.executable, "-m", "inferometer", "run", "--config", config,
                   "--listen", f"127.0.0.1:{port}")
        with serving("inferometer", command, port, folder,
                     busy_gpus(folder, GPUS_A_NODE)), Scraper(port) as scraper:
            wait_for_port(intake)
            for called in CALLED:
                post_calls(intake, CALLS, called)
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                page = scraper.scrape().text
                lacking = [name for name in LATE if f"\n{name}{{" not in page]
                if not lacking:
                    return page
                time.sleep(0.5)
    raise RuntimeError(f"the exporter does not show {lacking}")

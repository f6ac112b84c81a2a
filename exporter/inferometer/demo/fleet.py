"""What the demo is made of: engines in pods, GPUs, applications, prices, budgets and limits.

To add an engine, add a line to FLEET; its GPUs are counted from 0. To add an application, add one
to APPLICATIONS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inferometer.demo.dialects import SGLANG, TGI, VLLM
from inferometer.demo.engine import Workload
from inferometer.demo.gpus import NAME
from inferometer.demo.handbook import ORDERS, PUMPS
from inferometer.demo.searches import Index
from inferometer.demo.telemetry import Callee
from inferometer.demo.template import Dialect

GPUS = 6
CLUSTER, NODE = "prod", "gpu-1"
SERVING, MONITORING = "llm", "monitoring"  # namespaces
NODE_POD, GATEWAY_POD = "inferometer-node-4kq7c", "inferometer-gateway-0"
LLAMA, CODER, MISTRAL = (
    "meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen2.5-Coder-32B-Instruct",
    "mistralai/Mistral-7B-Instruct-v0.3")
HOSTED = "gpt-4o-mini"  # by OpenAI, and billed by its list
GPU_HOUR_USD, STORAGE_USD, OVERHEAD_PERCENT = 2.99, 720.0, 10.0
DAY_BUDGET_USD = 600.0


@dataclass(frozen=True)
class Seat:
    """One engine: its name, its pod, what it is, and the GPUs it has."""

    name: str
    pod: str
    dialect: Dialect
    workload: Workload
    gpus: tuple[int, ...]


FLEET = (
    Seat("chat-0", "llama-5c9f7d8b5c-x2x9v", VLLM, Workload(LLAMA, 24, 0.35, 0.75), (0,)),
    Seat("chat-1", "llama-5c9f7d8b5c-k7bqz", VLLM, Workload(LLAMA, 24, 0.4, 0.7, 0.03), (1,)),
    Seat("coder", "coder-85d7c6f9b8-zzv4l", SGLANG, Workload(
        CODER, 16, 0.3, 0.8, 0.35, input_tokens=1600, output_tokens=230, prefill_seconds=0.12,
        token_seconds=0.013), (2, 3)),
    Seat("summaries", "summaries-6d5b9c4f7d-t6tkj", TGI, Workload(
        MISTRAL, 20, 0.25, 0.65, 0.6, input_tokens=2400, output_tokens=120, prefill_seconds=0.16,
        token_seconds=0.012), (4,)),
)


@dataclass(frozen=True)
class Agent:
    """What calls a model again and again, and tools between."""

    name: str
    tools: tuple[str, ...]


@dataclass(frozen=True)
class Caller:
    """An application: its service's name, the model that it calls, and what serves that."""

    service: str
    model: Callee
    served_by: tuple[str, ...]  # engines, or HOSTED
    agent: Agent | None = None  # that makes its calls
    index: Index | None = None  # that is searched before each of them
    answers_in_json: bool = False  # whether it asks for that
    has_readers: bool = False  # whether people talk with it, and vote on what it answers


APPLICATIONS = (
    Caller("chat-app", Callee("vllm", LLAMA, "llama.llm.svc"), ("chat-0", "chat-1"),
           index=Index("handbook", "qdrant", 8, PUMPS, "bge-reranker-v2-m3"), has_readers=True),
    Caller("code-review", Callee("sglang", CODER, "coder.llm.svc"), ("coder",),
           Agent("reviewer", ("read_file", "run_tests"))),
    Caller("report-writer", Callee("tgi", MISTRAL, "summaries.llm.svc", streamed=False),
           ("summaries",), answers_in_json=True),
    Caller("support-bot", Callee("openai", HOSTED, "api.openai.com"), (HOSTED,),
           Agent("clerk", ("find_order", "search_help", "refund")),
           index=Index("orders", "elasticsearch", 5, ORDERS)),
)
SPENT_AN_HOUR_USD = (GPUS * GPU_HOUR_USD + STORAGE_USD / 720) * (1 + OVERHEAD_PERCENT / 100)


def money(day_budget_usd: float = DAY_BUDGET_USD) -> Mapping[str, Any]:
    """The sections `cost` and `fleet` of the configuration."""
    return {
        "cost": {"gpu_hour_usd": {NAME: GPU_HOUR_USD}},
        "fleet": {
            "monthly_usd": {"storage": STORAGE_USD},
            "overhead_percent": OVERHEAD_PERCENT,
            "budgets_usd": {"day": round(day_budget_usd, 2), "month": 18000},
            "models": {LLAMA: {"budgets_usd": {"day": 250, "month": 7500}},
                       CODER: {"budgets_usd": {"day": 250, "month": 7500}}},
            "limits": {
                "request_duration_p95_seconds": 10, "time_to_first_token_p95_seconds": 0.5,
                "time_per_output_token_p95_seconds": 0.05, "request_queue_p95_seconds": 1,
                "output_tokens_per_second": 30, "error_ratio": 0.01, "goodput_ratio": 0.9,
                "least_replicas": 1, "request_cost_usd": 0.01, "million_tokens_cost_usd": 5,
                "gpu_busy_ratio": 0.2, "gpu_idle_cost_ratio": 0.8,
            },
        },
    }

"""The story: what goes wrong, which alerts should fire by when, and where to look.

To add to it, add a chapter; a test holds its alerts and boards against those that there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from inferometer.demo.board import Ailment
from inferometer.demo.engine import Condition

OFF_THE_BUS = 79  # XID: the GPU has fallen off the bus


@dataclass(frozen=True)
class Expected:
    """An alert that should fire. `minutes`: by when, since its chapter began."""

    alert: str
    severity: str
    minutes: float


@dataclass(frozen=True)
class Chapter:
    """What befalls the world for so many minutes; after it all is well for a while.

    `board` is where to look first, its uid without the prefix.
    """

    title: str
    wrong: str
    look: str
    board: str
    minutes: float
    rest: float = 10.0  # minutes after it, in which all is well
    expected: tuple[Expected, ...] = ()
    conditions: Mapping[str, Condition] = field(default_factory=dict)  # by engine
    ailments: Mapping[int, Ailment] = field(default_factory=dict)  # by GPU
    lost: tuple[int, ...] = ()  # GPUs
    xid: int = OFF_THE_BUS  # that they report last
    dead: tuple[str, ...] = ()  # engines
    budget_used: float = 0.0  # how much of the day's budget is used once it is cut; 0: it is not


STORY = (
    Chapter(
        "A calm day",
        "Four engines serve three models on five GPUs; a sixth one is idle.",
        "The page shows all of it.", "fleet", minutes=20, rest=0),
    Chapter(
        "Requests queue",
        "Three times as many people chat. Both replicas are full, and the others wait.",
        "chat-0 and chat-1: Waiting grows, the first token is late, tokens still come as fast.",
        "latency", minutes=25,
        conditions={"chat-0": Condition(demand=3.6), "chat-1": Condition(demand=3.6)},
        expected=(Expected("LLMQueueTimeLong", "warning", 20),
                  Expected("LLMFirstTokenSlow", "critical", 20))),
    Chapter(
        "A saturated GPU",
        "Long prompts fill coder's KV cache and memory, and its two GPUs overheat.",
        "GPU 2 and GPU 3: temperature, clocks and memory; coder: KV cache and preemptions.",
        "gpu", minutes=25,
        conditions={"coder": Condition(demand=1.4, slowness=1.5, crowded=True)},
        ailments=dict.fromkeys((2, 3), Ailment(overheated=True, memory_full=True)),
        expected=(Expected("LLMKvCacheFull", "warning", 18),
                  Expected("LLMRequestsPreempted", "warning", 20),
                  Expected("GpuHeldDownByHardware", "warning", 22),
                  Expected("GpuMemoryNearlyFull", "warning", 20))),
    Chapter(
        "A lost GPU",
        f"GPU 4 falls off the bus (XID {OFF_THE_BUS}), and summaries, the one engine of its model, "
        "dies with it.",
        "GPU 4: it is lost, with its XID; summaries: its address refuses every connection.",
        "gpu", minutes=25, lost=(4,), dead=("summaries",),
        expected=(Expected("GpuXidNeedsDrain", "critical", 8),
                  Expected("LLMModelDown", "critical", 16),
                  Expected("GpuLost", "warning", 20))),
    Chapter(
        "An engine that hangs",
        "chat-1 answers its health check, but generates no token any more.",
        "chat-1: no progress, though it has requests and its GPU is busy.",
        "throughput", minutes=16, conditions={"chat-1": Condition(hung=True)},
        expected=(Expected("LLMEngineHung", "critical", 12),)),
    Chapter(
        "A budget that goes",
        "The day's budget is cut to less than has been spent already.",
        "Cost: what is spent since midnight UTC against the day's budget.",
        "cost", minutes=22, budget_used=1.6,
        expected=(Expected("CostBudgetExceeded", "warning", 20),)),
)
ROUND_MINUTES = sum(chapter.minutes + chapter.rest for chapter in STORY)

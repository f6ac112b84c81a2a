"""The story: what goes wrong, which alerts should fire by when, and where to look.

To add to it, add an episode; a test holds its alerts and boards against those that there are. What
only applications see, by their calls, is left out where there is no gateway to count these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from inferometer.demo.engine import Condition
from inferometer.demo.fleet import HOSTED
from inferometer.demo.gpus import Ailment

OFF_THE_BUS = 79  # XID: the GPU has fallen off the bus


@dataclass(frozen=True)
class Expected:
    """An alert that should fire. `minutes`: by when, since its episode began.

    `of_calls`: whether it is about what applications see.
    """

    alert: str
    severity: str
    minutes: float
    of_calls: bool = False


@dataclass(frozen=True)
class Episode:
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
    conditions: Mapping[str, Condition] = field(default_factory=dict)  # by engine, or HOSTED
    ailments: Mapping[int, Ailment] = field(default_factory=dict)  # by GPU
    lost: tuple[int, ...] = ()  # GPUs
    xid: int = OFF_THE_BUS  # that they report last
    dead: tuple[str, ...] = ()  # engines
    budget_used: float = 0.0  # how much of the day's budget is used once it is cut; 0: it is not


STORY = (
    Episode(
        "A calm day",
        "Four engines serve three models on five GPUs; a sixth one is idle.",
        "The page shows all of it.", "fleet", minutes=20, rest=0),
    Episode(
        "Requests queue",
        "Three times as many people chat. Both replicas are full, and the others wait.",
        "chat-0 and chat-1: Waiting grows, the first token is late, tokens still come as fast.",
        "latency", minutes=28,
        conditions={"chat-0": Condition(demand=3.6), "chat-1": Condition(demand=3.6)},
        expected=(Expected("LLMQueueTimeLong", "warning", 24),
                  Expected("LLMFirstTokenSlow", "critical", 24),
                  Expected("LLMClientFirstTokenSlow", "warning", 26, of_calls=True))),
    Episode(
        "A saturated GPU",
        "Long prompts fill coder's KV cache and memory, and its two GPUs overheat.",
        "GPU 2 and GPU 3: temperature, clocks and memory; coder: KV cache and preemptions.",
        "gpu", minutes=28,
        conditions={"coder": Condition(demand=1.4, slowness=1.5, crowded=True)},
        ailments=dict.fromkeys((2, 3), Ailment(overheated=True, memory_full=True)),
        expected=(Expected("LLMKvCacheFull", "warning", 24),
                  Expected("LLMRequestsPreempted", "warning", 25),
                  Expected("GpuHeldDownByHardware", "warning", 26),
                  Expected("GpuMemoryNearlyFull", "warning", 26))),
    Episode(
        "A provider turns calls away",
        f"OpenAI answers 429 to every second call for {HOSTED}: support-bot is over its limit.",
        "support-bot: rejected calls, while all that is served here is well.",
        "requests", minutes=24, conditions={HOSTED: Condition(failing=0.5)},
        expected=(Expected("LLMClientCallsFailing", "warning", 22, of_calls=True),)),
    Episode(
        "A lost GPU",
        f"GPU 4 falls off the bus (XID {OFF_THE_BUS}), and summaries, the one engine of its model, "
        "dies with it.",
        "GPU 4: it is lost, with its XID; summaries: its address refuses every connection.",
        "gpu", minutes=28, lost=(4,), dead=("summaries",),
        expected=(Expected("GpuXidNeedsDrain", "critical", 12),
                  Expected("LLMClientCallsFailing", "critical", 16, of_calls=True),
                  Expected("LLMModelDown", "critical", 20),
                  Expected("GpuLost", "warning", 26))),
    Episode(
        "An engine that hangs",
        "chat-1 answers its health check, but generates no token any more.",
        "chat-1: no progress, though it has requests and its GPU is busy; its callers give up.",
        "throughput", minutes=20, conditions={"chat-1": Condition(hung=True)},
        expected=(Expected("LLMEngineHung", "critical", 18),)),
    Episode(
        "A budget that goes",
        "The day's budget is cut to less than has been spent already.",
        "Cost: what is spent since midnight UTC against the day's budget.",
        "cost", minutes=26, budget_used=1.6,
        expected=(Expected("CostBudgetExceeded", "warning", 25),)),
)


def without_calls(episodes: Sequence[Episode]) -> Sequence[Episode]:
    """The story where no gateway counts what applications see."""
    return [replace(episode, expected=tuple(one for one in episode.expected if not one.of_calls))
            for episode in episodes if HOSTED not in episode.conditions]


def round_minutes(episodes: Sequence[Episode]) -> float:
    """How long they take, one after another."""
    return sum(episode.minutes + episode.rest for episode in episodes)


ROUND_MINUTES = round_minutes(STORY)

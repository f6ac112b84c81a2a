"""GPUs: each counted once however many exporters see it, then nodes and the fleet.

Two exporters may see one GPU under different indices: its UUID tells it apart, and one of them
gives it node and index.
"""

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.model import Group, Rule
from recording_rules.promql import FLEET, GPU, HOUR, MIG, NODE, WINDOW, any_of, by, on

_UUID = ("cluster", c.UUID.name)
_UUID_MIG = (*_UUID, c.MIG.name)

IDENTITY = Rule(
    "gpu:gpu_info:identity",
    f"max {by((*GPU, 'name'))} (topk {by(_UUID)} (1, {c.GPU_INFO.name}))", (*GPU, "name"),
    "Node, index and product name of a GPU, from one of the exporters that see it; always 1.")


def _once(expr: str, keys: tuple[str, ...] = _UUID) -> str:
    """One series for each GPU, whoever sees it, under its node and index."""
    return (f"max {by(keys)} ({expr}) * {on(_UUID)} "
            f"group_left (node, {c.GPU.name}) {IDENTITY}")


def _rate(metric: Metric) -> str:
    return f"rate({metric.name}[{WINDOW}])"


UP = Rule("gpu:gpu_up:max", _once(c.GPU_UP.name), GPU, "1 while an exporter reads the GPU, else 0.")
BUSY = Rule(
    "gpu:gpu_busy:ratio_5m",
    _once(f"{_rate(c.GPU_BUSY)} / ({_rate(c.GPU_OBSERVED)} > 0)"), GPU,
    "Share of the time in which a kernel ran: not how much of the GPU it used.")
MEMORY = Rule(
    "gpu:gpu_memory_used:ratio",
    _once(f"{c.GPU_MEMORY_USED.name} / ({c.GPU_MEMORY_TOTAL.name} > 0)", _UUID_MIG), MIG,
    "Share of device memory in use. Engines take nearly all of it for their KV cache.")
POWER = Rule("gpu:gpu_power_watts:max", _once(c.GPU_POWER.name), GPU, "Power drawn by the board.")
THROTTLED = Rule(
    "gpu:gpu_throttled:ratio_5m",
    _once(f"sum {by((*_UUID, 'instance'))} ({_rate(c.GPU_THROTTLED)})"), GPU,
    "Share of the time in which clocks were held down; above 1 where reasons coincide.")


def _node(name: str, expr: str, text: str, *labels: str) -> Rule:
    return Rule(f"node:{name}", expr, (*NODE, *labels), text)


def _over_fleet(rule: Rule, operator: str) -> Rule:
    labels = tuple(label for label in rule.labels if label != "node")
    return Rule(rule.name.replace("node:", "fleet:", 1), f"{operator} {by(labels)} ({rule})",
                labels, rule.help)


NODE_GPUS = _node("gpus:count", f"count {by(NODE)} ({IDENTITY})", "GPUs there are.")
NODE_BUSY = _node("gpu_busy:ratio_5m", f"avg {by(NODE)} ({BUSY})",
                  "Share of the time in which a kernel ran, mean of the GPUs.")
NODE_MEMORY = _node("gpu_memory_used:ratio", f"max {by(NODE)} ({MEMORY})",
                    "Device memory in use, of the fullest GPU.")
NODE_POWER = _node("gpu_power_watts:sum", f"sum {by(NODE)} ({POWER})",
                   "Power drawn by the GPUs.")
NODE_ENERGY = _node("gpu_energy_joules:rate5m",
                    f"sum {by(NODE)} ({_once(_rate(c.GPU_ENERGY))})",
                    "Energy used by the GPUs, in joules per second.")
NODE_TEMPERATURE = _node(
    "gpu_temperature_celsius:max", f"max {by(NODE)} ({_once(c.GPU_TEMPERATURE.name)})",
    "Of the hottest GPU.")
NODE_THROTTLED = _node(
    "gpu_throttled:ratio_5m",
    f"max {by((*NODE, 'reason'))} ("
    f"{_once(_rate(c.GPU_THROTTLED), (*_UUID, c.THROTTLE.name))})",
    "Share of the time in which clocks were held down, by reason, of the GPU held down most.",
    c.THROTTLE.name)


def _events(metric: Metric, *matchers: str) -> str:
    """Events of the last hour, of all GPUs of the node."""
    selected = f"{metric.name}{{{', '.join(matchers)}}}" if matchers else metric.name
    increases = f"sum {by((*_UUID, 'instance'))} (increase({selected}[{HOUR}]))"
    return f"sum {by(NODE)} ({_once(increases)})"


NODE_XIDS = _node("gpu_xid_errors:increase1h", _events(c.GPU_XID),
                  "XID events of the last hour: what the driver has to say about the GPUs.")
NODE_ECC = _node("gpu_ecc_uncorrected:increase1h",
                 _events(c.GPU_ECC, any_of(c.ECC_KIND, "uncorrected")),
                 "Memory errors of the last hour that could not be corrected.")

FLEET_GPUS = _over_fleet(NODE_GPUS, "sum")
FLEET_UP = Rule("fleet:gpu_up:sum", f"sum {by(FLEET)} ({UP})", FLEET,
                "GPUs that an exporter reads.")
FLEET_BUSY = Rule("fleet:gpu_busy:ratio_5m", f"avg {by(FLEET)} ({BUSY})", FLEET, NODE_BUSY.help)
FLEET_MEMORY = Rule("fleet:gpu_memory_used:ratio", f"avg {by(FLEET)} ({MEMORY})", FLEET,
                    "Device memory in use, mean of the GPUs.")
FLEET_POWER, FLEET_ENERGY = (_over_fleet(rule, "sum") for rule in (NODE_POWER, NODE_ENERGY))
FLEET_BUSY_HOUR = Rule("fleet:gpu_busy:ratio_1h", f"avg_over_time({FLEET_BUSY}[{HOUR}])", FLEET,
                       f"{NODE_BUSY.help} Over an hour.")
NODE_BUSY_HOUR = _node("gpu_busy:ratio_1h", f"avg_over_time({NODE_BUSY}[{HOUR}])",
                       f"{NODE_BUSY.help} Over an hour.")

GROUPS = (
    Group("inferometer-gpus", (IDENTITY, UP, BUSY, MEMORY, POWER, THROTTLED)),
    Group("inferometer-nodes", (
        NODE_GPUS, NODE_BUSY, NODE_MEMORY, NODE_POWER, NODE_ENERGY, NODE_TEMPERATURE,
        NODE_THROTTLED, NODE_XIDS, NODE_ECC,
    )),
    Group("inferometer-fleet-gpus", (
        FLEET_GPUS, FLEET_UP, FLEET_BUSY, FLEET_MEMORY, FLEET_POWER, FLEET_ENERGY,
    )),
    Group("inferometer-gpus-hour", (FLEET_BUSY_HOUR, NODE_BUSY_HOUR), interval="2m"),
)

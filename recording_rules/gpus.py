"""GPUs: each counted once however many exporters see it, then nodes and the fleet.

Two exporters may see one GPU under different indices: its UUID tells it apart, and one of them
gives it node and index. There are hundreds of GPUs and of each family here one series more for
each, so what is recorded GPU by GPU is little; the rest is by node.
"""

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.model import Group, Rule
from recording_rules.promql import (
    EXPORTER,
    FLEET,
    GPU,
    HOUR,
    MIG,
    NODE,
    UUID,
    WINDOW,
    any_of,
    by,
    on,
)

_UUID_MIG = (*UUID, c.MIG.name)
_NAMED = f'{c.GPU_INFO.name}{{{c.UUID.name}!=""}}'  # all without a UUID would be taken for one
# Lost before their exporter started, or without a UUID: no more is known than who looks for them,
# and at which index.
_UNNAMED = f"(max {by(GPU)} ({c.GPU_UP.name}) unless {on(UUID)} {_NAMED})"
_IDENTITY = f"topk {by(UUID)} (1, {_NAMED})"
_AN_XID = any_of(c.XID, c.XIDS_DRAIN[0])  # the driver is asked for all of them or for none
_UNCORRECTED = any_of(c.ECC_KIND, "uncorrected")


_LOOKED_FOR = f"{c.COLLECTOR_SUCCESS.name}{{{any_of(c.COLLECTOR, 'gpu')}}}"
# Of exporters that have to do with a driver: one that is there to read GPUs fails without a
# library, any other has none to miss.
WITH_DRIVER = (f'{on(EXPORTER)} ({c.GPU_DRIVER_UP.name}{{{c.DRIVER_FAULT.name}!="no_library"}} '
               f"or {_LOOKED_FOR} == 0)")


def one_per_gpu(expr: str, keys: tuple[str, ...] = UUID) -> str:
    """One series for each GPU, whoever sees it, under its node and index."""
    return (f"max {by(keys)} ({expr}) * {on(UUID)} "
            f"group_left (node, {c.GPU.name}) {_IDENTITY}")


def _rate(metric: Metric) -> str:
    return f"rate({metric.name}[{WINDOW}])"


_UP = f"({one_per_gpu(c.GPU_UP.name)} or {_UNNAMED})"
LOST = Rule("gpu:gpu_up:lost", f"{_UP} == 0", GPU,
            "0 for each GPU that does not answer; of the others nothing.")
BUSY = Rule(
    "gpu:gpu_busy:ratio_5m",
    one_per_gpu(f"{_rate(c.GPU_BUSY)} / ({_rate(c.GPU_OBSERVED)} > 0)"), GPU,
    "Share of the time in which a kernel ran: not how much of the GPU it used.")
MEMORY = Rule(
    "gpu:gpu_memory_used:ratio",
    one_per_gpu(f"{c.GPU_MEMORY_USED.name} / ({c.GPU_MEMORY_TOTAL.name} > 0)", _UUID_MIG), MIG,
    "Share of device memory in use. Engines take nearly all of it for their KV cache.")


def _node(name: str, expr: str, text: str) -> Rule:
    return Rule(f"node:{name}", expr, NODE, text)


def _lacking(metric: Metric) -> str:
    """GPUs that answer but do not tell this."""
    return f"({c.GPU_UP.name} == 1) unless {on(UUID)} {metric.name}"


NODE_GPUS = _node("gpus:count", f"count {by(NODE)} ({_IDENTITY} or {_UNNAMED})", "GPUs there are.")
NODE_UP = _node("gpu_up:sum", f"sum {by(NODE)} ({_UP})",
                "GPUs that answer an exporter.")
NODE_BUSY = _node("gpu_busy:ratio_5m", f"avg {by(NODE)} ({BUSY})",
                  "Share of the time in which a kernel ran, mean of the GPUs.")
NODE_MEMORY = _node("gpu_memory_used:ratio", f"max {by(NODE)} ({MEMORY})",
                    "Device memory in use, of the fullest GPU.")
NODE_POWER = _node("gpu_power_watts:sum", f"sum {by(NODE)} ({one_per_gpu(c.GPU_POWER.name)})",
                   "Power drawn by the GPUs.")
NODE_ENERGY = _node(
    "gpu_energy_joules:rate5m",
    f"sum {by(NODE)} ({one_per_gpu(_rate(c.GPU_ENERGY))}) "
    f"unless {on(NODE)} count {by(NODE)} ({_lacking(c.GPU_ENERGY)})",
    "Energy used by the GPUs, in joules per second. Absent if one of them does not tell.")
NODE_TEMPERATURE = _node(
    "gpu_temperature_celsius:max", f"max {by(NODE)} ({one_per_gpu(c.GPU_TEMPERATURE.name)})",
    "Of the hottest GPU.")
_THROTTLED = f"sum {by((c.UUID.name, *EXPORTER))} ({_rate(c.GPU_THROTTLED)})"
NODE_THROTTLED = _node(
    "gpu_throttled:ratio_5m", f"max {by(NODE)} ({one_per_gpu(_THROTTLED)})",
    "Share of the time in which clocks were held down, of the GPU held down most; above 1 where "
    "reasons coincide.")
NODE_XIDS = _node(
    "gpu_xid_errors:gpus1h",
    f"sum {by(NODE)} ({one_per_gpu(f'time() - {c.GPU_XID_LAST.name} < bool 3600')}) "
    f"or count {by(NODE)} ({one_per_gpu(f'{c.GPU_XID.name}{{{_AN_XID}}}')}) * 0",
    "GPUs of which the driver reported an XID in the last hour.")
NODE_ECC = _node(
    "gpu_ecc_uncorrected:increase1h",
    f"sum {by(NODE)} ({one_per_gpu(f'increase({c.GPU_ECC.name}{{{_UNCORRECTED}}}[{HOUR}])')})",
    "Memory errors of the last hour that could not be corrected.")
NODE_BUSY_HOUR = _node("gpu_busy:ratio_1h", f"avg_over_time({NODE_BUSY}[{HOUR}])",
                       f"{NODE_BUSY.help} Over an hour.")


def _sum(rule: Rule, text: str = "") -> Rule:
    return Rule(rule.name.replace("node:", "fleet:", 1), f"sum {by(FLEET)} ({rule})", FLEET,
                text or rule.help)


FLEET_GPUS, FLEET_UP, FLEET_POWER = (_sum(rule) for rule in (NODE_GPUS, NODE_UP, NODE_POWER))
FLEET_ENERGY = Rule(
    "fleet:gpu_energy_joules:rate5m",
    f"sum {by(FLEET)} ({NODE_ENERGY}) "
    f"unless {on(FLEET)} count {by(FLEET)} ({_lacking(c.GPU_ENERGY)})", FLEET, NODE_ENERGY.help)
FLEET_DRIVERS_DOWN = Rule(
    "fleet:gpu_drivers:down",
    f"sum {by(FLEET)} ((1 - max {by(EXPORTER)} ({c.GPU_DRIVER_UP.name})) and {WITH_DRIVER})", FLEET,
    "Exporters that the GPU driver of their node does not answer.")
FLEET_UNLISTED = Rule(
    "fleet:gpu_unlisted_devices:sum", f"sum {by(FLEET)} (max {by(NODE)} ({c.GPU_UNLISTED.name}))",
    FLEET, "Devices that kubelets have given to containers and no driver lists.")
FLEET_BUSY = Rule("fleet:gpu_busy:ratio_5m", f"avg {by(FLEET)} ({BUSY})", FLEET, NODE_BUSY.help)
FLEET_MEMORY = Rule(
    "fleet:gpu_memory_used:ratio", f"avg {by(FLEET)} (avg {by(UUID)} ({MEMORY}))", FLEET,
    "Device memory in use, mean of the GPUs.")
FLEET_THROTTLED = Rule(
    "fleet:gpu_throttled:ratio_5m",
    f"avg {by((*FLEET, c.THROTTLE.name))} "
    f"(max {by((*UUID, c.THROTTLE.name))} ({_rate(c.GPU_THROTTLED)}))",
    (*FLEET, c.THROTTLE.name),
    "Share of the time in which clocks were held down, by reason, mean of the GPUs.")

GROUPS = (
    Group("inferometer-gpus", (
        LOST, BUSY, MEMORY, NODE_GPUS, NODE_UP, NODE_BUSY, NODE_MEMORY, NODE_POWER, NODE_ENERGY,
        NODE_TEMPERATURE, NODE_THROTTLED, NODE_XIDS, NODE_ECC,
    ), interval="2m"),
    Group("inferometer-gpus-fleet", (
        FLEET_GPUS, FLEET_UP, FLEET_POWER, FLEET_ENERGY, FLEET_BUSY, FLEET_MEMORY, FLEET_THROTTLED,
        NODE_BUSY_HOUR, FLEET_DRIVERS_DOWN, FLEET_UNLISTED,
    ), interval="2m"),
)

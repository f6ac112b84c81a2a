"""GPUs are lost, fail, are held down, full or idle.

What a lost GPU served is gone, which pages by itself: the loss is left to be read. A GPU that goes
on taking work while its memory or its link fails is what somebody is woken for.
"""

from __future__ import annotations

from alerts.model import GPU_HEALTH, GPU_USE, HAPPENED, Alert, AlertGroup
from alerts.promql import limit_value, over
from inferometer import catalogue as c
from recording_rules.gpus import LOST as UNANSWERING
from recording_rules.gpus import MEMORY, NODE_BUSY_HOUR, NODE_GPUS
from recording_rules.limits import GPU_BUSY, GPU_MEMORY
from recording_rules.promql import WINDOW, any_of, by, on

# What the application did wrong, the GPU being well.
XIDS_APPLICATION = ("13", "31", "43", "45")
XIDS_UNUSUAL = tuple(xid for xid in c.XID.values
                     if xid not in (*c.XIDS_DRAIN, *XIDS_APPLICATION))
HELD_DOWN_SHARE = 0.05  # of the time
LOOK_BACK, LOOK_BACK_SECONDS = "30m", 1800

_GPU = GPU_HEALTH.scope
_ON_NODE = "{{ with $labels.node }} on {{ . }}{{ end }}"
_IN_WORDS = f"GPU {{{{ $labels.uuid }}}}{_ON_NODE}"
_NODE_IN_WORDS = '{{ or $labels.node "A node" }}'


def _xid(name: str, severity: str, codes: tuple[str, ...], summary: str, text: str) -> Alert:
    """XIDs of late: some are shown from their first event on, of which no increase is seen.

    Each GPU shows dozens of them, nearly all 0: three looks at them cost half of what an increase
    does. An exporter that starts again forgets them, so that the alert has to remember.
    """
    counter = f"{c.GPU_XID.name}{{{any_of(c.XID, *codes)}}}"
    more = f"{counter} > 0 unless ({counter} offset {LOOK_BACK} > 0) >= {counter}"
    late = f"max {by(_GPU)} ({c.GPU_XID_LAST.name}) > time() - {LOOK_BACK_SECONDS}"
    return Alert(
        name, GPU_HEALTH, severity,
        f"max {by((*_GPU, c.XID.name))} ({more}) and {on(_GPU)} ({late})", summary,
        f"{_IN_WORDS}: XID {{{{ $labels.xid }}}} came, of which there are {{{{ $value }}}} since "
        f"the exporter started. {text}",
        board="gpu", hold="0m", because=HAPPENED, keep_firing=LOOK_BACK)


LOST = Alert(
    "GpuLost", GPU_HEALTH, "warning", str(UNANSWERING),
    summary="A GPU no longer answers.",
    description=f"{_IN_WORDS}: up is {{{{ $value }}}}. It is lost or a call to its driver hangs.",
    board="gpu")
FEWER = Alert(
    "GpusFewerThanBefore", GPU_USE, "warning", f"{NODE_GPUS} < {NODE_GPUS} offset 1h",
    summary="A node has fewer GPUs than an hour ago.",
    description=f"{_NODE_IN_WORDS}: {{{{ $value }}}} GPUs are left; the driver no longer lists "
                "the others.",
    board="gpu")
XID_DRAIN = _xid(
    "GpuXidNeedsDrain", "critical", c.XIDS_DRAIN,
    "A GPU reports an error after which it must be drained.",
    "It needs a reset or a repair before it is trusted with work again.")
XID_UNUSUAL = _xid(
    "GpuXidUnusual", "warning", XIDS_UNUSUAL, "A GPU reports an error that is not usual.",
    "Look it up: it may be the driver's, the firmware's or the hardware's.")
XID_APPLICATION = _xid(
    "GpuXidOfApplication", "info", XIDS_APPLICATION,
    "A GPU reports an error of the application on it.", "The GPU itself is well.")
MEMORY_ERROR = Alert(
    "GpuMemoryErrorUncorrected", GPU_HEALTH, "critical",
    # Over the board's life: it goes on where an exporter that was replaced has left it.
    f"increase((max {by(_GPU)} ({c.GPU_ECC.name}"
    f'{{{any_of(c.ECC_KIND, "uncorrected")}}}))[{LOOK_BACK}:2m]) > 0',
    summary="A GPU had a memory error that could not be corrected.",
    description=f'{_IN_WORDS}: {{{{ $value | printf "%.0f" }}}} errors in {LOOK_BACK}.',
    board="gpu", hold="0m", because=HAPPENED)
REMAP_FAILED = Alert(
    "GpuRemapFailed", GPU_HEALTH, "warning",
    f"max {by(_GPU)} ({c.GPU_REMAP_FAILED.name}) > 0",
    summary="A GPU can no longer replace failing memory.",
    description=f"{_IN_WORDS}: remap failure is {{{{ $value }}}}. Have the board replaced.",
    board="gpu")
REMAP_PENDING = Alert(
    "GpuRemapPending", GPU_HEALTH, "info",
    f"max {by(_GPU)} ({c.GPU_REMAP_PENDING.name}) > 0",
    summary="A GPU has to be reset before it replaces failing memory.",
    description=f"{_IN_WORDS}: remaps pending is {{{{ $value }}}}. Reset it when it is idle.",
    board="gpu")
HELD_DOWN = Alert(
    "GpuHeldDownByHardware", GPU_HEALTH, "warning",
    f"max {by((*_GPU, c.THROTTLE.name))} (rate({c.GPU_THROTTLED.name}"
    f'{{{any_of(c.THROTTLE, "hw_thermal", "hw_power_brake")}}}[{WINDOW}])) > {HELD_DOWN_SHARE}',
    summary="The hardware holds a GPU's clocks down.",
    description=f"{_IN_WORDS}: {{{{ $labels.reason }}}} for {{{{ $value | humanizePercentage }}}} "
                f"of the time, more than {HELD_DOWN_SHARE:.0%}.",
    board="gpu")
MEMORY_FULL = Alert(
    "GpuMemoryNearlyFull", GPU_HEALTH, "warning", over(MEMORY, GPU_MEMORY),
    summary="A GPU's memory is nearly full.",
    description=f"{_IN_WORDS}{{{{ with $labels.mig }}}}, instance {{{{ . }}}}{{{{ end }}}}: "
                "{{ $value | humanizePercentage }} of its memory is in use, over the limit of "
                f"{limit_value(GPU_MEMORY, 'humanizePercentage')}.",
    board="gpu")
UNDERUSED = Alert(
    "GpusUnderused", GPU_USE, "info",
    f"{NODE_BUSY_HOUR} < {on(GPU_BUSY.labels)} group_left () {GPU_BUSY.selector}",
    summary="GPUs are idle for much of the time.",
    description=f"{_NODE_IN_WORDS}: its GPUs were busy for {{{{ $value | humanizePercentage }}}} "
                f"of an hour, under the limit of {limit_value(GPU_BUSY, 'humanizePercentage')}.",
    board="gpu")

GROUP = AlertGroup("inferometer-gpu-alerts", (
    LOST, FEWER, XID_DRAIN, XID_UNUSUAL, XID_APPLICATION, MEMORY_ERROR, REMAP_FAILED,
    REMAP_PENDING, HELD_DOWN, MEMORY_FULL, UNDERUSED,
), interval="2m")  # as what is recorded of GPUs; they have many XIDs to look at

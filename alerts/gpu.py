"""GPUs are lost, fail, are held down, full or idle.

What a lost GPU served is gone, which pages by itself: the loss is left to be read. A GPU that goes
on taking work after an error that only a reset ends is what somebody is woken for.
"""

from __future__ import annotations

from collections.abc import Mapping

from alerts import words
from alerts.model import GPU_DRIVER, GPU_HEALTH, GPU_USE, HAPPENED, Alert, AlertGroup
from alerts.promql import FLAP_WINDOW, answered, away, limit_value, over
from inferometer import catalogue as c
from recording_rules.gpus import LOST as UNANSWERING
from recording_rules.gpus import MEMORY, NODE_BUSY_HOUR, NODE_GPUS, WITH_DRIVER, one_per_gpu
from recording_rules.limits import GPU_BUSY, GPU_MEMORY
from recording_rules.promql import HOUR, NODE, UUID, WINDOW, any_of, by, on

DRAIN, INVESTIGATE, RESTART, IGNORE = c.XID_ADVICE.values()
UNKNOWN = ("other",)
HELD_DOWN_SHARE = c.HELD_DOWN_RATIO
LOOK_BACK, LOOK_BACK_SECONDS = f"{c.EVENT_SECONDS / 60:g}m", round(c.EVENT_SECONDS)
MISSED_FOR = "6h"  # how long a GPU that vanished is missed

_GPU = GPU_HEALTH.scope


def codes(actions: Mapping[str, str]) -> tuple[str, ...]:
    """The XIDs for which NVIDIA's catalogue names one of these actions."""
    return tuple(xid for action in actions for xid in c.XID_ACTIONS[action])


def _advice(actions: Mapping[str, str]) -> str:
    """What the catalogue says to do about the XID of an alert."""
    by_words: dict[str, list[str]] = {}
    for action, phrase in actions.items():
        by_words.setdefault(phrase, []).extend(c.XID_ACTIONS[action])
    *others, (last, _) = sorted(by_words.items(), key=lambda item: len(item[1]))
    chosen = "".join(f'{{{{ if match "^({"|".join(xids)})$" $labels.xid }}}}{phrase}{{{{ else }}}}'
                     for phrase, xids in others)
    return f"NVIDIA's catalogue says: {chosen}{last}{'{{ end }}' * len(others)}."


def _xid(name: str, severity: str, xids: tuple[str, ...], summary: str, advice: str) -> Alert:
    """XIDs of the last minutes. Some are shown from their first event on: no increase shows it.

    Each GPU shows many of them, nearly all 0: three looks at them cost half of what an increase
    does. An exporter that starts again forgets them, so that the alert has to remember.
    """
    counter = f"{c.GPU_XID.name}{{{any_of(c.XID, *xids)}}}"
    more = f"{counter} > 0 unless ({counter} offset {LOOK_BACK} > 0) >= {counter}"
    late = f"max {by(_GPU)} ({c.GPU_XID_LAST.name}) > time() - {LOOK_BACK_SECONDS}"
    return Alert(
        name, GPU_HEALTH, severity,
        f"max {by((*_GPU, c.XID.name))} ({more}) and {on(_GPU)} ({late})", summary,
        f"{words.GPU} reported XID {{{{ $labels.xid }}}} in the last {LOOK_BACK}, {{{{ $value }}}} "
        f"since its exporter started. {advice}",
        board="gpu", hold="0m", because=HAPPENED, keep_firing=LOOK_BACK)


_ANSWERS = f"max {by(GPU_DRIVER.scope)} ({c.GPU_DRIVER_UP.name})"
DRIVER = Alert(
    "GpuDriverDown", GPU_DRIVER, "warning",
    away(_ANSWERS, *(f"{function}(({_ANSWERS})[{FLAP_WINDOW}:1m])"
                     for function in ("avg_over_time", "changes")))
    + f" and {WITH_DRIVER}",
    summary="The GPU driver of a node does not answer, or comes and goes.",
    description=f"The GPU driver of {words.NODE} answered {words.EXPORTER} for {{{{ $value | "
                f"humanizePercentage }}}} of the last {FLAP_WINDOW}"
                + answered(f"{c.GPU_DRIVER_UP.name}{{%s}} == 0",
                           '; now it does not: {{ . | first | label "reason" }}',
                           labels=GPU_DRIVER.scope)
                + ". What its GPUs do may not be seen meanwhile.",
    board="gpu", hold="8m",
    because="It takes the place of alerts that hold 10 minutes, so it must come before them.",
    keep_firing="10m")  # until they have ended, which would notify on their own else
_FLAPPING = one_per_gpu(away(
    f"max {by(UUID)} ({c.GPU_UP.name})",
    *(f"min {by(UUID)} ({function}({c.GPU_UP.name}[{FLAP_WINDOW}]))"
      for function in ("avg_over_time", "changes"))))
LOST = Alert(
    "GpuLost", GPU_HEALTH, "warning", f"{_FLAPPING} or {UNANSWERING}",
    summary="A GPU does not answer, or comes and goes.",
    description=f"{words.GPU_AT_INDEX} answered for {{{{ $value | humanizePercentage }}}} of the "
                f"last {FLAP_WINDOW}. It is lost, or calls to its driver hang.",
    board="gpu")
_MOST = f"max_over_time({NODE_GPUS}[{MISSED_FOR}])"
FEWER = Alert(
    "GpusFewerThanBefore", GPU_USE, "warning",
    f"{NODE_GPUS} < {_MOST} or ({_MOST} unless {on(NODE)} {NODE_GPUS}) * 0 "
    f"and {on(NODE)} {c.COLLECTOR_SUCCESS.name}{{{any_of(c.COLLECTOR, 'gpu')}}}",
    summary="A node has fewer GPUs than before.",
    description=f"{words.NODE} has {{{{ $value }}}} GPUs; it had more in the last {MISSED_FOR}. "
                "The driver does not list the others.",
    board="gpu")
UNLISTED = Alert(
    "GpuDevicesUnlisted", GPU_USE, "warning",
    f"max {by(NODE)} ({c.GPU_UNLISTED.name}) > 0",
    summary="Containers have been given GPUs that the driver does not list.",
    description=f"The kubelet of {words.NODE} has given containers {{{{ $value }}}} devices that "
                "are no GPU or MIG instance of its driver. What they run on is not seen.",
    board="gpu")
XID_DRAIN = _xid(
    "GpuXidNeedsDrain", "critical", codes(DRAIN),
    "A GPU reports an error that only a reset ends.",
    f"{_advice(DRAIN)} It still takes new work.")
XID_UNUSUAL = _xid(
    "GpuXidUnusual", "warning", (*codes(INVESTIGATE), *UNKNOWN),
    "A GPU reports an error that has to be looked into.",
    '{{ if eq $labels.xid "other" }}The exporter does not know the code; the kernel\'s log has it.'
    f"{{{{ else }}}}{_advice(INVESTIGATE)}{{{{ end }}}}")
XID_APPLICATION = _xid(
    "GpuXidOfApplication", "info", codes(RESTART),
    "A GPU reports an error that has ended a process on it.", _advice(RESTART))
XID_RECORDED = _xid(
    "GpuXidRecorded", "info", codes(IGNORE), "A GPU reports an event that needs nothing at once.",
    '{{ if eq $labels.xid "63" }}A memory row was remapped: reset the GPU when it is idle.'
    f"{{{{ else }}}}{_advice(IGNORE)}{{{{ end }}}}")
MEMORY_ERROR = Alert(
    # XIDs decide whether it pages: most such errors are contained, and the row is remapped.
    "GpuMemoryErrorUncorrected", GPU_HEALTH, "warning",
    # Over the board's life: it goes on where an exporter that was replaced has left it.
    f"increase((max {by(_GPU)} ({c.GPU_ECC.name}"
    f'{{{any_of(c.ECC_KIND, "uncorrected")}}}))[{LOOK_BACK}:2m]) > 0',
    summary="A GPU had a memory error that could not be corrected.",
    description=f'{words.GPU} counted {{{{ $value | printf "%.0f" }}}} uncorrectable memory errors '
                f"in the last {LOOK_BACK}. The process that held the memory has failed.",
    board="gpu", hold="0m", because=HAPPENED)
REMAP_FAILED = Alert(
    "GpuRemapFailed", GPU_HEALTH, "warning",
    f"max {by(_GPU)} ({c.GPU_REMAP_FAILED.name}) > 0",
    summary="A GPU can no longer remap failing memory rows.",
    description=f"A row remapping of {words.GPU} failed; the failing memory stays in use. Have the "
                "board replaced.",
    board="gpu")
REMAP_PENDING = Alert(
    "GpuRemapPending", GPU_HEALTH, "info",
    f"max {by(_GPU)} ({c.GPU_REMAP_PENDING.name}) > 0",
    summary="A GPU waits for a reset to remap failing memory rows.",
    description=f"{words.GPU} has a row remapping pending. Reset it when it is idle.",
    board="gpu")
HELD_DOWN = Alert(
    "GpuHeldDownByHardware", GPU_HEALTH, "warning",
    f"max {by((*_GPU, c.THROTTLE.name))} (rate({c.GPU_THROTTLED.name}"
    f'{{{any_of(c.THROTTLE, "hw_thermal", "hw_power_brake")}}}[{WINDOW}])) > {HELD_DOWN_SHARE}',
    summary="The hardware holds a GPU's clocks down.",
    description=f"Clocks of {words.GPU} were held down by {{{{ $labels.reason }}}} for "
                "{{ $value | humanizePercentage }} of the last "
                f"{WINDOW}, limit {HELD_DOWN_SHARE:.0%}.",
    board="gpu")
MEMORY_FULL = Alert(
    "GpuMemoryNearlyFull", GPU_HEALTH, "warning", over(MEMORY, GPU_MEMORY),
    summary="A GPU's memory is nearly full.",
    description=f"{words.GPU}{{{{ with $labels.mig }}}}, instance {{{{ . }}}},{{{{ end }}}} has "
                "{{ $value | humanizePercentage }} of its memory in use, limit "
                f"{limit_value(GPU_MEMORY, 'humanizePercentage')}.",
    board="gpu")
UNDERUSED = Alert(
    "GpusUnderused", GPU_USE, "info",
    f"{NODE_BUSY_HOUR} < {on(GPU_BUSY.labels)} group_left () {GPU_BUSY.selector}",
    summary="The GPUs of a node are idle for much of the time.",
    description=f"The GPUs of {words.NODE} were busy for {{{{ $value | humanizePercentage }}}} of "
                f"the last {HOUR}, limit {limit_value(GPU_BUSY, 'humanizePercentage')}.",
    board="gpu")

GROUP = AlertGroup("inferometer-gpu-alerts", (
    DRIVER, LOST, FEWER, UNLISTED, XID_DRAIN, XID_UNUSUAL, XID_APPLICATION, XID_RECORDED,
    MEMORY_ERROR, REMAP_FAILED, REMAP_PENDING, HELD_DOWN, MEMORY_FULL, UNDERUSED,
), interval="2m")  # as what is recorded of GPUs; they have many XIDs to look at

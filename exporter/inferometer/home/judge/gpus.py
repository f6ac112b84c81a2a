"""GPUs that are lost, fail, are held down, hot, full or idle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.home import units
from inferometer.home.judge.evidence import Evidence
from inferometer.home.judge.model import OVER, PROBLEM, Finder, Finding, Judgement, Owner
from inferometer.home.judge.tally import HALF_HOUR
from inferometer.home.judge.tracks import HOUR, WINDOW
from inferometer.values import Key

DRIVER: Owner = ("driver",)
ALL: Owner = ("gpus",)


def owner_of(key: Key) -> Owner:
    """Whose point it is."""
    return ("gpu", key[1] or key[0])


def _driver_down(evidence: Evidence) -> Iterable[Finding]:
    gpu_collector_failed = any(key[0] == "gpu" and not works
                               for key, works in evidence.numbers(c.COLLECTOR_SUCCESS))
    for (fault,), up in evidence.numbers(c.GPU_DRIVER_UP):
        share = evidence.away(evidence.tally.track("driver_up", steps=HALF_HOUR), up, c.FLAPS,
                              HALF_HOUR)
        if share is not None and (fault != "no_library" or gpu_collector_failed):
            why = f" ({fault.replace('_', ' ')})" if fault else ""
            yield Finding(DRIVER, f"NVIDIA's driver does not answer{why}" if not up else
                          "NVIDIA's driver comes and goes")


def _lost(evidence: Evidence) -> Iterable[Finding]:
    read_at = {owner_of(key): when for key, when in evidence.numbers(c.GPU_LAST_SAMPLE)}
    for key, up in evidence.numbers(c.GPU_UP):
        owner = owner_of(key)
        track = evidence.tally.track("gpu_up", owner[1], steps=HALF_HOUR)
        share = evidence.away(track, up, c.FLAPS, HALF_HOUR)
        if share is not None:
            text = "does not answer" if not up else "comes and goes"
            yield Finding(owner, text, read_at.get(owner) if not up else None)


def _fewer(evidence: Evidence) -> Iterable[Finding]:
    now = len({owner_of(key) for key, _ in evidence.numbers(c.GPU_UP)})
    before = evidence.tally.tracks.get(("gpus",))
    most = max(before.last(evidence.step, 6 * HOUR), default=0.0) if before else 0.0
    if now < most and any(key[0] == "gpu" for key, _ in evidence.numbers(c.COLLECTOR_SUCCESS)):
        yield Finding(ALL, f"the driver lists {units.many(now, 'GPU')}; there were "
                      f"{units.count(most)}")


def _unlisted(evidence: Evidence) -> Iterable[Finding]:
    for _, many in evidence.numbers(c.GPU_UNLISTED):
        if many > 0:
            yield Finding(ALL, f"containers have {units.many(many, 'device')} that the driver does "
                          "not list")


def _xids(kind: str) -> Finder:
    """XIDs of late for which NVIDIA's catalogue asks for this."""
    phrases = {xid: phrase for action, phrase in c.XID_ADVICE[kind].items()
               for xid in c.XID_ACTIONS[action]}
    if kind == "investigate":
        phrases["other"] = "its code is in the kernel's log"

    def judge(evidence: Evidence) -> Iterable[Finding]:
        for key, _ in evidence.numbers(c.GPU_XID):
            owner, xid = owner_of(key), key[2]
            steps = evidence.tally.happened("xid", owner[1], xid, within=HALF_HOUR)
            if steps and xid in phrases:
                came = evidence.now - (evidence.step - steps[0]) * evidence.step_seconds
                yield Finding(owner, f"XID {xid} came; NVIDIA's catalogue says: {phrases[xid]}",
                              came)
    return judge


def _memory_error(evidence: Evidence) -> Iterable[Finding]:
    for owner in {owner_of(key) for key, _ in evidence.numbers(c.GPU_ECC)}:
        if evidence.tally.happened("ecc", owner[1], within=HALF_HOUR):
            yield Finding(owner, "a memory error could not be corrected: the process that held "
                          "the memory has failed")


def _flag(metric: Metric, text: str) -> Finder:
    def judge(evidence: Evidence) -> Iterable[Finding]:
        for key, value in evidence.numbers(metric):
            if value > 0:
                yield Finding(owner_of(key), text)
    return judge


def _shares_held_down(evidence: Evidence) -> Iterator[tuple[Key, float]]:
    """The share of five minutes in which each reason of the hardware held clocks down."""
    for key, _ in evidence.numbers(c.GPU_THROTTLED):
        track = evidence.tally.tracks.get(("held_down", owner_of(key)[1], key[2]))
        seconds = track.total(evidence.step, WINDOW) if track else None
        if seconds is not None:
            yield key, seconds / (WINDOW * evidence.step_seconds)


def held_down(evidence: Evidence) -> dict[str, float]:
    """The larger of these shares, GPU by GPU."""
    shares: dict[str, float] = {}
    for key, share in _shares_held_down(evidence):
        shares[owner_of(key)[1]] = max(share, shares.get(owner_of(key)[1], 0.0))
    return shares


def _held_down(evidence: Evidence) -> Iterable[Finding]:
    over = {key: share for key, share in _shares_held_down(evidence)
            if share > c.HELD_DOWN_RATIO}
    for key, share in over.items():
        yield Finding(owner_of(key), f"{_HELD_BY[key[2]]} held its clocks down for "
                      f"{units.ratio(share)} of the last {units.duration(300)}, limit "
                      f"{units.ratio(c.HELD_DOWN_RATIO)}")
    yield from _hot(evidence)


_HELD_BY = {"hw_thermal": "heat", "hw_power_brake": "the power brake"}


def _hot(evidence: Evidence) -> Iterable[Finding]:
    """At the temperature at which the hardware slows itself down."""
    slowdown = dict(evidence.numbers(c.GPU_SLOWDOWN))
    for key, celsius in evidence.numbers(c.GPU_TEMPERATURE):
        if key in slowdown and celsius >= slowdown[key]:
            yield Finding(owner_of(key), f"it is at {units.celsius(celsius)}, and slows down at "
                          f"{units.celsius(slowdown[key])}")


def _memory_full(evidence: Evidence) -> Iterable[Finding]:
    totals, limit = dict(evidence.numbers(c.GPU_MEMORY_TOTAL)), evidence.limit("gpu_memory")
    for key, used in evidence.numbers(c.GPU_MEMORY_USED):
        if limit and totals.get(key) and used / totals[key] > limit.value:
            instance = f" of instance {key[2]}" if key[2] else ""
            yield Finding(owner_of(key), f"{units.share(used / totals[key])} of its memory"
                          f"{instance} is in use, {limit.words(units.ratio)}")


def _shares_busy(evidence: Evidence) -> Iterator[float]:
    for key in list(evidence.tally.tracks):
        if key[0] == "busy" and ("observed", key[1]) in evidence.tally.tracks:
            busy, observed = (
                evidence.tally.tracks[name, key[1]].total(evidence.step, WINDOW) or 0.0
                for name in ("busy", "observed"))
            if observed > 0:
                yield min(1.0, busy / observed)


def remember(evidence: Evidence) -> None:
    """Note how busy GPUs are: what is judged is the mean of an hour."""
    shares = [*_shares_busy(evidence)]
    if shares:
        evidence.tally.track("node_busy").put(evidence.step, sum(shares) / len(shares))


def _underused(evidence: Evidence) -> Iterable[Finding]:
    track, limit = evidence.tally.tracks.get(("node_busy",)), evidence.limit("gpu_busy")
    share = track.mean(evidence.step, HOUR) if track else None
    if limit and share is not None and share < limit.value:
        yield Finding(ALL, f"GPUs were busy for {units.ratio(share)} of the last hour, "
                      f"{limit.words(units.ratio)}")


JUDGEMENTS = (
    Judgement("GpuXidNeedsDrain", "critical", PROBLEM, _xids("drain")),
    Judgement("GpuDriverDown", "warning", PROBLEM, _driver_down),
    Judgement("GpuLost", "warning", PROBLEM, _lost),
    Judgement("GpusFewerThanBefore", "warning", PROBLEM, _fewer),
    Judgement("GpuDevicesUnlisted", "warning", PROBLEM, _unlisted),
    Judgement("GpuXidUnusual", "warning", PROBLEM, _xids("investigate")),
    Judgement("GpuMemoryErrorUncorrected", "warning", PROBLEM, _memory_error),
    Judgement("GpuRemapFailed", "warning", PROBLEM, _flag(
        c.GPU_REMAP_FAILED, "a row remapping failed; the failing memory stays in use")),
    Judgement("GpuHeldDownByHardware", "warning", OVER, _held_down),
    Judgement("GpuMemoryNearlyFull", "warning", OVER, _memory_full),
    Judgement("GpuXidOfApplication", "info", PROBLEM, _xids("restart")),
    Judgement("GpuXidRecorded", "info", PROBLEM, _xids("ignore")),
    Judgement("GpuRemapPending", "info", PROBLEM, _flag(
        c.GPU_REMAP_PENDING, "a row remapping waits for a reset of the GPU")),
    Judgement("GpusUnderused", "info", OVER, _underused),
)

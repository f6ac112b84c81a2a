"""What of GPUs stands on the page: the same objects where nothing changed."""

from __future__ import annotations

from inferometer import catalogue as c
from inferometer.exposition import TEXT, render
from inferometer.gpu.lines import Joint, Line, Lines
from inferometer.gpu.nvml import Place
from inferometer.gpu.state import Gpu, Snapshot
from inferometer.guard import Guard
from inferometer.samples import Block, Family

POWER, CLOCK = (c.GPU_POWER, ()), (c.GPU_CLOCK, ("sm",))


def made(lines: Lines, points: dict[Place, float]) -> dict[c.Metric, Line]:
    return dict(lines.of(points))


def test_a_block_reads_as_the_same_points_do_without_one() -> None:
    said = made(Lines(("0", "GPU-0")), {POWER: 312.5, CLOCK: 1.755e9})
    for metric, line in said.items():
        loose, joint = Family(metric, {line.key: line.value}), Joint().of([line])
        assert render([Family(metric, blocks=[joint])], TEXT) == render([loose], TEXT)


def test_only_the_line_of_a_value_that_changed_is_made_anew() -> None:
    lines = Lines(("0", "GPU-0"))
    before = made(lines, {POWER: 312.5, CLOCK: 1.755e9})
    after = made(lines, {POWER: 312.5, CLOCK: 1.7e9})
    assert after[c.GPU_POWER] is before[c.GPU_POWER]
    assert after[c.GPU_CLOCK] == before[c.GPU_CLOCK]._replace(value=1.7e9)


def test_what_is_no_longer_said_has_no_line_and_comes_back_with_its_new_value() -> None:
    lines = Lines(("0", "GPU-0"))
    made(lines, {POWER: 312.5, CLOCK: 1.755e9})
    assert set(made(lines, {CLOCK: 1.755e9})) == {c.GPU_CLOCK}
    assert made(lines, {POWER: 100.0})[c.GPU_POWER].value == 100.0


def block(joint: Joint, values: dict[str, float]) -> Block:
    return joint.of([Lines((gpu, f"GPU-{gpu}")).of({POWER: watts})[0][1]
                     for gpu, watts in values.items()])


def test_a_joint_block_keeps_its_ticket_while_the_gpus_are_the_same() -> None:
    joint = Joint()
    first = block(joint, {"0": 1.0, "1": 2.0})
    assert first.points == {("0", "GPU-0"): 1.0, ("1", "GPU-1"): 2.0}
    assert block(joint, {"0": 1.0, "1": 2.0}) is first
    changed = block(joint, {"0": 1.0, "1": 3.0})
    assert changed.text.splitlines()[1].endswith(" 3.0")
    assert changed.ticket is first.ticket
    assert block(joint, {"0": 1.0}).ticket is not first.ticket


def test_a_gpu_more_than_the_page_has_seats_for_costs_only_its_own_lines() -> None:
    joint, guard = Joint(), Guard()
    whole = block(joint, {str(gpu): 1.0 for gpu in range(c.GPUS + 1)})
    admitted, = guard.admit([Family(c.GPU_POWER, blocks=[whole])])
    assert len(dict(admitted.items())) == c.GPUS


def test_a_gpu_says_the_same_object_until_there_is_news() -> None:
    gpu = Gpu("GPU-0", 0, "Board", last_read=5.0)
    snapshot = Snapshot(100.0, 0.1, {POWER: 312.5})
    said = gpu.say(snapshot)
    assert (said[POWER], said[c.GPU_UP, ()]) == (312.5, 1.0)
    assert gpu.say(snapshot) is said
    down = gpu.say(None)
    assert POWER not in down
    assert (down[c.GPU_UP, ()], down[c.GPU_LAST_SAMPLE, ()]) == (0.0, 5.0)
    gpu.xids = {"79": 1}
    assert gpu.say(None)[c.GPU_XID, ("79",)] == 1.0

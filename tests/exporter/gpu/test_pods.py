"""Which pod has which GPU: the exporter between a fake driver and a kubelet that can do anything.

Drill.scrape checks on every page: whatever the kubelet does, the page comes in time and has all of
the GPUs that it has without a kubelet.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import grpc
import pytest

from inferometer import catalogue as c
from inferometer.gpu.kubelet import LONGEST_ANSWER, MOST_DEVICES, MOST_PODS
from tests.exporter.gpu.conftest import Start
from tests.exporter.gpu.drill import Drill
from tests.exporter.gpu.fake_kubelet import FakeKubelet
from tests.exporter.gpu.test_drills import EIGHT, uuid
from tests.exporter.support import Page, wait_for

POD = c.GPU_POD_INFO.name
UNLISTED = c.GPU_UNLISTED.name
STRANGE = "the kubelet has given out devices of no GPU known here"
WORKS = "inferometer_collector_success"
DOES_NOT_ANSWER = "the kubelet does not answer in time"
Holder = tuple[str, ...]


def holders(page: Page) -> set[Holder]:
    """The labels of all pods' series: GPU, MIG instance, pod, container, shared."""
    labels = [tuple(series.labels.get(name, "") for name in (
        "gpu", "mig", "k8s_pod_name", "k8s_container_name", "shared"))
        for series in page.find(POD, k8s_namespace_name="llm")]
    assert len(labels) == len(set(labels))
    return set(labels)


def until(drill: Drill, *expected: Holder) -> Page:
    return drill.until(lambda page: holders(page) == set(expected) and works(page))


def works(page: Page) -> bool:
    return page.value(WORKS, collector="pods") == 1.0


def test_pods_come_move_and_go(node: Callable[..., Drill], kubelet: FakeKubelet) -> None:
    drill = node("gpus 2")
    until(drill)
    kubelet.give("chat-0", [uuid(0)])
    page = until(drill, ("0", "", "chat-0", "engine", "false"))
    (series,) = page.find(POD)
    assert series.value == 1.0
    assert series.labels == {
        "gpu": "0", "uuid": uuid(0), "k8s_namespace_name": "llm", "k8s_pod_name": "chat-0",
        "k8s_container_name": "engine", "shared": "false"}
    kubelet.give("embed-0", [uuid(1)])
    until(drill, ("0", "", "chat-0", "engine", "false"), ("1", "", "embed-0", "engine", "false"))
    kubelet.delete("chat-0")
    kubelet.delete("embed-0")
    kubelet.give("embed-0", [uuid(0)])
    until(drill, ("0", "", "embed-0", "engine", "false"))
    kubelet.delete("embed-0")
    until(drill)


def test_a_pod_has_as_many_gpus_as_it_was_given(node: Callable[..., Drill],
                                                kubelet: FakeKubelet) -> None:
    kubelet.give("large-0", [uuid(gpu) for gpu in EIGHT])
    drill = node("gpus 8")
    until(drill, *((str(gpu), "", "large-0", "engine", "false") for gpu in EIGHT))


def test_each_name_of_a_device_is_understood(node: Callable[..., Drill],
                                             kubelet: FakeKubelet) -> None:
    mig = "MIG-00000000-0000-0003-0007-000000000000"
    drill = node("gpus 5", "mig 3 7 0 1g.10gb 10 1", "mig 3 9 0 1g.10gb 10 1",
                 "mig 3 13 0 1g.10gb 10 1", "mig 3 13 1 1g.10gb 10 1",
                 "set 1 minor_number 4", "set 4 minor_number 1")
    drill.until(lambda page: page.find(c.GPU_MIG_INFO.name, mig="13/1", mig_uuid=mig.replace(
        "0003-0007-000000000000", "0003-000d-000000000001")))
    kubelet.give("uuid", [uuid(0)])
    kubelet.give("file", ["nvidia4"])
    kubelet.give("mig", [mig], resource="nvidia.com/mig-1g.10gb")
    kubelet.give("file-mig", ["nvidia3/gi9"])
    kubelet.give("old-mig", [f"MIG-{uuid(3)}/13/1"])
    kubelet.give("which-of-two", ["nvidia3/gi13"])
    kubelet.give("sliced", [f"{uuid(2)}::0"], resource="nvidia.com/gpu.shared")
    kubelet.give("also-sliced", [f"{uuid(2)}::11"], resource="nvidia.com/gpu.shared")
    kubelet.give("vgpu", ["nvidia1/vgpu0", "nvidia1/vgpu3"])
    until(drill, ("0", "", "uuid", "engine", "false"), ("1", "", "file", "engine", "false"),
          ("3", "7/0", "mig", "engine", "false"), ("3", "9/0", "file-mig", "engine", "false"),
          ("3", "13/1", "old-mig", "engine", "false"),
          ("2", "", "sliced", "engine", "true"), ("2", "", "also-sliced", "engine", "true"),
          ("4", "", "vgpu", "engine", "true"))
    kubelet.delete("mig")
    kubelet.give("sliced-mig", [f"{mig}::1"])
    kubelet.delete("vgpu")
    kubelet.give("vgpu-mig", ["nvidia3/gi9/vgpu1"])
    until(drill, ("0", "", "uuid", "engine", "false"), ("1", "", "file", "engine", "false"),
          ("3", "7/0", "sliced-mig", "engine", "true"),
          ("3", "9/0", "file-mig", "engine", "true"), ("3", "9/0", "vgpu-mig", "engine", "true"),
          ("3", "13/1", "old-mig", "engine", "false"),
          ("2", "", "sliced", "engine", "true"), ("2", "", "also-sliced", "engine", "true"))
    (line,) = drill.wait_for_logged(STRANGE, 1)
    assert (line["devices"], line["such_as"]) == (1, ["nvidia3/gi13"])


HAMI, VOLCANO, AWS = "nvidia.com/gpu", "volcano.sh/vgpu-number", "k8s.amazonaws.com/vgpu"


@pytest.mark.parametrize(("resource", "share"), [
    (HAMI, "{}-{}"), (VOLCANO, "{}-{}"), ("volcano.sh/vgpu-memory", "{}-memory-{}"),
    ("volcano.sh/vgpu-cores", "{}-core-{}"), (AWS, "{}-{}"), ("aliyun.com/gpu-mem", "{}-_-{}"),
    ("nvidia.com/gpu.shared", "{}::{}"), (HAMI, "nvidia0/vgpu{1}")])
def test_a_container_with_many_shares_of_a_gpu_has_one_series_that_says_shared(
        node: Callable[..., Drill], kubelet: FakeKubelet, resource: str, share: str) -> None:
    kubelet.give("part", [share.format(uuid(0), number) for number in range(40)],
                 resource=resource)
    kubelet.give("whole", [uuid(7)])  # whose UUID ends like a share's
    drill = node("gpus 8")
    page = until(drill, ("0", "", "part", "engine", "true"), ("7", "", "whole", "engine", "false"))
    assert page.value(UNLISTED) == 0.0
    assert not drill.logged(STRANGE)


def test_a_jetson_has_one_gpu_whatever_it_is_called(node: Callable[..., Drill],
                                                   kubelet: FakeKubelet) -> None:
    kubelet.give("edge", ["tegra"])
    drill = node("gpus 1")
    page = until(drill, ("0", "", "edge", "engine", "false"))
    assert page.value(UNLISTED) == 0.0


def test_a_jetson_without_a_uuid_is_nobodys_and_no_gpu_that_is_missing(
        node: Callable[..., Drill], kubelet: FakeKubelet) -> None:
    kubelet.give("edge", ["tegra"])
    drill = node("gpus 1", "error 0 nvmlDeviceGetUUID 3")
    until(drill)
    assert drill.scrape().value(UNLISTED) == 0.0


def test_devices_that_the_kubelet_gives_out_and_the_driver_does_not_list_are_counted(
        node: Callable[..., Drill], kubelet: FakeKubelet) -> None:
    kubelet.give("chat-0", [uuid(gpu) for gpu in EIGHT])
    kubelet.give("vm", ["0000:3b:00.0"], resource="nvidia.com/GA102GL_A10")
    kubelet.give("radeon", ["0"], resource="amd.com/gpu")
    drill = node("gpus 6")
    drill.until(lambda page: page.value(UNLISTED) == 2.0)
    drill.fake.write("gpus 7")
    drill.until(lambda page: page.value(UNLISTED) == 1.0)
    drill.fake.write("gpus 8")
    drill.until(lambda page: page.value(UNLISTED) == 0.0)
    drill.fake.write("gpus 5")  # seen before, and not listed any more
    drill.until(lambda page: page.value(UNLISTED) == 3.0)
    drill.fake.write("gpus 8", "lost 3")  # listed, and lost
    drill.until(lambda page: page.value(UNLISTED) == 0.0)
    with kubelet.hanging():
        drill.until(lambda page: not works(page))
        assert drill.scrape().values(UNLISTED) == []


def test_an_instance_of_a_gpu_that_is_lost_is_still_listed(node: Callable[..., Drill],
                                                          kubelet: FakeKubelet) -> None:
    mig = "MIG-00000000-0000-0000-0007-000000000000"
    drill = node("gpus 2", "mig 0 7 0 1g.10gb 10 1")
    drill.until(lambda page: page.find(c.GPU_MIG_INFO.name, mig_uuid=mig))
    kubelet.give("mig", [f"{mig}::1"], resource="nvidia.com/mig-1g.10gb.shared")
    until(drill, ("0", "7/0", "mig", "engine", "true"))
    drill.fake.add("lost 0")
    drill.until_up(1)
    assert drill.scrape().value(UNLISTED) == 0.0
    kubelet.give("old", ["MIG-00000000-0000-0000-0009-000000000000"],
                 resource="nvidia.com/mig-1g.10gb")
    drill.until(lambda page: page.value(UNLISTED) == 1.0)


def test_more_than_is_read_of_an_answer_is_one_line(node: Callable[..., Drill],
                                                   kubelet: FakeKubelet) -> None:
    kubelet.give("liar", [f"GPU-{'x' * 500}-{number}" for number in range(MOST_DEVICES + 900)])
    drill = node("gpus 1")
    for _ in range(3):
        until(drill)
    (line,) = drill.wait_for_logged("the kubelet's answer has more than is read of one", 1)
    assert (line["pods"], line["devices"]) == (MOST_PODS, MOST_DEVICES)
    (line,) = drill.wait_for_logged(STRANGE, 1)
    assert line["devices"] == MOST_DEVICES
    assert sum(map(len, drill.exporter.lines)) < 5000


def test_two_pods_share_and_two_containers_of_one_do_not(node: Callable[..., Drill],
                                                         kubelet: FakeKubelet) -> None:
    drill = node("gpus 2")
    kubelet.give("chat-0", [uuid(0)])
    kubelet.give("chat-0", [uuid(0)], container="warm-up")
    kubelet.give("done", [uuid(1)])
    kubelet.give("next", [uuid(1)])
    until(drill, ("0", "", "chat-0", "engine", "false"), ("0", "", "chat-0", "warm-up", "false"),
          ("1", "", "done", "engine", "true"), ("1", "", "next", "engine", "true"))
    kubelet.delete("done")
    kubelet.give("chat-0", [uuid(1)], namespace="other")  # as it is called in another namespace
    page = until(drill, ("0", "", "chat-0", "engine", "false"),
                 ("0", "", "chat-0", "warm-up", "false"), ("1", "", "next", "engine", "true"))
    assert page.value(POD, gpu="1", k8s_namespace_name="other", shared="true") == 1.0


def test_devices_that_are_no_gpu_here_are_left_out_and_one_line_counts_them(
        node: Callable[..., Drill], kubelet: FakeKubelet) -> None:
    kubelet.give("radeon", [uuid(0)], resource="amd.com/gpu")
    kubelet.give("gone", [uuid(7)])
    kubelet.give("odd", ["", "::1", "nvidia", "0000:3b:00.0"])
    drill = node("gpus 1")
    for _ in range(3):
        until(drill)
    (line,) = drill.wait_for_logged(STRANGE, 1, devices=5)
    assert line["such_as"] == ["", "0000:3b:00.0", "::1"]
    kubelet.give("another", [uuid(6)])
    wait_for(lambda: drill.scrape() and drill.logged(STRANGE, devices=6))


def test_two_thousand_pods_on_one_gpu_leave_the_other_its_own(node: Callable[..., Drill],
                                                              kubelet: FakeKubelet) -> None:
    for number in range(2000):
        kubelet.give(f"crowd-{number}", [f"{uuid(0)}::{number}"])
    drill = node("gpus 2")
    page = drill.until(lambda page: len(page.find(POD, gpu="0")) == c.PODS)
    kubelet.give("alone", [uuid(1)])
    page = drill.until(lambda page: page.find(POD, gpu="1", shared="false"))
    assert len(page.find(POD)) == c.PODS + 1
    dropped = page.value("inferometer_label_values_folded_total", metric=POD, label="k8s_pod_name")
    assert dropped is not None
    assert dropped >= 1000


def failures(drill: Drill) -> list[str]:
    return [line["why"] for line in drill.logged("collector failed", collector="pods")]


def fail(drill: Drill, why: str, times: int = 3) -> None:
    """So often the page has nothing of pods, and the log the reason once more."""
    before = failures(drill)
    for _ in range(times):
        page = drill.scrape()
        assert page.value(WORKS, collector="pods") == 0.0
        assert page.find(POD) == []
        assert page.value("gpu_up", gpu="0") == 1.0
        assert page.values("gpu_utilization_ratio", gpu="0")
    wait_for(lambda: len(failures(drill)) > len(before))
    assert failures(drill)[len(before):] == [why]


@pytest.fixture
def watched(node: Callable[..., Drill], kubelet: FakeKubelet) -> Drill:
    """A node whose pod is known."""
    drill = node("gpus 2")
    kubelet.give("chat-0", [uuid(1)])
    until_pod_is_shown(drill)
    return drill


def until_pod_is_shown(drill: Drill) -> None:
    until(drill, ("1", "", "chat-0", "engine", "false"))


def born(kubelet: FakeKubelet) -> tuple[int, int]:
    """Which socket it is: the file system may give a new one the old one's inode."""
    status = os.stat(kubelet.socket)
    return status.st_ino, status.st_ctime_ns


def test_a_kubelet_that_dies_and_returns_is_found_again(watched: Drill,
                                                        kubelet: FakeKubelet) -> None:
    for _ in range(2):
        before = born(kubelet)
        kubelet.die()
        fail(watched, "the kubelet cannot be reached: No such file or directory")
        kubelet.start()
        assert born(kubelet) != before
        until_pod_is_shown(watched)
    watched.wait_for_logged("collector works", 3, collector="pods")


@contextmanager
def a_file(kubelet: FakeKubelet) -> Iterator[None]:
    kubelet.die()
    kubelet.socket.write_text("")
    yield
    kubelet.socket.unlink()
    kubelet.start()


@pytest.mark.parametrize(("failing", "why"), [
    (a_file, "the kubelet cannot be reached: Connection refused"),
    (FakeKubelet.hanging, DOES_NOT_ANSWER),
    (lambda kubelet: kubelet.refusing(grpc.StatusCode.RESOURCE_EXHAUSTED, "rate limit"),
     "the kubelet answers no more questions for now: rate limit"),
    (lambda kubelet: kubelet.answering(lambda _: b"\x0a\x05rubbish"),
     "the answer is no list of pods"),
    (lambda kubelet: kubelet.answering(lambda _: bytes(LONGEST_ANSWER + 1)),
     f"the kubelet's answer is larger than {LONGEST_ANSWER} bytes"),
], ids=["no socket", "hanging", "refusing", "rubbish", "huge"])
def test_whatever_the_kubelet_does_costs_the_pods_only_and_passes(
        watched: Drill, kubelet: FakeKubelet, why: str,
        failing: Callable[[FakeKubelet], AbstractContextManager[None]]) -> None:
    with failing(kubelet):
        fail(watched, why)
    until_pod_is_shown(watched)


def test_a_reason_that_changes_is_logged_each_time(watched: Drill, kubelet: FakeKubelet) -> None:
    with kubelet.refusing(grpc.StatusCode.UNIMPLEMENTED, "unknown service"):
        fail(watched, "the kubelet does not know what it is asked: unknown service")
    with kubelet.answering(lambda _: b"\xff"):
        fail(watched, "the answer is no list of pods")


def test_hundreds_of_failures_leave_nothing_behind(watched: Drill, kubelet: FakeKubelet) -> None:
    def ask(times: int) -> None:
        for _ in range(times):
            watched.exporter.scrape("/metrics?collect[]=pods")

    def entries(folder: str) -> int:
        return len(os.listdir(f"/proc/{watched.exporter.process.pid}/{folder}"))

    def resident() -> int:
        status = Path(f"/proc/{watched.exporter.process.pid}/statm").read_text()
        return int(status.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    ask(20)
    kubelet.die()
    ask(50)
    files, threads, memory = entries("fd"), entries("task"), resident()
    ask(300)
    kubelet.start()
    ask(300)
    assert entries("fd") <= files + 8
    assert entries("task") <= threads + 8
    assert resident() - memory < 4 * 2**20
    until_pod_is_shown(watched)


def test_another_socket_waits_for_the_next_start(watched: Drill, kubelet: FakeKubelet) -> None:
    file = watched.fake.folder / "inferometer.yml"
    file.write_text(file.read_text().replace(str(kubelet.socket), "/run/elsewhere.sock"))
    watched.exporter.process.send_signal(signal.SIGHUP)
    wait_for(lambda: watched.logged("takes effect at the next start", key="gpu.kubelet_socket"))
    until_pod_is_shown(watched)


def test_nobody_asks_where_no_socket_is_given_and_nothing_is_loaded_for_it(start: Start) -> None:
    drill = start("gpus 1")
    page = drill.until_up(0)
    assert page.find(WORKS, collector="pods") == []
    loaded = Path(f"/proc/{drill.exporter.process.pid}/maps").read_text()
    assert "pynvml" in loaded or "libnvidia-ml" in loaded
    assert "cygrpc" not in loaded


def test_without_the_extra_the_key_is_refused_with_what_to_install(tmp_path: Path) -> None:
    file = tmp_path / "inferometer.yml"
    file.write_text("gpu: {kubelet_socket: /run/kubelet.sock}\n")
    done = subprocess.run(
        [sys.executable, "-c", "import sys\nsys.modules['grpc'] = None\n"
         "from inferometer.cli import main\nsys.exit(main(sys.argv[1:]))", "check-config", file],
        capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (
        2, "", f"inferometer: {file}:1: gpu.kubelet_socket: needs the package grpcio; "
               "pip install 'inferometer[kubelet]'\n")

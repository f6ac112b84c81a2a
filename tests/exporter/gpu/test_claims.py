"""Which pod has which GPU by dynamic resource allocation, by what its drivers call them."""

from __future__ import annotations

from collections.abc import Callable

from inferometer import catalogue as c
from tests.exporter.gpu.drill import Drill
from tests.exporter.gpu.fake_kubelet import FakeKubelet
from tests.exporter.gpu.test_drills import uuid
from tests.exporter.gpu.test_pods import STRANGE, UNLISTED, until

Node = Callable[..., Drill]
HAMI = "hami-core-gpu.project-hami.io"
PASSED_OVER = "pods have claims by drivers whose devices are not read"


def test_a_claims_gpu_is_the_one_of_that_device_file(node: Node, kubelet: FakeKubelet) -> None:
    kubelet.claim("chat-0", ["gpu-4", "gpu-0"])
    kubelet.claim("embed-0", ["gpu-1"])
    drill = node("gpus 5", "set 1 minor_number 4", "set 4 minor_number 1")
    page = until(drill, ("0", "", "chat-0", "engine", "false"),
                 ("1", "", "chat-0", "engine", "false"), ("4", "", "embed-0", "engine", "false"))
    assert page.value(UNLISTED) == 0.0
    kubelet.delete("chat-0")
    until(drill, ("4", "", "embed-0", "engine", "false"))
    assert not drill.logged(STRANGE)
    assert not drill.logged(PASSED_OVER)


def test_shares_and_pods_with_one_claim_share_a_gpu_and_containers_of_one_pod_do_not(
        node: Node, kubelet: FakeKubelet) -> None:
    for container in ("engine", "warm-up"):
        kubelet.claim("chat-0", ["gpu-0"], container=container)
    for pod in ("embed-0", "embed-1"):
        kubelet.claim(pod, ["gpu-1"])
    kubelet.claim("mixed-0", ["gpu-2"])
    kubelet.give("mixed-1", [uuid(2)])
    kubelet.claim("share", ["gpu-3"], share="a671734a-e8e5-11e4-8fde-42010af09327")
    kubelet.claim("hami", ["hami-gpu-4"], driver=HAMI)
    kubelet.claim("older-hami", ["gpu-5"], driver=HAMI)
    drill = node("gpus 6")
    until(drill, ("0", "", "chat-0", "engine", "false"), ("0", "", "chat-0", "warm-up", "false"),
          ("1", "", "embed-0", "engine", "true"), ("1", "", "embed-1", "engine", "true"),
          ("2", "", "mixed-0", "engine", "true"), ("2", "", "mixed-1", "engine", "true"),
          ("3", "", "share", "engine", "true"), ("4", "", "hami", "engine", "true"),
          ("5", "", "older-hami", "engine", "true"))


PLACED = ("mig 1 1 0 3g.40gb 40 1 9 0", "mig 1 7 0 1g.10gb 10 1 19 4",
          "mig 1 9 0 1g.10gb+me 10 1 20 6")


def test_a_claims_mig_instance_is_the_one_that_lies_there(node: Node,
                                                         kubelet: FakeKubelet) -> None:
    kubelet.claim("large", ["gpu-3-mig-3g40gb-9-0"])
    kubelet.claim("small", ["gpu-3-mig-1g10gb-19-4"])
    kubelet.claim("as-of-2025", ["gpu-3-mig-20-6-1"])
    drill = node("gpus 2", "set 1 minor_number 3", *PLACED)
    until(drill, ("1", "1/0", "large", "engine", "false"),
          ("1", "7/0", "small", "engine", "false"), ("1", "9/0", "as-of-2025", "engine", "false"))
    kubelet.delete("as-of-2025")
    kubelet.claim("media", ["gpu-3-mig-1g10gb-me-20-6"])
    kubelet.claim("no-such", ["gpu-3-mig-1g10gb-19-5"])
    page = until(drill, ("1", "1/0", "large", "engine", "false"),
                 ("1", "7/0", "small", "engine", "false"), ("1", "9/0", "media", "engine", "false"))
    assert page.value(UNLISTED) == 1.0
    drill.fake.add("lost 1")
    page = drill.until_up(0)
    assert page.value(UNLISTED) == 1.0


def test_where_the_driver_does_not_say_where_instances_lie_it_is_a_part_of_the_gpu(
        node: Node, kubelet: FakeKubelet) -> None:
    kubelet.claim("only-one", ["gpu-0-mig-3g40gb-9-0"])
    kubelet.claim("one-of-two", ["gpu-0-mig-1g10gb-19-4"])
    drill = node("gpus 1", "mig 0 1 0 3g.40gb 40 1", "mig 0 7 0 1g.10gb 10 1",
                 "mig 0 9 0 1g.10gb 10 1")
    page = until(drill, ("0", "1/0", "only-one", "engine", "false"),
                 ("0", "", "one-of-two", "engine", "true"))
    assert page.value(UNLISTED) == 0.0
    assert page.find(c.GPU_MIG_INFO.name, mig="7/0")


def test_a_claims_gpu_that_the_driver_does_not_list_is_counted(node: Node,
                                                              kubelet: FakeKubelet) -> None:
    kubelet.claim("chat-0", ["gpu-0", "gpu-1", "gpu-2"])
    kubelet.claim("vm", ["gpu-vfio-3"])
    kubelet.claim("odd", ["gpu-0-1", "gpu--1", "GPU-0", f"gpu-{'1' * 300}"])
    drill = node("gpus 2")
    drill.until(lambda page: page.value(UNLISTED) == 1.0)
    until(drill, ("0", "", "chat-0", "engine", "false"), ("1", "", "chat-0", "engine", "false"))
    (line,) = drill.wait_for_logged(STRANGE, 1)
    assert line["devices"] == 6
    drill.fake.write("gpus 3")
    drill.until(lambda page: page.value(UNLISTED) == 0.0)


def test_claims_by_other_drivers_are_no_gpus_and_one_line_names_the_drivers(
        node: Node, kubelet: FakeKubelet) -> None:
    kubelet.claim("chat-0", ["gpu-0"])
    kubelet.claim("chat-0", ["channel-0"], driver="compute-domain.nvidia.com", name="channel")
    kubelet.claim("chat-0", ["gpu-0"], driver="gpu.amd.com", name="radeon")
    kubelet.claim("chat-0", ["eth1"], driver="dra.net", name="nic")
    drill = node("gpus 1")
    for _ in range(3):
        page = until(drill, ("0", "", "chat-0", "engine", "false"))
    assert page.value(UNLISTED) == 0.0
    (line,) = drill.wait_for_logged(PASSED_OVER, 1)
    assert (line["level"], line["drivers"]) == (
        "info", ["compute-domain.nvidia.com", "dra.net", "gpu.amd.com"])
    assert not drill.logged(STRANGE)


def test_a_gpu_that_is_kept_for_fractions_is_shared(node: Node, kubelet: FakeKubelet) -> None:
    for gpu, (namespace, pod, container) in enumerate((
            ("kai-resource-reservation", "any", "any"), ("runai-reservation", "any", "any"),
            ("renamed", "gpu-reservation-node-1-x2x4z", "resource-reservation"),
            ("llm", "gpu-reservation-bot", "engine"))):
        kubelet.give(pod, [uuid(gpu)], namespace=namespace, container=container)
    drill = node("gpus 4")
    page = drill.until(lambda page: len(page.find(c.GPU_POD_INFO.name)) == 4)
    assert {series.labels["k8s_namespace_name"]: series.labels["shared"]
            for series in page.find(c.GPU_POD_INFO.name)} == {
        "kai-resource-reservation": "true", "runai-reservation": "true", "renamed": "true",
        "llm": "false"}

"""The kubelet's answers, read off the wire: against the real runtime of Protocol Buffers."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.gpu import kubelet as k
from inferometer.gpu.kubelet import Allowance, Holding, Kubelet, KubeletError, read
from tests.exporter.gpu.fake_kubelet import FakeKubelet
from tests.exporter.gpu.lies import holder, inside

SECONDS = 10.0  # for an answer that comes
NOBODY = 65534

names = st.text(max_size=30)
numbers = st.integers(-2**63, 2**63 - 1)
topologies = st.lists(numbers, max_size=2).map(lambda ids: {"nodes": [{"ID": id_} for id_ in ids]})
devices = st.fixed_dictionaries({
    "resource_name": names, "device_ids": st.lists(names, max_size=4), "topology": topologies})
claims = st.fixed_dictionaries({
    "claim_name": names, "claim_namespace": names,
    "claim_resources": st.lists(st.fixed_dictionaries(
        {"driver_name": names, "pool_name": names, "device_name": names,
         "cdi_devices": st.lists(st.fixed_dictionaries({"name": names}), max_size=2)},
        optional={"share_id": names}), max_size=3)})
containers = st.fixed_dictionaries({
    "name": names, "devices": st.lists(devices, max_size=3),
    "cpu_ids": st.lists(numbers, max_size=5), "dynamic_resources": st.lists(claims, max_size=2),
    "memory": st.lists(st.fixed_dictionaries({
        "memory_type": names, "size": st.integers(0, 2**64 - 1), "topology": topologies}),
        max_size=2)})
answers = st.lists(st.fixed_dictionaries({
    "name": names, "namespace": names, "containers": st.lists(containers, max_size=3)}), max_size=3)
# Fields of a later version: one of each wire type, by a number that no field has yet.
later = st.lists(st.one_of(
    st.binary(max_size=20).map(lambda value: b"\xfa\x01" + bytes([len(value)]) + value),
    st.binary(min_size=8, max_size=8).map(lambda value: b"\xf9\x01" + value),
    st.binary(min_size=4, max_size=4).map(lambda value: b"\xfd\x01" + value),
    st.just(b"\xf8\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")), max_size=3).map(b"".join)


def read_all(answer: bytes) -> Iterator[Holding]:
    return read(answer, Allowance())


def expected(response: Any) -> list[Holding]:
    """The same by the runtime."""
    return [holding for pod in response.pod_resources for container in pod.containers
            for holding in (*(
                Holding(pod.namespace, pod.name, container.name, devices.resource_name,
                        tuple(devices.device_ids)) for devices in container.devices), *(
                Holding(pod.namespace, pod.name, container.name, claimed.driver_name,
                        (claimed.device_name,), True, claimed.HasField("share_id"))
                for claim in container.dynamic_resources for claimed in claim.claim_resources
                if claimed.device_name))]


@settings(deadline=None, max_examples=150)
@given(pods=answers, more=later, before=st.booleans())
def test_what_the_runtime_writes_is_read_as_the_runtime_reads_it(
        messages: ModuleType, pods: list[Any], more: bytes, before: bool) -> None:
    response = messages.ListPodResourcesResponse(pod_resources=pods)
    body = response.SerializeToString()
    assert list(read_all(more + body if before else body + more)) == expected(response)


@settings(deadline=None, max_examples=250)
@given(pods=answers, position=st.integers(0), change=st.binary(min_size=1, max_size=3),
       cut=st.integers(0, 10))
def test_what_was_damaged_is_an_error_or_what_the_runtime_makes_of_it(
        messages: ModuleType, pods: list[Any], position: int, change: bytes,
        cut: int) -> None:
    response = messages.ListPodResourcesResponse(pod_resources=pods)
    body = bytearray(response.SerializeToString())
    position %= len(body) + 1
    body[position:position + len(change)] = change
    damaged = bytes(body[:len(body) - cut])
    try:
        ours = list(read_all(damaged))
    except KubeletError:
        return
    theirs = messages.ListPodResourcesResponse()
    try:
        theirs.ParseFromString(damaged)
    except Exception:  # it looks into what is passed over here, too
        return
    assert ours == expected(theirs)


@settings(deadline=None)
@given(pods=answers.filter(bool), cut=st.integers(1, 3))
def test_what_ends_too_early_is_an_error(messages: ModuleType, pods: list[Any], cut: int) -> None:
    last = messages.ListPodResourcesResponse(pod_resources=pods[-1:]).SerializeToString()
    body = messages.ListPodResourcesResponse(pod_resources=pods).SerializeToString()
    with pytest.raises(KubeletError):
        list(read_all(body[:-min(cut, len(last) - 1)]))


@settings(deadline=None)
@given(st.binary())
def test_no_answer_does_worse_than_a_kubelet_error(answer: bytes) -> None:
    reason = "the answer is no list of pods"
    try:
        assert all(isinstance(holding, Holding) for holding in read_all(answer))
    except KubeletError as error:
        reason = str(error)
    assert reason == "the answer is no list of pods"


@pytest.mark.parametrize(("answer", "pods", "devices", "cut"), [
    (holder("a") * k.MOST_PODS, k.MOST_PODS, k.MOST_DEVICES, False),
    (holder("a") * (k.MOST_PODS + 1), k.MOST_PODS, k.MOST_DEVICES, True),
    (holder() * (k.MOST_PODS + 1) + holder("a"), k.MOST_PODS, 0, True),
    (holder(*map(str, range(k.MOST_DEVICES))), 1, k.MOST_DEVICES, False),
    (holder(*map(str, range(k.MOST_DEVICES + 1))), 1, k.MOST_DEVICES, True),
    (holder(*map(str, range(5000))) + holder("b"), 1, k.MOST_DEVICES, True),
    (holder(*map(str, range(9000)), resource="other") + holder("b"), 1, 1, False),
])
def test_so_many_pods_and_devices_are_read_and_it_is_noted_if_there_are_more(
        answer: bytes, pods: int, devices: int, cut: bool) -> None:
    allowance = Allowance(lambda resource: resource.startswith("nvidia.com/"))
    holdings = list(read(answer, allowance))
    assert (len(holdings), sum(len(one.devices) for one in holdings), allowance.cut) == (
        pods, devices, cut)


TINY = 2**23  # messages of two bytes: 16 MiB


@pytest.mark.parametrize("answer", [
    inside(k.POD_RESOURCES, b"") * TINY, b"\x10\x00" * TINY,
    inside(k.POD_RESOURCES, inside(k.POD_CONTAINERS, b"") * (TINY - 4)),
    inside(k.POD_RESOURCES, b"\x7a\x00" * (TINY - 4)),
], ids=["pods", "numbers", "containers", "unknown fields"])
def test_an_answer_of_tiny_messages_takes_no_longer_than_the_largest_real_one(
        answer: bytes) -> None:
    allowance, began = Allowance(), time.process_time()
    assert list(read(answer, allowance)) == []
    assert allowance.cut
    assert time.process_time() - began < 2.0


def failure(kubelet: Kubelet, seconds: float = SECONDS) -> str:
    with pytest.raises(KubeletError) as raised:
        kubelet.holdings(seconds, Allowance())
    return str(raised.value)


def test_a_question_names_a_host_that_any_server_takes(kubelet: FakeKubelet) -> None:
    kubelet.give("chat-0", ["GPU-1"])
    holdings = Kubelet(str(kubelet.socket)).holdings(SECONDS, Allowance())
    assert holdings == [Holding("llm", "chat-0", "engine", "nvidia.com/gpu", ("GPU-1",))]
    assert kubelet.authorities == {"localhost"}


def test_each_way_to_fail_has_a_reason_in_a_line(kubelet: FakeKubelet) -> None:
    asking = Kubelet(str(kubelet.socket))
    with kubelet.hanging():
        assert failure(asking, 0.3) == "the kubelet does not answer in time"
    with kubelet.refusing(grpc.StatusCode.RESOURCE_EXHAUSTED, "rejected by rate limit"):
        assert failure(asking) == (
            "the kubelet answers no more questions for now: rejected by rate limit")
    with kubelet.answering(lambda _: b"<!doctype html>"):
        assert failure(asking) == "the answer is no list of pods"
    with kubelet.answering(lambda _: bytes(k.LONGEST_ANSWER + 1)):
        assert failure(asking) == f"the kubelet's answer is larger than {k.LONGEST_ANSWER} bytes"
    assert asking.holdings(SECONDS, Allowance()) == []
    kubelet.die()
    assert failure(asking) == "the kubelet cannot be reached: No such file or directory"
    kubelet.socket.write_text("a file")
    assert failure(asking) == "the kubelet cannot be reached: Connection refused"
    kubelet.socket.unlink()
    kubelet.start()
    assert asking.holdings(SECONDS, Allowance()) == []


def test_without_permission_for_the_socket_the_error_says_so(kubelet: FakeKubelet) -> None:
    kubelet.socket.chmod(0)
    done = subprocess.run(
        [sys.executable, "-c", "import os, sys\n"
         "from inferometer.gpu.kubelet import Allowance, Kubelet\n"
         "asking = Kubelet(sys.argv[1])\n"
         f"if not os.getuid(): os.setuid({NOBODY})\n"
         f"asking.holdings({SECONDS}, Allowance())", str(kubelet.socket)],
        capture_output=True, text=True, timeout=60, check=False)
    assert "the kubelet cannot be reached: Permission denied" in done.stderr

"""The kubelet: which containers have which devices, by its PodResources API, v1. Imports grpc.

Of the answer only the fields below are read, straight from the wire: so no generated code has to
be kept in step with a runtime of Protocol Buffers.

Facts. Only the socket's owner may connect: root, as kubelets make it. The kubelet answers all
clients of a node together 100 times a second at most, and refuses the rest. Its answer has 16 MiB
at most. Kubelets before 1.34 also list pods that have ended, until they are deleted. What a pod
has by dynamic resource allocation (DRA) is listed from 1.34 on; before, if the feature gate
KubeletPodResourcesDynamicResources was set. Of a claim's device only what its driver calls it is
read: the list of its names for the container runtime (CDI) may have those of other devices, too
(GetDynamicResources in the kubelet's container_manager_linux.go).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from inferometer.protobuf import BYTES, ProtobufError, WireField, by_number, fields, text
from inferometer.threads import require_threads

METHOD = "/v1.PodResourcesLister/List"
LONGEST_ANSWER = 16 * 2**20  # bytes
MOST_PODS = MOST_DEVICES = 4096  # that are read of an answer; a node has some hundreds
MOST_FIELDS = 200_000  # of all its messages: of an answer of tiny ones that takes half a second
# That grpc starts, and would for every question if it did not keep them: one for each core, from 4
# to 16, and two more, tried with 1.85. Without one of them, the "lifeguard", it ends the process;
# where others are missing, it may hang. Source: PosixEventEngine's constructor in posix_engine.cc
# and Lifeguard in work_stealing_thread_pool.cc of grpc; https://github.com/grpc/grpc/pull/41465.
GRPC_THREADS = min(max(os.cpu_count() or 1, 4), 16) + 4

LONGEST_DETAILS = 200  # characters of grpc's words that are passed on
# By gRPC's status codes: https://grpc.io/docs/guides/status-codes/.
REASONS = {
    "DEADLINE_EXCEEDED": "the kubelet does not answer in time",
    "UNAVAILABLE": "the kubelet cannot be reached",
    "UNIMPLEMENTED": "the kubelet does not know what it is asked",
    "RESOURCE_EXHAUSTED": "the kubelet answers no more questions for now",
    "PERMISSION_DENIED": "the kubelet does not let this exporter ask",
}
ALONE = ("DEADLINE_EXCEEDED",)  # whose details add nothing
TOO_LARGE = "Received message larger than max"  # in the details of an answer cut off by grpc

# Numbers of fields, by message. Source: podresources/v1/api.proto of Kubernetes.
POD_RESOURCES = 1
POD_NAME, POD_NAMESPACE, POD_CONTAINERS = 1, 2, 3
CONTAINER_NAME, CONTAINER_DEVICES, CONTAINER_CLAIMS = 1, 2, 5
DEVICES_RESOURCE, DEVICES_IDS = 1, 2
CLAIM_DEVICES = 4
CLAIM_DRIVER, CLAIM_DEVICE, CLAIM_SHARE = 2, 4, 5


class KubeletError(Exception):
    """The kubelet did not answer, or its answer is not a list of pods."""


@dataclass(frozen=True)
class Holding:
    """The devices of one resource that a container has, by the device plugin's own names.

    `claimed`: it has them by a claim, and `resource` is the DRA driver, whose names they are.
    `share`: the claim has a share of each.
    """

    namespace: str
    pod: str
    container: str
    resource: str
    devices: tuple[str, ...]
    claimed: bool = False
    share: bool = False


class _EnoughError(Exception):
    """No more of an answer is read."""


class Allowance:
    """How much is read of one answer, and of which resources and DRA drivers.

    `cut`: whether there was more. `passed_over`: other drivers that pods have claims by.
    """

    def __init__(self, resources: Callable[[str], bool] = lambda _: True,
                 drivers: Callable[[str], bool] = lambda _: True) -> None:
        self.reads = resources
        self.cut = False
        self.passed_over: set[str] = set()
        self._drivers = drivers
        self._fields, self._pods, self._devices = MOST_FIELDS, MOST_PODS, MOST_DEVICES

    def fields(self, message: bytes) -> Iterator[WireField]:
        """The fields of a message. Raises _EnoughError, ProtobufError."""
        for field in fields(message):
            self._fields -= 1
            if self._fields < 0:
                raise _EnoughError
            yield field

    def take_pod(self) -> None:
        """Begin to read a pod. Raises _EnoughError."""
        self._pods -= 1
        if self._pods < 0:
            raise _EnoughError

    def reads_claim(self, driver: str) -> bool:
        """Whether a claim by this driver is read; if not, that is noted."""
        reads = self._drivers(driver)
        if not reads:
            self.passed_over.add(driver)
        return reads

    def take(self, devices: list[bytes]) -> list[bytes]:
        """As many of these devices as may be read. Raises _EnoughError where that is none."""
        if devices and not self._devices:
            raise _EnoughError
        taken = devices[:self._devices]
        self._devices -= len(taken)
        self.cut = self.cut or len(taken) < len(devices)
        return taken


class Kubelet:
    """Asks the kubelet at a socket. Each question has a connection of its own.

    So a socket that was made anew is found at once, and nothing is left of one that died.
    """

    def __init__(self, socket: str) -> None:
        import grpc  # it is large, and an extra: only those who ask a kubelet load it

        self._grpc = grpc
        self._address = f"unix:{socket}"
        self._options = (
            ("grpc.default_authority", "localhost"),  # not the path: servers may refuse that
            ("grpc.max_receive_message_length", LONGEST_ANSWER),
            ("grpc.use_local_subchannel_pool", 1),  # or it would wait after an earlier failure
            ("grpc.enable_retries", 0),
        )
        self._unused: object = None  # a channel: while there is one, grpc keeps its threads

    def holdings(self, seconds: float, allowance: Allowance) -> list[Holding]:
        """The devices of the node's containers, within `seconds`.

        Raises KubeletError, and NoThreadError.
        """
        self._keep_threads()
        with self._grpc.insecure_channel(self._address, self._options) as channel:
            ask = channel.unary_unary(METHOD, bytes, bytes)
            try:
                answer: bytes = ask(b"", timeout=seconds)
            except self._grpc.RpcError as error:
                reason = _reason(error.code().name, error.details() or "")
                raise KubeletError(reason) from None  # the rest of the error is long and no help
        return list(read(answer, allowance))

    def _keep_threads(self) -> None:
        """Have grpc start its threads, once and for all. Raises NoThreadError."""
        if self._unused is None:
            require_threads(GRPC_THREADS)
            self._unused = self._grpc.insecure_channel(self._address, self._options)


def read(answer: bytes, allowance: Allowance) -> Iterator[Holding]:
    """The holdings in a ListPodResourcesResponse. Raises KubeletError."""
    try:
        for number, wire_type, value in allowance.fields(answer):
            if number == POD_RESOURCES and wire_type == BYTES and isinstance(value, bytes):
                allowance.take_pod()
                yield from _read_pod(value, allowance)
    except _EnoughError:
        allowance.cut = True
    except ProtobufError as error:
        raise KubeletError("the answer is no list of pods") from error


def _read_pod(message: bytes, allowance: Allowance) -> Iterator[Holding]:
    pod = by_number(message, allowance.fields)
    for one in pod.get(POD_CONTAINERS, ()):
        container = by_number(one, allowance.fields)
        named = partial(Holding, _text(pod, POD_NAMESPACE), _text(pod, POD_NAME),
                        _text(container, CONTAINER_NAME))
        for some in container.get(CONTAINER_DEVICES, ()):
            devices = by_number(some, allowance.fields)
            resource = _text(devices, DEVICES_RESOURCE)
            if allowance.reads(resource):
                ids = allowance.take(devices.get(DEVICES_IDS, []))
                yield named(resource, tuple(map(text, ids)))
        for claim in container.get(CONTAINER_CLAIMS, ()):
            for some in by_number(claim, allowance.fields).get(CLAIM_DEVICES, ()):
                device = by_number(some, allowance.fields)
                driver = _text(device, CLAIM_DRIVER)
                own = [name for name in device.get(CLAIM_DEVICE, ())[-1:] if name]
                if own and allowance.reads_claim(driver):
                    yield named(driver, tuple(map(text, allowance.take(own))), claimed=True,
                                share=CLAIM_SHARE in device)


def _text(message: dict[int, list[bytes]], number: int) -> str:
    """A text field. The last one given counts; without any it is empty."""
    return text(message.get(number, [b""])[-1])


def _reason(code: str, details: str) -> str:
    """The reason in one line, always the same for the same failure."""
    words = " ".join(details.rpartition(" error: ")[2].split())[:LONGEST_DETAILS]
    if TOO_LARGE in words:
        return f"the kubelet's answer is larger than {LONGEST_ANSWER} bytes"
    reason = REASONS.get(code, f"the kubelet refuses to answer ({code.lower().replace('_', ' ')})")
    return reason if code in ALONE or not words else f"{reason}: {words}"

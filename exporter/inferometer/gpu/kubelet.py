"""The kubelet: which containers have which devices, by its PodResources API, v1. Imports grpc.

Of the answer only what is said here is read, as Protocol Buffers lay it out on the wire, so that no
code has to be generated and kept in step with a runtime of theirs: a message is a row of numbered
fields, and a text, a list's item and a message in a message are all bytes of a stated length.

Facts. The socket lets in its owner: root, as kubelets make it. The kubelet answers any client of
the node 100 times a second at most, and refuses who comes then. Its answer has 16 MiB at most.
Kubelets older than 1.34 name pods that have ended too, until they are deleted. What a pod has by
dynamic resource allocation is told by names of claims and not of GPUs: that is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import grpc

METHOD = "/v1.PodResourcesLister/List"
LONGEST_ANSWER = 16 * 2**20  # bytes
LONGEST_NUMBER = 10  # bytes
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

# Numbers of fields, by message.
POD_RESOURCES = 1
POD_NAME, POD_NAMESPACE, POD_CONTAINERS = 1, 2, 3
CONTAINER_NAME, CONTAINER_DEVICES = 1, 2
DEVICES_RESOURCE, DEVICES_IDS = 1, 2


class KubeletError(Exception):
    """The kubelet did not answer, or not what it should."""


@dataclass(frozen=True)
class Holding:
    """What a container has of one resource: the devices' names in the plugin's own terms."""

    namespace: str
    pod: str
    container: str
    resource: str
    devices: tuple[str, ...]


class Kubelet:
    """Asks the kubelet at a socket. Each question has a connection of its own.

    So a socket that was made anew is found at once, and nothing is left of one that died.
    """

    def __init__(self, socket: str) -> None:
        import grpc  # it is large, and an extra: for those only who ask a kubelet

        self._grpc = grpc
        self._address = f"unix:{socket}"
        self._options = (
            ("grpc.default_authority", "localhost"),  # not the path: servers may refuse that
            ("grpc.max_receive_message_length", LONGEST_ANSWER),
            ("grpc.use_local_subchannel_pool", 1),  # or it would wait after a failure before this
            ("grpc.enable_retries", 0),
        )

    def holdings(self, seconds: float) -> list[Holding]:
        """What all containers of the node have; waits so long at most. Raises KubeletError."""
        with self._grpc.insecure_channel(self._address, self._options) as channel:
            ask = channel.unary_unary(METHOD, bytes, bytes)
            try:
                answer: bytes = ask(b"", timeout=seconds)
            except self._grpc.RpcError as error:
                why = _why(error)
                raise KubeletError(why) from None  # what else it holds is no help, and much
        return list(read(answer))


def read(answer: bytes) -> Iterator[Holding]:
    """What a ListPodResourcesResponse says. Raises KubeletError."""
    try:
        for number, pod in _fields(answer):
            if number == POD_RESOURCES:
                yield from _read_pod(pod)
    except (IndexError, UnicodeDecodeError) as error:
        raise KubeletError("the answer is no list of pods") from error


def _read_pod(pod: bytes) -> Iterator[Holding]:
    said = _by_number(pod)
    for container in said.get(POD_CONTAINERS, ()):
        its = _by_number(container)
        for devices in its.get(CONTAINER_DEVICES, ()):
            each = _by_number(devices)
            yield Holding(_text(said, POD_NAMESPACE), _text(said, POD_NAME),
                          _text(its, CONTAINER_NAME), _text(each, DEVICES_RESOURCE),
                          tuple(id_.decode() for id_ in each.get(DEVICES_IDS, ())))


def _text(message: dict[int, list[bytes]], number: int) -> str:
    """A text; the last one given counts, and none is an empty one."""
    return message.get(number, [b""])[-1].decode()


def _by_number(message: bytes) -> dict[int, list[bytes]]:
    fields: dict[int, list[bytes]] = {}
    for number, value in _fields(message):
        fields.setdefault(number, []).append(value)
    return fields


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields that hold bytes, with their numbers; others are passed over. Raises IndexError."""
    at = 0
    while at < len(message):
        tag, at = _number(message, at)
        kind = tag & 7
        size = {FIXED64: 8, FIXED32: 4}.get(kind, 0)
        if kind in (VARINT, BYTES):
            value, at = _number(message, at)
            size = value if kind == BYTES else 0
        elif not size:
            raise IndexError("of no known kind")
        if at + size > len(message):
            raise IndexError("longer than the message")
        if kind == BYTES:
            yield tag >> 3, message[at:at + size]
        at += size


def _number(message: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where it ends. Raises IndexError."""
    number = 0
    for place in range(LONGEST_NUMBER):
        byte = message[at + place]
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return number, at + place + 1
    raise IndexError("a number that does not end")


def _why(error: grpc.RpcError) -> str:
    """The reason in a line, the same for the same one."""
    code, details = error.code().name, error.details() or ""
    if code == "DEADLINE_EXCEEDED":
        return "the kubelet does not answer in time"
    return f"{code}: {' '.join(details.rpartition(' error: ')[2].split())[:200]}"

"""A kubelet's PodResources API: a real gRPC server of the real protocol on a real unix socket."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc

from tests.exporter.support import FIXTURES

PROTO = FIXTURES / "kubelet/podresources.proto"
GPU, DRA = "nvidia.com/gpu", "gpu.nvidia.com"
UID = "dab5ab50-d59a-42a6-af16-cfd4628c0f7a"  # of a claim


def compiled(folder: Path) -> ModuleType:
    """The messages of Kubernetes' definition, by the real compiler and runtime."""
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO.parent}",
                    f"--python_out={folder}", PROTO], check=True, timeout=60)
    file = folder / "podresources_pb2.py"
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(file.stem, module)
    spec.loader.exec_module(module)
    return module


class FakeKubelet:
    """Answers with the devices it was given. It can die, return, hang and refuse."""

    def __init__(self, messages: ModuleType, socket: Path) -> None:
        self.messages: Any = messages
        self.socket = socket
        self.authorities: set[str] = set()
        self._pods: dict[tuple[str, str], Any] = {}
        self._server: grpc.Server | None = None
        self._answer: Callable[[grpc.ServicerContext], bytes] = lambda _: self.response()

    def give(self, pod: str, devices: Sequence[str], *, resource: str = GPU,
             namespace: str = "llm", container: str = "engine") -> None:
        """Give a container devices; the pod comes if it is not there."""
        its = self._container(namespace, pod, container)
        for device in devices:  # one each, as the kubelet does where it knows their NUMA nodes
            its.devices.add(resource_name=resource, device_ids=[device]).topology.nodes.add(ID=1)

    def claim(self, pod: str, devices: Sequence[str], *, driver: str = DRA,
              share: str | None = None, namespace: str = "llm", container: str = "engine",
              name: str = "gpus") -> None:
        """Give a container a claim with these devices; the pod comes if it is not there."""
        claim = self._container(namespace, pod, container).dynamic_resources.add(
            claim_name=name, claim_namespace=namespace)
        ids: list[Any] = []  # which the kubelet adds up, over the devices of a driver
        for device in devices:
            ids.append(self.messages.CDIDevice(name=f"k8s.{driver}/claim={UID}-{device}"))
            claim.claim_resources.add(cdi_devices=ids, driver_name=driver, pool_name="node-1",
                                      device_name=device, share_id=share)

    def _container(self, namespace: str, pod: str, name: str) -> Any:
        message = self._pods.setdefault((namespace, pod), self.messages.PodResources(
            name=pod, namespace=namespace))
        for one in message.containers:
            if one.name == name:
                return one
        its = message.containers.add(name=name, cpu_ids=[1, 2**40])
        its.memory.add(memory_type="memory", size=2**35).topology.nodes.add(ID=0)
        return its

    def delete(self, pod: str, namespace: str = "llm") -> None:
        """Let a pod go."""
        del self._pods[namespace, pod]

    def response(self) -> bytes:
        """Its whole answer."""
        response = self.messages.ListPodResourcesResponse(pod_resources=self._pods.values())
        return bytes(response.SerializeToString())

    def start(self) -> None:
        """Listen, on a socket that is made anew."""
        server = self._server = grpc.server(
            ThreadPoolExecutor(4), options=[("grpc.max_send_message_length", -1)])
        handler = grpc.unary_unary_rpc_method_handler(
            self._list, self.messages.ListPodResourcesRequest.FromString, bytes)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
            "v1.PodResourcesLister", {"List": handler}),))
        server.add_insecure_port(f"unix:{self.socket}")
        server.start()

    def die(self) -> None:
        """Be gone, and the socket with it."""
        if self._server is not None:
            self._server.stop(None).wait(10)
            self._server = None
        self.socket.unlink(missing_ok=True)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Take questions and answer none meanwhile."""
        over = threading.Event()
        with self.answering(lambda _: bytes(over.wait(60))):
            try:
                yield
            finally:
                over.set()

    @contextmanager
    def refusing(self, code: grpc.StatusCode, why: str) -> Iterator[None]:
        """Answer with an error meanwhile."""
        with self.answering(lambda context: bytes(context.abort(code, why) or b"")):
            yield

    @contextmanager
    def answering(self, answer: Callable[[grpc.ServicerContext], bytes]) -> Iterator[None]:
        """Answer with whatever this returns meanwhile."""
        before, self._answer = self._answer, answer
        try:
            yield
        finally:
            self._answer = before

    def _list(self, _: object, context: Any) -> bytes:
        self.authorities.add(context._rpc_event.call_details.host.decode())
        return self._answer(context)

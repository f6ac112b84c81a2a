"""GPUs: read in the background, and which pod has which."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence

from inferometer.catalogue import GPUS
from inferometer.collector import Collector
from inferometer.config import Config
from inferometer.documents.mistakes import Document
from inferometer.gpu.collector import GpuCollector
from inferometer.gpu.kubelet import Kubelet
from inferometer.gpu.pods import PodsCollector
from inferometer.gpu.registry import Gpu
from inferometer.gpu.sampler import Sampler
from inferometer.parts import Code, Part, Quoted, Row, Watch, Watched
from inferometer.roles import NODE
from inferometer.sieve import Refusals
from inferometer.threads import Standing


class GpuPart(Part):
    """Reads this machine's GPUs, and asks the kubelet which pods have them."""

    sections = ("gpu",)
    title, noun, kind = "GPUs", "GPU", "gpu"

    def __init__(self, config: Config, refusals: Refusals,
                 kubelet: Kubelet | None = None) -> None:
        self._config = config.gpu
        self._kubelet = kubelet  # in the place of the one at the socket
        self._required = config.role == NODE
        self.sampler = Sampler(config.gpu, refusals=refusals) if config.gpu.enabled else None

    def check(self, config: Config, document: Document) -> None:
        """Report if the kubelet cannot be asked."""
        if config.gpu.kubelet_socket and importlib.util.find_spec("grpc") is None:
            document.report("gpu.kubelet_socket", "needs the package grpcio; "
                            "pip install 'inferometer[kubelet]'")

    def configure(self, config: Config) -> None:
        """Take other intervals."""
        self._config = config.gpu
        if self.sampler:
            self.sampler.configure(config.gpu)

    def gpus(self) -> Sequence[Gpu]:
        """All GPUs seen so far, lost ones too."""
        return self.sampler.gpus() if self.sampler else []

    def collectors(self) -> Sequence[Collector]:
        """Of the GPUs, and of the pods that have them where the kubelet is to be asked."""
        if self.sampler is None:
            return []
        gpus = GpuCollector(self.sampler, self._required)
        socket = self._config.kubelet_socket
        kubelet = self._kubelet or (Kubelet(socket) if socket else None)
        return [gpus, PodsCollector(kubelet, self.sampler)] if kubelet else [gpus]

    def start(self) -> None:
        """Begin to look for GPUs and to read them."""
        if self.sampler:
            self.sampler.start()

    def stop(self) -> None:
        """Look for GPUs and read them no more."""
        if self.sampler:
            self.sampler.stop()

    def loops(self) -> Sequence[Standing]:
        """The watch for GPUs, and those who read them."""
        return self.sampler.loops() if self.sampler else ()

    def is_ready(self) -> bool:
        """Whether the first look for GPUs has ended."""
        return self.sampler is None or self.sampler.looked.is_set()

    def greeting(self, seconds: float) -> Iterable[Row]:
        """What came of looking for GPUs."""
        if self.sampler is None:
            return [("GPUs", "switched off by gpu.enabled")]
        self.sampler.looked.wait(seconds)
        return [("GPUs", f"{self._state()}; looking again every "
                         f"{self._config.retry_seconds:g} s")]

    def watch(self) -> Watch:
        """Every GPU, with what it is and why it is not read."""
        if self.sampler is None:
            return Watch([], GPUS, [
                ("Reading GPUs is switched off by ", Code("gpu.enabled"), ".")])
        again = f". Looked for again every {self._config.retry_seconds:g} s."
        gpus = self.sampler.gpus()
        ailing = ("The driver: ", Quoted(self._state()), again) if (
            gpus and self.sampler.fault) else ()
        return Watch([self._watched(gpu) for gpu in gpus], GPUS, [
            ("None found: ", Quoted(self._state()), again)], ailing)

    def _state(self) -> str:
        state = self.sampler.state if self.sampler else ""
        return state or "the driver has not answered yet"

    def _watched(self, gpu: Gpu) -> Watched:
        failure = gpu.lost
        if not failure and gpu.last_read is None:
            failure = f"never read so far; {self._state()}"
        elif not failure:
            failure = "its last reading is too old to be shown" if gpu.snapshot else self._state()
        return Watched(
            gpu.uuid or str(gpu.index), f"GPU {gpu.index}", gpu.last_read, failure,
            lost=bool(gpu.lost), gone=gpu.gone, product=gpu.name,
            more=[("UUID", gpu.uuid), ("Bus", gpu.pci_bus_id)])

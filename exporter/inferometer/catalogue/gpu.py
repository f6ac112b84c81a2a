"""GPUs, as NVML and the kubelet tell of them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from inferometer.catalogue.model import FLAG, Label, Metric, Range

GPUS = 64
GPU_SEATS = GPUS * 8  # each board alone or as its MIG instances, seven at most
PODS = 1000  # that may have had a GPU or a part of one within an hour

# What to do at once by NVIDIA's catalogue of XIDs (its "Resolution Bucket (Immediate Action)"), for
# Ampere and newer: https://docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html, as of
# October 2025. Codes that no such GPU reports are left out, except 16, 61 and 81 of older ones.
# Those without an action come beside another XID, whose action counts.
XID_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "WORKFLOW_XID_48": ("48",),  # drain and reset
    "RESET_GPU": ("62", "64", "95", "109", "110", "119", "120", "136", "140", "143", "155", "156",
                  "46", "158"),
    "RESTART_BM": ("79",),
    "RESTART_VM": ("151",),
    "WORKFLOW_NVLINK_ERR": ("74",),
    "WORKFLOW_NVLINK5_ERR": ("144", "145", "146", "147", "148", "149", "150"),
    "CONTACT_SUPPORT": ("16", "61", "81", "142"),
    "CHECK_MECHANICALS": ("54",),
    "UPDATE_SWFW": ("78",),
    "CHECK_UVM": ("159",),
    "RESTART_APP": (
        "8", "11", "13", "25", "31", "32", "39", "40", "41", "60", "68", "69", "70", "71", "72",
        "75", "76", "77", "80", "82", "83", "84", "85", "86", "88", "89", "94", "96", "97", "98",
        "99", "100", "101", "102", "103", "104", "105", "126", "127", "128", "129", "130", "131",
        "132", "133", "134", "135", "139",
    ),
    "WORKFLOW_XID_45": ("45",),  # what another XID, or the end of the process, has left
    "IGNORE": (
        "37", "38", "43", "44", "63", "66", "67", "92", "93", "106", "107", "108", "121", "137",
        "141", "157", "160", "161",
    ),
    "": ("154", "171", "172"),
}
# What each of these actions comes to in words, by how much it asks for.
XID_ADVICE: Mapping[str, Mapping[str, str]] = {
    "drain": {
        "WORKFLOW_XID_48": "drain and reset the GPU", "RESET_GPU": "drain and reset the GPU",
        "RESTART_BM": "drain and restart the node", "RESTART_VM": "restart the virtual machine",
    },
    "investigate": {
        "WORKFLOW_NVLINK_ERR": "follow its NVLink workflow",
        "WORKFLOW_NVLINK5_ERR": "follow its NVLink5 workflow",
        "CONTACT_SUPPORT": "contact NVIDIA's support",
        "CHECK_MECHANICALS": "check power and seating",
        "UPDATE_SWFW": "update driver and firmware", "CHECK_UVM": "reset the GPU if UVM is in use",
    },
    "restart": {
        "RESTART_APP": "restart the process on it",
        "WORKFLOW_XID_45": "go by the XID that came with it, else restart the process on it",
    },
    "ignore": {"IGNORE": "ignore it", "": "go by the XID that came with it"},
}
# After these no work on the GPU can be trusted until a reset: always shown, from 0 on. The others
# are shown from their first event on.
XIDS_DRAIN = tuple(xid for action in XID_ADVICE["drain"] for xid in XID_ACTIONS[action])

GPU = Label("gpu", "The driver's index of the GPU.", budget=GPUS)
UUID = Label("uuid", "The GPU's UUID, which survives a reboot.", budget=GPUS)
MIG = Label("mig", "MIG instance as GPU instance/compute instance.", budget=8, optional=True)
CLOCK = Label("clock", "Clock domain.", values=("sm", "memory", "graphics", "video"))
THROTTLE = Label(
    "reason", "What held the clocks down.",
    values=("power_cap", "sync_boost", "sw_thermal", "hw_thermal", "hw_power_brake"),
)
DIRECTION = Label("direction", "As the GPU sees it.", values=("transmit", "receive"))
ECC_KIND = Label("kind", "Whether the error was corrected.", values=("corrected", "uncorrected"))
REMAP_KIND = Label("kind", "What made the row be remapped.",
                   values=("correctable", "uncorrectable"))
PROCESS_CLASS = Label("class", "Class of process.", values=("compute", "graphics", "mps"))
POD_NAMESPACE = Label("k8s_namespace_name", "Namespace of the pod.", budget=PODS, folds=True)
POD_NAME = Label("k8s_pod_name", "Name of the pod.", budget=PODS, folds=True)
POD_CONTAINER = Label("k8s_container_name", "The pod's container.", budget=PODS, folds=True)
SHARED = Label("shared", "Whether others may use the same GPU or MIG instance.",
               values=("false", "true"))
XID = Label("xid", "The driver's error code.",
            values=(*chain.from_iterable(XID_ACTIONS.values()), "other"))

DRIVER_FAULT = Label(
    "reason", "Why the driver does not answer; absent while it does.",
    values=("no_library", "no_driver", "version_mismatch", "no_permission", "no_answer", "other"),
    optional=True,
)

_GPU = (GPU, UUID)
_MIG = (GPU, UUID, MIG)
_LIFETIME = Range(most=3e9)  # seconds, a century: all ones in nanoseconds are five
_ONE_GPU = "It is asked of one GPU, once its board has shown which."


def _gpu(name: str, kind: str, text: str, *labels: Label, mig: bool = False,
         otel: str = "", unread: str = "", within: Range | None = None, pace: float = 0.0,
         under: tuple[Metric, float] | None = None) -> Metric:
    keys = _MIG if mig else _GPU
    return Metric(name, kind, text, (*keys, *labels), GPU_SEATS if mig else GPUS, otel=otel,
                  unread=unread, stated_range=within, stated_pace=pace, under=under)


GPU_DRIVER_UP = Metric(
    "gpu_driver_up", "gauge",
    "1 while NVIDIA's driver answers, else 0 with the reason; one series, from the first look on.",
    (DRIVER_FAULT,),
)
GPU_UNLISTED = Metric(
    "gpu_unlisted_devices", "gauge",
    "GPUs and MIG instances that the kubelet has given to containers and the driver does not list.",
)
GPU_INFO = _gpu(
    "gpu_info", "gauge", "What the GPU is; always 1.",
    Label("name", "Product name.", budget=GPUS), Label("driver_version", "Driver.", budget=4),
    Label("pci_bus_id", "Where it is plugged in.", budget=GPUS),
)
GPU_MIG_INFO = _gpu(
    "gpu_mig_info", "gauge", "What the MIG instance is; always 1.",
    Label("mig_uuid", "The instance's own UUID.", budget=GPU_SEATS),
    Label("profile", "Slice profile.", budget=32), mig=True,
    unread="It joins an instance to its profile in questions of one's own.",
)
GPU_POD_INFO = Metric(
    "gpu_pod_info", "gauge",
    "Which pod the kubelet has given the GPU or MIG instance to; always 1.",
    (*_MIG, POD_NAMESPACE, POD_NAME, POD_CONTAINER, SHARED), PODS + GPU_SEATS, subjects=GPU_SEATS,
)
GPU_UP = _gpu("gpu_up", "gauge", "1 while the GPU answers and its last sample is fresh, else 0.")
GPU_LAST_SAMPLE = _gpu("gpu_last_sample_timestamp_seconds", "gauge",
                       "When the GPU was last read.", unread="gpu_up is 0 once a sample is old.")
GPU_UTILIZATION = _gpu("gpu_utilization_ratio", "gauge",
                       "Share of the driver's last sample period in which a kernel ran.",
                       otel="hw.gpu.utilization",
                       unread="It is the driver's last moment; busy seconds are the whole time.")
GPU_MEMORY_UTILIZATION = _gpu("gpu_memory_bandwidth_utilization_ratio", "gauge",
                              "Share of that period in which memory was read or written.",
                              unread=_ONE_GPU)
GPU_ENCODER_UTILIZATION = _gpu("gpu_encoder_utilization_ratio", "gauge",
                               "Share of its sample period in which the video encoder was busy.",
                               otel="hw.gpu.utilization{hw.gpu.task=encoder}",
                               unread="Inference of language models encodes no video.")
GPU_DECODER_UTILIZATION = _gpu("gpu_decoder_utilization_ratio", "gauge",
                               "Share of its sample period in which the video decoder was busy.",
                               otel="hw.gpu.utilization{hw.gpu.task=decoder}",
                               unread="Inference of language models decodes no video.")
GPU_PEAK_FLOPS = _gpu("gpu_peak_flops", "gauge",
                      "Dense BF16 operations per second by NVIDIA's data sheet (FP16 where there "
                      "is no BF16); absent where it is not known, and for GPUs cut up by MIG.")
GPU_PEAK_BANDWIDTH = _gpu("gpu_peak_memory_bandwidth_bytes_per_second", "gauge",
                          "Bytes per second of the device memory by NVIDIA's data sheet; absent as "
                          "gpu_peak_flops is.")
GPU_BUSY = _gpu("gpu_busy_seconds_total", "counter",
                "Seconds in which a kernel ran: utilization integrated between samples.")
GPU_OBSERVED = _gpu("gpu_observed_seconds_total", "counter",
                    "Seconds over which busy seconds were integrated; gaps are left out.")
GPU_MEMORY_TOTAL = _gpu("gpu_memory_total_bytes", "gauge", "Device memory there is.", mig=True,
                        otel="hw.gpu.memory.limit", within=Range(least=1.0))
GPU_MEMORY_USED = _gpu("gpu_memory_used_bytes", "gauge", "Device memory in use.", mig=True,
                       otel="hw.gpu.memory.usage", under=(GPU_MEMORY_TOTAL, 1.0))
GPU_PROCESS_MEMORY = _gpu("gpu_process_memory_bytes", "gauge",
                          "Device memory held by processes of a class.", PROCESS_CLASS, mig=True,
                          unread=_ONE_GPU)
GPU_PROCESSES = _gpu("gpu_processes", "gauge", "Processes of a class on the GPU.", PROCESS_CLASS,
                     mig=True, unread=_ONE_GPU)
GPU_POWER_LIMIT = _gpu("gpu_power_limit_watts", "gauge", "Power limit in force.",
                       within=Range(least=1.0, most=1e5),
                       unread="Throttling by power_cap says when it is reached.")
GPU_POWER = _gpu("gpu_power_watts", "gauge", "Power drawn by the board.", otel="hw.power",
                 under=(GPU_POWER_LIMIT, 3.0))
GPU_ENERGY = _gpu("gpu_energy_joules_total", "counter", "Energy used since the driver loaded.",
                  otel="hw.energy")
GPU_TEMPERATURE = _gpu("gpu_temperature_celsius", "gauge", "Temperature of the GPU core.")
GPU_MEMORY_TEMPERATURE = _gpu("gpu_memory_temperature_celsius", "gauge",
                              "Temperature of the device memory.",
                              unread="Throttling by temperature says when it is too high.")
GPU_SLOWDOWN = _gpu("gpu_temperature_slowdown_celsius", "gauge",
                    "Core temperature at which the hardware slows itself down.",
                    unread="Throttling by temperature says when it is reached.")
GPU_CLOCK_LIMIT = _gpu("gpu_clock_limit_hertz", "gauge", "Highest clock of the GPU.", CLOCK,
                       within=Range(least=1.0, most=1e10),
                       unread="It tells a clock from a wrong answer, and is the scale of one.")
GPU_CLOCK = _gpu("gpu_clock_hertz", "gauge", "Present clock.", CLOCK, under=(GPU_CLOCK_LIMIT, 2.0),
                 unread="Throttled seconds say when and why it is low.")
GPU_THROTTLED = _gpu("gpu_throttled_seconds_total", "counter",
                     "Seconds for which clocks were held down, by reason.", THROTTLE,
                     within=_LIFETIME, pace=1.0)
GPU_ECC = _gpu("gpu_ecc_errors_total", "counter", "Memory errors over the board's life.", ECC_KIND,
               otel="hw.errors", pace=1e6)
GPU_REMAPPED = _gpu("gpu_remapped_rows_total", "counter", "Memory rows remapped.", REMAP_KIND,
                    within=Range(most=1e6), pace=1e4,
                    unread="A remapping that waits or has failed asks for something; one done "
                           "does not.")
GPU_REMAP_PENDING = _gpu("gpu_remapped_rows_pending", "gauge",
                         "1 while a remapping waits for a reset of the GPU.", within=FLAG)
GPU_REMAP_FAILED = _gpu("gpu_remapped_rows_failed", "gauge", "1 once a remapping has failed.",
                        within=FLAG)
GPU_XID = _gpu("gpu_xid_errors_total", "counter",
               "XID events by code, since this exporter started.", XID)
GPU_XID_LAST = _gpu("gpu_xid_last_timestamp_seconds", "gauge", "When the last XID event came.")
GPU_PCIE = _gpu("gpu_pcie_bytes_total", "counter", "Bytes over PCIe.", DIRECTION, otel="hw.gpu.io",
                within=Range(most=2.0**63), unread=_ONE_GPU)
GPU_NVLINK = _gpu("gpu_nvlink_bytes_total", "counter", "Payload bytes over all NVLinks.", DIRECTION,
                  within=Range(most=2.0**73), unread=_ONE_GPU)  # counted in KiB

GPU_METRICS = (
    GPU_DRIVER_UP, GPU_UNLISTED,
    GPU_INFO, GPU_MIG_INFO, GPU_POD_INFO, GPU_UP, GPU_LAST_SAMPLE, GPU_UTILIZATION,
    GPU_MEMORY_UTILIZATION, GPU_ENCODER_UTILIZATION, GPU_DECODER_UTILIZATION, GPU_PEAK_FLOPS,
    GPU_PEAK_BANDWIDTH, GPU_BUSY, GPU_OBSERVED, GPU_MEMORY_USED, GPU_MEMORY_TOTAL,
    GPU_PROCESS_MEMORY, GPU_PROCESSES, GPU_POWER, GPU_POWER_LIMIT, GPU_ENERGY, GPU_TEMPERATURE,
    GPU_MEMORY_TEMPERATURE, GPU_SLOWDOWN, GPU_CLOCK, GPU_CLOCK_LIMIT, GPU_THROTTLED, GPU_ECC,
    GPU_REMAPPED, GPU_REMAP_PENDING, GPU_REMAP_FAILED, GPU_XID, GPU_XID_LAST, GPU_PCIE, GPU_NVLINK,
)

"""vllm-omni: pipelines of stages, each of them a vLLM or a diffusion engine.

From vllm_omni/metrics/{definitions,prometheus,stat_logger}.py and engine/orchestrator.py (0.30).
The families of the pipeline are its own; those of vLLM are of each stage, whose label is its place
in the pipeline. A stage times a request from when it was handed it, and the tokens it makes may be
of sound: what stages say of times and tokens is taken where there is one stage alone. The
pipeline's own output tokens are those of all stages together, and are not taken; its input tokens
are the first stage's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from inferometer import catalogue as c
from inferometer.engines.buckets import PageValues
from inferometer.engines.sources import CounterHistory, Facet, ReadSignal, Selector
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, Marks, RequestCounter
from inferometer.engines.tables import vllm
from inferometer.engines.view import ModelRank, View
from inferometer.values import Value

RUNNING, ENDED_STAGES = "vllm:num_requests_running", "vllm:request_success_total"
SUCCESS = "vllm_omni:requests_success_total"
FAILED = "vllm_omni:requests_failed_total"
ENDED = {
    "stop": ("success", "stop"),
    "length": ("success", "length"),
    "repetition": ("success", "repetition"),
    "error": ("error", "engine_error"),
}
ENDED_OR_LEFT = {**ENDED, "abort": ("abort", "abort")}


@dataclass(frozen=True)
class OnlyStage:
    """A family of vLLM's, where all of its samples are of one stage."""

    selector: Selector
    derived: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Its one family."""
        return self.selector.names

    def bind(self, view: View, facet: Facet) -> ReadSignal:
        """How to read the stage's values; none where there are several."""
        family = view.families.get(self.selector.name)
        stages = {sample.labels.get("stage") for sample in family.samples} if family else set()
        return self.selector.bind(view, facet) if len(stages) == 1 else _nothing


def _nothing(values: PageValues, history: CounterHistory) -> Mapping[ModelRank, Value]:
    return {}


def stage(name: str) -> OnlyStage:
    """vLLM's family of this name, where there is one stage."""
    return OnlyStage(Selector(f"vllm:{name}"))


ENGINE = Engine(
    name="vllm_omni",
    title="vLLM-Omni",
    evidence="documented",
    spelling=Spelling("vllm_omni:", r"vllm_omni[:_]", models=("model_name",)),
    marks=Marks(all_of=(FAILED,)),
    signals={
        c.SERVER_TTFT: (stage("time_to_first_token_seconds"),),
        c.SERVER_TPOT: (stage("request_time_per_output_token_seconds"),),
        c.SERVER_ITL: (stage("inter_token_latency_seconds"),),
        c.SERVER_DURATION: (Selector("vllm_omni:e2e_request_latency_s"),),
        c.SERVER_QUEUE: (Selector("vllm_omni:request_queue_wait_s"),),
        c.SERVER_INPUT: (Selector("vllm_omni:prompt_tokens_total"),),
        c.SERVER_OUTPUT: (stage("generation_tokens_total"),),
        c.SERVER_RUNNING: (
            Selector("vllm_omni:num_requests_running"), stage("num_requests_running")),
        c.SERVER_WAITING: (
            Selector("vllm_omni:num_requests_waiting"), stage("num_requests_waiting")),
        c.SERVER_KV_USAGE: (
            OnlyStage(Selector("vllm:kv_cache_usage_perc", combine=max)),
        ),
        c.SERVER_PREEMPTIONS: (stage("num_preemptions_total"),),
        c.SERVER_START: (Selector("process_start_time_seconds"),),
    },
    # What failed is in the first of them too, as aborted.
    requests=(
        RequestCounter(
            Selector(SUCCESS, where={"finished_reason": tuple(ENDED)}),
            label="finished_reason", meaning=ENDED, otherwise=("success", "finished"),
        ),
        RequestCounter(
            Selector(FAILED),
            label="reason",
            meaning={
                "client_abort": ("abort", "abort"),
                "client_disconnect": ("abort", "cancelled"),
                "stage_error": ("error", "engine_error"),
            },
            otherwise=("error", "engine_error"),
            late=True,
        ),
    ),
    progress=(Selector("vllm_omni:generation_tokens_total"),
              Selector("vllm_omni:prompt_tokens_total")),
    unused={
        "of each stage": (
            "stage_gen_time_s", "stage_in_queue_s", "stage_waiting_requests", "peak_memory_mb",
            "kv_wait_s",
        ),
        "between stages": (
            "transfer_size_bytes", "transfer_tx_s", "transfer_rx_s", "transfer_in_flight_s",
        ),
        "sound": (
            "audio_ttfp_s", "audio_duration_s", "audio_rtf", "audio_frames_total",
            "audio_underrun_s", "audio_continuity_ok_total", "audio_skipped_requests_total",
            "speech_stream_aborted_total", "speech_stream_completed_total",
            "realtime_vad_active_sessions", "realtime_vad_inference_latency_s",
            "realtime_vad_endpoint_delay_s", "realtime_vad_errors_total",
        ),
        "images and video": (
            "image_count_total", "image_pixels", "image_ttfp_s", "num_inference_steps",
            "diffusion_exec_s", "diffusion_exec_per_step_s", "diffusion_preprocess_s",
            "diffusion_postprocess_s", "diffusion_forward_s", "diffusion_kv_load_s",
            "vae_decode_s", "denoise_step_latency_s",
        ),
    },
)
# Where the pipeline has no families of its own: those of vLLM, by stage. What the last one ended
# has ended.
STAGES = replace(
    ENGINE,
    spelling=replace(ENGINE.spelling, prefix="vllm:", pattern=r"vllm[:_]"),
    marks=Marks(any_of=(RUNNING, ENDED_STAGES), labels=("stage",)),
    requests=(RequestCounter(
        Selector(ENDED_STAGES, last="stage", derived=True), label="finished_reason",
        meaning=ENDED_OR_LEFT, otherwise=("success", "finished"),
    ),),
    progress=(Selector("vllm:generation_tokens_total"), Selector("vllm:prompt_tokens_total")),
    unused={**vllm.ENGINE.unused, "of each stage": tuple(
        name.removeprefix("vllm:") for name in sorted(vllm.ENGINE.taken)
        if name.startswith("vllm:"))},
)
# Before failures had a counter of their own, what failed was told as aborted alone.
FORMER = replace(ENGINE, marks=Marks(), requests=(
    RequestCounter(
        Selector(SUCCESS), label="finished_reason",
        meaning=ENDED_OR_LEFT, otherwise=("success", "finished"),
    ),
))

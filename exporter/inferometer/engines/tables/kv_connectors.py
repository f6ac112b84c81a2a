"""vLLM's KV connectors: what is moved to slower tiers of memory and to other engines.

From vllm/distributed/kv_transfer/kv_connector/v1/ and vllm/v1/kv_offload/ (0.33): offloading, NIXL,
Mooncake, Mooncake's store, 3FS, UMBP and HiSparse. An engine has one of them, or one of each kind:
of the families that say the same the first is taken. NIXL's engines fetch; Mooncake's send.
"""

from inferometer.engines.labelled import ByLabel, FirstOf
from inferometer.engines.sources import Selector

_STORED, _LOADED = ({"transfer_type": (kind,)} for kind in ("GPU_to_CPU", "CPU_to_GPU"))
_PUT, _GET = {"operation": ("save_put",)}, {"operation": ("load_get",)}
_STORE, _LOAD = {"operation": ("store",)}, {"operation": ("load",)}

USAGE = (
    Selector("vllm:hisparse_host_cache_usage_perc", combine=max),
    Selector("vllm:cpu_cache_usage_perc", combine=max),  # V0's room for swapped requests
)
MOVED_BYTES = ByLabel({
    "store": FirstOf((
        Selector("vllm:kv_offload_store_bytes_total"),
        Selector("vllm:kv_offload_store_size", part="_sum"),
        Selector("vllm:kv_offload_total_bytes_total", where=_STORED),
        Selector("vllm:kv_offload_size", where=_STORED, part="_sum"),
        Selector("vllm:mooncake_store_operation_bytes_total", where=_PUT),
        Selector("vllm:umbp_transfer_bytes_total", where=_STORE),
    )),
    "load": FirstOf((
        Selector("vllm:kv_offload_load_bytes_total"),
        Selector("vllm:kv_offload_load_size", part="_sum"),
        Selector("vllm:kv_offload_total_bytes_total", where=_LOADED),
        Selector("vllm:kv_offload_size", where=_LOADED, part="_sum"),
        Selector("vllm:mooncake_store_operation_bytes_total", where=_GET),
        Selector("vllm:umbp_transfer_bytes_total", where=_LOAD),
        Selector("vllm:hisparse_host_to_device_bytes_total"),
    )),
    "demote": Selector("vllm:kv_offload_tiering_write_bytes_total"),
    "promote": Selector("vllm:kv_offload_tiering_read_bytes_total"),
    "send": Selector("vllm:mooncake_bytes_transferred", part="_sum"),
    "receive": Selector("vllm:nixl_bytes_transferred", part="_sum"),
})
MOVED_SECONDS = ByLabel({
    "store": FirstOf((
        Selector("vllm:kv_offload_store_time_total"),
        Selector("vllm:kv_offload_total_time_total", where=_STORED),
        Selector("vllm:mooncake_store_operation_time_seconds", where=_PUT, part="_sum"),
        Selector("vllm:hf3fs_save_duration_seconds", part="_sum"),
    )),
    "load": FirstOf((
        Selector("vllm:kv_offload_load_time_total"),
        Selector("vllm:kv_offload_total_time_total", where=_LOADED),
        Selector("vllm:mooncake_store_operation_time_seconds", where=_GET, part="_sum"),
        Selector("vllm:hf3fs_load_duration_seconds", part="_sum"),
    )),
    "demote": Selector("vllm:kv_offload_tiering_write_time_total"),
    "promote": FirstOf((
        Selector("vllm:kv_offload_tiering_read_time_total"),
        Selector("vllm:kv_offload_tiering_promotion_latency_seconds", part="_sum"),
    )),
    "send": Selector("vllm:mooncake_xfer_time_seconds", part="_sum"),
    "receive": Selector("vllm:nixl_xfer_time_seconds", part="_sum"),
})
MOVE_FAILURES = ByLabel({
    "store": FirstOf((
        Selector("vllm:kv_offload_allocation_failure_total"),
        Selector("vllm:mooncake_store_operation_failed_keys_total", where=_PUT),
        Selector("vllm:umbp_transfer_failed_total", where=_STORE),
        Selector("vllm:hf3fs_num_failed_save_total"),
    )),
    "load": FirstOf((
        Selector("vllm:mooncake_store_operation_failed_keys_total", where=_GET),
        Selector("vllm:umbp_transfer_failed_total", where=_LOAD),
        Selector("vllm:hf3fs_num_failed_load_total"),
    )),
    "demote": FirstOf((
        Selector("vllm:kv_offload_tiering_cascade_job_failures_total"),
        Selector("vllm:kv_offload_tiering_backpressure_stores_dropped_total"),
    )),
    "promote": FirstOf((
        Selector("vllm:kv_offload_tiering_promotion_job_failures_total"),
        Selector("vllm:kv_offload_tiering_promotion_allocation_failures_total"),
    )),
    # Caches that were not fetched in time count as not sent.
    "send": FirstOf((
        Selector("vllm:mooncake_num_failed_transfers_total"),
        Selector("vllm:mooncake_num_kv_expired_reqs_total"),
        Selector("vllm:nixl_num_kv_expired_reqs_total"),
    )),
    "receive": FirstOf((
        Selector("vllm:nixl_num_failed_transfers_total"),
        Selector("vllm:mooncake_num_failed_recvs_total"),
    )),
})
UNUSED = {
    "pinned by transfers under way, not filled": (
        "kv_offload_cpu_cache_usage_perc", "kv_offload_cpu_cache_read_usage_perc",
        "kv_offload_cpu_cache_write_usage_perc", "kv_offload_tiering_primary_read_usage_perc",
        "kv_offload_tiering_primary_write_usage_perc", "simple_kv_offload_used_blocks",
    ),
    "jobs and blocks in between": (
        "kv_offload_tiering_active_cascade_jobs", "kv_offload_tiering_active_promotion_jobs",
        "simple_kv_offload_pending_store_blocks", "hisparse_pending_page_transfers",
    ),
    "in blocks, chunks or keys, not in tokens or bytes": (
        "kv_offload_cpu_allocation_size", "kv_offload_tiering_chunk_hits_total",
        "kv_offload_tiering_chunk_queries_total", "kv_offload_stores_skipped_total",
        "kv_offload_tiering_backpressure_blocks_dropped_total", "hisparse_cache_hits_total",
        "hisparse_cache_misses_total", "simple_kv_offload_load_blocks_total",
        "simple_kv_offload_save_outcomes_total", "mooncake_store_operation_keys_total",
        "mooncake_store_operation_total", "mooncake_num_descriptors", "nixl_num_descriptors",
        "umbp_transfer_completed_total", "umbp_transfer_submitted_total",
    ),
    "part of the time or of the failures taken": (
        "kv_offload_lookup_async_delay_seconds", "kv_offload_lookup_sync_delay_seconds",
        "kv_offload_tiering_lookup_async_delay_seconds",
        "kv_offload_tiering_lookup_sync_delay_seconds", "nixl_post_time_seconds",
        "kv_offload_tiering_backpressure_store_latency_ema",
        "nixl_num_failed_notifications_total", "nixl_num_notifications_after_expiry_total",
    ),
    "a setting": ("kv_offload_config_info", "simple_kv_offload_info"),
}

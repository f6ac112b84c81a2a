"""What each engine of the demo calls its figures: foreign names, as they stand on its page.

Pages and where they come from: pages/README.md. To add an engine, add its page and a dialect.
"""

from __future__ import annotations

from inferometer.demo.quantities import ACCEPTED_SHARES
from inferometer.demo.template import Dialect

VLLM = Dialect(
    "vllm.prom", "tiny",
    numbers={
        "process_start_time_seconds": "started",
        "vllm:num_requests_running": "running",
        "vllm:num_requests_waiting": "waiting",
        'vllm:num_requests_waiting_by_reason{reason="capacity"': "waiting",
        "vllm:kv_cache_usage_perc": "cache_usage",
        "vllm:num_preemptions_total": "preempted",
        "vllm:prompt_tokens_total": "input",
        "vllm:prompt_tokens_cached_total": "cached",
        'vllm:prompt_tokens_cached_by_source_total{source="device"': "cached",
        'vllm:prompt_tokens_by_source_total{source="local_compute"': "computed",
        'vllm:prompt_tokens_by_source_total{source="local_cache_hit"': "cached",
        "vllm:generation_tokens_total": "output",
        "vllm:prefix_cache_queries_total": "input",
        "vllm:prefix_cache_hits_total": "cached",
        "vllm:external_prefix_cache_queries_total": "computed",
        "vllm:external_prefix_cache_hits_total": "fetched",
        "vllm:mm_cache_queries_total": "images",
        "vllm:mm_cache_hits_total": "images_cached",
        'vllm:request_success_total{finished_reason="stop"': "stopped",
        'vllm:request_success_total{finished_reason="length"': "cut",
        'vllm:request_success_total{finished_reason="abort"': "left",
        'vllm:request_success_total{finished_reason="error"': "failed",
        "vllm:spec_decode_num_drafts_total": "drafts",
        "vllm:spec_decode_num_draft_tokens_total": "drafted",
        "vllm:spec_decode_num_accepted_tokens_total": "accepted",
        **{f'vllm:spec_decode_num_accepted_tokens_per_pos_total{{position="{position}"':
           f"accepted_{position}" for position in range(len(ACCEPTED_SHARES))},
        "vllm:lora_requests_info": "now",
        'http_requests_total{status="2xx"': "served",
        "vllm:estimated_flops_per_gpu_total": "operations",
        "vllm:estimated_read_bytes_per_gpu_total": "bytes_read",
        "vllm:estimated_write_bytes_per_gpu_total": "bytes_written",
    },
    histograms={
        "vllm:e2e_request_latency_seconds": "duration",
        "vllm:request_queue_time_seconds": "queue",
        "vllm:request_prefill_time_seconds": "prefill",
        "vllm:request_decode_time_seconds": "decode",
        "vllm:request_inference_time_seconds": "inference",
        "vllm:time_to_first_token_seconds": "first_token",
        "vllm:request_time_per_output_token_seconds": "each_token",
        "vllm:inter_token_latency_seconds": "between_tokens",
        "vllm:request_prompt_tokens": "input_length",
        "vllm:request_generation_tokens": "output_length",
        "vllm:iteration_tokens_total": "step",
        "vllm:request_params_n": "answers",
    },
    documents={"/version": {"version": "0.32.0"}, "/health": ""})
SGLANG = Dialect(
    "sglang.prom", "Qwen/Qwen3-0.6B",
    numbers={
        "sglang:num_running_reqs": "running",
        "sglang:num_queue_reqs": "waiting",
        "sglang:token_usage": "cache_usage",
        "sglang:num_used_tokens": "cache_tokens",
        "sglang:max_total_num_tokens": "cache_capacity",
        "sglang:gen_throughput": "tokens_per_second",
        "sglang:utilization": "busy",
        "sglang:prompt_tokens_total": "input",
        "sglang:generation_tokens_total": "output",
        "sglang:num_requests_total": "served",
        'sglang:realtime_tokens_total{mode="prefill_compute"': "computed",
        'sglang:realtime_tokens_total{mode="prefill_cache"': "cached",
        'sglang:realtime_tokens_total{mode="decode"': "output",
        'sglang:http_responses_total{status_code="200"': "served",
        'sglang:http_responses_total{status_code="500"': "failed",
        "sglang:hicache_host_used_tokens": "store_tokens",
        "sglang:hicache_host_total_tokens": "store_capacity",
        "sglang:hicache_backup_bytes_total": "stored_bytes",
        "sglang:load_back_bytes_total": "loaded_bytes",
    },
    histograms={
        "sglang:e2e_request_latency_seconds": "duration",
        "sglang:queue_time_seconds": "queue",
        "sglang:time_to_first_token_seconds": "first_token",
        "sglang:inter_token_latency_seconds": "between_tokens",
        "sglang:num_retractions": "retractions",
        "sglang:hicache_backup_duration_seconds": "storing",
        "sglang:load_back_duration_seconds": "loading",
    },
    documents={"/get_server_info": {"version": "0.5.7"}})
TGI = Dialect(
    "tgi.prom", "",
    numbers={
        "tgi_batch_current_size": "running",
        "tgi_queue_size": "waiting",
        "tgi_batch_current_max_tokens": "cache_tokens",
        "tgi_request_success": "stopped",
        "tgi_request_count": "served",
        'tgi_request_failure{err="validation"': "invalid",
    },
    histograms={
        "tgi_request_duration": "duration",
        "tgi_request_queue_duration": "queue",
        "tgi_request_inference_duration": "inference",
        "tgi_request_mean_time_per_token_duration": "each_token",
        "tgi_request_input_length": "input_length",
        "tgi_request_generated_tokens": "output_length",
    })

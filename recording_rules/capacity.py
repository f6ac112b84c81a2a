"""How full the engines are: replicas, requests running and waiting, caches, speculation."""

from inferometer import catalogue as c
from recording_rules.model import Group, Rule
from recording_rules.promql import FLEET, MODEL, by, over_engines, rate, ratio, total
from recording_rules.workloads import WORKLOAD, of_workload

MISSED = "6h"  # for how long what has vanished is missed


def _model(name: str, expr: str, text: str) -> Rule:
    return Rule(f"model:{name}", expr, MODEL, text)


REPLICAS = _model("llm_server_up:sum", total(MODEL, c.SERVER_UP), "Replicas whose page is read.")
EXPECTED = _model("llm_server_up:count", f"count {by(MODEL)} ({c.SERVER_UP.name})",
                  "Replicas there are, up or down.")
RUNNING = _model("llm_server_requests_running:sum", total(MODEL, c.SERVER_RUNNING),
                 "Requests being worked on.")
WAITING = _model("llm_server_requests_waiting:sum", total(MODEL, c.SERVER_WAITING),
                 "Requests waiting their turn: growth is load that does not fit.")
KV_USAGE = _model("llm_server_kv_cache_usage:max", f"max {by(MODEL)} ({c.SERVER_KV_USAGE.name})",
                  "KV cache in use, of the fullest replica.")
KV_USAGE_MEAN = _model("llm_server_kv_cache_usage:avg",
                       f"avg {by(MODEL)} ({c.SERVER_KV_USAGE.name})",
                       "KV cache in use, mean of the replicas.")
KV_CAPACITY = _model("llm_server_kv_cache_capacity_tokens:sum",
                     total(MODEL, c.SERVER_KV_CAPACITY),
                     "Tokens that fit into the KV caches of all replicas.")
MAX_LENGTH = _model("llm_server_max_model_length_tokens:min",
                    f"min {by(MODEL)} ({c.SERVER_MAX_LENGTH.name})",
                    "Longest sequence that every replica takes.")
PREFIX_HITS = _model(
    "llm_server_prefix_cache_hit:ratio_5m",
    ratio(rate(MODEL, c.SERVER_PREFIX_HITS), rate(MODEL, c.SERVER_PREFIX_QUERIES)),
    "Share of tokens looked up in the prefix cache that were found.")
PREEMPTIONS = _model("llm_server_preemptions:rate5m", rate(MODEL, c.SERVER_PREEMPTIONS),
                     "Requests put back into the queue per second, for want of KV cache.")
ACCEPTED = _model(
    "llm_server_spec_decode_accepted:ratio_5m",
    ratio(rate(MODEL, c.SERVER_ACCEPTED), rate(MODEL, c.SERVER_DRAFT)),
    "Share of tokens proposed by speculative decoding that were accepted.")
STARTED = _model("llm_server_start_time_seconds:max",
                 f"max {by(MODEL)} ({c.SERVER_START.name})", "When the youngest replica started.")
VERSIONS = Rule("model:llm_server_info:count",
                f"count {by((*MODEL, c.VERSION.name))} ({c.SERVER_INFO.name})",
                (*MODEL, c.VERSION.name), "Replicas of each version.")


def _by_workload(rule: Rule, metric: c.Metric) -> Rule:
    labels = (*MODEL, *(label for label in WORKLOAD if label not in MODEL))
    return Rule(f"{rule}_by_workload", f"sum {by(labels)} ({of_workload(metric.name)})", labels,
                f"{rule.help.rstrip('.')}, of one workload.")


WORKLOAD_REPLICAS = _by_workload(REPLICAS, c.SERVER_UP)
WORKLOAD_RUNNING = _by_workload(RUNNING, c.SERVER_RUNNING)


def _fleet(rule: Rule) -> Rule:
    return Rule(
        rule.name.replace("model:", "fleet:", 1),
        over_engines(FLEET, lambda engines: f"sum {by(FLEET)} ({rule}{{{engines}}})"), FLEET,
        f"{rule.help.rstrip('.')}, over all models.")


FLEET_RUNNING, FLEET_WAITING = _fleet(RUNNING), _fleet(WAITING)

GROUPS = (Group("inferometer-capacity", (
    REPLICAS, EXPECTED, RUNNING, WAITING, KV_USAGE, KV_USAGE_MEAN, KV_CAPACITY, MAX_LENGTH,
    PREFIX_HITS, PREEMPTIONS, ACCEPTED, STARTED, VERSIONS, WORKLOAD_REPLICAS,
    WORKLOAD_RUNNING, FLEET_RUNNING, FLEET_WAITING,
)),)

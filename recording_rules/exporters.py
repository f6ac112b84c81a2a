"""Ourselves: which exporters run, whether their parts answer, and what they leave out."""

from inferometer import catalogue as c
from recording_rules.model import Group, Rule
from recording_rules.promql import EXPORTER, FLEET, HOUR, by, on

_COLLECTOR = (*FLEET, c.COLLECTOR.name)
# Prometheus' own word on each scrape of an exporter, and on the evaluation of our rules.
SCRAPED = "scrape_samples_post_metric_relabeling"
OURS = 'rule_group=~".*;inferometer-.*"'
_ON_A_NODE = '{node!=""}'
REMEMBERED = "1d"  # an exporter that is dead for longer is dead on purpose


def _seen(matcher: str = "") -> str:
    return f"max_over_time({c.BUILD_INFO.name}{matcher}[{REMEMBERED}])"


# A cluster that is there for longer has exporters of its own, at whatever addresses and nodes.
_NEW = f"({c.BUILD_INFO.name} unless {on(FLEET)} {c.BUILD_INFO.name} offset {REMEMBERED})"

VERSIONS = Rule("fleet:inferometer_build_info:count",
                f"count {by((*FLEET, c.VERSION.name))} ({c.BUILD_INFO.name})",
                (*FLEET, c.VERSION.name), "Exporters of each version.")
# A silent cluster whose addresses or nodes report under a new name is left out.
SEEN = Rule(
    "fleet:inferometer_build_info:count1d",
    f"count {by(FLEET)} ({_seen()}) unless {on(FLEET)} "
    f"(({_seen()} and {on(EXPORTER[1:])} {_NEW} "
    f"or {_seen(_ON_A_NODE)} and {on(('node',))} {_NEW}) unless {on(FLEET)} {c.BUILD_INFO.name})",
    FLEET, "Exporters of the last day, but of clusters that have another name now.")
SUCCESS = Rule("fleet:inferometer_collector_success:avg",
               f"avg {by(_COLLECTOR)} ({c.COLLECTOR_SUCCESS.name})", _COLLECTOR,
               "Share of exporters whose collector answered in full and in time.")
DURATION = Rule("fleet:inferometer_collector_duration_seconds:max",
                f"max {by(_COLLECTOR)} ({c.COLLECTOR_DURATION.name})", _COLLECTOR,
                "Of the slowest exporter.")
FOLDED = Rule(
    "fleet:inferometer_label_values_folded:increase1h",
    f"sum {by((*FLEET, 'metric'))} (increase({c.LABELS_FOLDED.name}[{HOUR}]))",
    (*FLEET, "metric"), "Label values over their cap in the last hour, by family.")
UNKNOWN = Rule(
    "fleet:inferometer_unknown_families:max",
    f"max {by((*FLEET, c.ENGINE.name))} ({c.UNKNOWN_FAMILIES.name})", (*FLEET, c.ENGINE.name),
    "Families of an engine's page that its table does not know.")
CONFIGURED = Rule(
    "fleet:inferometer_config_last_reload_successful:avg",
    f"avg {by(FLEET)} ({c.CONFIG_RELOAD_OK.name})", FLEET,
    "Share of exporters whose configuration in force is the one in the file.")
SIGNALS = Rule(
    "fleet:llm_server_signal_info:count",
    f"count {by((*FLEET, c.ENGINE.name, 'signal', c.SOURCE.name))} ({c.SERVER_SIGNAL.name})",
    (*FLEET, c.ENGINE.name, "signal", c.SOURCE.name),
    "Endpoints of an engine by where a signal of theirs comes from, if it comes at all.")
_PAGES = f"{SCRAPED} and {on(EXPORTER)} {c.BUILD_INFO.name}"
SERIES = Rule("fleet:inferometer_page_series:sum", f"sum {by(FLEET)} ({_PAGES})", FLEET,
              "Series on the pages of all exporters.")
LARGEST = Rule("fleet:inferometer_page_series:max", f"max {by(FLEET)} ({_PAGES})", FLEET,
               "Series on the largest page of an exporter.")
RULES_BUSY = Rule(
    "fleet:prometheus_rule_group:busy_ratio",
    f"max {by(FLEET)} (prometheus_rule_group_last_duration_seconds{{{OURS}}} "
    f"/ prometheus_rule_group_interval_seconds{{{OURS}}})", FLEET,
    "Share of its interval that the evaluation of a group of our rules takes, of the slowest.")
RULES_FAILED = Rule(
    "fleet:prometheus_rule_evaluation_failures:increase1h",
    f"sum {by(FLEET)} (increase(prometheus_rule_evaluation_failures_total{{{OURS}}}[{HOUR}]))",
    FLEET, "Evaluations of our rules that failed in the last hour.")

GROUPS = (
    Group("inferometer-exporters", (
        VERSIONS, SEEN, SUCCESS, DURATION, UNKNOWN, CONFIGURED, SIGNALS, SERIES, LARGEST,
        RULES_BUSY, RULES_FAILED,
    ), interval="2m"),
    Group("inferometer-exporters-hour", (FOLDED,), interval="4m"),
)

"""Ourselves: which exporters run, whether their parts answer, and what they leave out."""

from inferometer import catalogue as c
from recording_rules.model import Group, Rule
from recording_rules.promql import EXPORTER, FLEET, HOUR, any_of, by, on

_COLLECTOR = (*FLEET, c.COLLECTOR.name)
# Prometheus' own word on each scrape of an exporter, and on the evaluation of our rules.
SCRAPED = "scrape_samples_post_metric_relabeling"
OURS = 'rule_group=~".*;inferometer-.*"'
REMEMBERED, REMEMBERED_SECONDS = "1d", 86400  # what is dead for longer is dead on purpose
GAP = 900  # seconds: a cluster that is away for longer than the others begins anew
RENAMED_WITHIN = "1h"  # after its last scrape under the old name
SIDE_BY_SIDE = 600  # seconds for which two names of one cluster may overlap


def _last_seen(name: str, times: str) -> str:
    """The latest of these times by cluster, remembered for a day by the series itself."""
    return (f"max {by(FLEET)} ({times}) or max {by(FLEET)} (last_over_time({name}[{REMEMBERED}])) "
            f"> time() - {REMEMBERED_SECONDS}")


_FIRST, _LAST, _RENAMED, _FLEET = (f"fleet:inferometer_{of}" for of in (
    "build_info:first_seen", "build_info:last_seen", "build_info:renamed",
    "cost_collector:last_seen"))
_LAST_KNOWN = f"max {by(FLEET)} (last_over_time({_LAST}[{REMEMBERED}]))"


def _succeeded(identity: tuple[str, ...], matcher: str = "") -> str:
    """Exporters of silent clusters whose identity reports under a name that came afterwards.

    A name that was there before is another cluster, with the same addresses or nodes.
    """
    exporter = f"{c.BUILD_INFO.name}{matcher}"
    silent = (f"(last_over_time({exporter}[{RENAMED_WITHIN}]) unless {on(FLEET)} "
              f"{c.BUILD_INFO.name}) * 0 + {on(FLEET)} group_left () {_LAST_KNOWN}")
    newest = f"max {by(identity)} ({exporter} * 0 + {on(FLEET)} group_left () {_FIRST})"
    return f"({silent}) < {on(identity)} group_left () ({newest} + {SIDE_BY_SIDE})"


VERSIONS = Rule("fleet:inferometer_build_info:count",
                f"count {by((*FLEET, c.VERSION.name))} ({c.BUILD_INFO.name})",
                (*FLEET, c.VERSION.name), "Exporters of each version.")
FIRST_SEEN = Rule(
    _FIRST,
    f"(max {by(FLEET)} (last_over_time({_FIRST}[{REMEMBERED}])) and {on(FLEET)} "
    f"{_LAST_KNOWN} > scalar(max({_LAST_KNOWN})) - {GAP} and {on(FLEET)} {c.BUILD_INFO.name}) "
    f"or max {by(FLEET)} (timestamp({c.BUILD_INFO.name}))", FLEET,
    "Since when exporters of the cluster have been scraped without a gap.")
LAST_SEEN = Rule(_LAST, _last_seen(_LAST, f"timestamp({c.BUILD_INFO.name})"), FLEET,
                 "When an exporter of the cluster was last scraped, within a day.")
RENAMED = Rule(
    _RENAMED,
    f"(max {by(FLEET)} ({_succeeded(EXPORTER[1:])} or "
    + _succeeded(('node',), '{node!=""}') + ") or "
    f"max {by(FLEET)} (last_over_time({_RENAMED}[{REMEMBERED}])) > time() - {REMEMBERED_SECONDS} "
    f">= {on(FLEET)} {_LAST_KNOWN}) unless {on(FLEET)} {c.BUILD_INFO.name}", FLEET,
    "When a cluster was last scraped that reports under another name now.")
# Clusters of the last day, each by its present name.
SEEN = f"({LAST_SEEN} unless {on(FLEET)} {RENAMED})"
# The fleet's exporter is the one that speaks of money and reads nothing itself.
_SPEAKS_OF_MONEY = f"{c.COLLECTOR_SUCCESS.name}{{{any_of(c.COLLECTOR, 'cost')}}}"
_READS_NOTHING = (f"unless {on(EXPORTER)} "
                  f"{c.COLLECTOR_SUCCESS.name}{{{any_of(c.COLLECTOR, 'gpu', 'engines')}}}")
FLEET_EXPORTER = f"({_SPEAKS_OF_MONEY} {_READS_NOTHING})"
FLEET_SEEN = Rule(
    _FLEET, _last_seen(_FLEET, f"timestamp({_SPEAKS_OF_MONEY}) {_READS_NOTHING}"), FLEET,
    "When the exporter of fixed costs, budgets and limits was last scraped, within a day.")
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
        VERSIONS, FIRST_SEEN, LAST_SEEN, RENAMED, FLEET_SEEN, SUCCESS, DURATION, UNKNOWN,
        CONFIGURED, SERIES, LARGEST, RULES_BUSY, RULES_FAILED,
    ), interval="2m"),
    Group("inferometer-exporters-hour", (FOLDED,), interval="4m"),
)

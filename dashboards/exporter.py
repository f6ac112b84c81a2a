"""The measuring itself: do exporters answer, what do engines tell, and how many series is that."""

from dashboards.lines import BY_MODEL, line
from dashboards.model import Board, Panel, PanelRow, Query
from dashboards.panels import NO_ENGINE, stat, table, timeseries
from dashboards.styles import ALL_ARE_WELL, NONE_IS_WELL, PLAIN, WELL, Colours, Field
from dashboards.variables import OF_MODELS, chosen, of_replicas
from inferometer import catalogue as c
from recording_rules import capacity, exporters
from recording_rules.bounds import MIXED
from recording_rules.promql import MODEL, WINDOW, any_of, by, on

NO_EXPORTER = "No data: no exporter is scraped in this scope."
NO_DESTINATION = "No data: no gateway has destinations."
NO_PROMETHEUS = "No data: Prometheus does not scrape itself."


def _tile(title: str, description: str, expr: str, unit: str = "short", *,
          colours: Colours = PLAIN, empty: str = "no exporter") -> Panel:
    return stat(title, description, unit, expr, empty=empty, colours=colours)


NOW = PanelRow("Now", (
    _tile("Exporters", "Those scraped, of whatever version.",
          f"sum({chosen(exporters.VERSIONS)})"),
    _tile("Collectors up", "Share that answered in full and in time, of the collector "
          "that is worst off.", f"min({chosen(exporters.SUCCESS)})", "percentunit",
          colours=ALL_ARE_WELL),
    _tile("Config in force", "Share of exporters that run on the file as it is now: below "
          "100 % a reload failed.", f"min({chosen(exporters.CONFIGURED)})", "percentunit",
          colours=ALL_ARE_WELL),
    _tile("Engines down", "Endpoints whose page could not be read.",
          f"sum({chosen(capacity.EXPECTED)} - {on(MODEL)} {chosen(capacity.REPLICAS)})",
          colours=NONE_IS_WELL, empty="no engine"),
    _tile("Label values folded", "In the last hour, over the cap of their family: their figures "
          "are in _other, or left out.", f"sum({chosen(exporters.FOLDED)})",
          colours=NONE_IS_WELL),
    _tile("Unknown families", "On the page of the engine with the most: it has been renamed or "
          "updated, and its table should be too.", f"max({chosen(exporters.UNKNOWN)})",
          colours=((None, WELL), (1, "orange")), empty="no engine"),
))
HEALTH = PanelRow("Exporters and engines", (
    timeseries("Collectors", "Share of exporters whose collector answered: a step down is one that "
               "fails, a saw one that is too slow.", "percentunit",
               Query(chosen(exporters.SUCCESS), "{{collector}} {{cluster}}"), empty=NO_EXPORTER,
               maximum=1),
    timeseries("Time of a collector", "Of the slowest exporter: near the scrape's timeout it will "
               "be cut off.", "s", Query(chosen(exporters.DURATION), "{{collector}} {{cluster}}"),
               empty=NO_EXPORTER),
    timeseries("Engines read", "Endpoints whose page was read.", "short",
               line(capacity.REPLICAS), empty=NO_ENGINE),
    table("Versions of exporters", "More than one is a rollout, or a forgotten host.",
          {"version": "Version", "cluster": "Cluster"},
          [Field("Exporters", chosen(exporters.VERSIONS), "short", width=95)],
          empty=NO_EXPORTER, width=8),
    table("Versions of engines", "More than one of a model is a rollout, or a forgotten replica.",
          {"model": "Model", "engine": "Engine", "version": "Version", "namespace": "Namespace",
           "cluster": "Cluster"}, [Field("Replicas", chosen(capacity.VERSIONS), "short", width=85)],
          empty=NO_ENGINE, width=16, links={"model": "throughput"}),
))
_SIGNAL = ("engine", "signal", "cluster")


def _signals(source: str) -> str:
    """Endpoints by engine and signal; no rule records it, so it is asked of all of them."""
    selected = of_replicas(f"{c.SERVER_SIGNAL.name}{{{any_of(c.SOURCE, source)}}}", OF_MODELS)
    return f"count {by(_SIGNAL)} ({selected})"


SIGNALS = PanelRow("What engines tell, signal by signal", (
    table("Signals", "Endpoints whose engine tells a signal itself, from which it is derived, of "
          "which it is withheld for now, and that lack it: why a panel may be empty.",
          dict(zip(_SIGNAL, ("Engine", "Signal", "Cluster"), strict=True)),
          [Field(source.capitalize(), _signals(source), "short", width=110)
           for source in c.SOURCE.values],
          empty=NO_ENGINE, height=10),
    timeseries("Mixed histogram bounds", "Models whose replicas have different bounds: p95 is that "
               "of the slowest set of equal ones, p50 and p99 are absent. Mostly a rollout.",
               "short",
               *(line(rule, f"{metric.signal} {BY_MODEL}")
                 for metric, rule in MIXED.items()),
               empty="No replicas of a model differ in their bounds.", width=24),
), collapsed=True)
_TO = (c.DESTINATION.name, "cluster")


def _sent(family: str, labels: tuple[str, ...], window: str = "") -> str:
    """What gateways say of destinations; no rule records it, so it is asked of all of them."""
    series = of_replicas(family, ("cluster",))
    return f"sum {by(labels)} ({f'rate({series}[{window}])' if window else series})"


FORWARDING = PanelRow("What gateways send on", (
    timeseries("Bodies by what became of them", "Per second: refused for good, or dropped, is lost "
               "to the destination unless it is sent again.", "ops",
               Query(_sent(c.FORWARD_BODIES.name, (*_TO, c.FORWARD_RESULT.name), WINDOW),
                     "{{destination}} {{result}} {{cluster}}"), empty=NO_DESTINATION),
    timeseries("Waiting", "Bodies that a destination does not have yet.", "short",
               Query(_sent(c.FORWARD_WAITING.name, _TO), "{{destination}} {{cluster}}"),
               empty=NO_DESTINATION),
    timeseries("Age of the oldest", "How far a destination is behind.", "s",
               Query(f"time() - min {by(_TO)} "
                     f"({of_replicas(c.FORWARD_OLDEST.name, ('cluster',))})",
                     "{{destination}} {{cluster}}"), empty=NO_DESTINATION),
), collapsed=True)
RULES = PanelRow("Rules", (
    timeseries("Slowest group of rules", "Share of its interval that evaluating it takes: at 100 % "
               "boards and alerts lag behind.", "percentunit",
               Query(chosen(exporters.RULES_BUSY), "{{cluster}}"), empty=NO_PROMETHEUS, width=12),
    timeseries("Failed evaluations of rules", "In the hour before each point: what a rule records "
               "or watches is missing.", "short",
               Query(chosen(exporters.RULES_FAILED), "{{cluster}}"), empty=NO_PROMETHEUS, width=12),
))
CARDINALITY = PanelRow("Cardinality", (
    timeseries("Series of all exporters", "What Prometheus keeps of us; metrics.md says how many "
               "there can be.", "short",
               Query(chosen(exporters.SERIES), "{{cluster}}"), empty=NO_EXPORTER),
    timeseries("Series of the largest page", "Over the scrape's sample limit the whole page is "
               "refused.", "short", Query(chosen(exporters.LARGEST), "{{cluster}}"),
               empty=NO_EXPORTER),
    timeseries("Folded by family", "Label values over their cap in the hour before each point: "
               "totals stay exact, gauges are left out.", "short",
               Query(f'label_replace(sum {by(("cluster",))} ({chosen(exporters.FOLDED)}), '
                     f'"metric", "all", "", "") or topk(10, {chosen(exporters.FOLDED)} > 0)',
                     "{{metric}} {{cluster}}"),
               empty=NO_EXPORTER),
))

BOARD = Board(
    "exporter", "Exporter and cardinality",
    "Whether the measuring works: exporters, their collectors, what engines tell, and how many "
    "series that makes.", OF_MODELS, (NOW, HEALTH, CARDINALITY, RULES, SIGNALS, FORWARDING))

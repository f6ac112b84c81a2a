"""Which way imports point: each module may know those before it, never one after it.

That goes for the package, and for the folders beside it that are made of its catalogue.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import inferometer
from inferometer.catalogue import ENGINE_NAMES
from inferometer.engines.tables import TABLES
from tests.exporter.engines.pages import ENGINES

PACKAGE = Path(inferometer.__file__).parent
# Module by module, the floor first; those of one line do not know each other. `*` stands for any
# name: all engine tables, all verbs. Who adds a module puts it where what it imports is above it.
ORDER = """
    inferometer
    durations  evaluations  heap  outside  reasons  request_ids
    chapters  logs  receipt  threads  roles  protobuf
    catalogue.limits  catalogue.model
    catalogue.engine  catalogue.gpu  catalogue.heartbeat
    catalogue.client  catalogue.cost  catalogue.intake  catalogue.ledger  catalogue.users
    catalogue.anomalies  catalogue.forward  catalogue.quality  catalogue.evaluation
    catalogue.exporter
    catalogue
    record
    facts  heartbeats  points  capabilities
    bands  pricing  votes
    values
    rendered  rendered.block
    families
    exposition  counters
    rendered.columns
    guard  sieve
    collector
    documents  documents.mistakes
    documents.entry
    documents.bounds  documents.readers  documents.records
    addresses
    bundle.carried  bundle.guide  bundle.options  bundle.splice
    bundle.folder
    bundle.rehearsal
    bundle.places
    bundle
    config.keys  config.limits
    config.sections  config.destinations  config.judge
    config.checks
    config
    call_limits  next_start  settings
    about
    serve  serve.lanes  serve.listening  serve.request  serve.rate_limit  serve.users
    serve.web_settings
    serve.tls
    serve.web_config
    serve.routes
    serve.connection
    serve.connections  serve.metrics
    serve.server
    spans  spans.errors  spans.messages  spans.settlement  spans.span  spans.tree  spans.twins
    spans.decoded  spans.vocabulary  spans.running  spans.unicode  spans.reordering
    spans.envelope  spans.json_values  spans.protobuf_values
    spans.calls  spans.steps
    spans.runs
    spans.once
    spans.flavours.reading
    spans.flavours.table
    spans.flavours.genai
    spans.flavours.databases
    spans.flavours.*
    spans.flavours
    spans.ids  spans.shape
    spans.reader
    spans.normalise  spans.log_events
    spans.metric_names
    spans.metric_points
    spans.json_body  spans.metrics_json  spans.metrics_protobuf  spans.protobuf_body
    spans.otlp  spans.explain  spans.explain.capture  spans.explain.joins
    spans.explain.sources
    spans.explain.report
    quality  quality.patterns  quality.refusals  quality.texts
    quality.answer  quality.asked  quality.schemas
    quality.checks  quality.checks.emptiness  quality.checks.numerals  quality.checks.repetition
    quality.checks.citations  quality.checks.given  quality.checks.mentions
    quality.checks.support
    quality.checks.marks
    quality.verdicts  quality.stored
    quality.rates  quality.rates.detector  quality.rates.intervals  quality.rates.sample
    quality.rates.estimates  quality.rates.pace  quality.rates.score_detector
    quality.rates.labels
    quality.rates.stream
    quality.rates.watch
    quality.rates.figures  quality.sheet
    sinks  sinks.answers  sinks.evaluations  sinks.metered  sinks.retrieval  sinks.request_line
    sinks.request_log_file  sinks.users  sinks.anomalies
    sinks.metrics  sinks.reconciliation
    sinks.request_log  sinks.encoding_repair  sinks.feedback_places  sinks.feedback  sinks.judging
    sinks.judged_rates
    sinks.redaction_names  sinks.outbox  sinks.partial
    sinks.presets  sinks.feedback_vote
    sinks.encoding  sinks.redaction_values  sinks.destinations  sinks.own_doors
    sinks.redaction  sinks.forward_http  sinks.destination_check  sinks.feedback_bodies
    sinks.forward_body
    sinks.forwarder
    sinks.forwarding  sinks.forward_families
    quality.judge  quality.judge.digests  quality.judge.given  quality.judge.http_post
    quality.judge.interface  quality.judge.replies  quality.judge.sentences
    quality.judge.controls
    quality.judge.prompts  quality.judge.units
    quality.judge.completions  quality.judge.faithfulness
    quality.judge.client  quality.judge.questions
    quality.judge.prompted  quality.judge.ragas
    quality.judge.choice
    parts
    PARTS
    home  home.history  home.markup
    home.plot  home.style  home.units
    home.judge  home.judge.tracks  home.judge.limits
    home.judge.tally
    home.judge.evidence  home.judge.figures
    home.judge.model
    home.judge.latencies  home.judge.gpus
    home.judge.failures  home.judge.replicas  home.judge.money
    home.judge.measured
    home.judge.verdicts
    home.content
    home.applications  home.article  home.cells  home.problems  home.totals
    home.below  home.cards  home.status  home.table
    home.gather  home.page  home.runbook
    home.part
    app
    demo
    demo.clock  demo.endings  demo.quantities  demo.template
    demo.gpus  demo.dialects  demo.telemetry  demo.handbook
    demo.answers  demo.searches  demo.people
    demo.engine  demo.library
    demo.endpoint  demo.fleet  demo.hosted
    demo.judge
    demo.agents  demo.pods  demo.story
    demo.world
    demo.applications  demo.exporters
    demo.past_usage  demo.past_verdicts
    demo.gateway  demo.prometheus
    demo.director
    demo.show
    cli.arguments  cli.environment  cli.status_report  cli.words
    cli.shells
    cli.verbs
    cli.explain_calls  cli.ledger_flags  cli.ledger_tables  cli.cost_chart
    cli.ledger_actions  cli.review_actions  cli.cost_page
    cli.cost_actions
    cli.explain_otlp
    cli.*
    cli
    __main__
"""
# The same within each part's room. A part is whoever imports `parts` and stands in app.py's list:
# one that is not listed here may order its own modules as it likes, but in no circle.
ORDERS = {
    "engines": """
        engines  engines.room  engines.spelling  engines.buckets  engines.choices  engines.hints
        engines.leftover  engines.answer  engines.resolver
        engines.page
        engines.sheet
        engines.parser
        engines.fetch  engines.view  engines.processes
        engines.sources
        engines.labelled
        engines.table
        engines.tables.kv_connectors  engines.tables.lmcache
        engines.tables.*
        engines.tables.aphrodite  engines.tables.ray_serve  engines.tables.vllm_omni
        engines.tables
        engines.requests  engines.recognition
        engines.reading
        engines.target  engines.matrix
        engines.collector  engines.discovery  engines.access
        engines.explain
        engines.part
    """,
    "gpu": """
        gpu  gpu.crew  gpu.gate  gpu.kubelet  gpu.peaks  gpu.readings
        gpu.nvml
        gpu.driver
        gpu.registry
        gpu.reader
        gpu.sampler
        gpu.collector  gpu.devices
        gpu.pods
        gpu.part
    """,
    "cost": """
        cost  cost.accrual  cost.budgets  cost.providers  cost.tariffs
        cost.bill_amounts  cost.bill_table
        cost.library  cost.own_prices  cost.bill_lines
        cost.bill_rules
        cost.bill
        cost.tracked
        cost.reconcile  cost.gpu_hours  cost.focus
        cost.reconcile_cents
        cost.reconcile_report
        cost.collector  cost.prices
        cost.part
    """,
    "intake": """
        intake  intake.accepting  intake.answer  intake.grpc_frames  intake.tally  intake.workers
        intake.body  intake.grpc_answer  intake.listener
        intake.access  intake.batch  intake.collector  intake.grpc_http2  intake.beat
        intake.own_door
        intake.heartbeat
        intake.application  intake.child
        intake.grpc_call  intake.grpc_house
        intake.grpc_protocol
        intake.grpc_connection
        intake.grpc_listener
        intake.service
        intake.part
        intake.feedback  intake.feedback.origins  intake.feedback.post  intake.feedback.tally
        intake.feedback.application
        intake.feedback.service
        intake.feedback.part
    """,
    "ledger": """
        ledger  ledger.errors  ledger.counting  ledger.collector  ledger.services  ledger.traces
        ledger.seats
        ledger.exemplars  ledger.failed_calls  ledger.relays  ledger.goodput  ledger.dearest
        ledger.columns
        ledger.checks  ledger.evaluated
        ledger.migrations  ledger.migrations.versions  ledger.migrations.versions.*
        ledger.migration  ledger.schema  ledger.keys  ledger.packing
        ledger.mentions
        ledger.settling
        ledger.parts_of_calls
        ledger.compiling
        ledger.ranking_statements  ledger.conversation_statements
        ledger.migrations.env  ledger.statements  ledger.parcel  ledger.presence
        ledger.request_statements  ledger.outbox_statements  ledger.vote_statements
        ledger.anomaly_statements
        ledger.database  ledger.digests  ledger.shared_schema  ledger.streams
        ledger.conversations  ledger.growths
        ledger.judging  ledger.judging.statements  ledger.judging.reading_statements
        ledger.judging.counters  ledger.judging.days  ledger.judging.reading
        ledger.judging.keeping
        ledger.ranking  ledger.outbox_keeper  ledger.outbox_care
        ledger.outbox  ledger.metering
        ledger.high_water
        ledger.memory  ledger.purging
        ledger.file
        ledger.file_opening
        ledger.pressure
        ledger.care  ledger.questions  ledger.retention  ledger.store  ledger.people
        ledger.earlier
        ledger.clickhouse  ledger.clickhouse.connection  ledger.clickhouse.outbox
        ledger.clickhouse.tables
        ledger.clickhouse.answers  ledger.clickhouse.archive
        ledger.clickhouse.shipper
        ledger.tree  ledger.verification  ledger.engines  ledger.repeats  ledger.request_queue
        ledger.session
        ledger.leases  ledger.shared_relays
        ledger.partitions
        ledger.shared_pending
        ledger.postgres
        ledger.postgres_opening
        ledger.shared_outbox
        ledger.opening  ledger.copying
        ledger.outbox_opening
        ledger.beats  ledger.vote_subjects
        ledger.settler  ledger.ballots
        ledger.vote_keeper
        ledger.spending  ledger.reconciliations
        ledger.ledger  ledger.user_costs  ledger.hourly
        ledger.vote_ratios  ledger.anomalies  ledger.judging.rates
        ledger.judging.answers
        ledger.judging.sample  ledger.judging.queue  ledger.judging.labels
        ledger.judging.runner  ledger.judging.figures
        ledger.judging.making
        ledger.judging.part
        ledger.part
    """,
}
ROOT = PACKAGE.parents[1]
FOLDERS = ("recording_rules", "alerts", "dashboards", "deploy")  # each may know those before it
BESIDE = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))
}
MODULES = {
    ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip("."):
    file for file in sorted(PACKAGE.rglob("*.py"))
}


def foreign_names() -> dict[str, set[str]]:
    """The engines by the prefix of their families, or by their names where they have none."""
    engines: dict[str, set[str]] = {}
    for engine in TABLES:
        prefix = engine.spelling.prefix
        for name in [prefix] if prefix else engine.marks.all_of:
            engines.setdefault(name, set()).add(engine.name)
    return engines


FOREIGN = foreign_names()
# Whose names a table has besides its own engine's: vLLM is a stage of vLLM-Omni's, NIM has names
# of vLLM's without their prefix, and Dynamo's first prefix begins as Triton's does.
RELATED = {
    "vllm_omni": {"vllm", "nim"}, "production_stack": {"nim"}, "dynamo": {"triton"},
    "kv_connectors": {"vllm"},
}
SCRIPTED = "demo.dialects"  # which speaks as engines do
# At the beginning of a word, the longest first: one prefix may begin another.
ANY_FOREIGN = re.compile(r"(?<![\w:])(?:{})".format("|".join(
    name if name.endswith((":", "_")) else rf"{name}\b"
    for name in sorted(FOREIGN, key=len, reverse=True))))
OUR_NAMES = re.compile(r"\b(?:{})\b(?!:)".format("|".join(
    sorted(ENGINE_NAMES, key=len, reverse=True))))


def foreign_in(file: Path) -> list[set[str]]:
    """The engines of each foreign name in a file; our own name of an engine is none of them."""
    text = OUR_NAMES.sub("", file.read_text(encoding="utf-8"))
    return [FOREIGN[name] for name in sorted(set(ANY_FOREIGN.findall(text)))]


def room(module: str) -> str:
    return module.split(".")[0]


def rank(module: str, order: str) -> int | None:
    """The line of the order on which the module stands, by its own name rather than by a `*`."""
    lines = [line.split() for line in order.strip().splitlines()]
    exact = (number for number, names in enumerate(lines) if module in names)
    matching = (number for number, names in enumerate(lines)
                if any(fnmatchcase(module, name) for name in names))
    return next(exact, next(matching, None))


@cache
def parts() -> set[str]:
    """Rooms and modules that hold a part: they import `parts`, and are not listed as above it."""
    return {room(module) for module, file in MODULES.items()
            if "parts" in ours(file) and rank(module, ORDER) is None} | {*ORDERS}


def place(module: str) -> int | None:
    """The module's line in ORDER; a part's modules share one."""
    return rank("PARTS" if room(module) in parts() else module or "inferometer", ORDER)


@cache
def imported(file: Path) -> list[str]:
    """Whole names of what a file imports, at its top or anywhere else."""
    return [*_imported(file)]


def _imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def ours(file: Path) -> set[str]:
    """Modules of this package that a file imports."""
    names = {name.removeprefix("inferometer.") for name in imported(file)
             if name.startswith("inferometer.")}
    return {name if name in MODULES else name.rpartition(".")[0] for name in names}


@pytest.mark.parametrize("module", MODULES)
def test_every_module_stands_in_the_order(module: str) -> None:
    order = ORDERS.get(room(module), "")
    assert place(module) is not None, f"add {module} to ORDER, below all that it imports"
    assert not order or rank(module, order) is not None, (
        f"add {module} to ORDERS[{room(module)!r}], below all that it imports")


@pytest.mark.parametrize("order", [ORDER, *ORDERS.values()])
def test_every_name_in_an_order_is_that_of_a_module(order: str) -> None:
    names = {*order.split()} - {"PARTS", "inferometer"}
    assert [name for name in sorted(names)
            if not any(fnmatchcase(module, name) for module in MODULES)] == []


@pytest.mark.parametrize("module", MODULES)
def test_no_module_imports_one_that_stands_after_it(module: str) -> None:
    order = ORDERS.get(room(module), "")
    for name in ours(MODULES[module]) - {module}:
        if room(name) == room(module) and room(module) in parts():
            theirs, own = rank(name, order), rank(module, order)
        else:
            theirs, own = place(name), place(module)
        if theirs is not None and own is not None:
            assert theirs < own, f"{module} imports {name}, which does not stand before it"


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Not even for types alone: the imports under TYPE_CHECKING are looked at like all others."""
    try:
        TopologicalSorter({module: ours(file) - {module}
                           for module, file in MODULES.items()}).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' → '.join(error.args[1])}")


@pytest.mark.parametrize("module", MODULES)
def test_no_part_imports_another(module: str) -> None:
    if room(module) in parts():
        assert {room(name) for name in ours(MODULES[module])} & parts() <= {room(module)}


def test_only_one_module_imports_pynvml() -> None:
    assert [module for module, file in MODULES.items()
            if any(room(name) == "pynvml" for name in imported(file))] == ["gpu.nvml"]


def test_only_one_module_imports_grpc_and_none_at_its_top() -> None:
    """It is large, and an extra."""
    importing = {module: file for module, file in MODULES.items()
                 if any(room(name) == "grpc" for name in imported(file))}
    assert [*importing] == ["gpu.kubelet"]
    top = ast.parse(importing["gpu.kubelet"].read_text(encoding="utf-8")).body
    assert not any(isinstance(node, ast.Import) and node.names[0].name == "grpc" for node in top)


def test_only_one_module_starts_threads() -> None:
    """Where a start fails is decided there; a thread of another library is none of its own."""
    assert [module for module, file in MODULES.items() if re.search(
        r"\b(?:Thread|Timer|start_new_thread|ThreadPoolExecutor|ThreadPool)\(",
        file.read_text(encoding="utf-8"))] == ["threads"]


@pytest.mark.parametrize("module", [name for name in MODULES if name != SCRIPTED])
def test_an_engines_own_names_stand_in_its_table_only(module: str) -> None:
    tables, _, name = module.rpartition(".")
    allowed = {*RELATED.get(name, ()), *(engine.name for engine in ENGINES.get(name, ()))} if (
        tables == "engines.tables") else set()
    assert [engines for engines in foreign_in(MODULES[module]) if not engines & allowed] == []


def test_the_foreign_names_are_looked_for_where_they_are() -> None:
    """Else the test above could not fail."""
    tables = [file for module, file in MODULES.items() if module.startswith("engines.tables.")]
    named = [engines for file in tables for engines in foreign_in(file)]
    assert set().union(*named) == {engine.name for engine in TABLES}


@pytest.mark.parametrize("module", MODULES)
def test_the_package_knows_nothing_of_the_folders_beside_it(module: str) -> None:
    assert {room(name) for name in imported(MODULES[module])} & {*FOLDERS} == set()


@pytest.mark.parametrize("module", BESIDE)
def test_no_folder_imports_one_of_a_later_layer(module: str) -> None:
    later = FOLDERS[FOLDERS.index(room(module)) + 1:]
    assert {room(name) for name in imported(BESIDE[module])} & {*later, "tests", "bench"} == set()


@pytest.mark.parametrize("module", [name for name in BESIDE if room(name) != "deploy"])
def test_definitions_know_only_catalogue_and_options_of_the_package(module: str) -> None:
    imports = {".".join(name.split(".")[1:3]) for name in imported(BESIDE[module])
               if room(name) == "inferometer"}
    assert {name for name in imports if room(name) != "catalogue"} <= {"bundle.options"}


def test_only_one_module_imports_grafanalib() -> None:
    assert [module for module, file in BESIDE.items()
            if any(room(name) == "grafanalib" for name in imported(file))] == ["dashboards.panels"]


@pytest.mark.parametrize("module", BESIDE)
def test_an_engines_own_names_stand_in_no_definition(module: str) -> None:
    assert foreign_in(BESIDE[module]) == []

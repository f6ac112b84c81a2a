"""What `inferometer explain` says of a page: all of it, and nothing that could hurt a terminal."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import cycle

import pytest

from inferometer import catalogue as c
from inferometer.chapters import as_text
from inferometer.engines.explain import (
    NEEDLESS,
    REASONS,
    UNKNOWN,
    explain,
    state_of,
)
from inferometer.engines.parser import Parser
from inferometer.engines.tables import TABLES
from tests.exporter.engines.pages import FOLDER, PAGES
from tests.exporter.support import Engine, fixture, free_port, send

VLLM = fixture("vllm/0.32.0/busy.prom").decode()


def explained(page: str) -> list[str]:
    return list(as_text(explain("page.prom", *state_of(page.encode(), TABLES))))


def row(lines: list[str], first: str) -> list[str]:
    """The cells of the one row that begins so."""
    (line,) = [line for line in lines if line.split()[:1] == [first]]
    return re.split(r"  +", line.strip())


def section(lines: list[str], title: str) -> list[str]:
    after = lines[lines.index(title) + 1 :]
    return after[: after.index("")] if "" in after else after


@pytest.mark.parametrize("path", PAGES)
def test_every_signal_and_every_family_of_a_page_has_its_row(path: str) -> None:
    page = fixture(path)
    lines = explained(page.decode())
    if "down" in lines[1]:
        assert "none of the known engines' metrics on the page" in lines[1]
        return
    signals = section(lines, "Signals, and where they come from")
    assert [line.split()[0] for line in signals] == [*c.SIGNALS]
    taken = set(re.findall(r"[\w:]+", " ".join(line.split(maxsplit=2)[2] for line in signals)))
    unused = section(lines, "Families that are not used, and why")
    left_out = {line.split()[0] for line in unused} - {"none"}
    assert left_out | taken >= set(Parser().parse(page).families)
    assert not left_out & {name for line in signals if "unavailable" not in line
                           for name in re.findall(r"[\w:]+", line.split(maxsplit=2)[2])}
    assert all(line.strip() == "none" or line.endswith(REASONS) or NEEDLESS in line
               for line in unused)


def test_a_renamed_family_shows_as_a_signal_without_source_and_as_unknown() -> None:
    lines = explained(VLLM.replace("vllm:time_to_first_token_seconds", "vllm:ttft_seconds"))
    assert row(lines, "unknown")[1].startswith("1 families")
    assert row(lines, "time_to_first_token") == [
        "time_to_first_token", "unavailable", "no usable vllm:time_to_first_token_seconds"]
    unused = section(lines, "Families that are not used, and why")
    assert unused[0].split(maxsplit=2) == ["vllm:ttft_seconds", "histogram", UNKNOWN]


def test_a_family_is_named_as_the_page_spells_it() -> None:
    lines = explained(VLLM.replace("vllm:", "ray_vllm_"))
    assert row(lines, "time_to_first_token")[2] == "ray_vllm_time_to_first_token_seconds"


def test_what_is_folded_and_coarsened_is_shown_with_how_much() -> None:
    many = "# TYPE vllm:num_preemptions_total counter\n" + "".join(
        f'vllm:num_preemptions_total{{model_name="m{n}"}} 1\n' for n in range(1000))
    many += "# TYPE vllm:e2e_request_latency_seconds histogram\n" + "".join(
        f'vllm:e2e_request_latency_seconds_bucket{{model_name="m0",le="{n}"}} 1\n'
        for n in (*range(1, 100), "+Inf"))
    rows = section(explained(many), "What would be folded, left out or coarsened")
    assert any(line.split()[0] == "llm_server_preemptions_total"
               and "label sets over the cap of model" in line for line in rows)
    assert any(line.split() == ["llm_server_request_duration_seconds", "40", "of", "the", "99",
                                "bounds", "are", "kept"] for line in rows)


def test_names_from_outside_cannot_command_a_terminal() -> None:
    page = VLLM.replace('model_name="tiny"', 'model_name="\x1b[2J\\nengine  fake"')
    lines = explained(page)
    assert all(line.isprintable() for line in lines)
    assert row(lines, "engine") == ["engine", "vllm"]


def run(*arguments: str, page: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "inferometer", "explain", *arguments], input=page,
                          capture_output=True, text=True, timeout=30, check=False)


def test_the_command_reads_an_endpoint_with_its_documents() -> None:
    with Engine(VLLM.encode()) as engine:
        done = run(engine.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert row(done.stdout.splitlines(), "page")[1] == f"{engine.url}/metrics"


def test_the_command_reads_a_file_and_standard_input() -> None:
    file = str(FOLDER / "vllm/0.32.0/busy.prom")
    from_file, piped = run(file), run("-", page=VLLM)
    assert (from_file.returncode, piped.returncode) == (0, 0)
    assert from_file.stdout.replace(file, "-") == piped.stdout


@pytest.mark.parametrize(("arguments", "page", "code", "message"), [
    (["-"], "hello\n", 1, "  page  -\n  down  no metrics on the page\n"),
    (["-"], "", 1, "  page  -\n  down  an empty page\n"),
    (["no/such/file"], "", 2, "inferometer: 'no/such/file' is no file and not an http"),
    (["http://127.0.0.1:9", "--ca-file", "gone"], "", 2,
     "inferometer: command line: ca_file: gone: No such file or directory\n"),
])
def test_what_cannot_be_explained_is_said_in_a_line(
        arguments: list[str], page: str, code: int, message: str) -> None:
    done = run(*arguments, page=page)
    assert done.returncode == code
    assert (done.stdout + done.stderr).startswith(message)
    assert len((done.stdout + done.stderr).splitlines()) == max(1, message.count("\n"))


def test_an_endpoint_that_does_not_answer_is_said_to_be_down() -> None:
    done = run(f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert done.stdout.endswith("/metrics\n  down  connection refused\n")
    assert done.stderr == ""


NO_STATISTICS = """# TYPE python_info gauge
python_info{version="3.12.3"} 1.0
# TYPE http_requests_total counter
http_requests_total{handler="/v1/chat/completions",method="POST",status="2xx"} 50.0
http_requests_total{handler="/v1/models",method="GET",status="2xx"} 3.0
"""  # vLLM with --disable-log-stats


@pytest.mark.parametrize(("page", "down", "more"), [
    (NO_STATISTICS, "none of the known engines' metrics on the page: vLLM or another FastAPI "
     "server without engine families: is --disable-log-stats set?", "http_"),
    ("# TYPE acme:num_requests_running gauge\nacme:num_requests_running 2\n"
     "# TYPE acme:prompt_tokens_total counter\nacme:prompt_tokens_total 2\n",
     "none of the known engines' metrics on the page: acme:", "nearest  vLLM, but "),
    ("[]", "an empty JSON list instead of metrics", "/prometheus/metrics"),
    ('{"iter": 1}', "JSON instead of metrics", "/prometheus/metrics"),
    ("<html>", "HTML instead of metrics", "sign-in"),
    ("# TYPE nv_gpu_utilization gauge\nnv_gpu_utilization 0.5\n",
     "none of the known engines' metrics on the page: Triton without the families of its models: "
     "was it started with --allow-metrics=false, or has it none loaded?", "nv_"),
])
def test_of_a_page_that_is_nobodys_it_is_said_what_it_has_and_what_to_try(
        page: str, down: str, more: str) -> None:
    lines = explained(page)
    assert row(lines, "down")[1] == down
    assert any(more in line for line in lines)


def test_a_server_in_router_mode_is_asked_for_one_model() -> None:
    refusal = b'{"error":{"code":400,"message":"model name is missing from the request"}}'
    with Engine(lambda handler: send(handler, refusal, 400)) as engine:
        lines = run(engine.url).stdout.splitlines()
    assert row(lines, "down")[1] == "HTTP status 400: model name is missing from the request"
    assert "?model=NAME&autoload=false" in row(lines, "try")[1]


def test_processes_that_answer_by_turns_are_told_of() -> None:
    pages = cycle([VLLM.encode(), VLLM.replace("1.79527970484e+09", "1.795e+09").encode()])
    with Engine(lambda handler: send(handler, next(pages))) as engine:
        lines = run(f"{engine.url}/metrics").stdout.splitlines()
    assert row(lines, "output_tokens") == [
        "output_tokens", "withheld",
        "several processes answer here by turns, and count for themselves"]


def test_the_same_is_had_as_json() -> None:
    answer = json.loads(run("--json", "-", page=VLLM).stdout)
    assert {"name": "engine", "value": "vllm"} in answer["page"]
    signals = {row["signal"]: row for row in answer["Signals, and where they come from"]}
    assert signals["output_tokens"] == {"signal": "output_tokens", "source": "native",
                                        "from": "vllm:generation_tokens_total"}
    down = run("--json", "-", page="hello\n")
    assert down.returncode == 1
    assert {"name": "down", "value": "no metrics on the page"} in json.loads(down.stdout)["page"]


def test_the_models_name_is_the_users_where_the_page_has_none() -> None:
    page = fixture("tgi/datadog/3.3.5.prom").decode()
    lines = run("--model", "acme/chat", "-", page=page).stdout.splitlines()
    assert row(lines, "models")[1] == "acme/chat (not on the page)"

"""Ragas as it is released, behind the interface of judges, before a judge of known errors."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from inferometer.config.judge import RAGAS
from inferometer.evaluations import FAITHFULNESS
from inferometer.quality.judge.choice import judge_of
from inferometer.quality.judge.interface import JudgeUnit
from inferometer.quality.judge.ragas import RagasMissingError
from tests.exporter.quality.judge.asking import unit
from tests.scripted_judge import AskedOfJudge, ScriptedJudge

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("RAGAS", ROOT / ".cache" / "ragas")) / "bin" / "python"
SECONDS = 300.0  # it takes half a minute to load, and more on a busy machine
_INPUT = re.compile(r"input: (\{.*\})\s*Output:\s*$", re.S)

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]
needs_ragas = pytest.mark.skipif(not PYTHON.exists(), reason=(
    "Ragas is not installed: make ragas"))


def by_its_prompts(asked: AskedOfJudge) -> str:
    """What the scripted judge says to Ragas' own prompts: it knows "unfounded" by itself."""
    match = _INPUT.search(asked.body["messages"][-1]["content"])
    assert match
    given = json.loads(match[1])
    if "answer" in given:
        statements = [one for one in re.split(r"(?<=\.)\s+", given["answer"]) if one]
        return json.dumps({"statements": statements})
    return json.dumps({"statements": [
        {"statement": one, "reason": "by script", "verdict": int("unfounded" not in one)}
        for one in given["statements"]]})


def judged(server: ScriptedJudge, *units: JudgeUnit) -> Sequence[Sequence[Mapping[str, Any]]]:
    done = subprocess.run(
        [PYTHON, "-m", "tests.e2e.ragas.judging", server.url, "m"], cwd=ROOT, text=True,
        input=json.dumps([one._asdict() for one in units]), capture_output=True, check=False,
        timeout=SECONDS, env={**os.environ, "PYTHONPATH": f"{ROOT / 'exporter'}:{ROOT}"})
    assert done.returncode == 0, done.stderr[-3000:]
    document = json.loads(done.stdout)
    assert document["version"].startswith("ragas-0.4")
    verdicts: Sequence[Sequence[Mapping[str, Any]]] = document["verdicts"]
    return verdicts


@needs_ragas
def test_its_faithfulness_comes_by_our_requests_and_its_own_prompts() -> None:
    with ScriptedJudge() as server:
        server.reply = by_its_prompts
        good, bad, cut, bare = judged(
            server, unit("It is in Ghent. It was opened in 1911."),
            unit("It is in Ghent. It is unfounded. So is this, unfounded."),
            unit("It is in Ghent. It is unfounded.", documents_are_cut=True),
            unit(documents=()))
        assert [(one["evaluation"], one["flagged"], one["score"], one["result"])
                for one in (*good, *bad, *cut, *bare)] == [
            (FAITHFULNESS, False, 1.0, "judged"),
            (FAITHFULNESS, True, pytest.approx(1 / 3), "judged"),
            (FAITHFULNESS, None, None, "judged")]
        assert "unfounded" in json.loads(bad[0]["reasons"])["statements"][0]["statement"]
        assert len(server.asked) == 6  # two for each that is applicable, and to nobody else
        forms = [one.body["response_format"]["json_schema"]["name"] for one in server.asked]
        assert forms == ["ragas_faithfulness_1", "ragas_faithfulness_2"] * 3
        assert all("Traceparent" in one.headers for one in server.asked)


@needs_ragas
@pytest.mark.parametrize(("fault", "reply", "result"), [
    ("", "no JSON", "nonsense"), ("", '{"statements": 5}', "nonsense"),
    ("", '{"statements": [{"a": 1}]}', "nonsense"), ("error", "", "failed")])
def test_what_is_no_verdict_is_told_apart(fault: str, reply: str, result: str) -> None:
    with ScriptedJudge() as server:
        server.fault = fault
        server.reply = lambda asked: reply
        ((verdict,),) = judged(server, unit())
        assert (verdict["flagged"], verdict["score"], verdict["result"]) == (None, None, result)


def test_without_it_one_line_says_what_to_install() -> None:
    try:
        import ragas
    except ImportError:
        with pytest.raises(RagasMissingError, match=r"pip install 'inferometer\[ragas\]'"):
            judge_of("m", RAGAS)
    else:
        pytest.skip(f"Ragas {ragas.__version__} is installed")

"""The exporter's tests on every Python that the package says it runs on, as far as it is here.

`make test` runs all of them on one. On the others go those that would show a difference: what the
interpreter, its library and the compiled packages do. What is installed comes from TOOLS/wheels.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from inferometer import __version__
from tests.bundle.promtool import TOOLS
from tests.pythons import interpreter, modules, supported

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[2]
WHEELS = ("--no-index", "--find-links", str(TOOLS / "wheels"))
TESTED_WITH = ("pytest", "pytest-timeout", "hypothesis", "grpcio-tools")
TESTS = ("documents", "gpu/test_kubelet.py", "gpu/test_nvml.py", "gpu/test_readings.py", "rendered",
         "serve/test_request.py", "serve/test_web_config.py", "test_cli.py", "test_config.py",
         "test_golden.py", "test_threads.py")


@pytest.mark.parametrize("version", supported())
def test_the_exporter_passes_on_every_python_of_this_machine(version: str) -> None:
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        pytest.skip("all of them run on this one")
    if (program := interpreter(version)) is None:
        pytest.skip(f"there is no Python {version} here")
    with tempfile.TemporaryDirectory() as folder:  # not pytest's, which nobody else may read
        Path(folder).chmod(0o755)
        run_tests(program, Path(folder))


def run_tests(program: Path, folder: Path) -> None:
    own = folder / "venv/bin/python"
    subprocess.run([program, "-m", "venv", folder / "venv"], check=True)
    for words in (["--require-hashes", "-r", str(ROOT / "deploy/requirements.txt")], TESTED_WITH):
        subprocess.run([own, "-m", "pip", "install", "-q", *WHEELS, *words], check=True)
    done = subprocess.run(
        [own, "-m", "pytest", "-q", "-m", "not heavy", "-p", "no:cacheprovider",
         *(f"tests/exporter/{name}" for name in TESTS)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": modules(folder / "site", __version__)},
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]

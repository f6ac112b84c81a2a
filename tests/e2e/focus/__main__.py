"""Make the environment in a folder: `python -m tests.e2e.focus FOLDER`. None without such a Python.

The validator wants Python 3.12 or newer.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.pythons import interpreter

VERSIONS = ("3.12", "3.13")  # whose wheels are pinned
REQUIREMENTS = Path(__file__).parent / "requirements.txt"


def main(folder: str) -> int:
    python = next((path for version in VERSIONS if (path := interpreter(version))), None)
    if python is None:
        print(f"no Python of {', '.join(VERSIONS)}: the validator of FOCUS is left out")
        return 1
    subprocess.run([python, "-m", "venv", folder], check=True)
    subprocess.run([f"{folder}/bin/python", "-m", "pip", "install", "-q",
                    "--disable-pip-version-check", "--no-deps", "-r", REQUIREMENTS], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

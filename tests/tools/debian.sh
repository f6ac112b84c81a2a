#!/usr/bin/env bash
# Prometheus and promtool, the oldest and the newest supported, beside the system.
#
#   tests/tools/debian.sh TOOLS_DIR [PROGRAM...]
#
# Makes present, from two Debian releases whatever release this machine runs:
#
#   TOOLS_DIR/promtool-2.42/promtool   TOOLS_DIR/prometheus-2.42/prometheus   (bookworm)
#   TOOLS_DIR/promtool-3/promtool      TOOLS_DIR/prometheus-3/prometheus      (forky, 3.5 or newer)
#
# and, installed on the system where missing, gcc, openssl and every PROGRAM, by the
# package of its name. The packages above are only unpacked; the mirror is the one of the
# machine's own apt sources, and apt works in folders of its own. With everything in place
# a call changes nothing and needs no network. Calls at the same time wait for one another.
set -euo pipefail

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
ATTEMPTS=3

die() {
  echo "debian.sh: $*" >&2
  exit 1
}

# retry WHAT COMMAND...: run the command, and say WHAT failed and apt's last word.
retry() {
  local what=$1 attempt output
  shift
  for ((attempt = 1; attempt <= ATTEMPTS; attempt++)); do
    [ "$attempt" -eq 1 ] || sleep $((attempt * 3))
    ! output=$("$@" 2>&1) || return 0
  done
  die "$what failed $ATTEMPTS times: ${output##*$'\n'}"
}

update_and_install() {
  local root=(env DEBIAN_FRONTEND=noninteractive)
  [ "$(id -u)" -eq 0 ] || root=(sudo "${root[@]}")
  "${root[@]}" apt-get update && "${root[@]}" apt-get install -y --no-install-recommends "$@"
}

# The first plain Debian archive of the machine's apt sources, whatever their format.
# Security and update suites have a hyphen; other people's archives that end in
# /debian have no component "main".
mirror() {
  apt-get update --print-uris |
    sed -n "s|^'\([^']*/debian\(\.list\)\{0,1\}\)/dists/[a-z]*/main/binary-.*|\1|p" |
    sed -n 1p
}

version() {
  "$1" --version 2>&1 | sed -n '1s/.*, version \([0-9.]*\).*/\1/p'
}

# fetch RELEASE DIRECTORY_SUFFIX OLDEST_VERSION NEWEST_VERSION PACKAGE...
fetch() {
  local release=$1 suffix=$2 oldest=$3 newest=$4 apt deb program found
  shift 4
  local work=$WORK/$release
  mkdir -p "$work"/{lists,cache/archives}/partial "$work"/{debs,root}
  echo "deb [signed-by=$KEYRING] $MIRROR $release main" > "$work/release.list"
  apt=(apt-get -o Dir::Etc::sourcelist="$work/release.list" -o Dir::Etc::sourceparts=-
    -o Dir::State::lists="$work/lists" -o Dir::State::status=/dev/null
    -o Dir::Cache="$work/cache" -o APT::Sandbox::User=)
  retry "reading the package lists of $release" "${apt[@]}" update --error-on=any
  cd "$work/debs" # where apt-get download puts them
  retry "downloading $* of $release" "${apt[@]}" download "$@"
  for deb in *.deb; do
    dpkg -x "$deb" "$work/root"
  done
  for program in prometheus promtool; do
    found=$(version "$work/root/usr/bin/$program") || true
    printf '%s\n' "$oldest" "$found" "$newest" | sort -CV ||
      die "$release has $program ${found:-that does not run}, not $oldest to $newest"
    mkdir -p "$TOOLS/$program-$suffix"
    mv "$work/root/usr/bin/$program" "$TOOLS/$program-$suffix/$program"
  done
}

# complete SUFFIX: both programs of that version are in place.
complete() {
  [ -x "$TOOLS/prometheus-$1/prometheus" ] && [ -x "$TOOLS/promtool-$1/promtool" ]
}

[ $# -ge 1 ] || die "usage: debian.sh TOOLS_DIR [PROGRAM...]"
command -v apt-get > /dev/null || die "this is no Debian: there is no apt-get"
mkdir -p "$1"
TOOLS=$(cd "$1" && pwd)
exec 9> "$TOOLS/.lock"
flock 9

MISSING=()
command -v gcc > /dev/null || MISSING+=(gcc)
[ -e /usr/include/stdio.h ] || MISSING+=(libc6-dev)
for program in openssl "${@:2}"; do
  command -v "$program" > /dev/null || MISSING+=("$program")
done
if ! complete 2.42 || ! complete 3; then
  [ -e "$KEYRING" ] || MISSING+=(debian-archive-keyring)
fi
if [ ${#MISSING[@]} -gt 0 ]; then
  [ "$(id -u)" -eq 0 ] || command -v sudo > /dev/null ||
    die "needs root or sudo to install: ${MISSING[*]}"
  retry "installing ${MISSING[*]}" update_and_install "${MISSING[@]}"
fi

if ! complete 2.42 || ! complete 3; then
  rm -rf "$TOOLS"/.work.* # left by a call that was killed
  MIRROR=$(mirror) || true
  [ -n "$MIRROR" ] || die "no Debian archive among this machine's apt sources"
  WORK=$(mktemp -d "$TOOLS/.work.XXXXXX")
  trap 'rm -rf "$WORK"' EXIT
  complete 2.42 || fetch bookworm 2.42 2.42 2.42.99 prometheus
  complete 3 || fetch forky 3 3.5 3.999 prometheus promtool
fi

for program in promtool-2.42/promtool prometheus-2.42/prometheus promtool-3/promtool \
  prometheus-3/prometheus; do
  echo "$program $(version "$TOOLS/$program")"
done
gcc --version | sed -n 1p
openssl version

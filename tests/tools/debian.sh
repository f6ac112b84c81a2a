#!/usr/bin/env bash
# Prometheus and Alertmanager, the oldest and the newest supported, and Compose, beside the system.
#
#   tests/tools/debian.sh TOOLS_DIR [COMMAND...]
#
# Makes present, from two Debian releases whatever release this machine runs:
#
#   TOOLS_DIR/PROGRAM-2.42/PROGRAM   (bookworm: Prometheus 2.42, Alertmanager 0.25)
#   TOOLS_DIR/PROGRAM-3/PROGRAM      (forky: Prometheus 3.5 or newer, Alertmanager 0.33 or newer)
#
# where PROGRAM is prometheus, promtool, alertmanager or amtool: the suffix is the version of
# Prometheus, also for the Alertmanager of the same release; and, of forky alone,
#
#   TOOLS_DIR/docker-compose/docker-compose   (2.40 or newer), which is called by itself and reads
#                                             its files without an engine
#
# And, where `dockerd` is among the commands, which needs root,
#
#   TOOLS_DIR/docker/root       Docker's engine of bookworm
#   TOOLS_DIR/docker/base.tar   a root of trixie with Python, in the stead of an image of Python's
#
# Where `victoria-metrics` is among the commands,
#
#   TOOLS_DIR/PROGRAM/PROGRAM   (forky: victoria-metrics and vmalert, 1.145 or newer)
#
# Where `rsyslog` is among the commands,
#
#   TOOLS_DIR/rsyslog/usr/...   (bookworm: rsyslog 8.2302 and its output to Elasticsearch)
#
# Where `otelcol` is among the commands, which takes 3 GB for the time being and some minutes,
#
#   TOOLS_DIR/collector/otelcol   an OpenTelemetry Collector (forky: 0.141 or newer), compiled from
#                                 collector/ beside this file by the Go of its release
#
# And, installed on the system where missing, gcc, openssl and every other COMMAND, by the package
# of its name. The packages above are only unpacked; the mirror is the one of the machine's own apt
# sources, and apt works in folders of its own. With everything in place a call changes nothing and
# needs no network. Calls at the same time wait for one another.
#
# Debian's Alertmanager starts only where its templates lie in /usr/share/prometheus/alertmanager
# (a path of its own build; `templates:` does not help), so they are put there where missing: the
# newer version's, which both read. It opens a cluster port unless started with
# --cluster.listen-address= (empty), and writes to --storage.path.
set -euo pipefail

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
ATTEMPTS=3
PROGRAMS=(prometheus promtool alertmanager amtool)
COMPOSE=docker-compose/docker-compose
COMPOSE_PLUGIN=usr/libexec/docker/cli-plugins/docker-compose # where its package has it
ENGINE=(docker.io containerd runc debootstrap iptables libip4tc2 libip6tc2 libmnl0
  libnetfilter-conntrack3 libnfnetlink0 libnftnl11 libxtables12)
VICTORIA=(victoria-metrics vmalert)
RSYSLOG=(rsyslog rsyslog-elasticsearch libestr0 libfastjson4 liblognorm5)
COLLECTOR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/collector # its main package
COLLECTOR_PACKAGES=(golang-opentelemetry-collector-dev golang-github-coreos-bbolt-dev)
GO=go-1.26
TEMPLATES=/usr/share/prometheus/alertmanager

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

as_root() {
  local sudo=()
  [ "$(id -u)" -eq 0 ] || sudo=(sudo)
  "${sudo[@]}" "$@"
}

update_and_install() {
  as_root apt-get update &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# The first plain Debian archive of the machine's apt sources, whatever their format.
# Security and update suites have a hyphen; other people's archives that end in
# /debian have no component "main".
mirror() {
  apt-get update --print-uris |
    sed -n "s|^'\([^']*/debian\(\.list\)\{0,1\}\)/dists/[a-z]*/main/binary-.*|\1|p" |
    sed -n 1p
}

# Compose has a command for it where the others have a flag.
version() {
  case $1 in
    */docker-compose) "$1" version --short 2>&1 ;;
    *) "$1" --version 2>&1 ;;
  esac | sed -n '1s/^\(.*, version \)\{0,1\}\([0-9][0-9.]*\).*/\2/p'
}

# supported SUFFIX PROGRAM: the oldest and the newest version that will do.
supported() {
  case $1/$2 in
    2.42/prom*) echo 2.42 2.42.99 ;;
    2.42/*) echo 0.25 0.25.99 ;;
    3/prom*) echo 3.5 3.999 ;;
    */docker-compose) echo 2.40 99 ;;
    3/*) echo 0.33 0.999 ;;
  esac
}

# read_lists RELEASE: fresh folders in WORK/RELEASE, and in APT what reads that release.
read_lists() {
  local release=$1 work=$WORK/$1
  rm -rf "$work"/{debs,root}
  mkdir -p "$work"/{lists,cache/archives}/partial "$work"/{debs,root}
  echo "deb [signed-by=$KEYRING] $MIRROR $release main" > "$work/release.list"
  APT=(apt-get -o Dir::Etc::sourcelist="$work/release.list" -o Dir::Etc::sourceparts=-
    -o Dir::State::lists="$work/lists" -o Dir::State::status=/dev/null
    -o Dir::Cache="$work/cache" -o APT::Sandbox::User=)
  retry "reading the package lists of $release" "${APT[@]}" update --error-on=any
}

# unpack RELEASE PACKAGE...: into WORK/RELEASE/root.
unpack() {
  local release=$1 deb
  shift
  read_lists "$release"
  cd "$WORK/$release/debs" # where apt-get download puts them
  retry "downloading $* of $release" "${APT[@]}" download "$@"
  for deb in *.deb; do
    dpkg -x "$deb" "$WORK/$release/root"
  done
}

# place RELEASE SUFFIX FILE DIRECTORY: move what was unpacked into TOOLS/DIRECTORY, if it will do.
place() {
  local file=$WORK/$1/root/$3 program=${3##*/} oldest newest found
  read -r oldest newest < <(supported "$2" "$program")
  found=$(version "$file") || true
  printf '%s\n' "$oldest" "$found" "$newest" | sort -CV ||
    die "$1 has $program ${found:-that does not run}, not $oldest to $newest"
  mkdir -p "$TOOLS/$4"
  mv "$file" "$TOOLS/$4/$program"
}

# fetch RELEASE SUFFIX PACKAGE...
fetch() {
  local release=$1 suffix=$2 program root=$WORK/$1/root
  shift 2
  unpack "$release" "$@"
  ln -f "$root"/usr/bin/{prometheus-,}alertmanager
  for program in "${PROGRAMS[@]}"; do
    place "$release" "$suffix" "usr/bin/$program" "$program-$suffix"
  done
  cp "$root$TEMPLATES"/*.tmpl "$TOOLS/alertmanager-$suffix"
}

# Docker's engine, and a base for its images: what the official one has and ours asks of it.
fetch_engine() {
  local root base=$WORK/base
  unpack bookworm "${ENGINE[@]}"
  mkdir -p "$TOOLS/docker"
  rm -rf "$TOOLS/docker/root"
  root=$TOOLS/docker/root
  mv "$WORK/bookworm/root" "$root"
  ln -sf xtables-nft-multi "$root/usr/sbin/iptables"
  ln -sf xtables-nft-multi "$root/usr/sbin/ip6tables"
  DEBOOTSTRAP_DIR=$root/usr/share/debootstrap retry "making a root of trixie" \
    "$root/usr/sbin/debootstrap" --variant=minbase --keyring="$KEYRING" \
    --include=ca-certificates,python3,python3-pip,python3-venv trixie "$base" "$MIRROR"
  ln -s python3 "$base/usr/bin/python"
  rm "$base"/usr/lib/python3*/EXTERNALLY-MANAGED
  cp /etc/ssl/certs/ca-certificates.crt "$base/etc/ssl/certs"
  tar -C "$base" --exclude=./{dev,proc,sys,var/cache,var/lib/apt} -cf "$WORK/base.tar" .
  mv "$WORK/base.tar" "$TOOLS/docker/base.tar"
}

# As Debian builds them they do not tell their version: their package does.
fetch_victoria() {
  local found program
  unpack forky victoria-metrics
  found=$(dpkg-deb -f "$WORK"/forky/debs/victoria-metrics_*.deb Version)
  dpkg --compare-versions "$found" ge 1.145 || die "forky has victoria-metrics $found, not 1.145"
  for program in "${VICTORIA[@]}"; do
    mkdir -p "$TOOLS/$program"
    mv "$WORK/forky/root/usr/bin/$program" "$TOOLS/$program"
  done
}

fetch_rsyslog() {
  unpack bookworm "${RSYSLOG[@]}"
  rm -rf "$TOOLS/rsyslog"
  mv "$WORK/bookworm/root" "$TOOLS/rsyslog"
}

# Debian has the Collector as Go packages alone, which need some two hundred others.
fetch_collector() {
  local work=$WORK/forky deb found
  read_lists forky
  retry "downloading ${COLLECTOR_PACKAGES[*]} of forky, and what they need" \
    "${APT[@]}" install -y --no-install-recommends --download-only "golang-${GO#go-}-go" \
    "${COLLECTOR_PACKAGES[@]}"
  found=$(dpkg-deb -f "$work"/cache/archives/golang-opentelemetry-collector-dev_*.deb Version)
  dpkg --compare-versions "$found" ge 0.141 || die "forky has a Collector $found, not 0.141"
  for deb in "$work"/cache/archives/golang-*.deb; do
    dpkg -x "$deb" "$work/root"
  done
  cp -r "$COLLECTOR" "$work/build"
  cd "$work/build"
  GO111MODULE=off GOPATH=$work/root/usr/share/gocode GOCACHE=$work/go CGO_ENABLED=0 GOFLAGS= \
    "$work/root/usr/lib/$GO/bin/go" build -trimpath -ldflags "-s -w" -o otelcol . ||
    die "the Collector does not compile"
  rm -rf "$TOOLS/collector"
  mv "$work/build" "$TOOLS/collector"
}

# complete SUFFIX: all programs of that suffix are in place.
complete() {
  local program
  for program in "${PROGRAMS[@]}"; do
    [ -x "$TOOLS/$program-$1/$program" ] || return 1
  done
  [ -e "$TOOLS/alertmanager-$1/default.tmpl" ]
}

all_complete() {
  complete 2.42 && complete 3 && [ -x "$TOOLS/$COMPOSE" ] && ! engine_missing && ! victoria_missing &&
    ! collector_missing && ! rsyslog_missing
}

engine_missing() {
  [[ " ${COMMANDS[*]} " == *" dockerd "* && ! -e $TOOLS/docker/base.tar ]]
}

victoria_missing() {
  [[ " ${COMMANDS[*]} " == *" victoria-metrics "* && ! -x $TOOLS/vmalert/vmalert ]]
}

rsyslog_missing() {
  [[ " ${COMMANDS[*]} " == *" rsyslog "* && ! -x $TOOLS/rsyslog/usr/sbin/rsyslogd ]]
}

# collector_missing: it was asked for, and is not there or made of other source.
collector_missing() {
  [[ " ${COMMANDS[*]} " == *" otelcol "* ]] &&
    ! { [ -x "$TOOLS/collector/otelcol" ] &&
      cmp -s "$COLLECTOR/main.go" "$TOOLS/collector/main.go" &&
      cmp -s "$COLLECTOR/storage.go" "$TOOLS/collector/storage.go"; }
}

[ $# -ge 1 ] || die "usage: debian.sh TOOLS_DIR [COMMAND...]"
command -v apt-get > /dev/null || die "this is no Debian: there is no apt-get"
mkdir -p "$1"
TOOLS=$(cd "$1" && pwd)
COMMANDS=("${@:2}")
exec 9> "$TOOLS/.lock"
flock 9

MISSING=()
command -v gcc > /dev/null || MISSING+=(gcc)
[ -e /usr/include/stdio.h ] || MISSING+=(libc6-dev)
for program in openssl "${COMMANDS[@]/#dockerd/tar}"; do
  [[ $program != victoria-metrics && $program != otelcol && $program != rsyslog ]] || continue
  # Its programs are in a folder of its version, and none of its name.
  [[ $program != postgresql || -z $(compgen -G "/usr/lib/postgresql/*/bin/initdb") ]] || continue
  command -v "$program" > /dev/null || MISSING+=("$program")
done
if rsyslog_missing && ! ldconfig -p | grep -q 'libcurl\.so\.4'; then
  MISSING+=(libcurl4)
fi
if engine_missing; then # what debootstrap calls
  for program in wget gpgv; do
    command -v "$program" > /dev/null || MISSING+=("$program")
  done
  [ -e /etc/ssl/certs/ca-certificates.crt ] || MISSING+=(ca-certificates)
fi
if ! all_complete; then
  [ -e "$KEYRING" ] || MISSING+=(debian-archive-keyring)
fi
if [ ${#MISSING[@]} -gt 0 ]; then
  [ "$(id -u)" -eq 0 ] || command -v sudo > /dev/null ||
    die "needs root or sudo to install: ${MISSING[*]}"
  retry "installing ${MISSING[*]}" update_and_install "${MISSING[@]}"
fi

if ! all_complete; then
  rm -rf "$TOOLS"/.work.* # left by a call that was killed
  MIRROR=$(mirror) || true
  [ -n "$MIRROR" ] || die "no Debian archive among this machine's apt sources"
  WORK=$(mktemp -d "$TOOLS/.work.XXXXXX")
  trap 'rm -rf "$WORK"' EXIT
  complete 2.42 || fetch bookworm 2.42 prometheus prometheus-alertmanager
  complete 3 || fetch forky 3 prometheus promtool prometheus-alertmanager
  if [ ! -x "$TOOLS/$COMPOSE" ]; then
    unpack forky docker-compose
    place forky "" "$COMPOSE_PLUGIN" docker-compose
  fi
  ! engine_missing || fetch_engine
  ! victoria_missing || fetch_victoria
  ! collector_missing || fetch_collector
  ! rsyslog_missing || fetch_rsyslog
fi

if [ ! -e "$TEMPLATES/default.tmpl" ]; then
  as_root install -D -m 644 -t "$TEMPLATES" "$TOOLS"/alertmanager-3/*.tmpl ||
    die "needs root or sudo to put Alertmanager's templates into $TEMPLATES"
fi

for program in "${PROGRAMS[@]}"; do
  for suffix in 2.42 3; do
    echo "$program-$suffix/$program $(version "$TOOLS/$program-$suffix/$program")"
  done
done
echo "$COMPOSE $(version "$TOOLS/$COMPOSE")"
gcc --version | sed -n 1p
openssl version

#!/bin/sh
# Sets the machine up: setup.sh run | test | bench | modules. Does only what is missing; with nothing to do it is silent.
#   run      packages that running Heddle takes, node_modules, the eBPF object
#   test     in addition what the tests take        bench   in addition what the benchmarks take
#   modules  node_modules only; needs no root
set -eu
cd "$(dirname -- "$0")/.."
purpose=${1:-run}
began=$(date +%s)
trap 'echo "heddle: set-up interrupted; run it again to go on" >&2; exit 130' INT TERM

say() { printf 'heddle: [%3ds] %s\n' "$(($(date +%s) - began))" "$*" >&2; }

# One set-up of a clone at a time: npm empties node_modules first. Until this process has ended.
exec 9<package.json
flock --nonblock 9 || { say "waiting for another set-up of this clone"; flock 9; }

# The eBPF object is older than a source of it, or not there.
object_stale() {
  [ ! -f build/heddle.bpf.o ] || [ -n "$(find src/datapath src/model/ids.ts -type f ! -name '*.test.ts' -newer build/heddle.bpf.o | head -n 1)" ]
}

modules_stale() {
  mark=node_modules/.package-lock.json
  [ ! -x node_modules/.bin/node ] || [ ! -f "$mark" ] || [ package-lock.json -nt "$mark" ]
}

# Leaves what root makes in a clone to the clone's owner.
hand_over() {
  if [ "$(id -u)" -eq 0 ]; then chown -R --no-dereference --reference=package.json "$@"; fi
}

install_packages() {
  missing=
  for package in "$@"; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true) in
      installed) ;;
      *) missing="$missing $package" ;;
    esac
  done
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    echo "heddle: these Debian packages are missing:$missing. Run: sh scripts/as-root.sh setup $purpose" >&2
    exit 1
  fi
  say "installing Debian packages:$missing"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  # shellcheck disable=SC2086 # a list of words
  if ! apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=120 $missing >"$log" 2>&1; then
    say "fetching the package lists"
    { apt-get update -q -o DPkg::Lock::Timeout=120 &&
      apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=120 $missing; } >"$log" 2>&1 || {
      tail -n 20 "$log" >&2
      echo "heddle: installing$missing failed; the whole log is $log" >&2
      exit 1
    }
  fi
  rm -f "$log"
}

install_modules() {
  modules_stale || return 0
  say "installing the npm packages (npm ci)"
  # npm must not run on the Node that it is about to replace.
  outer=$(printf '%s' "$PATH" | tr ':' '\n' | grep -v '/node_modules/\.bin$' | paste -s -d : -)
  log=$(mktemp)
  if ! PATH=$outer npm ci --no-audit --no-fund --loglevel=error >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "heddle: npm ci failed; the whole log is $log" >&2
    exit 1
  fi
  rm -f "$log"
  [ -x node_modules/.bin/node ] || { echo "heddle: npm ci made no node_modules/.bin/node: are install scripts switched off?" >&2; exit 1; }
  hand_over node_modules
}

# One file of a library's many modules: scripts/typebox.mts and x509.mts say why.
bundle_library() {
  source=scripts/$1.mts bundle=build/$1.mjs types=build/$1.d.mts
  [ ! -f "$bundle" ] || [ ! -f "$types" ] || [ "$source" -nt "$bundle" ] || [ scripts/setup.sh -nt "$bundle" ] || [ node_modules/.package-lock.json -nt "$bundle" ] || return 0
  mkdir -p build
  cp "$source" "$types"
  # In its place only when it is whole: what is there is not made again.
  PATH=$PWD/node_modules/.bin:$PATH esbuild "$source" --bundle --format=esm --platform=node --main-fields=module,main --log-level=warning --outfile="$bundle.tmp"
  mv "$bundle.tmp" "$bundle"
  hand_over build
}
bundle_libraries() {
  bundle_library typebox
  bundle_library x509
}

build_object() {
  object_stale || return 0
  say "compiling the eBPF object"
  PATH=$PWD/node_modules/.bin:$PATH make -s -C src/datapath
  [ ! -f build/heddle.bpf.o ] || touch build/heddle.bpf.o
  hand_over build
}

if [ "$purpose" = modules ]; then install_modules; bundle_libraries; exit 0; fi

packages="iproute2 iputils-ping libbpf1 nftables util-linux mount"
# clang only where the object is to be built: a host that got it with the release does not need a compiler.
if object_stale; then packages="$packages clang llvm libbpf-dev make"; fi
case $purpose in
  run) ;;
  test) packages="$packages iptables clang llvm libbpf-dev make curl bpftool ethtool iperf3 tcpdump traceroute iputils-tracepath qemu-system-x86 busybox-static cpio xz-utils libvirt-daemon libvirt-clients isc-dhcp-client keepalived systemd python3-configobj python3-jinja2 python3-jsonpatch python3-jsonschema python3-netifaces python3-oauthlib python3-requests python3-yaml" ;;
  bench) packages="$packages clang make libc6-dev ethtool iperf3" ;;
  *) echo "heddle: setup.sh knows run, test, bench and modules, not $purpose" >&2; exit 2 ;;
esac
# Docker as Debian has it, unless the machine has Docker from elsewhere.
if [ "$purpose" = test ]; then
  (PATH=$PATH:/usr/sbin && command -v dockerd >/dev/null) || packages="$packages docker.io"
  docker compose version >/dev/null 2>&1 || packages="$packages docker-compose"
fi
# shellcheck disable=SC2086 # a list of words
if command -v dpkg-query >/dev/null 2>&1; then
  install_packages $packages
else
  say "this is no Debian: see to it that these are there: $packages"
fi
install_modules
bundle_libraries
build_object
if [ "$purpose" = test ] && [ -f scripts/vm-kernel.sh ]; then sh scripts/vm-kernel.sh; fi
finished=$(date +%s)
if [ $((finished - began)) -gt 1 ]; then say "set-up is complete"; fi

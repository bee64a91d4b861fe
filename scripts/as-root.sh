#!/bin/sh
# Runs one of the package's commands as root, after set-up: start | test | bench | setup.
# Another user goes through sudo; what needs no root (node_modules) is then made as that user.
set -eu
cd "$(dirname -- "$0")/.."
command=${1:?start, test, bench or setup}
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null 2>&1; then
    echo "heddle: this needs root (network namespaces and eBPF), and there is no sudo here. Run it as root." >&2
    exit 1
  fi
  sh scripts/setup.sh modules
  echo "heddle: network namespaces and eBPF need root; going on through sudo" >&2
  exec sudo env "PATH=$PATH" ${npm_lifecycle_event:+"npm_lifecycle_event=$npm_lifecycle_event"} sh scripts/as-root.sh "$@"
fi
shift
PATH=$PWD/node_modules/.bin:$PATH
export PATH
case $command in
  setup) exec sh scripts/setup.sh "${1:-run}" ;;
  start) sh scripts/setup.sh run && exec ./heddle demo "$@" ;;
  test) sh scripts/setup.sh test && exec node --disable-warning=ExperimentalWarning scripts/test.ts "$@" ;;
  bench) sh scripts/setup.sh bench && exec node --disable-warning=ExperimentalWarning bench/main.ts "$@" ;;
  *) echo "heddle: as-root.sh knows start, test, bench and setup, not $command" >&2; exit 2 ;;
esac

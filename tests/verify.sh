#!/bin/bash
# verify.sh [--compose|--local|--swarm] [--keep] [--junit FILE]: brings a stack up, tries everything a user relies on, and
# takes it down again. A line for each step, "--" where this kind of stack has nothing to try; exit code 0 when nothing
# failed. `aurum verify` runs it.
#
# --compose  compose.yaml, as a project of its own with images aurum-*:$AURUM_TAG, which are built when missing
# --swarm    stack.yaml, on a swarm of three managers that it makes on this machine, with the same images
# --local    real processes on this machine: aurum stack up --tls --backup --routing
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

help() {
  cat <<'TEXT'
Usage: aurum verify [--compose|--local|--swarm] [options]

Brings a whole stack up on ports of its own, beside whatever runs, tries what a
user relies on - TLS, replication, REST, metrics, a failover with writes going
on, a backup - and removes it again.

Options
  --compose      containers, as compose.yaml says (the default where docker is,
                 and these sources)
  --local        real processes: aurum stack up --tls --backup --routing
  --swarm        stack.yaml, on a swarm of three managers made on this machine:
                 engines in network namespaces; needs root, and the images
  --keep         leave it running when a step fails
  --junit FILE   the steps as JUnit XML
  --help         this text

Examples
  aurum verify --local
  AURUM_TAG=dev tests/verify.sh --compose --junit build/verify.xml
TEXT
}

mode='' keep='' junit=''
while [ $# -gt 0 ]; do
  case $1 in
    --compose | --local | --swarm) mode=${1#--} ;;
    --keep) keep=1 ;;
    --junit)
      [ $# -gt 1 ] || { echo "error: --junit needs a file" >&2; exit 2; }
      junit=$2
      shift ;;
    -h | --help)
      help
      exit 0 ;;
    *)
      printf "error: unknown argument '%s'\nhint: aurum verify --help\n" "$1" >&2
      exit 2 ;;
  esac
  shift
done
if [ -z "$mode" ]; then
  mode=local
  if [ -e tests/verify/compose.sh ] && docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1; then mode=compose; fi
fi

if [ ! -e "tests/verify/$mode.sh" ]; then
  echo "error: --$mode is no part of what is installed here" >&2
  echo "hint: aurum verify --local; the images of --compose and --swarm are built from the source, and tried there" >&2
  exit 2
fi

WORK=$(mktemp -d "${TMPDIR:-/tmp}/aurum-verify.XXXXXX") || exit 2
chmod 755 "$WORK"
NODES=()
# A stack has its own, once there is one.
clean_up() { :; }
# shellcheck source=tests/verify/report.sh
. tests/verify/report.sh || exit 2
trap finish EXIT
trap 'exit 130' INT TERM HUP

# until_so SECONDS COMMAND...: tries it again until it succeeds.
until_so() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.3
  done
}

# shellcheck source=tests/support/free_base.sh
. tests/support/free_base.sh || exit 2
# shellcheck source=tests/verify/compose.sh
# shellcheck source=tests/verify/local.sh
. "tests/verify/$mode.sh" || exit 2
# shellcheck source=tests/verify/steps.sh
. tests/verify/steps.sh || exit 2
run_steps

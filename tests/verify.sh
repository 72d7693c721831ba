#!/bin/bash
# verify.sh [--compose|--local|--swarm] [--keep] [--junit FILE]: brings a stack up, tries everything a user relies on, and
# takes it down again. A line for each step; exit code 0 when all went well. `aurum verify` runs it.
#
# --compose  compose.yaml, as a project of its own with images aurum-*:$AURUM_TAG, which are built when missing
# --swarm    stack.yaml, on a swarm of three managers that it makes on this machine, with the same images
# --local    real processes on this machine: aurum stack up --tls --backup
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

help() {
  cat <<'TEXT'
Usage: aurum verify [--compose|--local|--swarm] [options]

Brings a whole stack up on ports of its own, beside whatever runs, tries what a
user relies on - TLS, replication, REST, metrics, a failover with writes going
on, a backup - and removes it again.

Options
  --compose      containers, as compose.yaml says (the default where docker is)
  --local        real processes: aurum stack up --tls --backup
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
  if docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1; then mode=compose; else mode=local; fi
fi

WORK=$(mktemp -d "${TMPDIR:-/tmp}/aurum-verify.XXXXXX")
chmod 755 "$WORK"
NODES=()
STEPS=$WORK/steps
: >"$STEPS"
PASSED=0
BEGAN=$(date +%s.%N)

# --- saying

now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN {printf "%.1f", b - a}'; }
escaped() { sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g'; }
why() { printf '%s\n' "$*" >"$WORK/why"; return 1; }

# step TEXT FUNCTION [ARGUMENTS...]: runs it; the function says by why() what went wrong.
step() {
  local text=$1 began took
  shift
  began=$(now)
  rm -f "$WORK/why"
  [ -t 1 ] && printf '        .. %s\r' "$text"
  if "$@"; then
    took=$(since "$began")
    printf '%6ss ok %s\n' "$took" "$text"
    printf '%s\tok\t%s\n' "$took" "$text" >>"$STEPS"
    PASSED=$((PASSED + 1))
    return 0
  fi
  took=$(since "$began")
  printf '%6ss !! %s\n' "$took" "$text"
  printf '%s\tfailed\t%s\n' "$took" "$text" >>"$STEPS"
  echo "error: $text: $(cat "$WORK/why" 2>/dev/null || echo failed)" >&2
  tell_more >&2
  exit 1
}

write_junit() {
  local failed
  [ -n "$junit" ] || return 0
  mkdir -p "$(dirname "$junit")"
  failed=$(grep -c $'\tfailed\t' "$STEPS")
  {
    printf '<?xml version="1.0" encoding="UTF-8"?>\n'
    printf '<testsuite name="verify.%s" tests="%s" failures="%s" time="%s">\n' "$mode" "$(wc -l <"$STEPS")" "$failed" "$(since "$BEGAN")"
    while IFS=$'\t' read -r took state text; do
      printf '  <testcase classname="verify.%s" name="%s" time="%s"' "$mode" "$(escaped <<<"$text")" "$took"
      if [ "$state" = ok ]; then
        echo '/>'
      else
        printf '><failure>%s</failure></testcase>\n' "$(escaped <"$WORK/why")"
      fi
    done <"$STEPS"
    echo '</testsuite>'
  } >"$junit"
}

finish() {
  local code=$?
  trap - EXIT
  write_junit
  if [ $code != 0 ] && [ -n "$keep" ]; then
    echo "It runs on; remove it: $(how_to_remove)"
  else
    clean_up
    rm -rf "$WORK"
  fi
  if [ $code = 0 ]; then
    echo "All $PASSED steps went well in $(since "$BEGAN") s."
  else
    echo "$PASSED steps went well, then one failed."
  fi
  exit $code
}
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
. tests/support/free_base.sh
# shellcheck source=tests/verify/compose.sh
# shellcheck source=tests/verify/local.sh
. "tests/verify/$mode.sh"
# shellcheck source=tests/verify/steps.sh
. tests/verify/steps.sh
run_steps

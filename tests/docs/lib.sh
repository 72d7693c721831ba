# shellcheck shell=bash
# For the scripts beside it, which do what a document tells a person to do, on a stack of their own. Sourced by bash, in
# the root of the checkout; AURUM_PROGRAM names the program. Sets program, AURUM_STACK_DIR and AURUM_STACK_PORT_BASE.
program=${AURUM_PROGRAM:-$PWD/build/release/aurum}
export AURUM_PROGRAM=$program
work=$(mktemp -d)
chmod 755 "$work"
export AURUM_STACK_DIR=$work/stack
finish() {
  "$program" stack destroy --yes >"$work/destroy.log" 2>&1 || cat "$work/destroy.log"
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

fail() {
  echo "FAILED: $*"
  "$program" stack status
  tail -n 20 "$AURUM_STACK_DIR"/log/*.log 2>/dev/null
  exit 1
}

# shellcheck source=tests/support/free_base.sh
. tests/support/free_base.sh
AURUM_STACK_PORT_BASE=$(free_base)
export AURUM_STACK_PORT_BASE

# as_here LINE: a document's line with our program and folder.
as_here() { sed -e "s#^build/release/aurum#$program#" -e "s#/var/lib/aurum-stack#$AURUM_STACK_DIR#g" <<<"$1"; }
status_field() { "$program" stack status --json | sed -n "s/.*\"$1\": \"\\(.*\\)\",\\{0,1\\}$/\\1/p" | head -n 1; }
leader() { "$program" stack status --json | sed -n 's/^  "leader": "\(.*\)",$/\1/p'; }
sql() { PGPASSFILE=$AURUM_STACK_DIR/pgpass PGCONNECT_TIMEOUT=5 psql -XAtq "$(status_field read_write)" -c "$1"; }
wait_for() {  # SECONDS WHAT COMMAND...
  local until=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $until ] || fail "$what"
    sleep 0.2
  done
}
other_leader() { local now; now=$(leader); [ -n "$now" ] && [ "$now" != "$1" ]; }
run() {
  echo "\$ $*"
  bash -c "$*" </dev/null
}

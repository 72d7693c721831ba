# verify.sh against real processes of this machine: aurum stack, in a folder and on ports of its own.
# shellcheck shell=bash disable=SC2034 # the variables are verify.sh's

NODES=(node-1 node-2 node-3)
program=${AURUM_PROGRAM:-$PWD/build/release/aurum}
[ -x "$program" ] || { echo "error: $program is not built" >&2; echo "hint: ./dev build, or AURUM_PROGRAM" >&2; exit 2; }
export AURUM_PROGRAM=$program AURUM_STACK_DIR=$WORK/stack
base=$(free_base)
export AURUM_STACK_PORT_BASE=$base

ROUTING=--routing NO_DOORS=""
for name in haproxy pgbouncer; do
  [ -x "/usr/sbin/$name" ] || ROUTING="" NO_DOORS="$name is not installed"
done
bring_up() {
  STARTED=$(now)
  "$program" stack up --tls --backup $ROUTING >"$WORK/up.log" 2>"$WORK/up.err" || why "$(tr '\n' ' ' <"$WORK/up.err")"
}
stack_healthy() { "$program" stack status >/dev/null 2>&1; }
wait_healthy() { until_so 60 stack_healthy && until_so 60 cluster_whole || why "$("$program" stack status 2>&1 | head -n 1)"; }
config_of() { echo "$AURUM_STACK_DIR/conf/$1.yml"; }
members() { "$program" ctl -c "$(config_of node-1)" list --format json 2>/dev/null; }
tell_more() { "$program" stack status; tail -n 15 "$AURUM_STACK_DIR"/log/*.log 2>/dev/null; }
clean_up() { "$program" stack destroy --yes >"$WORK/destroy.log" 2>&1 || cat "$WORK/destroy.log"; }
how_to_remove() { echo "AURUM_STACK_DIR=$AURUM_STACK_DIR aurum stack destroy"; }

sql() { PGPASSFILE=$AURUM_STACK_DIR/pgpass PGCONNECT_TIMEOUT=5 psql -XAtq "$2" -c "$3"; }
TLS="sslmode=verify-full sslrootcert=$AURUM_STACK_DIR/certs/node-1/ca.crt"
conninfo_of() { echo "host=127.0.0.1 port=$((base + ${1#node-} - 1)) user=postgres dbname=postgres"; }
conninfo_rw() { echo "host=127.0.0.1,127.0.0.1,127.0.0.1 port=$base,$((base + 1)),$((base + 2)) user=postgres dbname=postgres target_session_attrs=read-write"; }
doors() {
  [ -n "$ROUTING" ] || return
  echo "HAProxy read-write: host=127.0.0.1 port=$((base + 30)) user=postgres dbname=postgres $TLS"
  echo "HAProxy read-only: host=127.0.0.1 port=$((base + 31)) user=postgres dbname=postgres $TLS"
}
poolers() { [ -z "$ROUTING" ] || echo "PgBouncer: host=127.0.0.1 port=$((base + 34)) user=postgres dbname=postgres"; }
logs_of() { tail -n 200 "$AURUM_STACK_DIR/log/$1.log"; }
DOORS=1 LOST_DOORS=0
within() { "$@"; }
# As stack/plan.h has them: PostgreSQL, REST, and etcd for clients and peers; HAProxy hands its doors through.
tls_ports() {
  local i
  for i in 0 1 2; do
    echo "127.0.0.1 $((base + i)) postgres"
    echo "127.0.0.1 $((base + 10 + i))"
    echo "127.0.0.1 $((base + 20 + 2 * i))"
    echo "127.0.0.1 $((base + 21 + 2 * i))"
  done
  [ -n "$ROUTING" ] || return 0
  printf '127.0.0.1 %s\n' "$((base + 30)) postgres" "$((base + 31)) postgres" $((base + 32)) $((base + 33)) "$((base + 34)) postgres"
}
health() { as_stack health -c "$(config_of "$1")" "$2" 2>/dev/null; }
# As whoever the stack runs as: files of its nodes are theirs alone.
as_stack() {
  local who reachable=$AURUM_STACK_DIR/bin/aurum
  # A copy is there where that user can not reach the program itself.
  [ -x "$reachable" ] || reachable=$program
  who=$(stat -c %U "$AURUM_STACK_DIR/data")
  if [ "$(id -un)" = "$who" ]; then "$program" "$@"; else (cd / && runuser -u "$who" -- "$reachable" "$@"); fi
}
kill_node() { "$program" stack kill "$1" >/dev/null; }
start_node() { "$program" stack start "$1" >"$WORK/start.log" 2>&1; }
backup() { as_stack backup -c "$(config_of "$1")" "${@:2}"; }
# With the file that its agent keeps, and the password in the environment, as pgBackRest has no option for one.
by_hand() {
  local node=$1 bin who
  bin=$(sed -n 's/^ *bin_dir: //p' "$(config_of "$node")")
  who=$(stat -c %U "$AURUM_STACK_DIR/data")
  set -- env PATH="$bin:$PATH" PGBACKREST_CONFIG="$AURUM_STACK_DIR/data/$node.pgbackrest/pgbackrest.conf" \
    PGPASSWORD="$(awk -F: '$4 == "postgres" {print $5; exit}' "$AURUM_STACK_DIR/pgpass")" "${@:2}"
  if [ "$(id -un)" = "$who" ]; then "$@"; else (cd / && runuser -u "$who" -- "$@"); fi
}
STANZA=aurum-$base
BY_HAND=$AURUM_STACK_DIR/data/by-hand
check_backup_container() { :; }
check_partition() { left_out "a local stack has no network of its own"; }

start_writing() {
  touch "$WORK/writing"
  : >"$WORK/acknowledged"
  (
    n=0
    while [ -e "$WORK/writing" ]; do
      n=$((n + 1))
      PGPASSFILE=$AURUM_STACK_DIR/pgpass PGCONNECT_TIMEOUT=2 psql -XAtq "$(conninfo_rw) $TLS" -c "INSERT INTO verify_rows VALUES ($n)" \
        >/dev/null 2>&1 && echo "$n $EPOCHREALTIME" >>"$WORK/acknowledged"
    done
  ) &
  writer=$!
}
acknowledged() { cat "$WORK/acknowledged"; }
stop_writing() {
  rm -f "$WORK/writing"
  wait "$writer" 2>/dev/null
}
check_metrics() {
  local node page
  for node in "${NODES[@]}"; do
    page=$(rest "$node" /metrics)
    grep -q '^patroni_postgres_running{.*} 1$' <<<"$page" || { why "$node says it does not run"; return; }
    grep -q '^aurum_certificate_expiry_timestamp_seconds{.*use="postgresql"} [0-9]' <<<"$page" ||
      { why "$node tells no end of PostgreSQL's certificate"; return; }
  done
}
# rest NODE PATH: by TLS, without a client's certificate.
rest() { curl -sS --max-time 5 --cacert "$AURUM_STACK_DIR/certs/node-1/ca.crt" "https://127.0.0.1:$((base + 9 + ${1#node-}))$2" 2>&1; }
# HAProxy and PgBouncer are told by the second.
renew_certificates() { "$program" certs renew "$AURUM_STACK_DIR/certs" --all && "$program" stack up; }
check_first_process() { left_out "no guard is the first process of anything here"; }
check_stop() {
  local first
  first=$(leader)
  "$program" ctl -c "$(config_of "$first")" switchover --force >"$WORK/said" 2>&1 || { why "$(tail -n 1 "$WORK/said")"; return; }
  until_so 10 other_leader "$first" && until_so 60 cluster_whole || why "$first leads still, or does not follow"
}
# The superuser's too is a login that PgBouncer must look up itself.
check_pooler() {
  local said
  [ -n "$ROUTING" ] || { left_out "$NO_DOORS"; return; }
  said=$(sql "$1" "$(poolers | cut -d' ' -f2-) $TLS" "SELECT NOT pg_is_in_recovery()" 2>&1)
  [ "$said" = t ] || why "$said"
}
check_upgrade() { left_out "there are no images; aurum stack upgrade has tests of its own"; }
check_dashboards() { left_out "no Prometheus runs"; }
explained() { "$program" ctl -c "$(config_of "$(leader)")" explain; }
doctor() { as_stack doctor -c "$(config_of "$1")" --json; }
# One machine for all, asynchronous, slots without a bound, and nobody tested a restore.
DOCTOR_FAILS="hosts synchronous-mode slots-bounded restore-test"

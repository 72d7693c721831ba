# verify.sh against containers: a Compose project of its own, found again and removed by its name.
# shellcheck shell=bash disable=SC2034 # the variables are verify.sh's

NODES=(postgres-1 postgres-2 postgres-3)
base=$(free_base)
export COMPOSE_PROJECT_NAME=aurum-verify-$$ AURUM_DEVELOPMENT=1
export COMPOSE_PROFILES=${COMPOSE_PROFILES-monitoring} AURUM_TAG=${AURUM_TAG:-dev} AURUM_BIND=127.0.0.1
port=$base
for name in POSTGRES_1 POSTGRES_2 POSTGRES_3 REST_1 REST_2 REST_3 EXPORTER_1 EXPORTER_2 EXPORTER_3 READ_WRITE READ_ONLY \
  HAPROXY_STATS PGBOUNCER PROMETHEUS ALERTMANAGER; do
  export "${name}_PORT=$port"
  port=$((port + 1))
done

compose() { docker compose --progress quiet "$@" </dev/null; }
in_node() {  # NODE COMMAND...
  local node=$1
  shift
  compose exec -T "$node" "$@"
}

bring_up() {
  compose up --detach >"$WORK/up.log" 2>&1 || why "$(tail -n 3 "$WORK/up.log" | tr '\n' ' ')"
}
# All that is to run is healthy; the one that makes certificates has ended well.
all_healthy() {
  local states
  states=$(compose ps --all --format '{{.Service}} {{.State}} {{.Health}} {{.ExitCode}}') || return 1
  printf '%s\n' "$states" >"$WORK/states"
  awk '$1 == "certs" {if ($2 != "exited" || $NF != 0) bad = 1; next} $3 != "healthy" {bad = 1} {n++} END {exit bad || n < 8}' <<<"$states"
}
wait_healthy() {
  until_so 120 all_healthy && until_so 60 cluster_whole && return
  why "$(awk '$1 != "certs" && $3 != "healthy" {printf "%s is %s %s; ", $1, $2, $3}' "$WORK/states") $(cat "$WORK/list" 2>/dev/null)"
}
# Rows of `aurum ctl list`, asked of a node that runs.
members() {
  local node
  for node in "${NODES[@]}"; do
    in_node "$node" aurum ctl list --format json 2>/dev/null && return
  done
  return 1
}
tell_more() { compose logs --tail 8 2>&1 | cut -c1-200 | tail -n 80; }
clean_up() {
  compose --profile monitoring --profile tools down --volumes --timeout 2 >/dev/null 2>&1
  docker ps -aq --filter "label=org.aurum.stack=$COMPOSE_PROJECT_NAME" | xargs -r docker rm -f >/dev/null
}
how_to_remove() { echo "COMPOSE_PROJECT_NAME=$COMPOSE_PROJECT_NAME docker compose --profile monitoring --profile tools down --volumes"; }

# sql NODE CONNINFO SQL: by libpq of that container, as the superuser.
sql() {
  # shellcheck disable=SC2016 # expanded in the container
  in_node "$1" bash -c 'PGPASSWORD=$(cat /run/secrets/superuser_password) PGCONNECT_TIMEOUT=5 exec psql -XAtq "$1" -c "$2"' - "$2" "$3"
}
TLS="sslmode=verify-full sslrootcert=/certs/ca.crt"
conninfo_of() { echo "host=$1 port=5432 user=postgres dbname=postgres"; }
conninfo_rw() { echo "host=postgres-1,postgres-2,postgres-3 user=postgres dbname=postgres target_session_attrs=read-write"; }
# The ways in that a user has.
doors() {
  echo "HAProxy read-write: host=haproxy port=5000 user=postgres dbname=postgres $TLS"
  echo "HAProxy read-only: host=haproxy port=5001 user=postgres dbname=postgres sslmode=require"
}
health() { in_node "$1" aurum health "$2" 2>/dev/null; }
metrics_of() { :; }
kill_node() { docker kill "$(compose ps -q "$1")" >/dev/null; }
start_node() { compose start "$1" >/dev/null 2>&1; }
backup() { in_node "$1" aurum backup "${@:2}"; }

# Writes rows one after the other from a node's container until told to stop; each acknowledged one is noted.
start_writing() {  # NODE
  writer=$1
  # shellcheck disable=SC2016 # expanded in the container
  compose exec -T -d "$writer" bash -c 'export PGPASSWORD=$(cat /run/secrets/superuser_password) PGCONNECT_TIMEOUT=2
    touch /tmp/writing; : >/tmp/acknowledged; n=0
    while [ -e /tmp/writing ]; do
      n=$((n + 1))
      psql -XAtq "$1" -c "INSERT INTO verify_rows VALUES ($n)" >/dev/null 2>&1 && echo "$n" >>/tmp/acknowledged
    done' - "$(conninfo_rw) $TLS"
}
acknowledged() { in_node "$writer" cat /tmp/acknowledged; }
stop_writing() { in_node "$writer" rm -f /tmp/writing; }

# One query to Prometheus: the number it answers.
prometheus() {
  compose exec -T prometheus promtool query instant --http.config.file=/etc/prometheus/health.yml https://localhost:9090 "$1" 2>"$WORK/promtool" |
    sed -n 's/.*=> \([0-9.]*\) .*/\1/p' | head -n 1
}
targets_up() { [ "$(prometheus 'count(up == 1)')" = 11 ] && [ "$(prometheus 'sum(pg_up)')" = 3 ] && [ "$(prometheus 'sum(patroni_primary)')" = 1 ]; }
# Whatever the alert rules ask for is there to be asked.
rules_have_metrics() {
  grep -vhE 'summary:|runbook:|^#' config/prometheus/rules/*.yml | grep -oE '\b(patroni|aurum|pg|etcd|haproxy)_[a-z_]+' | sort -u >"$WORK/wanted"
  compose exec -T prometheus promtool query instant --http.config.file=/etc/prometheus/health.yml https://localhost:9090 \
    "count by (__name__) ({__name__=~\"$(paste -sd'|' "$WORK/wanted")\"})" 2>"$WORK/promtool" | grep -oE '\b(patroni|aurum|pg|etcd|haproxy)_[a-z_]+' | sort -u >"$WORK/known"
  comm -23 "$WORK/wanted" "$WORK/known" >"$WORK/missing"
  [ ! -s "$WORK/missing" ]
}
check_metrics() {
  [[ $COMPOSE_PROFILES == *monitoring* ]] || return 0
  until_so 60 rules_have_metrics || { why "no such metric, yet a rule asks for it: $(tr '\n' ' ' <"$WORK/missing")"; return; }
  until_so 60 targets_up || why "Prometheus sees $(prometheus 'count(up == 1)') of 11 targets, $(prometheus 'sum(pg_up)') databases, $(prometheus 'sum(patroni_primary)') primaries: $(cat "$WORK/promtool")"
}
renew_certificates() { compose run --rm certs renew /hosts --all; }
postgres_port() { echo "$POSTGRES_1_PORT"; }
rest_port() { echo "$REST_1_PORT"; }
# The pid of the agent in a node's container, and what there is of zombies.
# shellcheck disable=SC2016 # expanded in the container
agent_of() {
  in_node "$1" bash -c 'for p in /proc/[0-9]*; do [[ $(tr "\0" " " <$p/cmdline) != "/usr/bin/aurum agent "* ]] || echo "${p#/proc/}"; done 2>/dev/null'
}
# shellcheck disable=SC2016 # expanded in the container
zombies_of() { in_node "$1" bash -c 'cat /proc/[0-9]*/stat 2>/dev/null | sed "s/.*) //" | grep -c ^Z'; }
started() { sql "$1" "$(conninfo_of "$1") $TLS" 'SELECT pg_postmaster_start_time()'; }
other_agent() {
  local now
  now=$(agent_of "$1")
  [ -n "$now" ] && [ "$now" != "$2" ] && health "$1" /health
}
# The guard is the first process: it starts a killed agent again, buries what others leave, and ends in order.
check_first_process() {
  local node agent before
  node=$(leader)
  agent=$(agent_of "$node")
  before=$(started "$node")
  [ -n "$agent" ] && [ -n "$before" ] || { why "no agent in $node"; return; }
  in_node "$node" bash -c "kill -9 $agent"
  until_so 20 other_agent "$node" "$agent" || { why "$node: the killed agent was not started again"; return; }
  [ "$(started "$node")" = "$before" ] || { why "$node: PostgreSQL was restarted with its agent"; return; }
  until_so 5 no_zombies "$node" || { why "$node: $(zombies_of "$node") zombies"; return; }
  until_so 30 cluster_whole || why "not whole again"
}
no_zombies() { [ "$(zombies_of "$1")" = 0 ]; }
check_stop() {
  local first code
  first=$(leader)
  compose stop "$first" >/dev/null 2>&1
  code=$(docker inspect -f '{{.State.ExitCode}}' "$(compose ps -aq "$first")")
  [ "$code" = 0 ] || { why "$first ended with $code"; return; }
  until_so 5 other_leader "$first" || { why "nobody leads 5 s after $first was stopped in order"; return; }
  start_node "$first" && until_so 60 cluster_whole || why "$first does not rejoin"
}
doctor() { in_node "$1" aurum doctor --json; }
# The quick start's passwords, and nobody tested a restore.
DOCTOR_FAILS="passwords restore-test"
check_pooler() {
  local said
  # A login that PgBouncer must look up itself.
  # shellcheck disable=SC2016 # expanded in the container
  said=$(in_node "$1" bash -c 'PGPASSWORD=$(cat /run/secrets/monitor_password) PGCONNECT_TIMEOUT=5 psql -XAtq "host=pgbouncer port=6432 user=monitor dbname=postgres sslmode=verify-full sslrootcert=/certs/ca.crt" -c "SELECT NOT pg_is_in_recovery()"' 2>&1)
  [ "$said" = t ] || why "$said"
}

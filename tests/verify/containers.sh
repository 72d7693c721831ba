# What compose.sh and swarm.sh share: everything by in_node NODE COMMAND, which they define.
# shellcheck shell=bash disable=SC2034 # the variables are verify.sh's

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
poolers() { echo "PgBouncer: host=pgbouncer port=6432 user=postgres dbname=postgres"; }
# Every port that has TLS, "HOST PORT", and "postgres" where it begins as PostgreSQL's does. HAProxy hands its doors through.
tls_ports() {
  local i
  for i in 1 2 3; do
    printf '%s\n' "postgres-$i 5432 postgres" "postgres-$i 8008" "etcd-$i 2379" "etcd-$i 2380"
    [ "$TARGETS" = 0 ] || echo "exporter-$i 9187"
  done
  printf '%s\n' "haproxy 5000 postgres" "haproxy 5001 postgres" "haproxy 8404" "haproxy 9999" "pgbouncer 6432 postgres"
  [ "$TARGETS" = 0 ] || printf '%s\n' "prometheus 9090" "alertmanager 9093"
  repository_ports
}
repository_ports() { :; }
within() { in_node "${NODES[0]}" "$@"; }
health() { in_node "$1" aurum health "$2" 2>/dev/null; }
backup() { in_node "$1" aurum backup "${@:2}"; }
by_hand() { in_node "$@"; }
STANZA=postgres-cluster
NO_DOORS=""
NO_MONITORING="COMPOSE_PROFILES leaves monitoring out"
BY_HAND=/var/lib/postgresql/data/by-hand
check_backup_container() { :; }
# Writes rows one after the other from a node's container until told to stop; each acknowledged one is noted.
start_writing() {  # NODE
  writer=$1
  # shellcheck disable=SC2016 # expanded in the container
  in_background "$writer" bash -c 'export PGPASSWORD=$(cat /run/secrets/superuser_password) PGCONNECT_TIMEOUT=2
    touch /tmp/writing; : >/tmp/acknowledged; n=0
    while [ -e /tmp/writing ]; do
      n=$((n + 1))
      psql -XAtq "$1" -c "INSERT INTO verify_rows VALUES ($n)" >/dev/null 2>&1 && echo "$n $EPOCHREALTIME" >>/tmp/acknowledged
    done' - "$(conninfo_rw) $TLS"
}
acknowledged() { in_node "$writer" cat /tmp/acknowledged; }
stop_writing() { in_node "$writer" rm -f /tmp/writing; }

# One query to Prometheus: the number it answers.
prometheus() {
  in_node prometheus promtool query instant --http.config.file=/etc/prometheus/health.yml https://localhost:9090 "$1" 2>"$WORK/promtool" |
    sed -n 's/.*=> \([0-9.]*\) .*/\1/p' | head -n 1
}
# Whatever stands in for a metric, in expressions.
metrics_named() { grep -oE '\b(patroni|aurum|pg|pgbackrest|etcd|haproxy)_[a-z_]+|\baurum:[a-z_]+' | sort -u; }
# What this stack may tell only ten minutes later.
LATE_METRICS='^$'
# they_are_there: of $WORK/wanted; what is missing goes to $WORK/missing.
they_are_there() {
  in_node prometheus promtool query instant --http.config.file=/etc/prometheus/health.yml https://localhost:9090 \
    "count by (__name__) ({__name__=~\"$(paste -sd'|' "$WORK/wanted")\"})" 2>"$WORK/promtool" | metrics_named >"$WORK/known"
  comm -23 "$WORK/wanted" "$WORK/known" | grep -vE "$LATE_METRICS" >"$WORK/missing"
  [ ! -s "$WORK/missing" ]
}
targets_up() { [ "$(prometheus 'count(up == 1)')" = "$TARGETS" ] && [ "$(prometheus 'sum(pg_up)')" = 3 ] && [ "$(prometheus 'sum(patroni_primary)')" = 1 ]; }
check_metrics() {
  [ "$TARGETS" != 0 ] || { left_out "$NO_MONITORING"; return; }
  grep -vhE 'summary:|runbook:|^#' config/prometheus/rules/*.yml | metrics_named >"$WORK/wanted"
  until_so 60 they_are_there || { why "no such metric, yet a rule asks for it: $(tr '\n' ' ' <"$WORK/missing")"; return; }
  until_so 60 targets_up || why "Prometheus sees $(prometheus 'count(up == 1)') of $TARGETS targets, $(prometheus 'sum(pg_up)') databases, $(prometheus 'sum(patroni_primary)') primaries: $(cat "$WORK/promtool")"
}
# Behind the backup: before it some have nothing to tell. In queries-may-be-empty: those to which silence is an answer.
check_dashboards() {
  [ "$TARGETS" != 0 ] || { left_out "$NO_MONITORING"; return; }
  sed -n 's/^ *"expr": "\(.*\)",*$/\1/p' config/grafana/dashboards/*.json | sed 's/\\"/"/g; s/\\\\/\\/g' | sort -u >"$WORK/queries"
  [ "$(wc -l <"$WORK/queries")" -gt 40 ] || { why "config/grafana/dashboards has few queries"; return; }
  grep -v '^#' tests/images/queries-may-be-empty | sort >"$WORK/may-be-empty"
  comm -13 "$WORK/queries" "$WORK/may-be-empty" >"$WORK/silent"
  [ ! -s "$WORK/silent" ] || { why "tests/images/queries-may-be-empty names what no dashboard asks: $(tr '\n' ';' <"$WORK/silent")"; return; }
  cp "$WORK/queries" "$WORK/silent"
  until_so 60 they_are_answered || why "no answer to: $(tr '\n' ';' <"$WORK/wrong")"
}
# Asks once more what was not answered before ($WORK/silent); one that Prometheus refuses is never right.
they_are_answered() {
  # shellcheck disable=SC2016 # expanded in the container
  in_node prometheus bash -c 'while IFS= read -r query; do
      answer=$(promtool query instant --http.config.file=/etc/prometheus/health.yml https://localhost:9090 "$query" 2>&1) ||
        { echo "$query is refused: $(tr "\n" " " <<<"$answer")"; continue; }
      [ -n "$answer" ] || echo "$query"
    done <<<"$1"' - "$(cat "$WORK/silent")" >"$WORK/asked" 2>&1 || return 1
  sed 's/ is refused: .*//' "$WORK/asked" | sort >"$WORK/silent"
  sort "$WORK/asked" | comm -23 - "$WORK/may-be-empty" | grep -vE "$LATE_METRICS" >"$WORK/wrong"
  [ ! -s "$WORK/wrong" ]
}
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
explained() { in_node "$(leader)" aurum ctl explain; }
doctor() { in_node "$1" aurum doctor --json; }
check_pooler() {
  local said
  # A login that PgBouncer must look up itself.
  # shellcheck disable=SC2016 # expanded in the container
  said=$(in_node "$1" bash -c 'PGPASSWORD=$(cat /run/secrets/monitor_password) PGCONNECT_TIMEOUT=5 psql -XAtq "host=pgbouncer port=6432 user=monitor dbname=postgres sslmode=verify-full sslrootcert=/certs/ca.crt" -c "SELECT NOT pg_is_in_recovery()"' 2>&1)
  [ "$said" = t ] || why "$said"
}

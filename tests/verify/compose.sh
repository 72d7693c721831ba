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
  tools/check-docker >"$WORK/up.log" 2>&1 || { why "$(tr '\n' ' ' <"$WORK/up.log")"; return; }
  STARTED=$(now)
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
    in_node "$node" timeout 8 aurum ctl list --format json 2>/dev/null && return
  done
  return 1
}
tell_more() { compose logs --tail 8 2>&1 | cut -c1-200 | tail -n 80; }
clean_up() {
  compose --profile monitoring --profile tools down --volumes --timeout 2 >/dev/null 2>&1
  docker ps -aq --filter "label=org.aurum.stack=$COMPOSE_PROJECT_NAME" | xargs -r docker rm -f >/dev/null
}
how_to_remove() { echo "COMPOSE_PROJECT_NAME=$COMPOSE_PROJECT_NAME docker compose --profile monitoring --profile tools down --volumes"; }

in_background() { compose exec -T -d "$@"; }
kill_node() { docker kill "$(compose ps -q "$1")" >/dev/null; }
start_node() { compose start "$1" >/dev/null 2>&1; }
renew_certificates() { compose run --rm certs renew /hosts --all; }
check_stop() {
  local first code
  first=$(leader)
  compose stop "$first" >/dev/null 2>&1
  code=$(docker inspect -f '{{.State.ExitCode}}' "$(compose ps -aq "$first")")
  [ "$code" = 0 ] || { why "$first ended with $code"; return; }
  until_so 5 other_leader "$first" || { why "nobody leads 5 s after $first was stopped in order"; return; }
  start_node "$first" && until_so 60 cluster_whole || why "$first does not rejoin"
}
# Nobody reaches the leader, and it reaches nobody, etcd neither: somebody else leads, and its own server is gone or waits.
check_partition() {
  local first container network mark=cut-$RANDOM$RANDOM said
  first=$(leader)
  container=$(compose ps -q "$first")
  network=$(docker inspect -f '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}' "$container")
  docker network disconnect "$network" "$container" || { why "$first is not cut off"; return; }
  until_so 60 other_leader "$first" || { why "nobody else leads a minute after $first was cut off"; return; }
  until_so 30 mark_written "$mark" || { why "no write behind the cut: $(cat "$WORK/said")"; return; }
  said=$(docker exec "$container" psql -XAtq -h /run/postgresql -U postgres -d postgres -c "SELECT pg_is_in_recovery()" 2>&1)
  [ "$said" != f ] || { why "$first takes writes still"; return; }
  docker network connect --alias "$first" "$network" "$container" || { why "$first is not connected again"; return; }
  until_so 90 cluster_whole || { why "$first does not rejoin"; return; }
  until_so 15 row_on "$first" "$mark" || { why "$first has not got what was written meanwhile: $(cat "$WORK/said")"; return; }
  sql "$(leader)" "$(conninfo_rw) $TLS" "DELETE FROM verify_marks WHERE mark = '$mark'" >"$WORK/said" 2>&1 || why "$(cat "$WORK/said")"
}
mark_written() { sql "$(leader)" "$(conninfo_rw) $TLS" "INSERT INTO verify_marks VALUES ('$1')" >"$WORK/said" 2>&1; }
# As README.md says it; the new container rejoins, the others do not notice.
check_upgrade() {
  local before
  before=$(compose ps -q postgres-2)
  compose up --detach --no-deps --force-recreate --wait postgres-2 >"$WORK/said" 2>&1 || { why "$(tail -n 1 "$WORK/said")"; return; }
  [ "$(compose ps -q postgres-2)" != "$before" ] || { why "postgres-2 runs on in its former container"; return; }
  until_so 60 cluster_whole || why "postgres-2 does not rejoin"
}
# The quick start's passwords, in files that everybody may read, and nobody tested a restore.
DOCTOR_FAILS="passwords file-modes restore-test"
TARGETS=0
[[ $COMPOSE_PROFILES != *monitoring* ]] || TARGETS=12
# shellcheck source=tests/verify/containers.sh
. tests/verify/containers.sh
# With compose.repository-host.yaml in COMPOSE_FILE backups are taken on the host of the repository, and the nodes have none.
if [[ ${COMPOSE_FILE:-} == *repository-host* ]]; then
  # What the agents did not begin they see ten minutes later at the latest.
  DOCTOR_MAY_FAIL=backup-age
  LATE_METRICS='aurum_backup_|pgbackrest_'
  repository_ports() { echo "pgbackrest 8432"; }
  backup() {
    case $2 in
      now) on_repository_host stanza-create && on_repository_host backup --type=full ;;
      *) in_node "$1" aurum backup "${@:2}" ;;
    esac
  }
  on_repository_host() { in_node pgbackrest pgbackrest --stanza="$STANZA" "$@"; }
  by_hand() {
    case "$*" in
      *"pgbackrest --stanza=$STANZA backup"*) in_node pgbackrest "${@:2}" ;;
      *) in_node "$@" ;;
    esac
  }
fi
# It has the repository and nothing else, and gives a database back also when no node runs.
check_backup_container() {
  compose run --rm pgbackrest info >"$WORK/by-hand" 2>&1 && grep -q 'stanza: postgres-cluster' "$WORK/by-hand" ||
    { why "info: $(tail -n 2 "$WORK/by-hand" | tr '\n' ' ')"; return; }
  [ "$(id -u)" = 0 ] || return 0  # a folder of the container's user is needed
  install -d -o 1000 -g 1000 -m 700 "$WORK/restored"
  compose run --rm --volume "$WORK/restored:/restored" pgbackrest --config=/etc/pgbackrest.conf --stanza=postgres-cluster --pg1-path=/restored restore >"$WORK/by-hand" 2>&1 &&
    [ -s "$WORK/restored/PG_VERSION" ] || why "restore: $(tail -n 2 "$WORK/by-hand" | tr '\n' ' ')"
}
logs_of() { compose logs --since 60s "$1"; }
DOORS=1 LOST_DOORS=0

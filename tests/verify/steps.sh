# What verify.sh tries, whatever the stack is made of.
# shellcheck shell=bash

# leader, replicas: from members(), which is JSON on one line: "Member": "postgres-1", ... "Role": "Leader".
list() { members | tr '{' '\n' | sed -n 's/.*"Member": "\([^"]*\)".*"Role": "\([^"]*\)".*"State": "\([^"]*\)".*/\1|\2|\3/p' | tee "$WORK/list"; }
leader() { list | awk -F'|' '$2 == "Leader" {print $1; exit}'; }
replicas() { list | awk -F'|' '$2 != "Leader" {print $1}'; }
cluster_whole() { list | awk -F'|' '$2 == "Leader" && $3 == "running" {l++} $2 != "Leader" && $3 == "streaming" {r++} END {exit !(l == 1 && r == 2)}'; }

check_connections() {
  local node said
  for node in "${NODES[@]}"; do
    said=$(sql "$node" "$(conninfo_of "$node") $TLS" 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()' 2>&1)
    [ "$said" = t ] || { why "$node: $said"; return; }
  done
}

check_doors() {
  local name conninfo said
  [ -n "$(doors)" ] || { left_out "$NO_DOORS"; return; }
  while IFS=: read -r name conninfo; do
    said=$(sql "${NODES[0]}" "$conninfo" 'SELECT 1' 2>&1)
    [ "$said" = 1 ] || { why "$name: $said"; return; }
  done < <(doors)
}

# All that a client of a database can reach, without TLS: refused, and for that. What speaks HTTP answers no question.
check_plain_refused() {
  local name conninfo said
  while IFS=: read -r name conninfo; do
    [ -n "$name" ] || continue
    if said=$(sql "${NODES[0]}" "$conninfo sslmode=disable" 'SELECT 1' 2>&1); then
      why "$name takes a plain connection"
      return
    fi
    [[ $said == *"no encryption"* || $said == *"SSL required"* ]] || { why "$name: refused, but not for that: $said"; return; }
  done < <(for name in "${NODES[@]}"; do echo "$name: $(conninfo_of "$name")"; done; doors; poolers)
  # shellcheck disable=SC2016 # expanded there
  said=$(within bash -c 'while read -r host port kind; do
      [ -z "$kind" ] || continue
      exec 3<>"/dev/tcp/$host/$port" || { echo "$host:$port is closed;"; continue; }
      # A reset is as good a refusal as an error page.
      answer=$({ printf "GET /metrics HTTP/1.0\r\n\r\n" >&3; timeout 2 head -c 30 <&3; } 2>/dev/null | tr -d "\0")
      [[ $answer != HTTP/*" 200"* ]] || echo "$host:$port answers without TLS;"
      exec 3>&-
    done <<<"$1"' - "$(tls_ports)" 2>&1)
  [ -z "$said" ] || why "$said"
}

check_replication() {
  local node mark
  mark=row-$RANDOM$RANDOM
  sql "${NODES[0]}" "$(conninfo_rw) $TLS" "CREATE TABLE verify_marks (mark text)" >"$WORK/said" 2>&1 &&
    sql "${NODES[0]}" "$(conninfo_rw) $TLS" "INSERT INTO verify_marks VALUES ('$mark')" >"$WORK/said" 2>&1 || { why "$(cat "$WORK/said")"; return; }
  for node in $(replicas); do
    until_so 15 row_on "$node" "$mark" || { why "$node has not got it after 15 s: $(cat "$WORK/said")"; return; }
  done
}
row_on() { [ "$(sql "$1" "$(conninfo_of "$1") $TLS" "SELECT pg_is_in_recovery() || mark FROM verify_marks WHERE mark = '$2'" 2>"$WORK/said")" = "true$2" ]; }

check_rest() {
  local node first
  first=$(leader)
  health "$first" /primary || { why "$first leads, and /primary says no"; return; }
  ! health "$first" /replica || { why "$first leads, and /replica says yes"; return; }
  for node in $(replicas); do
    health "$node" /replica || { why "$node follows, and /replica says no"; return; }
  done
}

# Of every port that has TLS: "HOST:PORT ADDRESS SERIAL" of the certificate which is served there.
# shellcheck disable=SC2016 # expanded there
serials() {
  within bash -c 'while read -r host port kind; do
      for address in $(getent ahostsv4 "$host" | cut -d" " -f1 | sort -u); do
        echo "$host:$port $address $(timeout 5 openssl s_client -connect "$address:$port" ${kind:+-starttls "$kind"} </dev/null 2>/dev/null |
          openssl x509 -noout -serial 2>/dev/null)"
      done
    done <<<"$1"' - "$(tls_ports)" | sort
}
all_renewed() {
  serials >"$WORK/serials.now"
  { comm -12 "$WORK/serials" "$WORK/serials.now"; awk 'NF < 3' "$WORK/serials.now"; } >"$WORK/former"
  [ ! -s "$WORK/former" ] && [ -s "$WORK/serials.now" ]
}
check_renewal() {
  within bash -c 'command -v openssl' >/dev/null || { left_out "there is no openssl"; return; }
  serials >"$WORK/serials"
  [ "$(awk 'NF == 3 {print $1}' "$WORK/serials" | sort -u | wc -l)" = "$(tls_ports | wc -l)" ] ||
    { why "no certificate is served at: $(awk 'NF < 3 {print $1}' "$WORK/serials" | tr '\n' ' ')"; return; }
  renew_certificates >"$WORK/said" 2>&1 || { why "$(tail -n 2 "$WORK/said")"; return; }
  until_so 30 all_renewed || why "after 30 s the former one is served still at: $(cut -d' ' -f1,2 "$WORK/former" | tr '\n' ' ')"
}

other_leader() {
  local now
  now=$(leader)
  [ -n "$now" ] && [ "$now" != "$1" ]
}
# acknowledged: "ROW SECONDS" of each, as the writer's own clock has it.
written() { [ "$(acknowledged 2>/dev/null | wc -l)" -gt "$1" ]; }

check_failover() {
  local first before from
  first=$(leader)
  sql "${NODES[0]}" "$(conninfo_rw) $TLS" 'CREATE TABLE verify_rows (n int PRIMARY KEY)' >"$WORK/said" 2>&1 || { why "$(cat "$WORK/said")"; return; }
  start_writing "$(replicas | head -n 1)"
  until_so 20 written 5 || { why "no write was acknowledged"; return; }
  from=$(now)
  kill_node "$first"
  killed=$first
  until_so 60 other_leader "$first" || { why "nobody else leads a minute after $first was killed"; return; }
  before=$(acknowledged | wc -l)
  until_so 60 written "$before" || { why "no write was acknowledged after the failover"; return; }
  # What the writer saw, which is less than what this script sees: it asks by programs that take their time to start.
  acknowledged | awk -v from="$from" -v leader="$(leader)" '
    $2 < from {last = $2}
    $2 >= from {if (last && $2 - last > longest) longest = $2 - last; last = $2}
    END {printf "writes stood still for %.1f s, until %s took them\n", longest, leader}' >"$WORK/failover"
  explained | sed -n 's/^ *took  */of these, by aurum ctl explain: /p' | head -n 1 >>"$WORK/failover"
}

# A new leader tells every HAProxy and PgBouncer there is: DOORS of each on machines that are well, and at most LOST_DOORS on
# one that is lost. A minute ago it promoted itself.
check_told() {
  local first told
  [ -n "$(doors)" ] || { left_out "$NO_DOORS"; return; }
  first=$(leader)
  logs_of "$first" >"$WORK/said" 2>&1
  grep -q 'promoted self to leader' "$WORK/said" || { why "$first has no word of its promotion in its log"; return; }
  told=$(grep -oE 'told HAProxy at [^ ]+( [(][0-9.]+[)])? in' "$WORK/said" | sort -u | wc -l)
  [ "$told" -ge "$DOORS" ] || { why "$first told $told of $DOORS HAProxies"; return; }
  grep -E 'was not told of this leader|PgBouncer: ' "$WORK/said" >"$WORK/wrong"
  [ "$(grep -oE '[(][0-9.]+[)]' "$WORK/wrong" | sort -u | wc -l)" -le $((2 * LOST_DOORS)) ] && { [ "$LOST_DOORS" != 0 ] || [ ! -s "$WORK/wrong" ]; } ||
    why "$(tail -n 1 "$WORK/wrong" | cut -c1-200)"
}

# Every acknowledged row is there, also after the killed node came back.
check_nothing_lost() {
  local missing
  stop_writing
  start_node "$killed" || { why "$killed does not start"; return; }
  until_so 90 cluster_whole || { why "not whole again after 90 s: $(tr '\n' ',' <"$WORK/list")"; return; }
  acknowledged | cut -d' ' -f1 | sort >"$WORK/acknowledged.sorted"
  sql "${NODES[0]}" "$(conninfo_rw) $TLS" 'SELECT n FROM verify_rows' 2>&1 | sort >"$WORK/there"
  missing=$(comm -23 "$WORK/acknowledged.sorted" "$WORK/there" | wc -l)
  [ "$missing" = 0 ] || why "$missing of $(wc -l <"$WORK/acknowledged.sorted") acknowledged rows are lost"
}

# The agents take a first one by themselves, and never two at a time.
backup_taken() {
  taken=0
  backup "$1" now --type full >"$WORK/backup" 2>&1 || { taken=$?; ! grep -q ' runs on ' "$WORK/backup"; }
}
check_backup() {
  local first
  first=$(leader)
  until_so 60 backup_taken "$first" && [ "$taken" = 0 ] || { why "$(tail -n 2 "$WORK/backup" | tr '\n' ' ')"; return; }
  backup "$first" check >"$WORK/backup" 2>&1 || { why "$(tail -n 2 "$WORK/backup" | tr '\n' ' ')"; return; }
  backup "$first" list --json >"$WORK/backup" 2>&1 || { why "$(tail -n 2 "$WORK/backup" | tr '\n' ' ')"; return; }
  grep -q '"full"' "$WORK/backup" || why "the backup is not listed"
}

# pgBackRest as it is called without Aurum, by by_hand NODE COMMAND...: it backs up, tells, and gives a database back.
# Its lock is known to the node's own runs: then once more.
taken_by_hand() { by_hand "$1" pgbackrest --stanza="$STANZA" backup --type=full >"$WORK/by-hand" 2>&1 || ! grep -q '\[050\]' "$WORK/by-hand"; }
check_pgbackrest() {
  local first fulls
  first=$(leader)
  until_so 60 taken_by_hand "$first" && ! grep -q ERROR "$WORK/by-hand" || { why "backup: $(tail -n 2 "$WORK/by-hand" | tr '\n' ' ')"; return; }
  by_hand "$first" pgbackrest info >"$WORK/by-hand" 2>&1 || { why "info: $(tail -n 2 "$WORK/by-hand" | tr '\n' ' ')"; return; }
  fulls=$(grep -c 'full backup: ' "$WORK/by-hand")
  [ "$fulls" -ge 2 ] || { why "info: $fulls full backups: $(tr '\n' ' ' <"$WORK/by-hand")"; return; }
  # Its server sees the rows of the stack, and is no part of it: it listens on a socket only.
  # shellcheck disable=SC2016 # expanded there
  by_hand "$first" bash -c 'set -e; mkdir -m 700 "$1" "$1/data"; trap "rm -rf $1" EXIT
    pgbackrest --stanza="$2" --pg1-path="$1/data" restore
    pg_ctl start -s -w -D "$1/data" -l "$1/log" -o "-p 5999 -c listen_addresses= -c unix_socket_directories=$1 -c archive_mode=off -c shared_preload_libraries= -c ssl=off"
    psql -XAtq "host=$1 port=5999 user=postgres dbname=postgres" -c "SELECT count(*) FROM verify_marks"
    pg_ctl stop -s -w -m fast -D "$1/data"' - "$BY_HAND" "$STANZA" >"$WORK/by-hand" 2>&1 ||
    { why "restore: $(tail -n 3 "$WORK/by-hand" | tr '\n' ' ')"; return; }
  grep -qx 1 "$WORK/by-hand" || { why "restore: the copy has not the stack's rows: $(tail -n 3 "$WORK/by-hand" | tr '\n' ' ')"; return; }
  check_backup_container
}

# What aurum doctor finds is what this stack is known to lack (DOCTOR_FAILS); it knows all, and the rest is well, but for
# what depends on this machine. Soon: an overlay network that lost a machine knows the names of its containers half a minute
# after it is back.
check_doctor() { until_so 60 doctor_as_expected || why "$(cat "$WORK/doctor-why")"; }
doctor_as_expected() {
  doctor "$(leader)" 2>"$WORK/said" | tr -d '\n' | tr '{' '\n' | sed -n 's/.*"id": *"\([^"]*\)".*"health": *"\([^"]*\)".*/\1 \2/p' >"$WORK/doctor"
  [ "$(wc -l <"$WORK/doctor")" -gt 20 ] || { echo "it does not judge: $(cat "$WORK/said")" >"$WORK/doctor-why"; return 1; }
  # shellcheck disable=SC2086 # a list of words
  printf '%s\n' $DOCTOR_FAILS ${DOCTOR_MAY_FAIL:-} guard time-sync disk-room etcd-disk | sort >"$WORK/expected"
  awk '$2 != "pass" {print $1}' "$WORK/doctor" | sort | comm -23 - "$WORK/expected" >"$WORK/more"
  [ ! -s "$WORK/more" ] || { grep -wFf "$WORK/more" "$WORK/doctor" | tr '\n' ';' >"$WORK/doctor-why"; return 1; }
  awk '$2 == "fail" {print $1}' "$WORK/doctor" | sort | comm -13 - <(printf '%s\n' $DOCTOR_FAILS | sort) >"$WORK/fewer"
  [ ! -s "$WORK/fewer" ] || { echo "it does not see what this stack lacks: $(tr '\n' ' ' <"$WORK/fewer")" >"$WORK/doctor-why"; return 1; }
}

run_steps() {
  echo "Verifying a stack ($mode)"
  step "starting it" bring_up
  step "waiting until all is healthy" wait_healthy
  HEALTHY=$(since "$STARTED")
  step "connecting to every node by TLS, names checked" check_connections
  step "the ways in for applications" check_doors
  step "the pooler" check_pooler "${NODES[0]}"
  step "plain connections are refused" check_plain_refused
  step "a row written is read on both replicas" check_replication
  step "renewed certificates are served at every port without a restart" check_renewal
  step "REST: who leads, who follows" check_rest
  step "metrics" check_metrics
  # Before what restarts agents: in failsafe mode one that began less than 30 s ago may have to wait (docs/decisions/0014).
  step "failover: the leader is killed while writes go on" check_failover
  sed 's/^/           /' "$WORK/failover"
  step "HAProxy and PgBouncer were told of the new leader" check_told
  step "nothing acknowledged is lost; the killed node rejoins" check_nothing_lost
  step "a leader that is cut off is replaced, and writes no more" check_partition
  step "a killed agent is started again, PostgreSQL runs on" check_first_process
  step "a planned end of the leader hands over" check_stop
  step "a new image for one member" check_upgrade
  step "a backup, its archive and its list" check_backup
  step "pgBackRest's own commands" check_pgbackrest
  step "dashboards: every query has an answer" check_dashboards
  step "aurum doctor: the production checklist" check_doctor
}

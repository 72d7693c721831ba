# verify.sh against stack.yaml: a swarm of three managers on this machine. Each is a docker engine in a network namespace of
# its own, joined by a bridge in a fourth; nothing of this machine's own engine or network is touched. Needs root.
# shellcheck shell=bash disable=SC2034 # the variables are verify.sh's

NODES=(postgres-1 postgres-2 postgres-3)
program=${AURUM_PROGRAM:-$PWD/build/release/aurum}
[ "$(id -u)" = 0 ] || { echo "error: a swarm on one machine needs root: it makes network namespaces" >&2; exit 2; }
for tool in dockerd docker ip iptables nsenter unshare; do
  command -v $tool >/dev/null || { echo "error: $tool is missing" >&2; exit 2; }
done
[ -x "$program" ] || { echo "error: $program is not built" >&2; echo "hint: ./dev build, or AURUM_PROGRAM" >&2; exit 2; }
export AURUM_DEVELOPMENT=1 AURUM_TAG=${AURUM_TAG:-dev} AURUM_CERTS=$WORK/certs BACKUPS_DEVICE=$WORK/backups
swarm=vs$$
subnet=10.$((100 + $$ % 100)).7

d() {  # NODE-NUMBER DOCKER-ARGUMENTS...
  local number=$1
  shift
  docker -H "unix://$WORK/$number.sock" "$@" </dev/null
}
# The engine that a service of its own node, or one of the many, runs at.
number_of() { case $1 in *-[123]) echo "${1##*-}" ;; *) echo 1 ;; esac; }
container_of() { d "$(number_of "$1")" ps -q -f "label=com.docker.swarm.service.name=aurum_$1" -f status=running | head -n 1; }
in_node() {  # NODE COMMAND...
  local container
  container=$(container_of "$1")
  [ -n "$container" ] || return 1
  d "$(number_of "$1")" exec "$container" "${@:2}"
}
in_background() { d "$(number_of "$1")" exec -d "$(container_of "$1")" "${@:2}"; }

# as_readme PATTERN: does what README.md says under "On several machines", with the names of this swarm: its lines that match.
as_readme() {
  local lines line
  mapfile -t lines < <(awk '$0 == "## On several machines" {on = 1; next} /^## / {on = 0} on && /^    [^ ]/ {print substr($0, 5)}' README.md |
    grep -E -- "$1" | sed -e "s#/etc/aurum/certs#$AURUM_CERTS#g" -e "s#^aurum #$program #" -e "s#^docker #docker -H unix://$WORK/1.sock #" \
    -e "s/NODE\([123]\)/$swarm-\1/" -e "s/:NEW /:$AURUM_TAG-next /")
  [ ${#lines[@]} -gt 0 ] || { echo "README.md has no line like $1" >&2; return 1; }
  for line in "${lines[@]}"; do bash -c "$line" </dev/null >/dev/null || return; done
}
make_network() {
  local i
  # Beyond the bridge is nothing, and it says so at once, also when it is asked for a name: engines look for a registry first.
  ip netns add $swarm && ip -n $swarm link add br0 type bridge && ip -n $swarm addr add "$subnet.1/24" dev br0 && ip -n $swarm link set br0 up &&
    nsenter --net=/var/run/netns/$swarm sysctl -qw net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_msgs_per_sec=100000 || return
  for i in 1 2 3; do
    ip netns add $swarm-$i && ip -n $swarm-$i link set lo up &&
      ip link add eth0 netns $swarm-$i type veth peer name port$i netns $swarm &&
      ip -n $swarm-$i addr add "$subnet.1$i/24" dev eth0 && ip -n $swarm-$i link set eth0 up &&
      ip -n $swarm-$i route add default via "$subnet.1" &&
      ip -n $swarm link set port$i master br0 up || return
  done
}
engines_answer() { d 1 info && d 2 info && d 3 info; } >/dev/null 2>&1
start_engines() {
  local i
  for i in 1 2 3; do
    mkdir -p "$WORK/$i"
    echo "nameserver $subnet.1" >"$WORK/resolv.conf"
    nsenter --net=/var/run/netns/$swarm-$i unshare --uts --mount sh -c "mount --bind $WORK/resolv.conf /etc/resolv.conf;
      hostname $swarm-$i; exec dockerd --data-root $WORK/$i/root \
      --exec-root $WORK/$i/exec -p $WORK/$i/pid -H unix://$WORK/$i.sock --cgroup-parent /$swarm-$i" >"$WORK/$i/log" 2>&1 </dev/null &
  done
  until_so 30 engines_answer
}
join() {
  local i token
  d 1 swarm init --advertise-addr "$subnet.11" >/dev/null && token=$(d 1 swarm join-token -q manager) || return
  for i in 2 3; do d $i swarm join --advertise-addr "$subnet.1$i" --token "$token" "$subnet.11:2377" >/dev/null || return; done
  as_readme 'node update'
}
load_images() {
  local i images=()
  for i in postgres etcd haproxy pgbouncer postgres-exporter; do images+=("aurum-$i:$AURUM_TAG"); done
  docker save -o "$WORK/images.tar" "${images[@]}" && docker save -o "$WORK/first.tar" "aurum-prometheus:$AURUM_TAG" "aurum-alertmanager:$AURUM_TAG" || return
  for i in 1 2 3; do d $i load -q -i "$WORK/images.tar" >/dev/null || return; done
  d 1 load -q -i "$WORK/first.tar" >/dev/null && rm "$WORK/images.tar" "$WORK/first.tar"
}
make_files() {
  install -d -o 1000 -g 1000 -m 750 "$BACKUPS_DEVICE"
  as_readme 'install -d' && as_readme 'certs init'
}
bring_up() {
  docker image inspect "aurum-postgres:$AURUM_TAG" >/dev/null 2>&1 || { why "there is no image aurum-postgres:$AURUM_TAG; ./dev images"; return; }
  make_network >"$WORK/up.log" 2>&1 || { why "the network: $(tail -n 1 "$WORK/up.log")"; return; }
  start_engines || { why "the engines: $(tail -qn 1 "$WORK"/[123]/log | tr '\n' ' ')"; return; }
  join 2>"$WORK/up.log" || { why "the swarm: $(tail -n 1 "$WORK/up.log")"; return; }
  load_images 2>"$WORK/up.log" || { why "the images: $(tail -n 1 "$WORK/up.log")"; return; }
  make_files 2>"$WORK/up.log" || { why "the certificates: $(tail -n 1 "$WORK/up.log")"; return; }
  STARTED=$(now)
  as_readme 'stack (deploy|ps)' 2>"$WORK/up.log" || why "$(tail -n 2 "$WORK/up.log" | tr '\n' ' ')"
}
# As many tasks run, by their own checks, as there are to be.
all_running() {
  d 1 service ls --format '{{.Name}} {{.Replicas}}' >"$WORK/states" || return 1
  awk '{split($2, n, "/"); if (n[1] != n[2]) bad = 1} END {exit bad || NR < 13}' "$WORK/states"
}
wait_healthy() {
  until_so 180 all_running && until_so 60 cluster_whole && return
  why "$(awk '{split($2, n, "/")} n[1] != n[2] {printf "%s is %s; ", $1, $2}' "$WORK/states") $(cat "$WORK/list" 2>/dev/null)"
}
members() {
  local node
  for node in "${NODES[@]}"; do
    in_node "$node" timeout 8 aurum ctl list --format json 2>/dev/null && return
  done
  return 1
}
tell_more() {
  local node
  d 1 node ls
  d 1 stack ps aurum --no-trunc --format '{{.Name}} {{.CurrentState}} {{.Error}}' | head -n 30
  for node in etcd-1 "${NODES[@]}"; do
    echo "--- $node"
    d "$(number_of "$node")" logs --tail 8 "$(d "$(number_of "$node")" ps -aq -f "label=com.docker.swarm.service.name=aurum_$node" | head -n 1)" 2>&1 | cut -c1-200
  done
}
# Engines are ended by their pids; what they leave is found by the folder they work in.
clean_up() {
  local i pids=()
  for i in 1 2 3; do
    [ ! -s "$WORK/$i/pid" ] || pids+=("$(cat "$WORK/$i/pid")")
    [ ! -S "$WORK/$i.sock" ] || d $i ps -aq 2>/dev/null | xargs -r docker -H "unix://$WORK/$i.sock" kill >/dev/null 2>&1
  done
  [ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null
  engines_gone() { local p; for p in "${pids[@]}"; do [ ! -d "/proc/$p" ] || return 1; done; }
  until_so 30 engines_gone || kill -9 "${pids[@]}" 2>/dev/null
  of_ours | xargs -r kill -9 2>/dev/null
  until_so 10 none_of_ours
  awk -v w="$WORK/" 'index($2, w) == 1 {print $2}' /proc/mounts | sort -r | xargs -r -n 1 umount -l 2>/dev/null
  for i in 1 2 3; do
    ip netns del $swarm-$i 2>/dev/null
    find /sys/fs/cgroup -mindepth 1 -depth -type d -path "*/$swarm-$i*" -exec rmdir {} + 2>/dev/null
  done
  ip netns del $swarm 2>/dev/null
  return 0
}
of_ours() { grep -ls -- "$WORK/[123]/" /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3 | grep -vx $$; }
none_of_ours() { [ -z "$(of_ours)" ]; }
how_to_remove() { echo "kill \$(cat $WORK/[123]/pid); ip netns del $swarm, $swarm-1, $swarm-2, $swarm-3; rm -r $WORK"; }

# A whole machine is lost: its engine, its member of etcd and its PostgreSQL hear nobody, and nobody hears them.
kill_node() { ip -n $swarm link set "port$(number_of "$1")" down; }
start_node() { ip -n $swarm link set "port$(number_of "$1")" up; }
check_partition() { left_out "the failover was one: it cut a whole machine off"; }
renew_certificates() { "$program" certs renew "$AURUM_CERTS" --all; }
check_stop() {
  local first code=''
  first=$(leader)
  d 1 service scale -d "aurum_$first=0" >/dev/null 2>&1
  until_so 60 stopped "$first" || { why "$first was not stopped"; return; }
  [ "$code" = 0 ] || { why "$first ended with $code"; return; }
  until_so 5 other_leader "$first" || { why "nobody leads 5 s after $first was stopped in order"; return; }
  d 1 service scale -d "aurum_$first=1" >/dev/null 2>&1
  until_so 90 cluster_whole || why "$first does not rejoin"
}
stopped() {
  local last
  last=$(d "$(number_of "$1")" ps -aq -f "label=com.docker.swarm.service.name=aurum_$1" | head -n 1)
  [ -n "$last" ] || return 1
  read -r state code < <(d "$(number_of "$1")" inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$last" 2>/dev/null)
  [ "${state:-}" = exited ]
}
# A new image for one member, which rejoins; the others do not notice.
check_upgrade() {
  local before
  for i in 1 2 3; do d $i tag "aurum-postgres:$AURUM_TAG" "aurum-postgres:$AURUM_TAG-next"; done
  before=$(container_of postgres-2)
  as_readme 'service update' 2>"$WORK/said" || { why "$(tail -n 1 "$WORK/said")"; return; }
  [ "$(container_of postgres-2)" != "$before" ] || { why "postgres-2 runs on in its former container"; return; }
  until_so 60 cluster_whole || why "postgres-2 does not rejoin"
}
# The quick start's passwords, and nobody tested a restore.
DOCTOR_FAILS="passwords restore-test"
# One of each runs on every machine, and the leader's was cut off.
logs_of() { d "$(number_of "$1")" logs --since 90s "$(container_of "$1")"; }
DOORS=2 LOST_DOORS=1
TARGETS=12
# shellcheck source=tests/verify/containers.sh
. tests/verify/containers.sh

# Shared by ./dev and the scripts beside it: saying what is done, installing what is missing.
# shellcheck shell=bash

say() { printf '==> %s\n' "$*"; }
warn() { printf 'dev: warning: %s\n' "$*" >&2; }
die() {
  printf 'dev: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf '  %s\n' "$2" >&2
  exit 1
}

# Runs a command as root: directly, or by sudo.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Names of packages of the groups given, from tools/packages.txt.
packages_of() {
  local group
  for group in "$@"; do awk -v g="$group" '$1 == g {print $2}' "$ROOT/tools/packages.txt"; done
}

missing_packages() {
  printf '%s\n' "$@" | grep -vxFf <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
    awk '$2 == "installed" {print $1}') || true
}

# Until this shell ends, no package may start its daemon, nor create Debian's main cluster. An existing policy-rc.d is
# kept as it is when it forbids starting already, else it is put back afterwards, as is all else.
QUIET_FILES=()
QUIET_MARK='# made by aurum ./dev while it installs packages'
quiet_begin() {
  trap quiet_end EXIT
  trap 'exit 130' INT TERM HUP
  local policy=/usr/sbin/policy-rc.d verdict=0
  # A run that was killed left its own: put the machine's back first.
  if grep -qs "$QUIET_MARK" "$policy"; then QUIET_FILES=("$policy"); quiet_end; fi
  if [ -x "$policy" ]; then "$policy" postgresql start >/dev/null 2>&1 || verdict=$?; fi
  if [ "$verdict" != 101 ]; then
    if [ -e "$policy" ]; then as_root mv "$policy" "$policy.before-aurum"; fi
    printf '#!/bin/sh\n%s\nexit 101\n' "$QUIET_MARK" | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    QUIET_FILES+=("$policy")
  fi
  # Read by pg_createcluster when a server package is installed (pg_createcluster(8)); in a folder of its own which
  # sorts last, so the administrator's settings are not touched. Existing clusters do not read it.
  local dir=/etc/postgresql-common/createcluster.d
  QUIET_FILES+=("$dir/zz-aurum-install.conf")
  as_root mkdir -p "$dir"
  echo 'create_main_cluster = false' | as_root tee "$dir/zz-aurum-install.conf" >/dev/null
}
quiet_end() {
  local file
  for file in "${QUIET_FILES[@]}"; do
    as_root rm -f "$file"
    if [ -e "$file.before-aurum" ]; then as_root mv "$file.before-aurum" "$file"; fi
  done
  QUIET_FILES=()
}

# Installs what is missing of the groups given.
need() {
  local missing
  command -v dpkg-query >/dev/null || die "this needs Debian 12 (or one made from it)" "See tools/packages.txt for what to install."
  # shellcheck disable=SC2046 # one word for each package
  mapfile -t missing < <(missing_packages $(packages_of "$@"))
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${#missing[@]} packages: ${missing[*]}"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "packages are missing and there is no sudo" "As root: apt-get install ${missing[*]}"
  fi
  (
    quiet_begin
    export DEBIAN_FRONTEND=noninteractive
    as_root apt-get -qq update || warn "apt-get update failed; trying with the lists at hand"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      -o Dpkg::Options::=--force-confold "${missing[@]}" </dev/null >"$LOG_DIR/apt.log" 2>&1 ||
      { tail -n 15 "$LOG_DIR/apt.log" >&2; die "apt-get could not install them" "The whole output is in $LOG_DIR/apt.log."; }
  )
}

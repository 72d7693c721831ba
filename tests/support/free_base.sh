# shellcheck shell=bash
# free_base: forty ports in a row on which nobody listens, below the kernel's range for outgoing connections.
free_base() {
  local base port used
  used=" $(awk 'FNR > 1 {split($2, a, ":"); print a[2]}' /proc/net/tcp /proc/net/tcp6 2>/dev/null | sort -u | tr '\n' ' ')"
  for base in $(seq $((20000 + $$ % 200 * 40)) 40 31000); do
    for port in $(seq "$base" $((base + 39))); do
      [[ $used != *" $(printf '%04X' "$port") "* ]] || continue 2
    done
    echo "$base"
    return
  done
}

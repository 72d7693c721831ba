# How verify.sh runs a step, and tells of all of them: a line each, a sum, JUnit.
# shellcheck shell=bash disable=SC2154 # mode, junit and keep are verify.sh's
STEPS=$WORK/steps
: >"$STEPS"
PASSED=0
LEFT_OUT=0
HEALTHY=''
BEGAN=$(date +%s.%N)

now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN {printf "%.1f", b - a}'; }
escaped() { sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g'; }

# A step's function says by why() what went wrong, and by left_out() that there is nothing to try here.
why() { printf '%s\n' "$*" >"$WORK/why"; return 1; }
left_out() { printf '%s\n' "$*" >"$WORK/left-out"; }

# step TEXT FUNCTION [ARGUMENTS...]
step() {
  local text=$1 began code=0
  shift
  began=$(now)
  rm -f "$WORK/why" "$WORK/left-out"
  [ -t 1 ] && printf '        .. %s\r' "$text"
  "$@" || code=$?
  if [ $code != 0 ]; then
    tell_step "$began" '!!' failed "$text" "$(cat "$WORK/why" 2>/dev/null || echo failed)"
    echo "error: $text: $(cat "$WORK/why" 2>/dev/null || echo failed)" >&2
    tell_more >&2
    exit 1
  elif [ -e "$WORK/left-out" ]; then
    tell_step "$began" -- skipped "$text" "$(cat "$WORK/left-out")"
    LEFT_OUT=$((LEFT_OUT + 1))
  else
    tell_step "$began" ok ok "$text" ''
    PASSED=$((PASSED + 1))
  fi
}
tell_step() {  # BEGAN SIGN STATE TEXT REASON
  local took
  took=$(since "$1")
  printf '%6ss %s %s%s\n' "$took" "$2" "$4" "$([ "$3" != skipped ] || printf ': left out: %s' "$5")"
  printf '%s\t%s\t%s\t%s\n' "$took" "$3" "$4" "$(tr '\t\n' '  ' <<<"$5")" >>"$STEPS"
}

count_of() { cut -f2 "$STEPS" | grep -cx "$1"; }
write_junit() {
  [ -n "$junit" ] || return 0
  mkdir -p "$(dirname "$junit")"
  {
    printf '<?xml version="1.0" encoding="UTF-8"?>\n'
    printf '<testsuite name="verify.%s" tests="%s" failures="%s" skipped="%s" time="%s">\n' \
      "$mode" "$(wc -l <"$STEPS")" "$(count_of failed)" "$(count_of skipped)" "$(since "$BEGAN")"
    [ -z "$HEALTHY" ] || printf '  <properties><property name="seconds_until_healthy" value="%s"/></properties>\n' "$HEALTHY"
    while IFS=$'\t' read -r took state text reason; do
      printf '  <testcase classname="verify.%s" name="%s" time="%s"' "$mode" "$(escaped <<<"$text")" "$took"
      case $state in
        ok) echo '/>' ;;
        skipped) printf '><skipped message="%s"/></testcase>\n' "$(escaped <<<"$reason")" ;;
        *) printf '><failure>%s</failure></testcase>\n' "$(escaped <<<"$reason")" ;;
      esac
    done <"$STEPS"
    echo '</testsuite>'
  } >"$junit"
}

finish() {
  local code=$? begun=''
  trap - EXIT
  [ ! -s "$STEPS" ] || begun=1
  write_junit
  if [ $code != 0 ] && [ -n "$keep" ]; then
    echo "It runs on; remove it: $(how_to_remove)"
  else
    clean_up
    rm -rf "$WORK"
  fi
  [ -n "$begun" ] || exit $code
  [ -z "$HEALTHY" ] || echo "All was healthy $HEALTHY s after the start."
  if [ $code = 0 ]; then
    echo "All $PASSED steps went well in $(since "$BEGAN") s$([ $LEFT_OUT = 0 ] || echo ", $LEFT_OUT left out")."
  else
    echo "$PASSED steps went well, then one failed."
  fi
  exit $code
}

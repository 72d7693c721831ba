# shellcheck shell=bash
# What README.md tells a person to type, and which test runs it. Sourced by bash, in the root of the checkout.
#
# A test says by `claim` of which sections it runs the lines, before it does anything; called with --claims it prints them
# and ends there, so that tests/docs/claims can tell whether a line is left to nobody. It says `ran LINE` of each that it
# has run, and by `all_ran`, at its end, that these were all of them.

# named_commands DOCUMENT SECTION...: "SECTION<TAB>LINE" of its indented lines, without their comments. A section is
# "Heading", or "Heading/Heading below it"; "*" is all of the document.
named_commands() {
  local document=$1 section
  shift
  for section in "$@"; do
    awk -v wanted="$section" '
      /^```/ {fenced = !fenced}
      fenced {next}
      /^## / {over = substr($0, 4); here = over; next}
      /^### / {here = over "/" substr($0, 5); next}
      wanted != "*" && wanted != over && wanted != here && (wanted != here "/" || here != over) {next}
      /^    [^ ]/ {sub(/ +# .*/, ""); print here "\t" substr($0, 5)}' "$document"
  done
}
commands_of() { named_commands "$@" | cut -f2-; }

claimed=()
lines_run=()
# claim PATTERN SECTION... -- "$@": the lines of these sections that begin like PATTERN (a Perl expression).
claim() {
  local pattern=$1 sections=() named
  shift
  while [ "$1" != -- ]; do
    sections+=("$1")
    shift
  done
  named=$(named_commands README.md "${sections[@]}" | grep -P -- "\t($pattern)")
  [ -n "$named" ] || { echo "FAILED: README.md has no commands like $pattern under: ${sections[*]}"; exit 1; }
  [ "${2:-}" != --claims ] || { echo "$named"; exit 0; }
  mapfile -t claimed < <(cut -f2- <<<"$named")
}
ran() { lines_run+=("$1"); }
all_ran() {
  local left
  left=$(LC_ALL=C comm -23 <(printf '%s\n' "${claimed[@]}" | LC_ALL=C sort -u) <(printf '%s\n' "${lines_run[@]}" | LC_ALL=C sort -u))
  [ -z "$left" ] || { printf 'FAILED: README.md says it, and this test did not run it:\n%s\n' "$left"; exit 1; }
}

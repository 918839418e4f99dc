# SPDX-License-Identifier: MIT
#
# For the checks that call a command and look at what it says and returns. Sourced; makes $scratch.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
expectations=0
failures=0

# expect STATUS PATTERN COMMAND...: its exit status, and a line of its output (extended regular
# expression; empty: no output at all).
expect() {
  local status=$1 pattern=$2 output got=0
  expectations=$((expectations + 1))
  shift 2
  output=$("$@" </dev/null 2>&1) || got=$?
  if [ "$got" -ne "$status" ]; then
    echo "FAILED: $* returns $got, expected $status"
  elif [ -z "$pattern" ] && [ -n "$output" ]; then
    echo "FAILED: $* says something, expected silence"
  elif [ -n "$pattern" ] && ! grep -qE -- "$pattern" <<<"$output"; then
    echo "FAILED: $* does not say: $pattern"
  else
    echo "ok: $* -> $got ${pattern:+, says: $pattern}"
    return
  fi
  printf '%s\n' "$output" | sed 's/^/    /'
  failures=$((failures + 1))
}

# finish: the exit status of the check.
finish() {
  echo "$expectations expectations, $failures failed"
  exit $((failures > 0))
}

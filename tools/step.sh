# shellcheck shell=bash
# Sourced by our scripts. step TITLE COMMAND...: runs a long command quietly, says how long it has
# been running every ten seconds, and shows the end of its output only if it failed.
step() {
  local title=$1 log started=$SECONDS ticker status=0
  shift
  log=$(mktemp)
  echo "$title ..."
  (while sleep 10 >/dev/null 2>&1; do echo "  ... $((SECONDS - started)) s"; done) &
  ticker=$!
  "$@" >"$log" 2>&1 </dev/null || status=$?
  kill "$ticker" 2>/dev/null
  wait "$ticker" 2>/dev/null || true
  if [ "$status" -ne 0 ]; then
    echo "$title: failed with status $status. The end of its output:" >&2
    tail -n 40 "$log" | sed 's/^/  | /' >&2
  elif [ $((SECONDS - started)) -ge 2 ]; then
    echo "  done in $((SECONDS - started)) s"
  fi
  rm -f "$log"
  return "$status"
}

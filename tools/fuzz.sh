#!/usr/bin/env bash
# Runs the fuzz targets that the preset `fuzz` built (build/fuzz/**/*_fuzz).
#
#   tools/fuzz.sh replay          each on its seeds (tests/fuzz/seeds/TARGET), once
#   tools/fuzz.sh run SECONDS     each for a while; new inputs are kept in build/fuzz-corpus/TARGET
#
# Status 2: there is no target. The targets canary_fuzz and *_canary_fuzz must fail: they
# prove that a failure is seen.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mapfile -t targets < <(find build/fuzz -name '*_fuzz' -type f -executable 2>/dev/null | sort)
if [ ${#targets[@]} -eq 0 ]; then
  echo "fuzz: no fuzz target exists yet at this stage of the project." >&2
  exit 2
fi
failed=()
for target in "${targets[@]}"; do
  name=$(basename "$target")
  seeds=tests/fuzz/seeds/$name corpus=build/fuzz-corpus/$name
  mkdir -p "$corpus"
  case "${1:-}" in
    replay) limits=(-runs=0) ;;
    run) limits=(-max_total_time="${2:?seconds}") ;;
    *) echo "usage: tools/fuzz.sh replay | run SECONDS" >&2 && exit 2 ;;
  esac
  [ ! -d "$seeds" ] || limits+=("$seeds")
  echo "== $name"
  status=0
  "$target" -artifact_prefix="$corpus/" -print_final_stats=0 -verbosity=0 "$corpus" \
    "${limits[@]}" >"build/$name.log" 2>&1 </dev/null || status=$?
  if [[ "$name" == *canary_fuzz ]]; then
    [ "$1" = replay ] || [ "$status" -ne 0 ] || failed+=("$name (it must fail, and did not)")
  elif [ "$status" -ne 0 ]; then
    tail -n 30 "build/$name.log"
    failed+=("$name")
  fi
done
if [ ${#failed[@]} -gt 0 ]; then
  printf 'fuzz: failed: %s\n' "${failed[@]}"
  exit 1
fi
echo "fuzz: ${#targets[@]} targets, all good"

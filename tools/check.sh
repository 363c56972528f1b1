#!/usr/bin/env bash
# The checks of `./dev check`. Everything runs, whatever failed before; the last line sums it up.
# --full: also the tests under ThreadSanitizer, crashes of tape and store many times over,
# clang-tidy, and the fuzz targets on their seeds.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
failed=()

check() {
  local name=$1
  shift
  echo "== $name"
  "$@" </dev/null || failed+=("$name")
}

sources() {
  git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do
    [ ! -e "$file" ] || echo "$file"
  done
}

formatting() {
  sources 'src/*.cpp' 'src/*.hpp' 'tests/*.cpp' 'tests/*.hpp' 'bench/*.cpp' |
    xargs -r clang-format-19 --dry-run -Werror
}

scripts() {
  local file
  mapfile -t shell < <(sources dev .ci/run '*.sh')
  shellcheck --external-sources "${shell[@]}" || return 1
  sources '*.py' | while read -r file; do
    python3 -c 'import sys; compile(open(sys.argv[1]).read(), sys.argv[1], "exec")' "$file" ||
      return 1
  done
}

thread_sanitizer() {
  ctest --test-dir build/tsan --parallel "$(nproc)" --no-tests=error --output-on-failure
}

# What `./dev test` plays some hundred times, some thousand times: power cuts, and real kills.
crashes() {
  local shard shards status=0 running=()
  shards=$(nproc)
  for ((shard = 0; shard < shards; ++shard)); do
    TAPEDECK_CRASH_SEEDS=2000 GTEST_TOTAL_SHARDS=$shards GTEST_SHARD_INDEX=$shard \
      build/dev/src/tape/td_tape_test --gtest_brief=1 \
      --gtest_filter='CrashDisk.*:Ends/*:DamageTest.*:Together.*' &
    running+=($!)
  done
  for shard in "${running[@]}"; do
    wait "$shard" || status=1
  done
  TAPEDECK_CRASH_SEEDS=2 build/dev/src/store/td_store_test --gtest_brief=1 \
    --gtest_filter='*Crash*' || status=1
  TAPEDECK_KILLS=2000 python3 tests/tape/kill_test.py || status=1
  TAPEDECK_KILLS=2000 python3 tests/e2e/run_test.py Restarts.test_killed_at_random || status=1
  return "$status"
}

# The compile commands are g++'s; clang does not know all of its warnings.
tidy() {
  run-clang-tidy-19 -quiet -p build/dev -j "$(nproc)" \
    -extra-arg=-Wno-unknown-warning-option "$PWD/src/.*" >build/tidy.log 2>&1
  local status=$?
  grep -E '(warning|error):' build/tidy.log | sort -u
  return "$status"
}

check "formatting" formatting
check "includes" python3 tools/check_includes.py
check "texts" python3 tools/check_texts.py
check "scripts" scripts
check "types of the dashboard" npm --prefix web run --silent check
if [ "${1:-}" = --full ]; then
  check "tests under ThreadSanitizer" thread_sanitizer
  check "crashes of tape and store, many times" crashes
  check "clang-tidy" tidy
  if compgen -G 'tests/fuzz/*_fuzz.cpp' >/dev/null; then
    check "fuzz targets on their seeds" tools/fuzz.sh replay
  else
    echo "== fuzz targets: there are none yet"
  fi
fi
if [ ${#failed[@]} -gt 0 ]; then
  printf 'check: failed: %s\n' "${failed[@]}"
  exit 1
fi
echo "check: all good"

#!/usr/bin/env bash
# Puts the contenders below build/: Python packages into build/bench-venv and build/csp-venv,
# QuestDB's jar into build/bench. What is there already is left alone. Registries are those that pip
# and mvn are set to.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tools/step.sh
. tools/step.sh

tools/python_environment.sh bench
tools/python_environment.sh bench/csp

# questdb.sha256 holds one line: the checksum, and questdb-VERSION.jar.
read -r _ jar <bench/questdb.sha256
version=${jar#questdb-}
if [ ! -e "build/bench/$jar" ]; then
  mkdir -p build/bench/new
  step "bench: fetch $jar" mvn --quiet --batch-mode \
    org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
    -Dartifact="org.questdb:questdb:${version%.jar}" -DoutputDirectory="$PWD/build/bench/new"
  (cd build/bench/new && sha256sum --check --quiet ../../../bench/questdb.sha256)
  mv "build/bench/new/$jar" "build/bench/$jar"
  rmdir build/bench/new
fi

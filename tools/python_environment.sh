#!/usr/bin/env bash
# Puts the packages of FOLDER/requirements.txt into build/NAME-venv, NAME being the folder's last
# part. What is there already is left alone. The registry is the one that pip is set to.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tools/step.sh
. "$root/tools/step.sh"

cd "$root"
wanted=$1/requirements.txt name=$(basename "$1")
environment=build/$name-venv
cmp -s "$wanted" "$environment/requirements.txt" && exit
rm -rf "$environment"
step "$name: make a Python environment" python3 -m venv "$environment"
step "$name: install what is in $wanted" "$environment/bin/python" -m pip install \
  --disable-pip-version-check --requirement "$wanted"
cp "$wanted" "$environment/requirements.txt"

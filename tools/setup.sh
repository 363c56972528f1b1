#!/usr/bin/env bash
# Installs what is missing of the package groups named as arguments (tools/packages/GROUP.txt).
# Nothing is asked, nothing present is touched; with all present it takes a tenth of a second.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tools/step.sh
. "$root/tools/step.sh"

require_debian_12() {
  local id="" version="" architecture
  if [ -r /etc/os-release ]; then
    id=$(. /etc/os-release && echo "${ID:-}")
    version=$(. /etc/os-release && echo "${VERSION_ID:-}")
  fi
  architecture=$(uname -m)
  case "$id $version $architecture" in
    "debian 12 x86_64" | "debian 12 aarch64") ;;
    *)
      echo "setup: tapedeck builds on Debian 12 (bookworm), x86-64 or arm64." >&2
      echo "setup: this is '${id:-unknown} ${version:-}' on $architecture. Run the same command" >&2
      echo "setup: on such a machine, or in a debian:12 container with this folder mounted." >&2
      exit 1
      ;;
  esac
}

# Prints the packages of the given groups that are not there.
missing_packages() {
  local group package command wanted=()
  for group in "$@"; do
    while read -r package command; do
      case "$package" in "" | "#"*) continue ;; esac
      if [ -n "$command" ]; then
        command -v "$command" >/dev/null || echo "$package"
      else
        wanted+=("$package")
      fi
    done <"$root/tools/packages/$group.txt"
  done
  [ ${#wanted[@]} -gt 0 ] || return 0
  local installed
  # It fails when it does not know one of them.
  installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${wanted[@]}" \
    2>/dev/null) || :
  for package in "${wanted[@]}"; do
    grep -qxF "$package installed" <<<"$installed" || echo "$package"
  done
}

install_packages() {
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "setup: these packages are missing: $*" >&2
      echo "setup: installing them needs root, and sudo is not there. As root, run:" >&2
      echo "setup:   apt-get update && apt-get install --no-install-recommends $*" >&2
      exit 1
    fi
    as_root=(sudo)
    sudo -v
  fi
  step "setup: update the package list" "${as_root[@]}" apt-get update
  # dpkg's fsync of every file is a third of the time on a new machine: one at the end does it.
  step "setup: install $# packages and what they need" \
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes \
    --no-install-recommends -o Dpkg::Options::=--force-unsafe-io "$@"
  sync -f /usr
}

require_node_18() {
  local version
  version=$(node --version)
  version=${version#v}
  if [ "${version%%.*}" -lt 18 ]; then
    echo "setup: Node.js 18 or later is needed, $(command -v node) is $version." >&2
    echo "setup: update it, or take it off PATH so that Debian's own can be installed." >&2
    exit 1
  fi
}

require_debian_12
mapfile -t missing < <(missing_packages "$@" | sort -u)
[ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
case " $* " in *" web "*) require_node_18 ;; esac

#!/usr/bin/env bash
# Repeats the README's two commands on a bare Debian 12, and says how long each took.
#
#   tools/bare_root.sh [--keep] [--only-run] [FOLDER]      (as root; FOLDER: build/bare-root)
#
# A minimal Debian is put into FOLDER, the last commit into it, and then: `./dev run` until a candle
# of the dashboard moves, the same a second time, and `./dev test`. Nothing of this machine is used
# but its network and the way in which it reaches its package registries. --keep leaves FOLDER.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tools/step.sh
. tools/step.sh

keep=no only_run=no folder=build/bare-root
for argument in "$@"; do
  case "$argument" in
    --keep) keep=yes ;;
    --only-run) only_run=yes ;;
    -*) echo "usage: tools/bare_root.sh [--keep] [--only-run] [FOLDER]" >&2 && exit 2 ;;
    *) folder=$argument ;;
  esac
done
[ "$(id -u)" -eq 0 ] || { echo "bare_root: needs root" >&2 && exit 1; }
[ ! -e "$folder" ] || { echo "bare_root: $folder is already there; remove it first" >&2 && exit 1; }
for command in mmdebstrap curl unshare; do
  command -v "$command" >/dev/null || {
    echo "bare_root: $command is missing: apt-get install mmdebstrap curl util-linux" >&2
    exit 1
  }
done
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
demo_pid=""

clean_up() {
  end_demo
  [ "$keep" = yes ] || rm -rf --one-file-system "$folder"
}
trap clean_up EXIT

make_root() {
  local sources=() options=() file
  for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
    [ ! -s "$file" ] || sources+=("$file")
  done
  # How packages are reached, not what else this machine's apt is told to do.
  while read -r file; do
    options+=("--aptopt=$file")
  done < <(grep -lEis '^ *Acquire::(http|https|Retries|Check)' /etc/apt/apt.conf.d/* || :)
  # shellcheck disable=SC2016
  mmdebstrap --variant=minbase --components=main "${options[@]}" \
    --setup-hook='mkdir -p "$1/etc/apt/auth.conf.d"' \
    --setup-hook='cp -a /etc/apt/auth.conf.d/. "$1/etc/apt/auth.conf.d/"' \
    bookworm "$folder" "${sources[@]}"
}

# Copies a file to the same path in the new root, if it is there.
copy_in() {
  [ ! -e "$1" ] || { mkdir -p "$folder/$(dirname "$1")" && cp -RL "$1" "$folder/$1"; }
}

# The settings by which this machine's package clients find and trust their registries.
copy_settings() {
  local name
  copy_in /etc/resolv.conf
  copy_in /etc/hosts
  copy_in /usr/local/share/ca-certificates
  copy_in /etc/pip.conf
  copy_in /etc/npmrc
  if [ -e "$HOME/.npmrc" ]; then
    cp "$HOME/.npmrc" "$folder/root/.npmrc"
  fi
  environment=(HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    LANG=C.UTF-8)
  while read -r name; do
    environment+=("$name=${!name}")
    # A file of certificates that is named there must be there.
    case "${!name}" in /*) [ -d "${!name}" ] || copy_in "${!name}" ;; esac
  done < <(compgen -e | grep -E '^(https?_proxy|no_proxy|HTTPS?_PROXY|NO_PROXY)$|CERT|_CA_' || :)
}

# Becomes a command in the new root, in mount and process namespaces of its own: when it ends, its
# mounts and all its processes are gone with it.
enter() {
  # shellcheck disable=SC2016
  exec unshare --mount --pid --fork --kill-child sh -c '
    root=$1 && shift &&
    mount -t proc proc "$root/proc" &&
    mkdir -p "$root/dev/shm" && mount -t tmpfs tmpfs "$root/dev/shm" &&
    exec chroot "$root" env -i "$@"' sh "$folder" "${environment[@]}" \
    sh -c 'cd /tapedeck && exec "$@"' sh "$@" </dev/null
}

# Starts `./dev run` and waits until the server has pushed a changed candle.
run_until_a_candle_moves() {
  local log=$folder/run.log address="" base token series=""
  : >"$log"
  rm -f "$folder/live"
  enter ./dev run >"$log" 2>&1 &
  demo_pid=$!
  while [ -z "$address" ]; do
    sleep 0.2
    kill -0 "$demo_pid" 2>/dev/null || { cat "$log" && return 1; }
    address=$(grep -oE 'http://127\.0\.0\.1:[0-9]+/\?token=[^[:space:]]+' "$log" | head -n 1 || :)
  done
  base=${address%%/\?*} token=${address##*token=}
  while [ -z "$series" ]; do
    sleep 0.2
    series=$(curl -fsS -H "Authorization: Bearer $token" "$base/api/v1/instruments" |
      grep -oE '"series":"[^"]+"' | head -n 1 | cut -d'"' -f4 || :)
  done
  # A browser's request for the live stream; what comes back is looked at as plain bytes.
  timeout 60 curl -sN --http1.1 -H "Authorization: Bearer $token" -H "Origin: $base" \
    -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
    -H 'Sec-WebSocket-Key: dGFwZWRlY2stYmFyZS1yb290' \
    "$base/api/v1/live?series=$series&interval=1m" >"$folder/live" &
  local live_pid=$!
  until grep -aqs '"type":"bars"' "$folder/live"; do
    sleep 0.1
    kill -0 "$live_pid" 2>/dev/null || { cat "$log" && return 1; }
  done
  kill "$live_pid" && { wait "$live_pid" 2>/dev/null || :; }
}

end_demo() {
  [ -n "$demo_pid" ] || return 0
  pkill -TERM -P "$demo_pid" || :
  for _ in $(seq 50); do
    kill -0 "$demo_pid" 2>/dev/null || break
    sleep 0.1
  done
  pkill -KILL -P "$demo_pid" || : # it was still being built
  wait "$demo_pid" 2>/dev/null || :
  demo_pid=""
}

step "bare_root: a minimal Debian 12 in $folder" make_root
copy_settings
mkdir "$folder/tapedeck"
git archive HEAD | tar -x -C "$folder/tapedeck"

seconds_since() {
  awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f", to - from }'
}

started=$EPOCHREALTIME
step "bare_root: ./dev run, until a candle moves" run_until_a_candle_moves
first_s=$(seconds_since "$started")
end_demo
started=$EPOCHREALTIME
step "bare_root: the same again" run_until_a_candle_moves
second_s=$(seconds_since "$started")
end_demo
echo "bare_root: from nothing to a moving candle $first_s s, a second start $second_s s"
[ "$only_run" = no ] || exit 0
started=$EPOCHREALTIME
(enter ./dev test)
echo "bare_root: ./dev test $(seconds_since "$started") s"

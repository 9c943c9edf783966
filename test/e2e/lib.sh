# shellcheck shell=bash
# lib.sh: common start of the scripts of test/e2e; sourced, never run.
# Sets E2E (this folder) and BED (what a bed makes: sockets, logs, disks; below OUT). Two trees' beds do not meet: the network namespace
# carries a hash of BED.
. "$(dirname "${BASH_SOURCE[0]}")/../vm/lib.sh"
E2E=$TREE/test/e2e
BED=$OUT/e2e
NS=e2e-$(printf %s "$BED" | sha256sum | cut -c1-8)
mkdir -p "$BED"/{log,run,img}

inns() { nsenter --net="/run/netns/$NS" "$@"; }

# alive NAME: the process of run/NAME.pid lives, and is ours: its command line names the bed.
alive() {
  local p
  p=$(cat "$BED/run/$1.pid" 2> /dev/null) && [ -n "$p" ] || return 1
  tr '\0' ' ' 2> /dev/null < "/proc/$p/cmdline" | grep -qF "$BED/"
}

# bg NAME COMMAND...: runs it in the bed's network namespace; output to log/NAME.log, process id to run/NAME.pid.
bg() {
  local n=$1
  shift
  nsenter --net="/run/netns/$NS" "$@" > "$BED/log/$n.log" 2>&1 < /dev/null &
  echo $! > "$BED/run/$n.pid"
  for _ in $(seq 50); do
    ! alive "$n" || return 0
    sleep 0.1
  done
}

# stop NAME: ends that process and waits for it.
stop() {
  local p
  if alive "$1"; then
    p=$(cat "$BED/run/$1.pid")
    kill "$p"
    for _ in $(seq 50); do
      [ -d "/proc/$p" ] || break
      sleep 0.2
    done
    kill -9 "$p" 2> /dev/null || true
  fi
  rm -f "$BED/run/$1.pid"
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
  local n
  for ((n = $1 * 2; n > 0; n--)); do
    ! "${@:2}" > /dev/null 2>&1 || return 0
    sleep 0.5
  done
  return 1
}

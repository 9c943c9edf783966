# shellcheck shell=bash
# lib.sh: common start of the scripts of test/vm and test/demo-root; sourced, never run.
# Sets TREE (the repository), CACHE (what survives `make clean`) and OUT (consoles, images; in the tree, ignored by git).
TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/safeclaw-node-agent
KERNELS=$CACHE/kernels
OUT=${VM_OUT:-$TREE/.testbed}
PATH=$PATH:/usr/sbin:/sbin
mkdir -p "$KERNELS" "$OUT"

# die MESSAGE [CODE]: 2, wrong use, when no code is given.
die() {
  echo "${0##*/}: $1" >&2
  exit "${2:-2}"
}

# need PROGRAM...: each must be installed.
need() {
  local c
  for c; do command -v "$c" >/dev/null || die "needs the program $c: run 'make deps'"; done
}

# retry COMMAND...: up to four times, for what the network may break.
retry() {
  local n
  for n in 1 2 3 4; do
    "$@" && return 0
    [ "$n" = 4 ] || { echo "${0##*/}: attempt $n of 4 failed: $1; again in $((n * 5)) s" >&2; sleep $((n * 5)); }
  done
  return 1
}

# since T0: seconds since a `date +%s.%N`.
since() { awk -v a="$1" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }'; }

# archive SUITE: the address of the archive from which this machine's apt takes that suite. Works with empty package lists.
archive() { apt-get --print-uris update | awk -F"'" -v e="/dists/$1/InRelease" 'index($2, e) && !n++ { print substr($2, 1, length($2) - length(e)) }'; }

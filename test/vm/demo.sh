#!/bin/sh
# What `make demo` shows, on this machine or in a guest: three agents under the reference policy, what they got and what the log says of
# it, and a log that tells when it was changed.
# env:  DEMO_SHARE (this file, policies/, table, agent-go), DEMO_ROOT (a container's root), DEMO_LOG (the audit log's directory, new);
#       NO_COLOR; node-agent is in PATH
# exit: 0 all as promised; 1 not
set -eu
node_agent=$(command -v node-agent)
policy=$DEMO_SHARE/policies/safeclaw-policy.configmap.yaml
W=$(mktemp -d)
secret=$(mktemp -d -p /dev/shm) # as kubelet keeps Secrets: on a tmpfs
trap 'rm -rf "$W" "$secret"' EXIT
trap 'exit 130' INT TERM
echo not-a-real-token > "$secret/token"
cp "$DEMO_SHARE/agent-go" "$DEMO_ROOT/app/agent"

fail() {
  echo "demo: $1" >&2
  exit 1
}
step() {
  if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then printf '\n\033[1m%s\033[0m\n' "$1"; else printf '\n%s\n' "$1"; fi
}

# agent NAME COMMAND...: start it as its image does. What it reports is kept, what node-agent says as it happens is shown.
agent() {
  name=$1
  shift
  echo "\$ node-agent run --policy ${policy##*/} --root ${DEMO_ROOT##*/} --volume secret:/run/secrets/app:ro -- docker-entrypoint.sh $*"
  # The environment is a container's, not the caller's.
  env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin ${NO_COLOR:+NO_COLOR="$NO_COLOR"} "$node_agent" run --policy "$policy" --root "$DEMO_ROOT" \
    --volume "$secret:/run/secrets/app:ro" --log "$DEMO_LOG" -- docker-entrypoint.sh "$@" > "$W/$name" ||
    fail "the agent $name ended with $?"
}

step "1. The machine, and the policy"
node-agent doctor || fail "this machine cannot enforce"
(cd "${policy%/*}" && node-agent policy check "${policy##*/}") || fail "the policy is refused"
sha256sum < "$policy" | sed 's/ .*//; s/^/      SHA-256      /'

step "2. Three agents, as root in a container, and what is denied as it happens"
before=$(cat "$DEMO_ROOT/app/data/x")
agent python python3 /app/agent.py
agent node node /app/agent.js
agent go /app/agent

step "3. What the programs got, and what the log says of it"
"$DEMO_SHARE/table" "$DEMO_LOG" python="$W/python" node="$W/node" go="$W/go" > "$W/table" || code=$?
cat "$W/table"
[ "${code:-0}" = 0 ] || fail "programs or log differ from what was promised"
[ "$(cat "$DEMO_ROOT/app/data/x")" = "$before" ] || fail "/app/data/x was changed"
[ "$(cat "$DEMO_ROOT/app/output/x")" = "$(echo "$before" | tr '[:lower:]' '[:upper:]')" ] || fail "/app/output/x is not what the agents write"

step "4. The log, verified; then a copy with one byte changed"
node-agent audit verify --unanchored "$DEMO_LOG" || fail "the log does not verify"
echo
cp -r "$DEMO_LOG" "$W/copy"
seq=$("$DEMO_SHARE/table" flip "$W/copy") || fail "no byte was changed"
code=0
node-agent audit verify --unanchored "$W/copy" || code=$?
[ "$code" = 1 ] || fail "verify ended with $code for the changed log, not with 1"
node-agent audit verify --unanchored -o json "$W/copy" | tr -d ' \n' | grep -q "\"bad\":{[^}]*\"seq\":$seq," || fail "verify does not name record $seq"

echo
tail -n 1 "$W/table" | sed 's/^/demo: /'
echo "demo: the log verifies; with one byte of record $seq changed, verify names record $seq and ends with 1."

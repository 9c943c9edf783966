#!/bin/sh
# What `make demo` shows, on this machine or in a guest: an agent's start under the policy.
# env:  DEMO_SHARE (this file, policies/), DEMO_ROOT (a container's root), DEMO_LOG (the audit log's directory); node-agent is in PATH
# exit: 0 all as expected
set -eu
node-agent doctor
policy=$DEMO_SHARE/policies/reference.yaml
mkdir -p "$DEMO_LOG"
node-agent run --policy "$policy" --root "$DEMO_ROOT" --log "$DEMO_LOG" -- /usr/local/bin/docker-entrypoint.sh python3 /app/main.py
node-agent audit verify "$DEMO_LOG"

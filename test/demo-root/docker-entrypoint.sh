#!/bin/sh
# The container's start, as official images do it: prepare, then become the program.
set -e
mkdir -p /app/output/cache
chown -R 1000:1000 /app/output
if [ "${1#-}" != "$1" ]; then
  set -- python3 "$@"
fi
exec "$@"

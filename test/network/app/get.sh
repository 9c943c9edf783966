#!/bin/sh
# Fetch what is at the URLs with every client, one line for each: CLIENT URL: what is there, or "error: ...".
for u; do
  if said=$(curl -sS --connect-timeout 60 "$u" 2>&1); then echo "curl $u: $said"; else echo "curl $u: error: $said"; fi
done
/usr/bin/python3 /app/client.py get "$@" | sed 's/^/python /'
/usr/bin/node --enable-network-family-autoselection /app/client.js get "$@" | sed 's/^/node /'
/app/goclient get "$@" | sed 's/^/go /'

#!/bin/sh
# Ask every resolver for the names, one line for each: RESOLVER NAME: ADDRESSES, or "error: ..." with what it says.
# use:  clients.sh RESOLVER... -- NAME...
resolvers=
while [ "$1" != -- ]; do resolvers="$resolvers $1"; shift; done
shift

# each COMMAND...: for each name what the command prints, in one line, or its last line of complaint.
each() {
  for n; do :; done
  if said=$("$@" 2> /tmp/complaint); then
    echo "$n: $(printf %s "$said" | tr '\n' ' ')"
  else
    code=$?
    said=$(tail -n 1 /tmp/complaint)
    echo "$n: error: ${said:-exit $code}"
  fi
}

for r in $resolvers; do
  case $r in
    glibc) for n; do each sh -c 'getent ahosts "$0" > /tmp/found && sed -n "s/ *STREAM.*//p" /tmp/found | sort -u' "$n"; done ;;
    dig) for n; do each sh -c 'dig +search +short +tries=1 +timeout=2 "$0" A && dig +search +short +tries=1 +timeout=2 "$0" AAAA' "$n"; done ;;
    curl) for n; do each curl -sS -o /dev/null --connect-timeout 60 -w '%{remote_ip}\n' "https://$n" | sed 's#https://##'; done ;;
    musl) /app/musl-lookup "$@" ;;
    go) /app/goclient lookup "$@" ;;
    python) /usr/bin/python3 /app/client.py lookup "$@" ;;
    python-cares) /usr/bin/python3 /app/client.py cares "$@" ;;
    node) /usr/bin/node /app/client.js lookup "$@" ;;
    node-cares) /usr/bin/node /app/client.js cares "$@" ;;
  esac | sed "s/^/$r /"
done

#!/bin/sh
# A container's start-up script: it starts the named programs one after the other and says how each ended.
cd /app || exit 1
for p; do
  echo "== $p"
  case $p in
    python) python3 hello.py ;;
    node) node hello.js ;;
    java) java -cp /app Hello ;;
    shell) ls /app > /dev/null && id -u > /dev/null && echo "shell: $(uname -s)" ;;
    *) "/app/$p" ;;
  esac
  echo "exit $?"
done

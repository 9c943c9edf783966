"""A stand-in for an agent: does its work, then what an agent should not do.

Says what came of each attempt on standard output, one JSON line each: what the program itself got from the kernel.
"""

import errno
import json
import os
import socket
import subprocess
import sys


def attempt(name, action, **more):
    try:
        action()
        result = "ok"
    except OSError as e:
        result = errno.errorcode.get(e.errno, str(e))
    print(json.dumps({"attempt": name, "result": result, **more}), flush=True)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def set_up():
    """What docker-entrypoint.sh made before it became this program."""
    st = os.stat("/app/output/cache")
    if (st.st_uid, st.st_gid) != (1000, 1000):
        raise OSError(errno.EOWNERDEAD, "/app/output/cache is not the app's")


def link_out():
    try:
        os.symlink("/etc/shadow", "/app/output/innocent-python")
    except FileExistsError:
        pass
    read("/app/output/innocent-python")


def connect(host, port):
    socket.create_connection((host, port), timeout=10).close()


attempt("start", set_up, exe=os.path.realpath(sys.executable))
attempt("data", lambda: read("/app/data/x"))
attempt("output", lambda: write("/app/output/x", read("/app/data/x").upper()))
attempt("shadow", lambda: read("/etc/shadow"))
attempt("secret", lambda: read("/run/secrets/app/token"))
attempt("symlink", link_out)
attempt("overwrite", lambda: write("/app/data/x", "what the agent would like it to say\n"))
attempt("shell", lambda: subprocess.run(["/bin/sh", "-c", ":"], check=False))
attempt("address", lambda: connect("192.0.2.1", 443))
attempt("node", lambda: connect("127.0.0.1", 10250))

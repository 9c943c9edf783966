"""What most Python programs load, and a little use of each."""

import asyncio
import hashlib
import importlib.util
import json
import locale
import random
import socket
import subprocess
import threading
import time
import zoneinfo

locale.setlocale(locale.LC_ALL, "")
said = {"socket": socket.getaddrinfo("127.0.0.1", 443, type=socket.SOCK_STREAM)[0][4][1]}
said["time"] = time.strftime("%Z", time.gmtime(0)) + zoneinfo.ZoneInfo("UTC").key
said["hash"] = hashlib.sha256(b"x").hexdigest()[:8]
said["random"] = 0 <= random.SystemRandom().random() < 1
said["subprocess"] = subprocess.PIPE


async def wait():
    return await asyncio.gather(asyncio.sleep(0, "loop"), asyncio.to_thread(lambda: "thread"))


said["asyncio"] = asyncio.run(wait())
t = threading.Thread(target=said.__setitem__, args=("thread", True))
t.start()
t.join()
# An interpreter may be built without these.
if importlib.util.find_spec("_ssl"):
    import ssl

    said["ssl"] = len(ssl.create_default_context().get_ca_certs()) > 50
if importlib.util.find_spec("_sqlite3"):
    import sqlite3

    said["sqlite"] = sqlite3.connect(":memory:").execute("select 6 * 7").fetchone()[0]
print(json.dumps(said, sort_keys=True))

"""A client in Python.

lookup NAME...  the C library's resolver: for each name a line with its addresses, or the error
cares NAME...   c-ares, IPv4 addresses
get URL...      for each what is there, or the error
"""
import select
import socket
import sys
import urllib.request


def lookup(name):
    return " ".join(sorted({i[4][0] for i in socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)}))


def cares(name):
    import pycares

    channel = pycares.Channel()
    ended = []
    channel.gethostbyname(name, socket.AF_INET, lambda r, e: ended.append((r, e)))
    while True:
        r, w = channel.getsock()
        if not r and not w:
            break
        r, w, _ = select.select(r, w, [], channel.timeout())
        for fd in r:
            channel.process_fd(fd, pycares.ARES_SOCKET_BAD)
        for fd in w:
            channel.process_fd(pycares.ARES_SOCKET_BAD, fd)
        if not r and not w:
            channel.process_fd(pycares.ARES_SOCKET_BAD, pycares.ARES_SOCKET_BAD)
    result, error = ended[0]
    if error is not None:
        raise OSError(pycares.errno.strerror(error))
    return " ".join(sorted(result.addresses))


def get(url):
    return urllib.request.urlopen(url).read().decode().strip()


for what in sys.argv[2:]:
    try:
        said = {"lookup": lookup, "cares": cares, "get": get}[sys.argv[1]](what)
    except OSError as e:
        said = f"error: {e}"
    print(f"{what}: {said}")

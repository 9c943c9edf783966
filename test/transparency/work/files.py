"""System calls on files that few programs use, each with its result or its error."""

import array
import ctypes
import errno
import fcntl
import mmap
import os
import socket
import stat
import struct
import sys
import threading

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH, RENAME_NOREPLACE, RENAME_EXCHANGE = -100, 0x400, 0x1000, 1, 2
T = (1_000_000_000 * 10**6, 1_100_000_000 * 10**6 * 1000)


def case(f):
    """Runs it at once and says how it went."""
    try:
        said = f()
    except OSError as e:
        said = errno.errorcode.get(e.errno, e.errno)
    print(f.__name__, said, flush=True)
    return f


def call(name, *args):
    r = getattr(libc, name)(*args)
    if r < 0:
        raise OSError(ctypes.get_errno(), name)
    return r


def make(name, data=b"data"):
    with open(name, "wb") as f:
        f.write(data)
    return name


def times(name):
    s = os.lstat(name)
    return s.st_atime_ns == T[0], s.st_mtime_ns == T[1]


@case
def unnamed_file_gets_a_name():
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
    os.write(fd, b"unnamed")
    os.fchmod(fd, 0o640)
    os.utime(fd, ns=T)
    os.setxattr(fd, "user.x", b"1")
    call("linkat", AT_FDCWD, f"/proc/self/fd/{fd}".encode(), AT_FDCWD, b"named", AT_SYMLINK_FOLLOW)
    return open("named").read(), oct(os.stat("named").st_mode), times("named"), os.getxattr("named", "user.x")


@case
def unnamed_file_gets_a_name_by_descriptor():
    fd = os.open(".", os.O_TMPFILE | os.O_WRONLY, 0o600)
    return call("linkat", fd, b"", AT_FDCWD, b"named2", AT_EMPTY_PATH), os.path.exists("named2")


@case
def unnamed_file_stays_so():
    fd = os.open("/tmp", os.O_TMPFILE | os.O_EXCL | os.O_RDWR, 0o600)
    os.ftruncate(fd, 4096)
    os.posix_fallocate(fd, 4096, 4096)
    return os.fstat(fd).st_size, os.fstat(fd).st_nlink


@case
def memory_file():
    fd = os.memfd_create("m", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    os.write(fd, b"#!/bin/sh\necho from memory\n")
    os.ftruncate(fd, 4096)
    os.fchmod(fd, 0o700)
    os.utime(fd, ns=T)
    os.posix_fallocate(fd, 0, 8192)
    with mmap.mmap(fd, 4096) as m:
        m[4000] = 1
    fcntl.fcntl(fd, 1033, 8)  # F_ADD_SEALS, F_SEAL_WRITE
    try:
        os.write(fd, b"x")
    except PermissionError:
        pass
    return os.fstat(fd).st_size, oct(os.fstat(fd).st_mode)


@case
def memory_file_runs():
    fd = os.memfd_create("m", 0)
    with open("/bin/true", "rb") as f:
        os.sendfile(fd, f.fileno(), 0, os.fstat(f.fileno()).st_size)
    pid = os.fork()
    if pid == 0:
        os.execve(fd, ["true"], {})
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@case
def deleted_program_runs():
    with open("/bin/true", "rb") as f:
        make("prog", f.read())
    os.chmod("prog", 0o755)
    fd = os.open("prog", os.O_RDONLY)
    os.unlink("prog")
    pid = os.fork()
    if pid == 0:
        os.execve(fd, ["true"], {})
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@case
def times_of_a_link():
    os.symlink("nowhere", "link")
    os.utime("link", ns=T, follow_symlinks=False)
    os.chown("link", 1000, 1000, follow_symlinks=False)
    return times("link"), os.lstat("link").st_uid


@case
def times_by_directory_and_descriptor():
    os.mkdir("dir")
    make("dir/f")
    d = os.open("dir", os.O_RDONLY)
    os.utime("f", ns=T, dir_fd=d)
    f = os.open("dir/f", os.O_RDONLY)
    os.utime(f, ns=T)
    os.utime(d, ns=T)
    return times("dir/f"), times("dir")


@case
def times_of_what_has_no_name():
    r, w = os.pipe()
    a, b = socket.socketpair()
    out = []
    for fd in (r, w, a.fileno(), b.fileno()):
        for f in (lambda: os.utime(fd, ns=T), lambda: os.fchmod(fd, 0o600), lambda: os.fchown(fd, 1000, -1), lambda: os.setxattr(fd, "user.x", b"1")):
            try:
                f()
                out.append("ok")
            except OSError as e:
                out.append(errno.errorcode[e.errno])
    return out


@case
def deleted_file_changes():
    make("gone")
    fd = os.open("gone", os.O_RDWR)
    os.unlink("gone")
    os.fchmod(fd, 0o600)
    os.fchown(fd, 1000, 1000)
    os.utime(fd, ns=T)
    os.setxattr(fd, "user.x", b"1")
    os.removexattr(fd, "user.x")
    os.ftruncate(fd, 100)
    os.write(fd, b"x")
    r = os.open(f"/proc/self/fd/{fd}", os.O_RDWR)
    os.chmod(f"/proc/self/fd/{fd}", 0o400)
    os.truncate(f"/proc/self/fd/{fd}", 50)
    return os.fstat(r).st_size, oct(os.fstat(r).st_mode)


@case
def path_descriptor():
    make("p")
    fd = os.open("p", os.O_PATH)
    os.chmod(f"/proc/self/fd/{fd}", 0o600)
    os.utime(f"/proc/self/fd/{fd}", ns=T)
    os.setxattr(f"/proc/self/fd/{fd}", "user.x", b"1")
    try:
        os.fchmod(fd, 0o700)
    except OSError as e:
        return times("p"), errno.errorcode[e.errno], os.listxattr("p")


@case
def exchange():
    make("x", b"x")
    make("y", b"y")
    call("renameat2", AT_FDCWD, b"x", AT_FDCWD, b"y", RENAME_EXCHANGE)
    os.makedirs("e1/sub")
    call("renameat2", AT_FDCWD, b"e1", AT_FDCWD, b"y", RENAME_EXCHANGE)
    try:
        call("renameat2", AT_FDCWD, b"x", AT_FDCWD, b"y", RENAME_NOREPLACE)
    except FileExistsError:
        return open("x").read(), open("e1").read(), os.listdir("y")


@case
def directory_in_use_moves():
    os.makedirs("in/use")
    d = os.open("in/use", os.O_RDONLY)
    os.chdir("in/use")
    os.rename("../../in", "../../out")
    make("here")
    os.fchdir(d)
    make("there")
    os.chdir("../..")
    os.rename("out/use", "used")
    os.replace("used/here", "used/there")
    os.close(os.open("late", os.O_CREAT | os.O_WRONLY, dir_fd=d))
    return sorted(os.listdir("used")), os.listdir("out")


@case
def directory_deleted_in_use():
    os.mkdir("del")
    here = os.getcwd()
    os.chdir("del")
    os.rmdir("../del")
    try:
        make("f")
    except OSError as e:
        return errno.errorcode[e.errno]
    finally:
        os.chdir(here)


@case
def fifo():
    os.mkfifo("fifo")
    t = threading.Thread(target=lambda: make("fifo", b"through"))
    t.start()
    data = open("fifo", "rb").read()
    t.join()
    os.chmod("fifo", 0o600)
    os.utime("fifo", ns=T)
    return data


@case
def shared_map():
    fd = os.open(make("map", bytes(8192)), os.O_RDWR)
    with mmap.mmap(fd, 8192) as m:
        m[0:5] = b"hello"
        m.flush()
        m.resize(16384)
        m[16000] = 1
    with mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ) as m:
        r = m[0:5]
    with mmap.mmap(fd, 4096, mmap.MAP_PRIVATE) as m:
        m[0] = 0
    return r, os.stat("map").st_size


@case
def code_in_memory():
    m = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    m[0:6] = b"\xb8\x2a\0\0\0\xc3"
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()


@case
def copies_in_the_kernel():
    src = os.open(make("src", b"x" * 10000), os.O_RDONLY)
    dst = os.open("dst", os.O_CREAT | os.O_RDWR)
    n = [os.sendfile(dst, src, 0, 1000), os.copy_file_range(src, dst, 3000)]
    r, w = os.pipe()
    n += [os.splice(src, w, 500), os.splice(r, dst, 500)]
    return n, os.fstat(dst).st_size


@case
def descriptors_through_a_socket():
    a, b = socket.socketpair()
    fds = [os.open(make("sent"), os.O_RDWR), os.open(".", os.O_RDONLY), os.open("sent", os.O_PATH), os.memfd_create("m"), os.pipe()[0], a.fileno()]
    socket.send_fds(a, [b"x"], fds)
    _, got, _, _ = socket.recv_fds(b, 1, 10)
    os.write(got[0], b"written")
    return len(got), open("sent").read(), [stat.S_IFMT(os.fstat(f).st_mode) == stat.S_IFMT(os.fstat(g).st_mode) for f, g in zip(fds, got)]


@case
def descriptor_of_a_child():
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(w)
        os.read(r, 1)
        os._exit(0)
    fd = os.open(make("child"), os.O_RDWR)
    p = os.pidfd_open(pid)
    try:
        got = libc.syscall(438, p, r, 0)
        return stat.S_ISFIFO(os.fstat(got).st_mode)
    finally:
        os.close(fd)
        os.close(w)
        os.waitpid(pid, 0)


@case
def unix_sockets():
    out = []
    for name in ("sock", "\0abstract"):
        s = socket.socket(socket.AF_UNIX)
        s.bind(name)
        s.listen()
        c = socket.socket(socket.AF_UNIX)
        c.connect(name)
        s.accept()[0].send(b"hi")
        out.append(c.recv(2))
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.bind(name + "2")
        c = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        out.append(c.sendto(b"hi", name + "2"))
    os.chmod("sock", 0o600)
    os.utime("sock", ns=T)
    os.unlink("sock")
    return out


@case
def loopback():
    out = []
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        s = socket.create_server((host, 0), family=family)
        c = socket.create_connection(s.getsockname()[:2])
        s.accept()[0].send(b"hi")
        out.append(c.recv(2))
        u = socket.socket(family, socket.SOCK_DGRAM)
        u.bind((host, 0))
        v = socket.socket(family, socket.SOCK_DGRAM)
        out.append(v.sendto(b"hi", u.getsockname()))
        v.connect(u.getsockname())
        out.append(v.send(b"hi"))
        v.connect_ex(("0.0.0.0" if family == socket.AF_INET else "::", 9))
    return out


@case
def own_process():
    out = []
    for name, text in (("comm", "renamed"), ("oom_score_adj", "100"), ("coredump_filter", "0x33"), ("timerslack_ns", "50000"), ("clear_refs", "1")):
        with open(f"/proc/self/{name}", "w") as f:
            f.write(text)
        out.append(name)
    for name in ("comm", "cgroup", "maps", "mountinfo", "fdinfo/0", "limits"):
        out.append(len(open(f"/proc/self/{name}").read()) > 0)
    with open("/proc/self/mem", "rb") as f:
        f.seek(id(out))
        out.append(len(f.read(8)))
    out.append(os.readlink("/proc/self/cwd") == os.getcwd())
    return out


@case
def terminal():
    m, s = os.openpty()
    os.fchmod(s, 0o600)
    os.utime(s, ns=T)
    os.write(m, b"typed\n")
    return os.read(s, 10), stat.S_ISCHR(os.stat(os.ttyname(s)).st_mode)


@case
def truncated_on_open():
    make("trunc", b"x" * 100)
    os.close(os.open("trunc", os.O_WRONLY | os.O_TRUNC))
    make("trunc", b"x" * 100)
    os.close(os.open("trunc", os.O_RDONLY | os.O_TRUNC))
    os.truncate("trunc", 10)
    os.close(os.open("trunc", 3))
    return os.stat("trunc").st_size


@case
def image_files_change():
    """Each kind of change is the first one that an overlay copies a file up for."""
    names = sorted(n for n in os.listdir("/usr/include") if n.endswith(".h") and os.path.isfile("/usr/include/" + n))
    names = ["/usr/include/" + n for n in names]
    os.utime(names[0], ns=T)
    os.chmod(names[1], 0o600)
    os.chown(names[2], 1000, 1000)
    os.setxattr(names[3], "user.x", b"1")
    os.truncate(names[4], 10)
    os.link(names[5], "/usr/include/linked")
    os.rename(names[6], "/usr/include/renamed")
    os.unlink(names[7])
    with open(names[8], "a") as f:
        f.write("x")
    with open(names[9], "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
        m[0] = 65
    fd = os.open(names[10], os.O_RDONLY)
    os.fchmod(fd, 0o600)
    os.utime(fd, ns=T)
    os.close(os.open(names[11], os.O_WRONLY | os.O_TRUNC))
    call("renameat2", AT_FDCWD, names[12].encode(), AT_FDCWD, names[13].encode(), RENAME_EXCHANGE)
    os.utime("/usr/include", ns=T)
    out = [times(names[0]), times(names[10])]
    try:
        os.rename("/usr/include/linux", "/usr/include/moved")
    except OSError as e:
        out.append(errno.errorcode[e.errno])
    os.rename(names[0], names[1])
    os.mkdir("/usr/include/new")
    os.rmdir("/usr/include/new")
    return out, len(os.listdir("/usr/include"))


@case
def created_under_default_lists():
    """Also over names that an overlay has to hide, whose lists it sets itself."""
    top = "/usr/include/asm-generic"
    names = sorted(os.listdir(top))[:3]
    acl = struct.pack("<IHHIHHIHHIHHIHHI", 2, 1, 7, 2**32 - 1, 2, 6, 1000, 4, 5, 2**32 - 1, 0x10, 7, 2**32 - 1, 0x20, 0, 2**32 - 1)
    os.setxattr(top, "system.posix_acl_default", acl)
    for n in names:
        os.unlink(f"{top}/{n}")
    make(f"{top}/{names[0]}")
    os.mkdir(f"{top}/{names[1]}")
    os.mkfifo(f"{top}/{names[2]}")
    make(f"{top}/fresh")
    os.removexattr(f"{top}/fresh", "system.posix_acl_access")
    return [oct(os.stat(f"{top}/{n}").st_mode) for n in (*names, "fresh")], os.listxattr(f"{top}/{names[1]}")


@case
def opened_again():
    out = []
    r, w = os.pipe()
    for fd, flags in ((w, os.O_WRONLY), (r, os.O_RDONLY), (os.memfd_create("m"), os.O_RDWR), (os.eventfd(0), os.O_RDWR), (socket.socket().detach(), os.O_RDWR)):
        for name in (f"/proc/self/fd/{fd}", f"/dev/fd/{fd}", f"/proc/thread-self/fd/{fd}"):
            try:
                os.close(os.open(name, flags))
                out.append("ok")
            except OSError as e:
                out.append(errno.errorcode[e.errno])
    return out


@case
def script_by_descriptor():
    make("script", b"#!/bin/sh\necho ran > by-descriptor\n")
    os.chmod("script", 0o755)
    fd = os.open("script", os.O_RDONLY)
    pid = os.fork()
    if pid == 0:
        os.set_inheritable(fd, True)
        os.execve(fd, ["script"], {})
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), open("by-descriptor").read()


@case
def watched_by_fanotify():
    fd = call("fanotify_init", 0, os.O_RDONLY)
    call("fanotify_mark", fd, 1, ctypes.c_uint64(0x20), AT_FDCWD, b".")  # FAN_MARK_ADD, FAN_OPEN
    make("seen")
    call("fanotify_mark", fd, 2, ctypes.c_uint64(0x20), AT_FDCWD, b".")


@case
def inode_flags():
    fd = os.open(make("flags"), os.O_RDONLY)
    buf = array.array("l", [0])
    fcntl.ioctl(fd, 0x80086601, buf)  # FS_IOC_GETFLAGS
    before = buf[0]
    buf[0] |= 0x80  # FS_NOATIME_FL
    fcntl.ioctl(fd, 0x40086602, buf)
    fcntl.ioctl(fd, 0x80086601, buf)
    return buf[0] & ~before


@case
def locks():
    fd = os.open(make("lock"), os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    fcntl.lockf(fd, fcntl.LOCK_EX)
    fcntl.fcntl(fd, 1024, fcntl.F_WRLCK)  # F_SETLEASE
    fcntl.fcntl(os.open(".", os.O_RDONLY), 1026, 4)  # F_NOTIFY, DN_CREATE
    return fcntl.fcntl(fd, 1025)


@case
def shared_memory():
    fd = os.open("/dev/shm/seg", os.O_CREAT | os.O_RDWR)
    os.ftruncate(fd, 4096)
    with mmap.mmap(fd, 4096) as m:
        m[0] = 1
    os.unlink("/dev/shm/seg")
    n = call("shmget", 0, 4096, 0o1600)
    return call("shmctl", n, 0, None)


sys.exit(0)

"""What a product that means harm would try, as root in the enclosure: every way out that we know.

Arguments: the machine's addresses that something listens at, `host:port` each. Prints a line for
each attempt: its name, then `refused` with the reason, or `OUT`.
"""
import ctypes
import os
import socket
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
MACHINE = os.uname().machine
CALLS = {
    "x86_64": dict(
        mount=165, umount2=166, pivot_root=155, open_by_handle_at=304, name_to_handle_at=303,
        bpf=321, perf_event_open=298, init_module=175, finit_module=313, kexec_load=246,
        reboot=169, io_uring_setup=425, settimeofday=164, clock_settime=227, swapon=167, acct=163,
        syslog=103, add_key=248, keyctl=250, setns=308, process_vm_readv=310, iopl=172,
        fsopen=430, open_tree=428, move_mount=429, userfaultfd=323, sethostname=170,
    ),
}.get(MACHINE, {})


def attempt(name, act):
    """Runs one attempt; it gets out where it returns something true."""
    try:
        got = act()
    except (OSError, PermissionError, ValueError) as error:
        print(f"{name}: refused ({error})")
        return
    print(f"{name}: OUT ({got})" if got else f"{name}: refused (nothing there)")


def call(name, *arguments):
    """One bare system call; true where the kernel did it."""
    number = CALLS[name]
    ctypes.set_errno(0)
    done = libc.syscall(ctypes.c_long(number), *arguments)
    if done == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return f"returned {done}"


def number(value):
    return ctypes.c_long(value)


def text(value):
    return ctypes.c_char_p(value)


def write(path, value):
    with open(path, "w") as file:
        file.write(value)
    return f"wrote {path}"


def connect(address):
    host, port = address.rsplit(":", 1)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.settimeout(1)
        one.connect((host, int(port)))
        one.sendall(b"x")
        return one.recv(64) == b"the machine"


def unix(name):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        one.settimeout(1)
        one.connect(name)
        return "connected"


def vsock():
    with socket.socket(40, socket.SOCK_STREAM) as one:
        one.settimeout(1)
        return "a socket"


def raw():
    """A raw socket may be had, but it only sees the enclosure's own devices."""
    names = [name for _, name in socket.if_nameindex()]
    return [name for name in names if name not in ("lo", "lab0")]


def netlink_elsewhere():
    """Asks for a link in the network of process 1 of the machine, by its number."""
    route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    body = struct.pack("=BxHiII", 0, 0, 0, 0, 0)
    for kind, value in ((3, b"evil0\0\0\0"), (19, struct.pack("=I", int(os.environ["HOST_PID"])))):
        body += struct.pack("=HH", 4 + len(value), kind) + value
    route.send(struct.pack("=IHHII", 16 + len(body), 16, 0x605, 1, 0) + body)
    error = struct.unpack_from("=i", route.recv(4096), 16)[0]
    if error:
        raise OSError(-error, os.strerror(-error))
    return "a link elsewhere"


def device(kind, major, minor):
    path = f"/tmp/node-{kind}-{major}-{minor}"
    os.mknod(path, kind | 0o600, os.makedev(major, minor))
    with open(path, "rb") as file:
        return file.read(1) is not None


def handle():
    """Opens the root of the file system below by its handle, as an escape from containers did."""
    buffer = struct.pack("=Ii", 8, 1) + struct.pack("=II", 2, 0)
    root = os.open("/usr", os.O_RDONLY)
    return call("open_by_handle_at", number(root), text(buffer), number(0))


def hidden(path):
    return os.path.lexists(path) and (os.path.isfile(path) or os.listdir(path))


def upper():
    """The layer of changes and the machine's tree, by the names that the mounts tell."""
    found = []
    with open("/proc/self/mounts") as mounts:
        for line in mounts:
            for option in line.split()[3].split(","):
                for key in ("upperdir=", "workdir="):
                    if option.startswith(key) and os.path.exists(option[len(key):]):
                        found.append(option)
    return found


def processes():
    """Whatever can be seen of processes is inside."""
    seen = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in seen if pid > 4096]


def signal_host():
    os.kill(int(os.environ["HOST_PID"]), 0)
    return "a signal"


def trace_host():
    if libc.ptrace(16, int(os.environ["HOST_PID"]), 0, 0) == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return "traced"


def root_of_first():
    """The first process has the enclosure's root, not the machine's."""
    return os.path.exists("/proc/1/root" + os.environ["HOST_FILE"])


def climb():
    """The classic way out of a changed root."""
    os.makedirs("/tmp/jail", exist_ok=True)
    out = os.open("/", os.O_RDONLY)
    if os.fork() == 0:
        try:
            os.chroot("/tmp/jail")
            os.fchdir(out)
            for _ in range(64):
                os.chdir("..")
            os.chroot(".")
            os._exit(1 if os.path.exists(os.environ["HOST_FILE"]) else 0)
        except OSError:
            os._exit(0)
    return os.wait()[1]


def inherited():
    found = []
    for name in os.listdir("/proc/self/fd"):
        link = "/proc/self/fd/" + name
        if int(name) > 2 and os.path.lexists(link):
            found.append(os.readlink(link))
    return found


def mode_of_device():
    os.chmod("/dev/null", 0o600)
    return "changed"


def cgroup():
    """Mounts the control groups and moves into another."""
    os.makedirs("/tmp/groups", exist_ok=True)
    return call("mount", text(b"none"), text(b"/tmp/groups"), text(b"cgroup2"), number(0), None)


attempt("inherited descriptors", inherited)
for address in sys.argv[1:]:
    attempt(f"connect to {address}", lambda: connect(address))
attempt("abstract socket", lambda: unix("\0" + os.environ["HOST_SOCKET"]))
attempt("socket by its path", lambda: unix(os.environ["HOST_SOCKET_PATH"]))
attempt("vsock", vsock)
attempt("devices of other networks", raw)
attempt("link in another network", netlink_elsewhere)
attempt("setns by number", lambda: call("setns", number(os.open("/proc/1/ns/net", os.O_RDONLY)), number(0)) and raw())
attempt("hidden home", lambda: hidden("/root"))
attempt("hidden temporary files", lambda: [one for one in os.listdir("/tmp") if one != "jail"])
attempt("host file", lambda: hidden(os.environ["HOST_FILE"]))
attempt("password hashes", lambda: "$" in open("/etc/shadow").read())
attempt("root of the first process", root_of_first)
attempt("climbing out of a root", climb)
attempt("block device", lambda: device(0o060000, 254, 0))
attempt("memory device", lambda: device(0o020000, 1, 1))
attempt("tun device", lambda: device(0o020000, 10, 200))
attempt("layers", upper)
attempt("other processes", processes)
attempt("signal", signal_host)
attempt("ptrace", trace_host)
attempt("rights of a device", mode_of_device)
attempt("sysrq", lambda: write("/proc/sysrq-trigger", "h"))
for setting in ("kernel/core_pattern", "kernel/modprobe", "kernel/sysrq", "vm/drop_caches",
                "net/ipv4/ip_forward", "fs/binfmt_misc/register"):
    attempt(f"setting {setting}", lambda: write(f"/proc/sys/{setting}", "1"))
attempt("kernel's devices", lambda: write("/sys/kernel/uevent_helper", "/bin/sh"))
attempt("kernel's memory", lambda: open("/proc/kcore", "rb").read(64))
attempt("user map", lambda: write("/proc/self/uid_map", "0 0 1"))
if CALLS:
    zero = number(0)
    attempt("file by its handle", handle)
    attempt("mount of devices", lambda: call("mount", text(b"none"), text(b"/tmp"), text(b"devtmpfs"), zero, None))
    attempt("mount of processes", lambda: call("mount", text(b"proc"), text(b"/tmp"), text(b"proc"), zero, None))
    attempt("writable again", lambda: call("mount", None, text(b"/proc"), None, number(0x20 | 0x1000), None))
    attempt("uncovering", lambda: call("umount2", text(b"/dev"), number(2)))
    attempt("fsopen", lambda: call("fsopen", text(b"ext4"), zero))
    attempt("open_tree", lambda: call("open_tree", number(-100), text(b"/"), number(1)))
    attempt("pivot_root", lambda: call("pivot_root", text(b"/tmp"), text(b"/tmp")))
    attempt("control groups", cgroup)
    attempt("bpf", lambda: call("bpf", zero, text(b"\0" * 128), number(128)))
    attempt("perf_event_open", lambda: call("perf_event_open", text(b"\0" * 128), zero, number(-1), number(-1), zero))
    attempt("init_module", lambda: call("init_module", text(b"x"), number(1), text(b"")))
    attempt("kexec_load", lambda: call("kexec_load", zero, zero, zero, zero))
    attempt("reboot", lambda: call("reboot", number(0xfee1dead - (1 << 32)), number(672274793), zero, zero))
    attempt("io_uring", lambda: call("io_uring_setup", number(8), text(b"\0" * 120)))
    attempt("clock", lambda: call("clock_settime", zero, text(struct.pack("=qq", 1, 0))))
    attempt("swapon", lambda: call("swapon", text(b"/etc/passwd"), zero))
    attempt("acct", lambda: call("acct", text(b"/tmp/acct")))
    attempt("kernel log", lambda: call("syslog", number(3), ctypes.create_string_buffer(64), number(64)))
    attempt("keys", lambda: call("add_key", text(b"user"), text(b"a"), text(b"b"), number(1), number(-4)))
    attempt("iopl", lambda: call("iopl", number(3)))
print("done")

"""Hostile programs for the sandbox's self-check. Each is sent into a child as a `run` job.

A payload defines `main(connection)`, tries what it must not be able to do, and says what happened.
It is text here and runs nowhere but in the lab. `ARGUMENTS` is filled in by the check. None does
harm where a wall has a hole: signals are tried with number 0, files are removed as they are made.
"""

from __future__ import annotations

_PRELUDE = """
import ctypes, os, resource, signal, socket, sys, threading, time
from move37.lab.wire import Message, send

ARGUMENTS = {arguments!r}
libc = ctypes.CDLL(None, use_errno=True)

def say(connection, **fields):
    send(connection, Message(kind="said", fields=fields))

def works(action, *arguments):
    try:
        action(*arguments)
    except (OSError, ValueError):
        return False
    return True

def calls(name, *arguments):
    return getattr(libc, name)(*arguments) >= 0
"""


def payload(body: str, **arguments: object) -> str:
    """Return a complete payload: helpers, arguments, body."""
    return _PRELUDE.format(arguments=arguments) + body


NOTHING = """
def main(connection):
    say(connection, alive=True)
"""

STAY = """
def main(connection):
    say(connection, alive=True)
    while connection.recv(1):
        say(connection, alive=True)
"""

NETWORK = """
def reach(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as talk:
        talk.settimeout(2)
        talk.connect(address)

def main(connection):
    reached = []
    for host, port in [("127.0.0.1", ARGUMENTS["port"]), ("192.0.2.1", 80), ("1.1.1.1", 53)]:
        if works(reach, socket.AF_INET, (host, port)):
            reached.append(host)
    if works(reach, socket.AF_INET6, ("::1", ARGUMENTS["port"])):
        reached.append("::1")
    if works(reach, socket.AF_UNIX, ARGUMENTS["abstract"]):
        reached.append("abstract socket")
    if works(socket.getaddrinfo, "example.org", 80):
        reached.append("name service")
    say(connection, reached=reached)
"""

HOST_FILES = """
def main(connection):
    readable = []
    for path in ARGUMENTS["paths"]:
        for form in (path, "/proc/1/root" + path, "/proc/self/root" + path, "/oldroot" + path):
            if works(os.stat, form):
                readable.append(form)
    for link in ("/proc/1/cwd", "/proc/1/exe", "/proc/1/environ", "/proc/1/maps"):
        if works(lambda: open(link).read()):
            readable.append(link)
    say(connection, readable=readable)
"""

ENVIRONMENT = """
def main(connection):
    seen = dict(os.environ)
    try:
        raw = open("/proc/self/environ", "rb").read().split(b"\\0")
    except OSError:
        raw = []
    for entry in raw:
        name, _, value = entry.decode(errors="replace").partition("=")
        if name:
            seen[name] = value
    say(connection, variables=seen, arguments=sys.argv)
"""

WRITE_EVERYWHERE = """
def write(path):
    name = os.path.join(path, f"move37-self-check-{os.getpid()}")
    os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    os.unlink(name)

def main(connection):
    scratch = os.getcwd()
    folders = {"/"}
    for top in os.listdir("/"):
        for here, below, _ in os.walk("/" + top):
            folders.add(here)
            if here.count("/") >= 3 or here.startswith("/proc"):
                below.clear()
    import torch
    programs = (os.__file__, sys.executable, torch.__file__)
    folders |= {os.path.dirname(path) for path in programs}
    outside = sorted(path for path in folders if not path.startswith(scratch))
    written = [path for path in outside if works(write, path)]
    knobs = ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper"]
    written += [knob for knob in knobs if works(os.open, knob, os.O_WRONLY)]
    say(connection, written=written, scratch=works(write, scratch))
"""

FILL_SCRATCH = """
def main(connection):
    total = 0
    stopped = False
    for index in range(ARGUMENTS["n_files"]):
        try:
            with open(f"fill-{index}", "wb") as file:
                total += file.write(bytes(ARGUMENTS["file_bytes"]))
        except OSError:
            stopped = True
            break
    say(connection, stopped=stopped, total=total)
"""

LARGE_FILE = """
def main(connection):
    try:
        with open("large", "wb", buffering=0) as file:
            for _ in range(ARGUMENTS["n_blocks"]):
                file.write(bytes(2**20))
    except OSError:
        pass
    say(connection, size=os.stat("large").st_size)
"""

MEMORY = """
def main(connection):
    held = []
    while True:
        held.append(bytearray(b"x" * 2**23))
"""

MEMORY_IN_MANY_PROCESSES = """
def main(connection):
    for _ in range(ARGUMENTS["n_processes"]):
        try:
            child = os.fork()
        except OSError:
            break
        if child == 0:
            held = bytearray(b"x" * ARGUMENTS["each_bytes"])
            time.sleep(60)
    else:
        time.sleep(1.5)
    alive = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            alive += int(open(f"/proc/{name}/statm").read().split()[0]) > 0  # else a zombie
    say(connection, processes=alive)
"""

HIDDEN_MEMORY = """
def main(connection):
    ways = []
    if hasattr(os, "memfd_create") and works(os.memfd_create, "hidden"):
        ways.append("memfd_create")
    if calls("shmget", 0, ctypes.c_size_t(2**20), 0o1600):
        ways.append("shmget")
    say(connection, ways=ways)
"""

PROCESSOR_TIME = """
def main(connection):
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        works(signal.signal, number, signal.SIG_IGN)
    works(resource.setrlimit, resource.RLIMIT_CPU, (-1, -1))
    while True:
        pass
"""

WALL_CLOCK = """
def main(connection):
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        works(signal.signal, number, signal.SIG_IGN)
    while True:
        time.sleep(1)
"""

DRIP = """
def main(connection):
    frame = b"m37\\x01" + (2).to_bytes(4, "big") + (0).to_bytes(8, "big") + b"{}"
    for byte in frame * 1000:
        connection.sendall(bytes([byte]))
        time.sleep(0.2)
"""

FORK_BOMB = """
def main(connection):
    made = 0
    while made < 100:
        try:
            child = os.fork()
        except OSError:
            break
        if child == 0:
            time.sleep(60)
        made += 1
    say(connection, made=made)
"""

THREAD_BOMB = """
def main(connection):
    made = 0
    try:
        while made < 100:
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            made += 1
    except RuntimeError:
        pass
    say(connection, made=made)
"""

SIBLINGS = """
def main(connection):
    seen = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    for pid in [*range(3, 4000), *ARGUMENTS["pids"]]:
        if pid != os.getpid() and works(os.kill, pid, 0):
            seen.append(pid)
    for group in ARGUMENTS["pids"]:
        if works(os.killpg, group, 0):
            seen.append(group)
    say(connection, seen=seen)
"""

SIDE_DOORS = """
def main(connection):
    import fcntl
    shared = open(os.__file__, "rb")
    doors = []
    if works(fcntl.flock, shared, fcntl.LOCK_EX | fcntl.LOCK_NB):
        doors.append("flock")
    if works(fcntl.lockf, shared, fcntl.LOCK_SH | fcntl.LOCK_NB):
        doors.append("fcntl lock")
    if calls("inotify_init1", 0):
        doors.append("inotify")
    import mmap
    pages = (ctypes.c_char * 4096).from_buffer(mmap.mmap(-1, 4096))
    if calls("mincore", ctypes.byref(pages), ctypes.c_size_t(4096), ctypes.create_string_buffer(8)):
        doors.append("mincore")
    if libc.posix_fadvise(shared.fileno(), ctypes.c_long(0), ctypes.c_long(0), 4) == 0:
        doors.append("fadvise")
    for family in (socket.AF_UNIX, socket.AF_INET):
        if works(socket.socketpair if family == socket.AF_UNIX else socket.socket, family):
            doors.append("socket")
    if calls("msgget", 77, 0o1600) or calls("semget", 77, 1, 0o1600):
        doors.append("System V messages")
    if calls("mq_open", b"/door", os.O_CREAT | os.O_RDWR, 0o600, None):
        doors.append("message queue")
    say(connection, doors=doors)
"""

TRACE = """
def main(connection):
    done = []
    if calls("ptrace", 0, 0, None, None):
        done.append("PTRACE_TRACEME")
    if calls("ptrace", 16, 1, None, None):
        done.append("PTRACE_ATTACH")
    here = (ctypes.c_size_t * 2)(ctypes.addressof(ctypes.create_string_buffer(8)), 8)
    if calls("process_vm_readv", os.getppid(), here, 1, here, 1, 0):
        done.append("process_vm_readv")
    if works(lambda: open("/proc/1/mem", "rb")):
        done.append("/proc/1/mem")
    say(connection, done=done)
"""

NAMESPACES = """
def main(connection):
    done = []
    flags = {"user": 0x10000000, "mount": 0x20000, "process": 0x20000000, "network": 0x40000000,
             "ipc": 0x08000000, "names": 0x04000000, "cgroup": 0x02000000}
    for name, flag in flags.items():
        if libc.unshare(flag) == 0:
            done.append("unshare " + name)
        clone, flags_and_signal = ctypes.c_long(ARGUMENTS["clone"]), ctypes.c_ulong(flag | 17)
        child = libc.syscall(clone, flags_and_signal, 0, 0, 0, 0)
        if child == 0:
            os._exit(0)
        if child > 0:
            done.append("clone " + name)
    for kind in ("user", "mnt", "pid", "net"):
        for pid in ("1", "self"):
            try:
                handle = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
            except OSError:
                continue
            if libc.setns(handle, 0) == 0:
                done.append(f"setns {pid} {kind}")
    if calls("mount", b"tmpfs", os.getcwd().encode(), b"tmpfs", 0, None):
        done.append("mount")
    if calls("mount", b"none", b"/", None, 32 | 4096, None):
        done.append("remount")
    if works(os.chroot, "."):
        done.append("chroot")
    say(connection, done=done)
"""

PRIVILEGES = """
def main(connection):
    status = {}
    try:
        for line in open("/proc/self/status"):
            name, _, value = line.partition(":")
            status[name] = value.strip()
    except OSError:
        pass
    gained = [name for name, change in
              {"setuid": os.setuid, "setgid": os.setgid}.items() if works(change, 0)]
    if works(os.setgroups, [0]):
        gained.append("setgroups")
    if works(os.mknod, "device", 0o20600, os.makedev(1, 1)):
        gained.append("mknod")
    if works(os.nice, -5):
        gained.append("nice")
    say(connection, user=os.getuid(), gained=gained, capabilities=status.get("CapEff", "0"),
        bound=status.get("CapBnd", "0"), no_new_privileges=status.get("NoNewPrivs", "1"))
"""

DAEMON = """
def main(connection):
    left = 0
    try:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                libc.prctl(15, ARGUMENTS["name"].encode(), 0, 0, 0)
                for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                    works(signal.signal, number, signal.SIG_IGN)
                while True:
                    time.sleep(60)
            os._exit(0)
        left = 1
    except OSError:
        pass
    libc.prctl(15, ARGUMENTS["name"].encode(), 0, 0, 0)
    time.sleep(0.2)
    say(connection, left=left)
"""

BURN_AND_LEAVE = """
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

def main(connection):
    try:
        child = os.fork()
    except OSError:
        burn(0.3)
        child = -1
    if child == 0:
        burn(0.3)
        os._exit(0)
    held = bytearray(b"x" * ARGUMENTS["held_bytes"])
    burn(0.3)
    if child > 0:
        os.waitpid(child, 0)
    say(connection, held=len(held))
    os._exit(7)
"""

SCRATCH_CONTENTS = """
def main(connection):
    before = os.listdir(".")
    with open("left-behind", "w") as file:
        file.write("secret")
    say(connection, before=before)
    connection.recv(1)
"""

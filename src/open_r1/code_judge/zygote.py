"""Runs inside a sandbox and keeps fresh ones ready for the next test: forks with namespaces, /tmp, /proc and limits of its own.

Started by `warm`, never imported by it: it sees nothing but the standard library. The fork itself takes a test from the control
socket, as its limits and three descriptors (input, output, program), and closes the socket before the program runs; this process
never sees a test. What it answers is the exit code.
"""

import atexit
import bisect  # noqa: F401  what programs import most, so that they need not wait for it
import builtins
import collections  # noqa: F401
import ctypes
import functools  # noqa: F401
import gc
import heapq  # noqa: F401
import io  # noqa: F401
import itertools  # noqa: F401
import json
import math  # noqa: F401
import operator  # noqa: F401
import os
import random  # noqa: F401
import re  # noqa: F401
import resource
import signal
import socket
import string  # noqa: F401
import sys
import threading
import types
import typing  # noqa: F401


LIBC, API = ctypes.CDLL(None, use_errno=True), ctypes.PyDLL(None)  # the second one keeps the interpreter's lock
CLONE = {"x86_64": 56, "aarch64": 220}.get(os.uname().machine, -1)  # linux/unistd.h
NEW_MOUNTS, NEW_IPC, NEW_USER, NEW_PIDS = 0x20000, 0x8000000, 0x10000000, 0x20000000  # linux/sched.h
NO_SUID, NO_DEVICES, NO_EXEC = 2, 4, 8  # linux/mount.h
CAPABILITIES_3 = 0x20080522  # linux/capability.h
CONTROL = 3  # descriptor
READY = 2  # one is made while the other runs
SOURCE = "/tmp/main.py"


def serve(control: socket.socket, disk: int, stack: int):
    """Keeps forks ready, each for one test, until the other end closes; whichever takes a test answers for it by its exit."""
    user, group = os.getuid(), os.getgid()
    compile("print(0)", "first", "exec")  # the first one of a process takes two milliseconds more
    gc.freeze()  # the forks leave these objects' pages alone
    waiting: dict[int, int] = {}  # process to the pipe on which it says that it took a test
    while True:
        while len(waiting) < READY:
            started, started_end = os.pipe()
            program = fork()
            if program == 0:
                enter(control, started_end, disk, stack, user, group)
            os.close(started_end)
            waiting[program] = started
        program, status = os.wait()
        started = waiting.pop(program)
        test = os.read(started, 32).decode()
        if not test:
            return  # nobody asks any more, or there can be no sandbox
        os.close(started)
        control.send(f"{test} {os.waitstatus_to_exitcode(status)}".encode())


def fork() -> int:
    """`os.fork` into new namespaces, whose first process the child is: when it is over, the kernel ends all others in them.

    One fork instead of the two that `unshare` needs.
    """
    API.PyOS_BeforeFork()
    child = API.syscall(CLONE, NEW_USER | NEW_PIDS | NEW_MOUNTS | NEW_IPC | signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        API.PyOS_AfterFork_Child()
    else:
        API.PyOS_AfterFork_Parent()
    if child < 0:
        raise OSError("clone")
    return child


def enter(control: socket.socket, started: int, disk: int, stack: int, user: int, group: int):
    """Makes itself at home, waits for a test and becomes its program, with nothing of this process left to find."""
    try:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
        os.setsid()  # or `kill(0)` would reach the zygote
        mount("tmpfs", "/tmp", NO_SUID | NO_DEVICES, f"size={disk},mode=1777")
        mount("tmpfs", "/dev/shm", NO_SUID | NO_DEVICES, f"size={2**20},mode=1777")
        mount("proc", "/proc", NO_SUID | NO_DEVICES | NO_EXEC)
        with open("/proc/sys/user/max_user_namespaces", "w") as file:
            file.write("0")
        drop_capabilities()
        os.chdir("/tmp")
        nothing = os.open(os.devnull, os.O_WRONLY)
        message, descriptors, _, _ = socket.recv_fds(control, 4096, 3)
        if message:
            become(json.loads(message), descriptors, nothing, started, stack)
    finally:
        os._exit(1)


def become(test: dict, descriptors: list[int], nothing: int, started: int, stack: int):
    """Runs a test's program under its limits; does not return."""
    stdin, stdout, source = descriptors
    for descriptor, standard in ((stdin, 0), (stdout, 1), (nothing, 2)):
        os.dup2(descriptor, standard)
    for name, value in test["limits"].items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name.upper()}"), (value, value))
    resource.setrlimit(resource.RLIMIT_STACK, (stack, resource.getrlimit(resource.RLIMIT_STACK)[1]))
    os.write(started, str(test["id"]).encode())
    if test["executable"]:
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python
            signal.signal(ignored, signal.SIG_DFL)
        program = os.dup2(source, 3, inheritable=False)
        os.closerange(4, 256)
        os.execve(program, ["program"], os.environ)
    with open(source, "rb") as file:
        content = file.read()
    os.closerange(3, 256)
    interpret(content)


def interpret(content: bytes):
    """Runs a program as `python -I main.py` does, and ends."""
    with open(SOURCE, "wb") as file:
        file.write(content)
    # As the interpreter opens them.
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stdout = sys.__stdout__ = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stderr = sys.__stderr__ = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.argv = [SOURCE]
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    main.__dict__.update(__file__=SOURCE, __builtins__=builtins, __annotations__={}, __loader__=None, __cached__=None)
    code = 0
    try:
        exec(compile(content, SOURCE, "exec"), main.__dict__)
    except SystemExit as stop:
        code = 0 if stop.code is None else stop.code & 255 if isinstance(stop.code, int) else 1
    except BaseException:
        code = 1
    os._exit(finish(main) or code)


def finish(main: types.ModuleType) -> int:
    """Does what the interpreter does at its end, as far as an output may hang on it; 120 if it cannot flush, as there."""
    code = 0
    try:
        threading._shutdown()
        atexit._run_exitfuncs()
        code = max(flush(sys.stdout), flush(sys.__stdout__))
        for name in [name for name in main.__dict__ if name != "__builtins__"]:
            main.__dict__[name] = None  # files close, generators and objects say goodbye
        gc.collect()
        code = max(code, flush(sys.stdout), flush(sys.__stdout__))
        LIBC.fflush(None)
    except BaseException:
        code = 120
    return code


def flush(stream) -> int:
    try:
        if stream is not None and not stream.closed:
            stream.flush()
    except Exception:
        return 120
    return 0


def mount(kind: str, target: str, flags: int, options: str = ""):
    check(LIBC.mount(kind.encode(), target.encode(), kind.encode(), flags, options.encode()))


def drop_capabilities():
    """Gives up what the new user namespace gave: rights over its own mounts."""
    header, nothing = (ctypes.c_uint32 * 2)(CAPABILITIES_3, 0), (ctypes.c_uint32 * 6)()
    check(LIBC.capset(header, nothing))


def check(result: int):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    os.dup2(int(sys.argv[1]), CONTROL, inheritable=False)
    for name in os.listdir("/proc/self/fd"):  # whatever number the trainer had for it
        if int(name) > CONTROL:
            try:
                os.close(int(name))
            except OSError:  # the listing's own
                pass
    serve(socket.socket(fileno=CONTROL), int(sys.argv[2]), int(sys.argv[3]))

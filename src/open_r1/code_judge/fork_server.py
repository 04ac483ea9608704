"""A fork server: runs inside a sandbox and forks a new one, with Python already started, for each run of a program.

Each fork has its own namespaces, `/tmp`, `/proc` and limits, like a new bubblewrap. Two forks are always kept ready.
The fork itself receives a run from the control socket, as its limits and three file descriptors (input, output,
program), and closes the socket before the program starts; the server never sees programs or inputs. The server answers
with the id of the run and the exit code.

`warm.ForkServer` starts it as a script, so it can only import the standard library.
"""

import atexit
import bisect  # noqa: F401  preloads the modules that programs import most, so that they start faster
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


LIBC = ctypes.CDLL(None, use_errno=True)
PYTHON_API = ctypes.PyDLL(None)  # unlike CDLL, does not release the GIL
CLONE = {"x86_64": 56, "aarch64": 220}.get(os.uname().machine, -1)  # linux/unistd.h
NEW_MOUNTS, NEW_IPC, NEW_USER, NEW_PIDS = 0x20000, 0x8000000, 0x10000000, 0x20000000  # linux/sched.h
NO_SUID, NO_DEVICES, NO_EXEC = 2, 4, 8  # linux/mount.h
CAPABILITIES_3 = 0x20080522  # linux/capability.h
CONTROL = 3  # file descriptor of the control socket
READY = 2  # number of waiting forks: one is prepared while the other runs
MAX_DESCRIPTOR = 256
HARMLESS_SIGNALS = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH}
SIGNALLED = 128  # exit code of a program that a signal has ended, plus the number of the signal, as in shells
SOURCE = "/tmp/main.py"
FLUSH_FAILED = 120  # Python's exit code if it cannot write its output at the end


def serve(control: socket.socket, disk: int, stack: int) -> None:
    """Keeps forks ready, each for one run, until the other end closes the socket.

    Args:
        control (`socket.socket`): Socket on which forks receive runs and this process sends answers.
        disk (`int`): Size of each `/tmp`, in bytes.
        stack (`int`): Soft limit on the stack, in bytes.
    """
    user, group = os.getuid(), os.getgid()
    exit_on_signals()
    compile("print(0)", "first", "exec")  # the first compilation in a process takes two milliseconds longer
    gc.freeze()  # so that garbage collection in forks does not copy the memory pages of existing objects
    waiting: dict[int, int] = {}  # process id → pipe on which the fork reports the id of the run that it received
    while True:
        while len(waiting) < READY:
            started, started_end = os.pipe()
            child = fork_into_namespaces()
            if child == 0:
                prepare_and_run(control, started_end, disk, stack, user, group)
            os.close(started_end)
            waiting[child] = started
        child, status = os.wait()
        started = waiting.pop(child)
        run_id = os.read(started, 32).decode()
        if not run_id:
            return  # the socket was closed, or a sandbox could not be created
        os.close(started)
        control.send(f"{run_id} {os.waitstatus_to_exitcode(status)}".encode())


def exit_on_signals() -> None:
    """Makes the signals that end a process exit it, with their number as the exit code; forks inherit this.

    A fork is the first process of its namespace, and the kernel does not deliver such signals to it by default: a
    program that stops itself would go on. The handler is the C library's `_exit`. Executed programs do not inherit
    it, see `run_as_second_process`. `SIGKILL`, which cannot be handled, is left to the system-call filter (`seccomp`).
    """
    handler = ctypes.cast(LIBC._exit, ctypes.c_void_p)
    set_handler = LIBC.signal
    set_handler.argtypes = [ctypes.c_int, ctypes.c_void_p]
    for number in signal.valid_signals() - HARMLESS_SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:
            set_handler(number, handler)


def fork_into_namespaces() -> int:
    """Like `os.fork`, but into new namespaces, with one fork instead of the two that `unshare` needs.

    The child is the first process in the namespaces: when it ends, the kernel kills all other processes in them.
    """
    PYTHON_API.PyOS_BeforeFork()
    child = PYTHON_API.syscall(CLONE, NEW_USER | NEW_PIDS | NEW_MOUNTS | NEW_IPC | signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        PYTHON_API.PyOS_AfterFork_Child()
    else:
        PYTHON_API.PyOS_AfterFork_Parent()
    if child < 0:
        raise OSError("clone")
    return child


def prepare_and_run(control: socket.socket, started: int, disk: int, stack: int, user: int, group: int) -> None:
    """Sets up the sandbox around this fork, waits for a run and becomes its program. Does not return."""
    try:
        write_file("/proc/self/setgroups", "deny")
        write_file("/proc/self/uid_map", f"{user} {user} 1")
        write_file("/proc/self/gid_map", f"{group} {group} 1")
        os.setsid()  # so that `kill(0)` does not reach the fork server
        mount("tmpfs", "/tmp", NO_SUID | NO_DEVICES, f"size={disk},mode=1777")
        mount("tmpfs", "/dev/shm", NO_SUID | NO_DEVICES, f"size={2**20},mode=1777")
        mount("proc", "/proc", NO_SUID | NO_DEVICES | NO_EXEC)
        write_file("/proc/sys/user/max_user_namespaces", "0")
        drop_capabilities()
        os.chdir("/tmp")
        devnull = os.open(os.devnull, os.O_WRONLY)
        message, descriptors, _, _ = socket.recv_fds(control, 4096, 3)
        if message:
            run_program(json.loads(message), descriptors, devnull, started, stack)
    finally:
        os._exit(1)


def run_program(run: dict, descriptors: list[int], devnull: int, started: int, stack: int) -> None:
    """Becomes the program of a run, under its limits. Does not return."""
    stdin, stdout, source = descriptors
    os.dup2(stdin, 0)
    os.dup2(stdout, 1)
    os.dup2(devnull, 2)
    for name, value in run["limits"].items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name.upper()}"), (value, value))
    _, max_stack = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (stack, max_stack))
    os.write(started, str(run["id"]).encode())
    if run["executable"]:
        program = os.dup2(source, 3, inheritable=False)
        os.closerange(4, MAX_DESCRIPTOR)
        if run["second_process"]:
            run_as_second_process(f"/proc/self/fd/{program}")
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores both signals by default
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        os.execve(program, ["program"], os.environ)
    with open(source, "rb") as file:
        content = file.read()
    os.closerange(3, MAX_DESCRIPTOR)
    run_python(content)


def run_as_second_process(path: str) -> None:
    """Runs an executable in a process of its own, to which the kernel delivers all signals, and exits like it."""
    ignored_by_python = [signal.SIGPIPE, signal.SIGXFSZ]
    child = os.posix_spawn(path, ["program"], os.environ, setsigdef=ignored_by_python)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else SIGNALLED - code)


def run_python(content: bytes) -> None:
    """Runs a program as `python -I main.py` does, and exits."""
    with open(SOURCE, "wb") as file:
        file.write(content)
    # With the same settings as the interpreter's own streams.
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stdout = sys.__stdout__ = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stderr = sys.__stderr__ = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.argv = [SOURCE]
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    main.__dict__.update(__file__=SOURCE, __builtins__=builtins, __annotations__={}, __loader__=None, __cached__=None)
    try:
        exec(compile(content, SOURCE, "exec"), main.__dict__)
        code = 0
    except SystemExit as stop:
        code = exit_code_of(stop)
    except BaseException:
        code = 1
    os._exit(shut_down(main) or code)


def exit_code_of(stop: SystemExit) -> int:
    """The exit code of `sys.exit(value)`."""
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code & 255
    return 1


def shut_down(main: types.ModuleType) -> int:
    """Does what the interpreter does on exit, as far as the output may depend on it.

    Returns:
        `int`: 0, or Python's exit code if the output cannot be written.
    """
    try:
        threading._shutdown()
        atexit._run_exitfuncs()
        code = max(flush(sys.stdout), flush(sys.__stdout__))
        # A stream of the program's own may need its modules, which are gone below.
        sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
        for name in list(main.__dict__):
            if name != "__builtins__":
                main.__dict__[name] = None  # closes files and finalizes generators and objects
        gc.collect()
        code = max(code, flush(sys.stdout))
        LIBC.fflush(None)
    except BaseException:
        return FLUSH_FAILED
    return code


def flush(stream) -> int:
    """Flushes a stream. Returns 0, or Python's exit code if flushing fails."""
    try:
        if stream is not None and not stream.closed:
            stream.flush()
    except Exception:
        return FLUSH_FAILED
    return 0


def write_file(path: str, text: str) -> None:
    """Writes a kernel setting."""
    with open(path, "w") as file:
        file.write(text)


def mount(kind: str, target: str, flags: int, options: str = "") -> None:
    """Mounts a new file system, such as `tmpfs`."""
    raise_if_failed(LIBC.mount(kind.encode(), target.encode(), kind.encode(), flags, options.encode()))


def drop_capabilities() -> None:
    """Drops all capabilities that came with the new user namespace, such as the right to change mounts."""
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_3, 0)
    no_capabilities = (ctypes.c_uint32 * 6)()
    raise_if_failed(LIBC.capset(header, no_capabilities))


def raise_if_failed(result: int) -> None:
    """Raises the error of a C library call that did not return 0."""
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def close_other_descriptors() -> None:
    """Closes all file descriptors except the standard streams and the control socket."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > CONTROL:
            try:
                os.close(int(name))
            except OSError:  # the descriptor of the listing itself
                pass


if __name__ == "__main__":
    os.dup2(int(sys.argv[1]), CONTROL, inheritable=False)  # from the number that it had in the trainer
    close_other_descriptors()
    serve(socket.socket(fileno=CONTROL), disk=int(sys.argv[2]), stack=int(sys.argv[3]))

"""Hostile programs, which try to forge a reward, exhaust the machine, or escape from the sandbox."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from open_r1.code_judge.process import Limits


ROOT = Path(__file__).parents[2]
SECRET = "gold-7d1f9c"  # the expected output, which must be invisible to programs
HONEST = "print(sum(map(int, input().split())))"
ADD = [{"input": "20 22", "output": "42"}]
TOKEN = "hf_thisIsATokenOfTheTrainer"

FORGERIES = [  # none of these prints the correct output
    "import sys; sys.exit(0)",
    "import os; os._exit(0)",
    "print('passed'); print('OK'); print('1.0')",
    "class Yes(str):\n    def __eq__(self, other): return True\nprint(Yes('x'))",
    "import json\njson.loads = json.dumps = lambda *a, **k: 'true'\nprint('true')",
    "import builtins\nbuiltins.print = lambda *a: None\nprint(42)",
    "import sys\nsys.stdout = None",
    "import os\nos.close(1)",
    (
        "import os, sys\n"
        "for fd in range(3, 256):\n"
        '    try: os.write(fd, b\'{"exit": 0, "passed": true}\\n42\')\n'
        "    except OSError: pass"
    ),
    "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)",
    "import os, signal\nfor pid in range(1, 100):\n    try: os.kill(pid, signal.SIGKILL)\n    except OSError: pass",
    "import os, signal\nos.kill(-1, signal.SIGKILL)",
    "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
    "import os, signal\nos.killpg(0, signal.SIGTERM)",
    "import unittest\nprint('Ran 3 tests in 0.000s\\n\\nOK')",
    "print('\\n' * 1000 + '42' * 2)",
    "print('4' + '\\x08' * 5 + '42')",
    "print('\\x1b[2J42')",
]
FORGED_RESULTS = [
    "class Yes:\n    def __eq__(self, other): return True\ndef f(x):\n    return Yes()",
    (
        "class Yes(int):\n"
        "    def __eq__(self, other): return True\n"
        "    def __repr__(self): return '42'\n"
        "def f(x):\n"
        "    return Yes(7)"
    ),
    "import json\njson.dump = lambda result, stream: stream.write('true')\ndef f(x):\n    return 1",
    "import os\nos._exit(0)",
    "import sys\ndef f(x):\n    sys.exit(0)",
    (
        "import os\n"
        "def f(x):\n"
        "    for fd in range(1, 256):\n"
        "        try: os.write(fd, b'passed')\n"
        "        except OSError: pass\n"
        "    os._exit(0)"
    ),
    (
        "import sys\n"
        "def f(x):\n"
        "    return [v for frame in sys._current_frames().values() for v in frame.f_back.f_locals.values() if "
        "isinstance(v, list)]"
    ),
]
LIBC = "import ctypes, os, time\nlibc = ctypes.CDLL(None, use_errno=True)\n"
BOMBS = {
    "fork": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "threads": "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(99,)).start()",
    "memory": "x = []\nwhile True: x.append(bytearray(10**7))",
    "memory of many processes": (
        "import os, time\n"
        "for _ in range(20):\n"
        "    if os.fork() == 0:\n"
        "        x = bytearray(100 << 20)\n"
        "        time.sleep(99)\n"
        "time.sleep(99)"
    ),
    "memory after the first thread has ended": (
        "import ctypes, threading, time\n"
        "def fill():\n"
        "    x = []\n"
        "    while True: x.append(bytearray(10**7))\n"
        "threading.Thread(target=fill).start()\n"
        "ctypes.CDLL(None).pthread_exit(None)"
    ),
    "memory files": LIBC
    + (
        "for i in range(100):\n"
        "    fd = libc.memfd_create(b'x', 0)\n"
        "    for _ in range(100): os.write(fd, b'x' * 2**20)\n"
        "time.sleep(99)"
    ),
    "detached memory": LIBC
    + (
        "libc.shmat.restype = ctypes.c_void_p\n"
        "for i in range(100):\n"
        "    p = libc.shmat(libc.shmget(i + 1, 2**26, 0o1600), None, 0)\n"
        "    ctypes.memset(ctypes.c_void_p(p), 1, 2**26)\n"
        "time.sleep(99)"
    ),
    "many digits": "print('9' * 1500000)",
    "many lines": "print('1\\n' * 8000000)",
    "huge": "x = 10 ** 10 ** 10",
    "disk": "with open('/tmp/x', 'wb') as f:\n    while True: f.write(b'x' * 2**20)",
    "disk with many files": "for i in range(10**6): open(f'/tmp/{i}', 'wb').write(b'x' * 2**20)",
    "shared memory": "with open('/dev/shm/x', 'wb') as f:\n    while True: f.write(b'x' * 2**20)",
    "output": "while True: print('x' * 2**16)",
    "errors": "import sys\nwhile True: sys.stderr.write('x' * 2**16)",
    "loop": "while True: pass",
    "sleep": "import time\ntime.sleep(99)",
    "ignored signals": (
        "import signal\n"
        "for s in range(1, 65):\n"
        "    try: signal.signal(s, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\n"
        "while True: pass"
    ),
    "recursion": "import sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()",
    "closed output": "import os, time\nos.close(1); os.close(2)\ntime.sleep(99)",
    "files": "f = [open('/tmp/x', 'w') for _ in range(10**6)]",
    "regex": "import re\nre.match(r'(a+)+$', 'a' * 50 + 'b')",
}
ESCAPES = {  # each must print `safe`
    "home": (
        "import os\n"
        f"print('safe' if not any(map(os.path.exists, ['/root', '/home', {str(Path.home())!r}, {str(ROOT)!r}])) "
        "else 'out')"
    ),
    "passwords": (
        "import os\n"
        "print('safe' if not os.path.exists('/etc/passwd') and not os.path.exists('/etc/shadow') else 'out')"
    ),
    "system": "try:\n    open('/usr/bin/x', 'w'); print('out')\nexcept OSError: print('safe')",
    "root": "try:\n    open('/x', 'w'); print('out')\nexcept OSError: print('safe')",
    "box": "import os\ntry:\n    open('/box/main.py', 'w'); print('out')\nexcept OSError: print('safe')",
    "var": (
        "import os\n"
        "print('safe' if not os.path.exists('/var') and not os.path.exists('/mnt') and not "
        "os.path.exists('/sys') else 'out')"
    ),
    "processes": (
        "import os\n"
        "pids = [int(p) for p in os.listdir('/proc') if p.isdigit()]\n"
        "names = {open(f'/proc/{p}/cmdline').read() for p in pids}\n"
        "print('safe' if len(pids) < 6 and not any('pytest' in n for n in names) else names)"
    ),
    "environment": (
        "import glob\n"
        "found = False\n"
        "for path in glob.glob('/proc/[0-9]*/environ'):\n"
        f"    try: found |= {TOKEN!r} in open(path).read()\n"
        "    except OSError: pass\n"
        "import os\n"
        f"print('out' if found or {TOKEN!r} in str(os.environ) else 'safe')"
    ),
    "network": (
        "print('safe' if {line.split(':')[0].strip() for line in list(open('/proc/net/dev'))[2:]} <= {'lo'} "
        "else 'out')"
    ),
    "names": (
        "import socket\n"
        "try:\n"
        "    socket.getaddrinfo('localhost.localdomain.example', 80); print('out')\n"
        "except OSError: print('safe')"
    ),
    "root privileges": (
        "import os\ntry:\n    os.setuid(0); print('out')\nexcept OSError: print('safe' if os.getuid() else 'out')"
    ),
    "key rings": LIBC
    + "print('safe' if libc.syscall(250, 0, -4, 0) == libc.syscall(248, b'user', b'k', b'v', 1, -4) == -1 else 'out')",
    "dangerous system calls": LIBC
    + "print('safe' if {libc.syscall(n, 0, 0, 0, 0, 0) for n in (425, 323, 101, 321, 298, 438)} == {-1} else 'out')",
    "any network": (
        "import socket\n"
        "for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET):\n"
        "    try: socket.socket(family); print('out')\n"
        "    except OSError: pass\n"
        "print('safe')"
    ),
    "the image's application": (
        "import os\nprint('safe' if not os.path.isdir('/usr/src') or not os.listdir('/usr/src') else 'out')"
    ),
    "mount": (
        "import ctypes\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "print('safe' if libc.mount(b'none', b'/usr', b'tmpfs', 0, None) else 'out')"
    ),
    "remount": (
        "import ctypes\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "print('safe' if libc.mount(None, b'/usr', None, 32 | 4096, None) else 'out')"
    ),
    "namespaces": (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nprint('safe' if libc.unshare(0x10000000) else 'out')"
    ),
    "kernel": (
        "print('safe')\n"
        "for name in ('/proc/sys/kernel/hostname', '/proc/sysrq-trigger'):\n"
        "    try:\n"
        "        open(name, 'w').write('x'); print('out')\n"
        "    except OSError: pass"
    ),
    "descriptors": (
        "import os\n"
        "open_ones = [fd for fd in range(3, 1024) if os.path.exists(f'/proc/self/fd/{fd}')]\n"
        "print('safe' if not open_ones else open_ones)"
    ),
    "devices": (
        "import os\n"
        "print('safe' if not any(os.path.exists('/dev/' + d) for d in ('sda', 'vda', 'mem', 'kmsg', 'fuse', "
        "'kvm', 'nvidia0')) else 'out')"
    ),
    "links": (
        "import os\n"
        "os.symlink('/proc/1/root/etc/passwd', '/tmp/a')\n"
        "try:\n"
        "    open('/tmp/a').read(); print('out')\n"
        "except OSError: print('safe')"
    ),
    "capabilities": (
        "print('safe' if all(int(line.split()[1], 16) == 0 for line in open('/proc/self/status') if "
        "line.startswith(('CapEff', 'CapPrm', 'CapAmb'))) else 'out')"
    ),
    "new privileges": "print('safe' if 'NoNewPrivs:\\t1' in open('/proc/self/status').read() else 'out')",
}


@pytest.fixture(autouse=True)
def token(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)


def test_forged_verdicts_get_no_reward(reward):
    assert reward(FORGERIES, ADD, timeout=1) == [0.0] * len(FORGERIES)
    assert reward([HONEST], ADD) == [1.0]


def test_numbers_too_large_to_compare_are_wrong_answers(reward):
    assert reward(["print('9' * 10)"], [{"input": "", "output": "9" * 1_500_000, "tolerance": 1e-6}]) == [0.0]
    assert reward(["print('9' * 1500000)"], [{"input": "", "output": "1" * 1_500_000, "tolerance": 1e-6}]) == [0.0]


def test_forged_results_get_no_reward(reward):
    tests = [{"type": "function_call", "fn_name": "f", "input": [6], "output": 42}]
    assert reward(FORGED_RESULTS, tests) == [0.0] * len(FORGED_RESULTS)


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_stopped_and_the_judge_still_works(name, reward):
    started = time.monotonic()
    assert reward([BOMBS[name]], ADD, timeout=1) == [0.0]
    assert time.monotonic() - started < 3
    assert reward([HONEST], ADD) == [1.0]


@pytest.mark.parametrize("name", ESCAPES)
def test_sandbox_cannot_be_escaped(name, run):
    outcome = run(ESCAPES[name])
    assert (outcome.status, outcome.stdout.decode().strip()) == ("ok", "safe")


def test_expected_output_is_not_readable(run, reward):
    search = f"""
import os, re
half = {SECRET[:6]!r}  # the full secret would be found in this program itself
wanted = re.compile((half + '[0-9a-f]' + chr(123) + '5' + chr(125)).encode())
for folder, _, names in os.walk('/'):
    if folder.startswith(('/usr', '/lib', '/sys')): continue
    for name in names:
        try:
            with open(os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NONBLOCK), 'rb', 0) as file:
                found = wanted.search(file.read(10**6) or b'')
        except OSError: continue
        if found: print(found[0].decode()); raise SystemExit
for line in open('/proc/self/maps'):
    start, end = (int(x, 16) for x in line.split()[0].split('-'))
    if ' r' not in line: continue
    try:
        with open('/proc/self/mem', 'rb') as memory:
            memory.seek(start)
            found = wanted.search(memory.read(end - start))
    except (OSError, OverflowError, ValueError, MemoryError): continue
    if found: print(found[0].decode()); raise SystemExit
print('nothing')
"""
    tests = [{"input": "1", "output": SECRET}]
    assert reward([search], tests, timeout=20) == [0.0]
    assert run(search, "1", seconds=20).stdout.decode().strip() == "nothing"
    found = run("import sys; kept = sys.stdin.read()\n" + search, SECRET, seconds=20).stdout.decode().strip()
    assert found == SECRET  # the search itself works


def test_program_cannot_connect_to_sockets_outside(run):
    connections = []
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as named:
        named.bind("\0open_r1 listens")  # an abstract socket, which is not in any file system
        named.listen()
        server.settimeout(3)
        named.settimeout(3)
        for listener in (server, named):
            threading.Thread(target=accept_connection, args=(listener, connections), daemon=True).start()
        outcome = run(
            "import socket\n"
            f"for family, address in ((socket.AF_INET, ('127.0.0.1', {server.getsockname()[1]})), "
            "(socket.AF_UNIX, '\\0open_r1 listens')):\n"
            "    try:\n"
            "        s = socket.socket(family); s.settimeout(1); s.connect(address); print('out')\n"
            "    except OSError: print('safe')"
        )
        time.sleep(0.2)
    assert outcome.stdout.split() == [b"safe", b"safe"]
    assert not connections


def accept_connection(server, connections: list):
    try:
        connections.append(server.accept())
    except OSError:
        pass


def processes_with(marker: str) -> list[str]:
    """Command lines of running processes that contain a text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if marker in text and int(path.parent.name) != os.getpid():
            found.append(text)
    return found


def wait_until_gone(marker: str, seconds: float) -> list[str]:
    deadline = time.monotonic() + seconds
    remaining = processes_with(marker)
    while remaining and time.monotonic() < deadline:
        time.sleep(0.05)
        remaining = processes_with(marker)
    return remaining


def test_daemons_die_with_their_test(run):
    daemon = (
        "import os, sys\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        os.execv('/bin/sleep', ['sleep', '7654.321'])\n"
        "    os._exit(0)\n"
        "print('done')"
    )
    outcome = run(daemon)
    assert (outcome.status, outcome.stdout) == ("ok", b"done\n")
    assert not wait_until_gone("7654.321", 1)


@pytest.mark.parametrize(
    "program",
    [
        "import os\nos.execv('/bin/sleep', ['sleep', '7654.322'])",
        (
            "import os, signal\n"
            "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n"
            "if os.fork() == 0:\n"
            "    os.setsid()\n"
            "os.execv('/bin/sleep', ['sleep', '7654.322'])"
        ),
    ],
)
def test_no_process_outlives_its_deadline_by_a_second(program, run):
    started = time.monotonic()
    assert run(program, seconds=1).status == "timeout"
    assert not wait_until_gone("7654.322", 1)
    assert time.monotonic() - started < 2


LEFT_BEHIND = [
    "import os\nprint(os.listdir('/tmp'))\nopen('/tmp/x', 'w').write('1')",
    "import os\nprint(os.listdir('/dev/shm'))\nopen('/dev/shm/x', 'w').write('1')",
    "import json\nprint(getattr(json, 'left', None))\njson.left = 1",
    "import builtins\nprint(getattr(builtins, 'left', None))\nbuiltins.left = 1",
    "import sys\nprint(sys.getrecursionlimit())\nsys.setrecursionlimit(12345)",
    "import os\nprint(os.environ.get('LEFT'))\nos.environ['LEFT'] = '1'",
    "import os\nprint(os.getcwd())\nos.mkdir('/tmp/d')\nos.chdir('/tmp/d')",
    "import ctypes\nlibc = ctypes.CDLL(None)\nprint(libc.shmget(4711, 4096, 0o600))\nlibc.shmget(4711, 4096, 0o1600)",
    "import socket\ns = socket.socket(socket.AF_UNIX)\ns.bind('\\0left')\nprint('bound')\ns.listen()",
    "import os\nprint(os.umask(0o77))",
    (
        "import resource\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE))\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))"
    ),
]


@pytest.mark.parametrize("program", LEFT_BEHIND)
def test_no_state_is_kept_between_runs(program, run):
    first, second = run(program), run(program)
    assert first.status == second.status == "ok"
    assert first.stdout == second.stdout


def test_open_descriptors_of_the_trainer_are_not_inherited(judge):
    isolation, files = judge.isolation, [open(os.devnull) for _ in range(300)]  # noqa: SIM115
    try:
        fresh = type(judge)(isolation)
        outcome = fresh.run(ESCAPES["descriptors"], "python", "", Limits())
        assert outcome.stdout == b"safe\n"
    finally:
        for file in files:
            file.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to create a PID namespace without an init process")
def test_no_zombies_remain(judge):
    """Even if the init process does not reap children, as in many containers."""
    # The parent is the init process of the new PID namespace and reaps no children.
    program = f"""
import os, signal, time
from open_r1.code_judge.isolation import Bubblewrap
from open_r1.code_judge.process import Limits
from open_r1.code_judge.providers import ColdSandboxes
from open_r1.code_judge.warm import WarmSandboxes

if os.fork():
    signal.pause()
judge = {type(judge).__name__}(Bubblewrap())
for source in ["print(1)"] * 3 + ["while True: pass"] * 3:
    judge.run(source, "python", "", Limits(seconds=0.5))
del judge
time.sleep(0.2)
states = [open(f"/proc/{{pid}}/status").read() for pid in os.listdir("/proc") if pid.isdigit()]
print(sum("State:\\tZ" in state for state in states), flush=True)
os.kill(1, 9)
"""
    command = "unshare --pid --fork --mount-proc --kill-child timeout 60".split()
    command += [sys.executable, "-c", program]
    environment = os.environ | {"PYTHONPATH": "src"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        zombies = process.stdout.readline().strip()
        process.kill()
    assert zombies == "0"


def test_random_seed_is_not_shared(run):
    draws = {run("import random\nprint(random.random())").stdout for _ in range(3)}
    assert len(draws) == 3


CPP_ATTACKS = {
    "read at compile time": f'#include <cstdio>\nint main() {{ puts(\n#include "{Path.home()}/.bashrc"\n); }}',
    "endless include": '#include "/dev/zero"\nint main() {}',
    "include itself": "#include __FILE__\nint main() {}",
    "include by assembler": '#include <cstdio>\nasm(".global f\\nf: .incbin \\"/etc/passwd\\"");\nint main() {}',
    "endless templates": (
        "template<int n> struct A { typedef typename A<n + 1>::T T; typedef typename A<n + 2>::T S; };\n"
        "A<0>::T x;\n"
        "int main() {}"
    ),
    "huge executable": "char a[2000000000] = {1};\nint main() {}",
    "exit at once": "#include <unistd.h>\nint main() { _exit(0); }",
}


@pytest.mark.parametrize("name", CPP_ATTACKS)
def test_cpp_attacks(name, reward):
    assert reward([CPP_ATTACKS[name]], ADD, language="cpp", timeout=2) == [0.0]

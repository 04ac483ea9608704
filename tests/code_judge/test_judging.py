"""Honest programs are judged correctly, however they are written."""

import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

import open_r1.code_judge
from open_r1.code_judge import INSTALL_HELP
from open_r1.code_judge.languages import LANGUAGES
from open_r1.code_judge.process import Limits
from open_r1.code_judge.providers import COMPILER_LIMITS


ADD = [{"input": f"{a} {b}", "output": f"{a + b}"} for a, b in ((1, 2), (5, 6), (-4, 4))]
CALL = [
    {"type": "function_call", "fn_name": "add", "input": [a, b], "output": a + b} for a, b in ((1, 2), (5, 6), (-4, 4))
]

RIGHT = [
    "a, b = map(int, input().split())\nprint(a + b)",
    "import sys\na, b = map(int, sys.stdin.read().split())\nsys.stdout.write(str(a + b))",
    "import os\na, b = map(int, os.read(0, 99).split())\nos.write(1, b'%d\\n' % (a + b))",
    "import sys\nfor line in sys.stdin:\n    print(sum(map(int, line.split())))",
    "a, b = map(int, open(0).read().split())\nprint(a + b, flush=True)",
    "def main():\n    print(sum(map(int, input().split())))\n\nif __name__ == '__main__':\n    main()",
    (
        "import threading, sys\n"
        "threading.stack_size(2**26)\n"
        "sys.setrecursionlimit(10**6)\n"
        "def main():\n"
        "    def deep(n):\n"
        "        return 0 if n == 0 else deep(n - 1)\n"
        "    deep(10**4)\n"
        "    print(sum(map(int, input().split())))\n"
        "threading.Thread(target=main).start()"
    ),
    "print(sum(map(int, input().split())))\nraise SystemExit",
    "print(sum(map(int, input().split())))\nimport sys\nsys.exit(0)",
    "print(sum(map(int, input().split())), end='')\nexit()",
    "import sys\nprint('debugging', file=sys.stderr)\nprint(sum(map(int, input().split())))",
    "import atexit\natexit.register(lambda: print(sum(map(int, input().split()))))",
    (
        "import subprocess, sys\n"
        "print(subprocess.check_output([sys.executable, '-c', f'print({\"+\".join(input().split())})'], "
        "text=True))"
    ),
    "open('/tmp/x', 'w').write(input())\nprint(sum(map(int, open('/tmp/x').read().split())))",
    (
        "from dataclasses import dataclass\n"
        "@dataclass\n"
        "class P:\n"
        "    a: int\n"
        "    b: int\n"
        "p = P(*map(int, input().split()))\n"
        "print(p.a + p.b)"
    ),
    "import pickle\nclass P: pass\npickle.loads(pickle.dumps(P()))\nprint(sum(map(int, input().split())))",
    (
        "from multiprocessing import Pool\n"
        "if __name__ == '__main__':\n"
        "    with Pool(2) as p:\n"
        "        print(sum(p.map(int, input().split())))"
    ),
    "print(sum(map(int, input().split())), '  ')\nprint()",
    "f = open(1, 'w')\nf.write(str(sum(map(int, input().split()))))",
    "import os\nf = os.fdopen(1, 'wb')\nf.write(b'%d' % sum(map(int, input().split())))",
    "import io, sys\nprint(sum(map(int, input().split())))\nsys.stdout = io.StringIO()\nprint('hidden')",
    "import sys\nprint(sum(map(int, input().split())))\nsys.stdout.close()",
    (
        "class Last:\n"
        "    def __del__(self): print(self.total)\n"
        "last = Last()\n"
        "last.total = sum(map(int, input().split()))"
    ),
    (
        "def gen():\n"
        "    try: yield\n"
        "    finally: print(total)\n"
        "g = gen()\n"
        "next(g)\n"
        "total = sum(map(int, input().split()))"
    ),
    "import ctypes\nctypes.CDLL(None).printf(b'%d', sum(map(int, input().split())))",
    "open('/dev/stdout', 'w').write(str(sum(map(int, open('/dev/stdin').read().split()))))",
    "import resource\nresource.setrlimit(resource.RLIMIT_STACK, (2**28, -1))\nprint(sum(map(int, input().split())))",
    (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(32) as pool:\n"
        "    print(sum(pool.map(int, input().split() + ['0'] * 100)))"
    ),
    "__builtins__.print(sum(map(int, input().split())))",
    "x: int = sum(map(int, input().split()))\nassert __annotations__\nprint(x)",
    "import asyncio\nasync def main():\n    print(sum(map(int, input().split())))\nasyncio.run(main())",
    "import mmap\nprint(sum(map(int, mmap.mmap(0, 0, access=mmap.ACCESS_READ)[:].split())))",
    (
        "import sys\n"
        "sys.set_int_max_str_digits(0)\n"
        "assert len(str(10**9999)) == 10000\n"
        "print(sum(map(int, input().split())))"
    ),
]

FAST_INPUT = """
import os, sys
from io import BytesIO, IOBase

class FastIO(IOBase):
    newlines = 0

    def __init__(self, file):
        self._fd = file.fileno()
        self.buffer = BytesIO()
        self.writable = "x" in file.mode or "r" not in file.mode
        self.write = self.buffer.write if self.writable else None

    def readline(self):
        while self.newlines == 0:
            data = os.read(self._fd, max(os.fstat(self._fd).st_size, 8192))
            self.newlines = data.count(b"\\n") + (not data)
            position = self.buffer.tell()
            self.buffer.seek(0, 2), self.buffer.write(data), self.buffer.seek(position)
        self.newlines -= 1
        return self.buffer.readline()

    def flush(self):
        if self.writable:
            os.write(self._fd, self.buffer.getvalue())
            self.buffer.truncate(0), self.buffer.seek(0)

class IOWrapper(IOBase):
    def __init__(self, file):
        self.buffer = FastIO(file)
        self.flush = self.buffer.flush
        self.writable = self.buffer.writable
        self.write = lambda s: self.buffer.write(s.encode("ascii"))
        self.readline = lambda: self.buffer.readline().decode("ascii")

sys.stdin, sys.stdout = IOWrapper(sys.stdin), IOWrapper(sys.stdout)
input = lambda: sys.stdin.readline().rstrip("\\r\\n")
print(sum(map(int, input().split())))
"""
RIGHT += [
    FAST_INPUT,
    "import os\nprint(sum(map(int, os.read(0, os.fstat(0).st_size).split())))",
    "import io, os\nlines = io.BytesIO(os.read(0, os.fstat(0).st_size))\nprint(sum(map(int, lines.readline().split())))",
    (
        "import atexit, io, os, sys\n"
        "buffer = io.BytesIO()\n"
        "sys.stdout = io.TextIOWrapper(buffer)\n"
        "@atexit.register\n"
        "def write():\n"
        "    sys.stdout.flush()\n"
        "    os.write(1, buffer.getvalue())\n"
        "print(sum(map(int, input().split())))"
    ),
    "assert len(str(2**20000)) == 6021 and int('9' * 5000)\nprint(sum(map(int, input().split())))",
    (
        "import subprocess, sys\n"
        "assert len(subprocess.check_output([sys.executable, '-c', 'print(2**20000)'])) == 6022\n"
        "print(sum(map(int, input().split())))"
    ),
    "\ufeffprint(sum(map(int, input().split())))",
    (
        "import os, signal\n"
        "signal.signal(15, lambda *_: print(sum(map(int, input().split()))))\n"
        "os.kill(os.getpid(), 15)"
    ),
    (
        "import os, signal\n"
        "signal.signal(15, signal.SIG_IGN)\n"
        "os.kill(os.getpid(), 15)\n"
        "print(sum(map(int, input().split())))"
    ),
    (
        "import subprocess\n"
        "process = subprocess.Popen(['sleep', '9'])\n"
        "process.kill()\n"
        "assert process.wait() == -9\n"
        "print(sum(map(int, input().split())))"
    ),
]


def test_right_programs(reward):
    assert reward(RIGHT, ADD) == [1.0] * len(RIGHT)


WRONG = [
    "print(3)",  # passes only the first test
    "print('3\\n11\\n0')",
    "a, b = map(int, input().split())\nprint(a - b)",
    "a, b = map(int, input().split())\nprint(a + b)\nprint('done')",
    "print('Answer:', sum(map(int, input().split())))",
    "print(sum(map(int, input().split())))\nraise ValueError",
    "print(sum(map(int, input().split())))\nimport sys\nsys.exit(1)",
    "print(sum(map(int, input().split())))\nimport os\nos._exit(3)",
    "print(sum(map(int, input().split())))\nimport os\nos.abort()",
    "print(sum(map(int, input().split()))\n",
    "def add(a, b):\n    return a + b",
    "pass",
    "int main() { return 0; }",
    "\x00",
    "print(sum(map(int, input().split())))\n\ud800",
]


def test_wrong_programs(reward):
    assert reward(WRONG, ADD) == [0.0] * len(WRONG)


SIGNALS = [
    "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)",
    "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
    "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
    "import os\nos.kill(0, 9)",
    "import os\nos.kill(os.getpid(), 40)",
    "import os\nif os.fork() == 0: os.kill(os.getppid(), 15); os._exit(0)\nos.wait()",
    "import signal\nsignal.raise_signal(signal.SIGKILL)",
    "import signal\nsignal.raise_signal(signal.SIGUSR1)",
    "import signal, threading\nsignal.pthread_kill(threading.get_ident(), 9)",
    "import os, threading\nt = threading.Thread(target=os.kill, args=(os.getpid(), 9))\nt.start()\nt.join()",
    "import signal, time\nsignal.setitimer(signal.ITIMER_REAL, 0.1)\ntime.sleep(0.5)",
    "import ctypes\nctypes.string_at(0)",
    "import ctypes, os\nctypes.CDLL(None).kill(os.getpid(), 9)",
]


def test_a_program_that_stops_itself_by_a_signal_fails(reward):
    """Even if it has printed the right output before."""
    programs = [f"print(sum(map(int, input().split())), flush=True)\n{end}" for end in SIGNALS]
    assert reward(programs, ADD[:1], timeout=1) == [0.0] * len(programs)


def test_a_cpp_program_that_stops_itself_by_a_signal_fails(reward):
    start = '#include <csignal>\n#include <cstdio>\n#include <unistd.h>\nint main() { puts("3"); fflush(stdout); '
    ends = ["raise(SIGTERM);", "raise(SIGKILL);", "kill(getpid(), 9);", "alarm(1); sleep(2);", "return 3;"]
    assert reward([start + end + " }" for end in ends], ADD[:1], language="cpp") == [0.0] * len(ends)
    handled = "std::signal(SIGTERM, SIG_IGN); raise(SIGTERM); }"
    assert reward([start + handled, start + "}"], ADD[:1], language="cpp") == [1.0, 1.0]


def test_fraction_counts_the_tests_that_pass(reward):
    programs = [
        "print(3)",
        "a, b = map(int, input().split())\nprint(abs(a + b))",
        "a, b = map(int, input().split())\nassert a < 5\nprint(a + b)",
    ]
    assert reward(programs, ADD, mode="fraction") == [pytest.approx(1 / 3), 1.0, pytest.approx(2 / 3)]
    assert reward(programs, ADD) == [0.0, 1.0, 0.0]


def test_a_timeout_fails_only_its_test(reward):
    program = "a, b = map(int, input().split())\nwhile a == 5: pass\nprint(a + b)"
    assert reward([program], ADD, mode="fraction", timeout=1) == [pytest.approx(2 / 3)]


def test_the_program_deadline_ends_all_its_tests(reward):
    started = time.monotonic()
    assert reward(["while 1: pass"], ADD * 5, mode="fraction", timeout=1, program_timeout=2) == [0.0]
    assert time.monotonic() - started < 4


def test_binary_mode_stops_at_the_first_failure(reward):
    started = time.monotonic()
    assert reward(["import time\ntime.sleep(0.3)"], ADD * 10) == [0.0]
    assert time.monotonic() - started < 2


CALLED = [
    ("def add(a, b):\n    return a + b", 1.0),
    ("class Solution:\n    def add(self, a: int, b: List[int]) -> Optional[int]:\n        return a + b", 1.0),
    ("def add(a, b):\n    print('noise', a)\n    return a + b", 1.0),
    ("def helper(a, b):\n    return a + b\n\nadd = helper", 1.0),
    ("def add(a, b):\n    return float(a + b)", 1.0),
    ("def add(a, b):\n    return str(a + b)", 0.0),
    ("def add(a, b):\n    print(a + b)", 0.0),
    ("def add(a, b):\n    return [a + b]", 0.0),
    ("def add(a, b):\n    return {a + b}", 0.0),
    ("def add(a, b):\n    return lambda: a + b", 0.0),
    ("def add(a, b):\n    return pow(a + b, 1, 1000) - (1000 if a + b < 0 else 0)", 1.0),
    (
        (
            "from __future__ import annotations\n"
            "from dataclasses import dataclass\n"
            "@dataclass\n"
            "class P:\n"
            "    a: int\n"
            "def add(a, b):\n"
            "    return P(a).a + b"
        ),
        1.0,
    ),
    ("class Solution:\n    pass\ndef add(a, b):\n    return a + b", 1.0),
    ("class Sol:\n    def add(self, a, b):\n        return a + b", 1.0),
    ("class Base:\n    pass\nclass Adder(Base):\n    @staticmethod\n    def add(a, b):\n        return a + b", 1.0),
    ("class Sol:\n    def add(self, a, b):\n        return 0\ndef add(a, b):\n    return a + b", 1.0),
    ("class Sol:\n    def sub(self, a, b):\n        return a + b", 0.0),
    ("class Sol:\n    def add(self, a, b):\n        return a - b", 0.0),
    ("class Sol:\n    def __init__(self, n):\n        pass\n    def add(self, a, b):\n        return a + b", 0.0),
    ("def sub(a, b):\n    return a + b", 0.0),
    ("def add(a):\n    return a", 0.0),
    ("print(3)", 0.0),
]


def test_functions(reward):
    assert reward([program for program, _ in CALLED], CALL) == [right for _, right in CALLED]


def test_results_of_functions_by_value(reward):
    tests = [
        {"type": "function_call", "fn_name": "f", "input": [n], "output": out}
        for n, out in ((0, [1, "a", None, True]), (1, {"k": [0.5]}))
    ]
    right = "def f(n):\n    return {'k': (0.5,)} if n else (1, 'a', None, True)"
    wrong = "def f(n):\n    return {'k': (0.5,)} if n else (1, 'a', None, 1)"
    assert reward([right, wrong], tests) == [1.0, 0.0]


@pytest.mark.parametrize(
    ("fields", "right", "wrong"),
    [
        ({"input": "[1, 2]", "output": "3"}, "a + b", "a - b"),
        ({"input": [1, 2], "output": [3]}, "a + b", "[[3]]"),
        ({"input": [1, 2], "output": [3]}, "[a + b]", "[a, b]"),
        ({"input": [1, 2], "output": [3]}, "3.0", "True"),
        ({"input": [1, 2], "output": [[3, 4]]}, "[3, 4]", "3"),
        ({"input": [1, 2], "output": [None]}, "None", "0"),
        ({"input": [1, 2], "output": None}, "None", "0"),
        ({"input": "[1, 2]", "output": "True"}, "a < b", "1"),
        ({"input": "[1, 2]", "output": "True"}, "'True'", "'true'"),
        ({"input": "['a', 'b']", "output": "['ab']"}, "[a + b]", "[b + a]"),
        ({"input": "[" + "4" * 6000 + ", 0]", "output": "8" * 6000}, "a * 2", "a * 2 + 1"),
    ],
)
def test_layouts_of_function_calls(reward, fields, right, wrong):
    programs = [f"def add(a, b):\n    return {result}" for result in (right, wrong)]
    assert reward(programs, [{"type": "function_call", "fn_name": "add", **fields}]) == [1.0, 0.0]


def test_tolerance_of_a_test(reward):
    tests = [{"input": "2", "output": "1.41421356", "tolerance": 1e-6}]
    assert reward(["print(float(input()) ** 0.5)", "print(1.4143)"], tests) == [1.0, 0.0]
    assert reward(["print(float(input()) ** 0.5)"], [{"input": "2", "output": "1.41421356"}]) == [0.0]


CPP_RIGHT = [
    "#include <iostream>\nint main() { long a, b; std::cin >> a >> b; std::cout << a + b; }",
    (
        "#include <bits/stdc++.h>\n"
        "using namespace std;\n"
        'int main() { int a, b; scanf("%d %d", &a, &b); printf("%d\\n", a + b); return 0; }'
    ),
    (
        "#include <bits/stdc++.h>\n"
        "int main() { std::vector<int> v(2); std::cin >> v[0] >> v[1]; std::ranges::sort(v); "
        "std::cout << v[0] + v[1]; }"
    ),
    (
        "#include <bits/stdc++.h>\n"
        'int main() { freopen("/dev/stdout", "w", stdout); int a, b; std::cin >> a >> b; printf("%d", a + b); }'
    ),
    (
        "#include <bits/stdc++.h>\n"
        "int main() { long a, b, s = 0; std::cin >> a >> b; std::vector<std::thread> t; std::mutex m; "
        "for (int i = 0; i < 16; i++) t.emplace_back([&, i] { std::lock_guard l(m); s += i ? 0 : a + b; }); "
        "for (auto &x : t) x.join(); std::cout << s; }"
    ),
    (
        "#include <iostream>\n"
        "static char big[400000000];\n"
        "int main() { int a, b; std::cin >> a >> b; big[399999999] = 1; std::cout << a + b; }"
    ),
    (
        "#include <iostream>\n"
        "#include <sys/resource.h>\n"
        "int deep(int n) { char x[500]; x[0] = n; return n ? deep(n - 1) + x[0] - x[0] : 0; }\n"
        "int main() { int a, b; std::cin >> a >> b; std::cout << a + b + deep(100000); }"
    ),
    (
        "#include <iostream>\n"
        "#include <ranges>\n"
        "auto add(auto a, auto b) { return a + b; }\n"
        "int main() { int a, b; std::cin >> a >> b; std::cout << add(a, b) << std::endl; }"
    ),
]
CPP_WRONG = [
    "int main() { return 0; }",
    "#include <iostream>\nint main() { std::cout << 3; return 1; }",
    "#include <iostream>\nint main() { std::cout << 3; }",
    "#include <cstdlib>\nint main() { abort(); }",
    "int main() { int *p = 0; return *p; }",
    "int main() {",
    "print(3)",
]


def test_cpp(reward):
    assert reward(CPP_RIGHT + CPP_WRONG, ADD, language="cpp", timeout=10) == [1.0] * len(CPP_RIGHT) + [0.0] * len(
        CPP_WRONG
    )


def test_cpp_is_compiled_once(reward, monkeypatch):
    program = "// compiled once\n" + CPP_RIGHT[0]
    reward([program], ADD, language="cpp")
    monkeypatch.setattr(LANGUAGES["cpp"], "compile", ["false"])  # every further compilation would fail
    assert reward([program], ADD, language="cpp") == [1.0]
    assert reward(["// another\n" + program], ADD, language="cpp") == [0.0]


def test_unicode(reward):
    tests = [{"input": "größe 数 🎉", "output": "🎉 数 größe"}]
    assert reward(["print(*reversed(input().split()))"], tests) == [1.0]


def test_large_input_and_output(reward):
    text = " ".join(map(str, range(300_000)))
    assert reward(["print(input())"], [{"input": text, "output": text}]) == [1.0]


def test_memory_shared_by_processes_is_counted_once(run):
    program = (
        "import os, time\n"
        "x = bytes(bytearray(os.urandom(1) * (120 << 20)))\n"
        "for _ in range(6):\n"
        "    if os.fork() == 0: time.sleep(0.5); os._exit(0)\n"
    )
    outcome = run(program + "time.sleep(0.6)\nprint('done')")
    assert (outcome.status, outcome.stdout) == ("ok", b"done\n")


def test_a_compilation_that_timed_out_is_retried(judge, monkeypatch):
    """A correct program may take longer on a busy machine, so only real compilation errors are cached."""
    program = "// tried again\n" + CPP_RIGHT[1]
    monkeypatch.setattr("open_r1.code_judge.providers.COMPILER_LIMITS", replace(COMPILER_LIMITS, seconds=0.05))
    assert judge.run(program, "cpp", "1 2", Limits()).status == "compile"
    monkeypatch.undo()
    assert judge.run(program, "cpp", "1 2", Limits()).stdout == b"3\n"


@pytest.mark.skipif(shutil.which("bwrap") is None, reason=INSTALL_HELP)
def test_example_of_the_readme():
    readme = Path(open_r1.code_judge.__file__).with_name("README.md").read_text()
    code = readme.split("````python\n")[1].split("````")[0]
    namespace = {}
    exec(code.replace("ProgramJudge()", "verdict = ProgramJudge()"), namespace)
    assert repr(namespace["verdict"]) == code.strip().rpartition("# ")[2]

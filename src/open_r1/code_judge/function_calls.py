"""Wraps a function call into a Python program, so that providers only need to run programs.

The wrapper reads the arguments as JSON and prints the result as JSON to a separate file descriptor; anything that the
tested program prints is discarded. The expected result is not part of the wrapper: even a program that writes to that
descriptor itself has to know the answer.
"""

# The imports that LiveCodeBench's judge puts before a solution; solutions rely on them.
PRELUDE = """
import sys, time, itertools, functools, collections, random, math, operator, re, bisect, heapq, string, copy, datetime
from typing import *
from itertools import *
from functools import *
from collections import *
from heapq import *
from bisect import *
from string import *
from operator import *
from math import *
from builtins import *
"""
DRIVER = """
import json, os, sys, types
channel = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
arguments = json.loads(sys.stdin.read())
module = sys.modules["solution"] = types.ModuleType("solution")
names = module.__dict__
exec(%(prelude)r, names)
imported = names.get(%(function)r)
exec(compile(%(program)r, "main.py", "exec"), names)
if hasattr(names.get("Solution"), %(function)r):
    function = getattr(names["Solution"](), %(function)r)
else:
    function = names[%(function)r]
    if function is imported:
        raise NameError(%(function)r)
result = function(**arguments) if isinstance(arguments, dict) else function(*arguments)
with open(channel, "w") as stream:
    json.dump(result, stream)
"""


def write_function_call(program: str, function: str) -> str:
    """Source of a program that calls a function of the tested program, or a method of its class `Solution`.

    Args:
        program (`str`): Source of the tested program.
        function (`str`): Name of the function or method.

    >>> "add" in write_function_call("def add(a, b): return a + b", "add")
    True
    """
    return DRIVER % {"prelude": PRELUDE, "program": program, "function": function}

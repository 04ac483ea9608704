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
owner = names.get("Solution")
if not hasattr(owner, %(function)r) and (%(function)r not in names or names[%(function)r] is imported):
    for value in names.values():
        is_own_class = isinstance(value, type) and value.__module__ == "solution"
        if is_own_class and hasattr(value, %(function)r):
            owner = value
if hasattr(owner, %(function)r):
    function = getattr(owner(), %(function)r)
else:
    function = names[%(function)r]
    if function is imported:
        raise NameError(%(function)r)
result = function(**arguments) if isinstance(arguments, dict) else function(*arguments)
def to_json(value):
    if type(value).__module__ == "numpy":
        return value.tolist()
    raise TypeError(type(value))
with open(channel, "w") as stream:
    json.dump(result, stream, default=to_json)
"""


def write_function_call(program: str, function: str) -> str:
    """Source of a program that calls a function of the tested program, or a method of its class.

    The method belongs to the class `Solution`, else, if there is no such function, to the last class that has it.

    Args:
        program (`str`): Source of the tested program.
        function (`str`): Name of the function or method.

    >>> "add" in write_function_call("def add(a, b): return a + b", "add")
    True
    """
    return DRIVER % {"prelude": PRELUDE, "program": program, "function": function}

"""Clones in Python and in C, in turn, with system calls that are answered at once by what overhead preloads."""

from __future__ import annotations

import ctypes
import sys
from itertools import repeat
from statistics import quantiles
from time import perf_counter_ns

import xtent

BATCHES = 501
CALLS = 1000

preloaded = ctypes.CDLL(None)
preloaded.own_time.restype = ctypes.c_double
pretend = ctypes.c_int.in_dll(preloaded, "pretend")
if preloaded.open_files(sys.argv[1].encode()) != 0:
    sys.exit("no files can be made there")
numbers = preloaded.source(), preloaded.destination()
objects = [open(number, "rb+", buffering=0) for number in numbers]


def time(src: xtent._xtent.FileDescriptorLike, dst: xtent._xtent.FileDescriptorLike) -> float:
    clone = xtent.clone_range
    pretend.value = 1
    begin = perf_counter_ns()
    for _ in repeat(None, CALLS):
        clone(src, dst)
    spent = perf_counter_ns() - begin
    pretend.value = 0
    return spent / CALLS


in_c, rows = [], {"clone_range(3, 4)": (numbers, []), "clone_range(src, dst), file objects": (objects, [])}
for _ in range(BATCHES):
    in_c.append(preloaded.own_time())
    for files, times in rows.values():
        times.append(time(*files))

print("\n### call overhead, Python\n")
print("A clone without its system calls, as above; ns, lower quartiles, and in brackets by the medians.\n")
print("| call | Python | C | over C | target | |\n|---|---|---|---|---|---|")
c = quantiles(in_c)
for call, (_, times) in rows.items():
    python = quantiles(times)
    over = python[0] - c[0]
    verdict = "met" if over <= 300 else "**missed**"
    print(f"| {call} | {python[0]:.0f} | {c[0]:.0f} | {over:.0f} ({python[1] - c[1]:.0f}) | ≤ 300 | {verdict} |")

"""Copies, clones or dedupes N.src to N.dst of a directory, in so many threads: threads.py VERB DIRECTORY THREADS. Prints
the seconds that passed, and those of the processor.
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import xtent


def work(src: str) -> None:
    dst = src.removesuffix("src") + "dst"
    with open(src, "rb") as a, open(dst, "rb+" if verb == "dedupe" else "xb+") as b:
        if verb == "dedupe":
            [result] = xtent.dedupe_range(a, [(b, 0)])
            assert result.status is xtent.DedupeStatus.SAME
        elif verb == "clone":
            xtent.clone_range(a, b)
        else:
            xtent.copy_range(a, b)


verb, directory, threads = sys.argv[1:]
os.chdir(directory)
files = [name for name in os.listdir() if name.endswith(".src")]
with ThreadPoolExecutor(int(threads)) as pool:
    # The threads are there before the clock runs.
    list(pool.map(lambda _: time.sleep(0.001), range(100)))
    begin, processor = time.perf_counter(), time.process_time()
    list(pool.map(work, files))
    print(time.perf_counter() - begin, time.process_time() - processor)

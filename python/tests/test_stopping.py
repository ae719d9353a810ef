"""Progress, exceptions, Ctrl-C, threads."""

import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

import pytest

import xtent
from place import BLOCK, Place, content, noise

MIB = 1 << 20
STEP = 4 * MIB

both_copies = pytest.mark.parametrize("copy", [xtent.copy_range, xtent.clone_or_copy_range])


@pytest.fixture
def endless() -> Iterator[BinaryIO]:
    """A source that takes hours to read and no space: holes in memory, of which no map tells."""
    if not os.path.isdir("/dev/shm"):
        pytest.skip("there is no /dev/shm")
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        file.truncate(8 << 40)
        yield file


def test_progress(place: Place) -> None:
    data = noise(9 * MIB + 5)
    src, dst = place.file("src", data), place.file("dst")
    told: list[tuple[int, int | None]] = []
    xtent.copy_range(src, dst, progress=lambda *step: told.append(step))
    done = [0] + [step[0] for step in told]
    assert {step[1] for step in told} == {len(data)}
    assert done[-1] == len(data)
    assert all(0 < b - a <= STEP for a, b in zip(done, done[1:]))


def test_what_progress_returns_is_ignored(place: Place) -> None:
    src, dst = place.file("src", noise(3 * MIB)), place.file("dst")
    for answer in (False, True, 0, 1, "stop"):
        assert xtent.copy_range(src, dst, progress=lambda done, total: answer).bytes == 3 * MIB


def test_total_is_none_where_nobody_knows(place: Place) -> None:
    told: list[int | None] = []
    with open("/proc/version", "rb") as src:
        xtent.copy_range(src, place.file("dst"), progress=lambda done, total: told.append(total))
    assert set(told) == {None}


@both_copies
@pytest.mark.parametrize("progress", [3, "progress", object()])
def test_progress_that_cannot_be_called(place: Place, copy: Any, progress: object) -> None:
    src, dst = place.file("src", b"abc"), place.file("dst")
    with pytest.raises(TypeError, match="progress"):
        copy(src, dst, progress=progress)
    assert content(dst) == b""


def test_progress_of_other_arguments(place: Place) -> None:
    src, dst = place.file("src", b"abc"), place.file("dst")
    with pytest.raises(TypeError, match="positional argument"):
        xtent.copy_range(src, dst, progress=lambda: None)


@both_copies
@pytest.mark.parametrize("kind", [ValueError, OSError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_exception_stops_it_and_comes_out_as_it_is(
    place: Place, elsewhere: Callable[[Place], Place], copy: Any, kind: type[BaseException]
) -> None:
    data = noise(20 * MIB)
    # To another filesystem, so that it is copied.
    src, dst = place.file("src", data), elsewhere(place).file("dst")
    own = kind("own")
    told = []

    def progress(done: int, total: int) -> None:
        told.append(done)
        if len(told) == 2:
            raise own

    with pytest.raises(kind) as raised:
        copy(src, dst, progress=progress)
    assert raised.value is own
    assert own.__cause__ is own.__context__ is None
    assert not hasattr(own, "report")
    # It stopped at once, and what was copied stays.
    assert len(told) == 2
    assert content(dst) == data[: told[-1]]


def test_an_exception_after_the_last_step_comes_out_too(place: Place) -> None:
    src, dst = place.file("src", b"abc"), place.file("dst")
    with pytest.raises(ZeroDivisionError):
        xtent.copy_range(src, dst, progress=lambda done, total: 1 // 0)
    assert content(dst) == b"abc"


def test_a_verb_inside_progress(place: Place) -> None:
    src, dst, other = place.file("src", noise(3 * MIB)), place.file("dst"), place.file("other")
    xtent.copy_range(src, dst, progress=lambda done, total: xtent.copy_range(src, other))
    assert content(other) == content(dst) == content(src)


# How much a process has read: that grows while a copy goes on. Time says nothing on a busy machine.
PRELUDE = """
import os, signal, sys, threading, time, xtent

def has_read():
    return int(open("/proc/self/io").read().split()[1])

def read_more():
    before = has_read()
    while has_read() < before + (256 << 20):
        time.sleep(0.001)

src, dst = open(sys.argv[1], "rb"), open(sys.argv[2], "wb")
"""

INTERRUPTED = """
# As in a terminal: what runs in the background of a script has SIGINT ignored, and Python leaves it so.
signal.signal(signal.SIGINT, signal.default_int_handler)
signals = []
signal.signal(signal.SIGUSR1, lambda *what: signals.append(what))
progress = (lambda done, total: None) if sys.argv[3] == "progress" else None

def interrupt():
    read_more()
    os.kill(os.getpid(), signal.SIGUSR1)
    while not signals:
        time.sleep(0.001)
    read_more()
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
try:
    xtent.copy_range(src, dst, progress=progress)
except KeyboardInterrupt as interrupt:
    print("interrupted", len(signals), hasattr(interrupt, "report"))
"""

BESIDE = """
# Without a callback: nothing but the verb itself gives the GIL away.
threading.Thread(target=xtent.copy_range, args=(src, dst), daemon=True).start()
for _ in range(3):
    read_more()
print("ran", flush=True)
os._exit(0)
"""


def said(script: str, *arguments: object) -> str:
    """What a process of its own says. The time is for one that would never end."""
    run = [sys.executable, "-c", PRELUDE + script, *map(str, arguments)]
    return subprocess.run(run, stdout=subprocess.PIPE, text=True, check=True, timeout=300).stdout


@pytest.mark.parametrize("progress", ["progress", "alone"])
def test_ctrl_c(place: Place, endless: BinaryIO, progress: str) -> None:
    """A handler that returns lets it go on, one that raises stops it."""
    assert said(INTERRUPTED, endless.name, place.path / "dst", progress) == "interrupted 1 False\n"


def test_other_threads_run_meanwhile(place: Place, endless: BinaryIO) -> None:
    assert said(BESIDE, endless.name, place.path / "dst") == "ran\n"


def test_many_threads(place: Place) -> None:
    can_share = place.can_share

    def work(i: int) -> None:
        data = bytes([i]) * (3 * BLOCK)
        src, dst, third = (place.file(f"{i}.{name}", b"") for name in ("src", "dst", "third"))
        os.pwrite(src.fileno(), data, 0)
        for _ in range(10):
            assert xtent.copy_range(src, dst).bytes == len(data)
            assert xtent.clone_or_copy_range(src, third, progress=lambda done, total: None).bytes == len(data)
            if can_share:
                third.truncate(0)
                assert xtent.clone_range(src, third).bytes == len(data)
                [result] = xtent.dedupe_range(src, [(dst, 0)])
                assert result.status is xtent.DedupeStatus.SAME
            assert content(dst) == content(third) == data

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, i) for i in range(16)]:
            done.result()


def test_an_exception_in_one_thread_is_no_business_of_another(place: Place) -> None:
    data = noise(8 * MIB)
    src = place.file("src", data)
    results: "queue.Queue[object]" = queue.Queue()
    together = threading.Barrier(2)

    def run(name: str, fail: bool) -> None:
        def progress(done: int, total: int | None) -> None:
            if done < 2 * MIB:
                together.wait(300)
            if fail and done >= 2 * MIB:
                raise LookupError(name)

        try:
            results.put(xtent.copy_range(src, place.file(name), progress=progress).bytes)
        except LookupError as error:
            results.put(str(error))

    threads = [threading.Thread(target=run, args=(name, name == "bad")) for name in ("good", "bad")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {results.get(), results.get()} == {len(data), "bad"}

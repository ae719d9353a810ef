"""Progress, exceptions, Ctrl-C, threads."""

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
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
    """A source that takes seconds to read and no space: holes in memory, of which no map tells."""
    if not os.path.isdir("/dev/shm"):
        pytest.skip("there is no /dev/shm")
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        file.truncate(32 << 30)
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


INTERRUPTED = """
import signal, sys, time, xtent
signals = []
signal.signal(signal.SIGUSR1, lambda *what: signals.append(what))
src, dst = open(sys.argv[1], "rb"), open(sys.argv[2], "wb")
with_progress = sys.argv[3] == "progress"
print("ready", flush=True)
try:
    xtent.copy_range(src, dst, progress=(lambda done, total: None) if with_progress else None)
except KeyboardInterrupt as interrupt:
    print("interrupted", len(signals), hasattr(interrupt, "report"), flush=True)
else:
    print("not interrupted")
"""


@pytest.mark.parametrize("progress", ["progress", "alone"])
def test_ctrl_c(place: Place, endless: BinaryIO, progress: str) -> None:
    """A handler that returns lets it go on, one that raises stops it."""
    run = [sys.executable, "-c", INTERRUPTED, endless.name, place.path / "dst", progress]
    with subprocess.Popen(run, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        try:
            assert child.stdout.readline() == "ready\n"
            time.sleep(0.2)
            child.send_signal(signal.SIGUSR1)
            time.sleep(0.2)
            assert child.poll() is None, "the source is too small"
            child.send_signal(signal.SIGINT)
            sent = time.monotonic()
            assert child.stdout.readline() == "interrupted 1 False\n"
            assert time.monotonic() - sent < 1
            assert child.wait(10) == 0
        finally:
            child.kill()


def test_other_threads_run_meanwhile(place: Place, endless: BinaryIO) -> None:
    dst = place.file("dst")
    stop = threading.Event()

    def copy() -> None:
        # Without a callback: nothing but the verb itself gives the GIL away.
        while not stop.is_set():
            xtent.copy_range(endless, dst, 1 << 30)

    thread = threading.Thread(target=copy)
    thread.start()
    try:
        gaps = []
        last = time.monotonic()
        while len(gaps) < 100:
            time.sleep(0.001)
            now = time.monotonic()
            gaps.append(now - last)
            last = now
    finally:
        stop.set()
        thread.join()
    # One call takes some 100 ms. Some gaps may be long on a busy machine, most are not.
    assert sorted(gaps)[50] < 0.05


def test_many_threads(place: Place) -> None:
    def work(i: int) -> None:
        data = bytes([i]) * (3 * BLOCK)
        src, dst, third = (place.file(f"{i}.{name}", b"") for name in ("src", "dst", "third"))
        os.pwrite(src.fileno(), data, 0)
        for _ in range(10):
            assert xtent.copy_range(src, dst).bytes == len(data)
            assert xtent.clone_or_copy_range(src, third, progress=lambda done, total: None).bytes == len(data)
            if place.can_share:
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
                together.wait(10)
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

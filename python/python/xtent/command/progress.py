"""A bar with rate and remaining time, on a terminal."""

import os
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

from xtent.command.output import Output, number, size

Tell = Callable[[int], None]
Count = Callable[[int, int | None], None]


@contextmanager
def counter(output: Output) -> Generator[Count | None, None, None]:
    """Gives what is to be told how many files and bytes are done, of nobody knows how many; None where nobody looks."""
    if not output.has_progress:
        yield None
        return
    with output.console(sys.stderr).status("") as status:
        yield lambda files, done: status.update(f"{number(files, 'file')}, {size(done)}")


@contextmanager
def bar(output: Output, what: str, paths: list[str]) -> Generator[Tell | None, None, None]:
    """Gives what is to be told how many bytes are done; None where nobody looks."""
    if not output.has_progress:
        yield None
        return
    console = output.console(sys.stderr)
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    from xtent.command.rate import Rate

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(binary_units=True),
        Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=None)
        ended = threading.Event()

        def measure() -> None:
            total = sum(_sizes(paths, ended))
            if not ended.is_set():
                progress.update(task, total=total)

        # How much there is is found out beside the work: no file waits for it.
        counting = threading.Thread(target=measure, daemon=True)
        counting.start()
        try:
            yield lambda done: progress.update(task, completed=done)
        finally:
            ended.set()
            counting.join()


def _sizes(paths: list[str], ended: threading.Event) -> Iterator[int]:
    left = list(paths)
    seen: set[tuple[int, int]] = set()
    while left and not ended.is_set():
        path = left.pop()
        try:
            if os.path.isdir(path) and not os.path.islink(path):
                with os.scandir(path) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            left.append(entry.path)
                        elif entry.is_file(follow_symlinks=False):
                            stat = entry.stat(follow_symlinks=False)
                            if stat.st_nlink > 1:
                                # Under its other names it is not made again.
                                if (stat.st_dev, stat.st_ino) in seen:
                                    continue
                                seen.add((stat.st_dev, stat.st_ino))
                            yield stat.st_size
            else:
                yield os.stat(path).st_size
        except OSError:
            # Whoever copies it says so.
            continue

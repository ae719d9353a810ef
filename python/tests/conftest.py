"""Where the tests run, and what they say at the end."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from place import Place


# Always the same examples; `long` makes new ones each time and tells the seed of what fails.
hypothesis.settings.register_profile("short", max_examples=15, derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("long", max_examples=300, deadline=None, database=None, print_blob=True)
hypothesis.settings.load_profile("short")


def places() -> list[Place]:
    """Those of XTENT_FILESYSTEMS, else one temporary directory."""
    lines = os.environ.get("XTENT_FILESYSTEMS", "").splitlines()
    if not lines:
        return [Place("here", "here", Path(tempfile.gettempdir()))]
    split = [line.split("\t") for line in lines if line]
    return [Place(name, type, Path(directory)) for name, type, directory in split]


PLACES = places()


def temporary(place: Place) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="xtent-python-", dir=place.path)


def offer(name: str, wanted: list[Place], reason: str) -> object:
    """A fixture of that name for each wanted place; without any, one skip."""
    params = [pytest.param(place, id=place.name) for place in wanted]
    none = pytest.param(None, id="none", marks=pytest.mark.skip(reason=reason))

    @pytest.fixture(name=name, params=params or [none])
    def fixture(request: pytest.FixtureRequest) -> Iterator[Place]:
        with temporary(request.param) as directory:
            place = request.param.inside(Path(directory))
            yield place
            place.close()

    return fixture


# Every filesystem; those that can share blocks; those that cannot; those that say where data lies.
place = offer("place", PLACES, "no filesystem")
sharing = offer("sharing", [p for p in PLACES if p.can_share], "no filesystem here can share blocks")
unsharing = offer(
    "unsharing", [p for p in PLACES if not p.can_share], "every filesystem here can share blocks"
)
mapped = offer("mapped", [p for p in PLACES if p.has_map], "no filesystem here has extent maps")
unmapped = offer("unmapped", [p for p in PLACES if not p.has_map], "every filesystem here has extent maps")


@pytest.fixture
def elsewhere() -> Iterator[Callable[[Place], Place]]:
    """Finds another filesystem than that of a place."""
    with contextlib.ExitStack() as stack:

        def find(place: Place) -> Place:
            for other in [*PLACES, Place("shm", "tmpfs", Path("/dev/shm"))]:
                if other.path.is_dir() and place.is_apart_from(other):
                    found = other.inside(Path(stack.enter_context(temporary(other))))
                    stack.callback(found.close)
                    return found
            pytest.skip("there is no second filesystem")

        yield find


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """In place of pytest's own summary, which `run` turns off."""
    stats = terminalreporter.stats
    for report in stats.get("skipped", []):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        terminalreporter.write_line(f"SKIP {report.nodeid.removeprefix('tests/')}: {reason}")
    for report in [*stats.get("failed", []), *stats.get("error", [])]:
        terminalreporter.write_line(f"FAILED {report.nodeid.removeprefix('tests/')}")
    passed, skipped = len(stats.get("passed", [])), len(stats.get("skipped", []))
    failed = len(stats.get("failed", [])) + len(stats.get("error", []))
    terminalreporter.write_line(f"{passed} passed, {failed} failed, {skipped} skipped")

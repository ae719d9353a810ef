"""CPython's own tests of shutil, as `python3 -m test test_shutil` runs them, with xtent.shutil installed.

They may be run by any interpreter that has its `test` package and finds xtent. Ends like the other suites,
with what was skipped and one line of totals, and before it how many files were copied and by whom.
"""

import importlib.util
import os
import re
import runpy
import shutil
import subprocess
import sys
from typing import Any

import xtent
import xtent.shutil

# What cannot pass with any other shutil: these replace names inside of it and wait for them to be used.
OPEN = "puts a false open() into the module shutil"
SENDFILE = "makes os.sendfile() or what calls it raise, and wants that to come out of copyfile()"
KERNEL = "makes os.copy_file_range() or what calls it raise, and wants that to come out of copyfile()"
MOCKS = {
    "TestCopyFile.test_w_dest_open_fails": OPEN,
    "TestCopyFile.test_w_dest_close_fails": OPEN,
    "TestCopyFile.test_w_source_close_fails": OPEN,
    "TestZeroCopySendfile.test_blocksize_arg": SENDFILE,
    "TestZeroCopySendfile.test_unhandled_exception": SENDFILE,
    # Of Python 3.14 and later.
    "TestZeroCopyCopyFileRange.test_blocksize_arg": KERNEL,
    "TestZeroCopyCopyFileRange.test_unhandled_exception": KERNEL,
}


class Counted:
    """Stands between the module shutil and xtent, and counts."""

    def __init__(self) -> None:
        self.events = 0  # calls of any copyfile(), ours or the standard one
        self.calls = 0  # calls of ours
        self.regular = 0  # those that copied a regular file to a regular file
        self.entered = 0  # and came by xtent
        self._verbs = 0
        self._copyfile = xtent.shutil.copyfile
        self._verb = xtent.clone_or_copy_range
        xtent.clone_or_copy_range = self.verb
        xtent.shutil.copyfile = self.copyfile
        xtent.shutil.install()
        shutil.copyfile = self.copyfile
        sys.addaudithook(self.audit)

    def audit(self, event: str, arguments: object) -> None:
        self.events += event == "shutil.copyfile"

    def verb(self, *arguments: Any, **options: Any) -> xtent.Report:
        self._verbs += 1
        return self._verb(*arguments, **options)

    def copyfile(self, src: Any, dst: Any, *, follow_symlinks: bool = True) -> Any:
        self.calls += 1
        before = self._verbs
        result = self._copyfile(src, dst, follow_symlinks=follow_symlinks)
        as_link = os.path.islink(src) and not follow_symlinks
        if os.path.isfile(src) and os.path.isfile(dst) and not as_link:
            self.regular += 1
            self.entered += self._verbs > before
        return result


def inside() -> None:
    """What the child does, and says last."""
    counted = Counted()
    sys.argv = ["test", *TESTS]
    try:
        runpy.run_module("test", run_name="__main__", alter_sys=True)
    finally:
        print("COUNTED", counted.events, counted.calls, counted.regular, counted.entered)


TESTS = ["--verbose", "test_shutil"]
WITH_XTENT = [sys.executable, __file__, "inside"]
WITHOUT = [sys.executable, "-m", "test", *TESTS]


def printed_by(command: list[str]) -> str:
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(command, **both, encoding="utf-8", errors="replace")
    # Python 3.10 does not repeat a test's name behind its class.
    return re.sub(r"^(.*?(test_\w+) \(test\.test_shutil\.\w+)\)", r"\1.\2)", done.stdout, flags=re.M)


def failures(printed: str) -> set[str]:
    return set(re.findall(r"^(?:ERROR|FAIL): \w+ \(test\.test_shutil\.(\w+\.\w+)", printed, re.M))


def main() -> int:
    version = "Python %d.%d.%d" % sys.version_info[:3]
    if not importlib.util.find_spec("test") or not importlib.util.find_spec("test.test_shutil"):
        print(f"SKIP {version}: it comes without its test package\n0 passed, 0 failed, 1 skipped")
        return 0

    printed = printed_by(WITH_XTENT)
    ran = re.search(r"^Ran (\d+) tests", printed, re.M)
    counted = re.search(r"^COUNTED (\d+) (\d+) (\d+) (\d+)$", printed, re.M)
    if not ran or not counted:
        print(printed)
        print(f"FAILED {version}: it did not come to its end\n0 passed, 1 failed, 0 skipped")
        return 1
    events, calls, regular, entered = map(int, counted.groups())
    print(
        f"{version}: {events} copies, {calls} by xtent.shutil; {regular} to regular files, {entered} by xtent"
    )

    failed, listed = failures(printed), set(MOCKS)
    anyway = failures(printed_by(WITHOUT)) if failed - listed else set()
    wrong = [f"{name} fails with xtent only" for name in sorted(failed - listed - anyway)]
    there = set(re.findall(r"\(test\.test_shutil\.(\w+\.\w+)\)", printed))
    # The list is kept short: what passes has no place in it.
    wrong += [f"{name} is listed, and passes" for name in sorted(listed & there - failed)]
    if not events == calls or not regular == entered > 0:
        wrong.append("a copy went another way")
    if wrong:
        print(printed)

    left = sorted(failed & (listed | anyway))
    for name in left:
        print(f"SKIP {version}: {name}: {MOCKS.get(name, 'fails without xtent too')}")
    for line in wrong:
        print(f"FAILED {version}: {line}")
    own = re.search(r"^(?:OK|FAILED) \(.*?skipped=(\d+)", printed, re.M)
    skipped = len(left) + (int(own[1]) if own else 0)
    if own:
        print(f"SKIP {version}: {own[1]} tests skip themselves, most because they are of other systems")
    print(f"{int(ran[1]) - skipped - len(wrong)} passed, {len(wrong)} failed, {skipped} skipped")
    return 1 if wrong else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["inside"]:
        inside()
    else:
        sys.exit(main())

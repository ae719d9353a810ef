"""A disk that is full while a range is cloned: what the destination is said to be then, and the file with its old bytes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def test_full_disk(tmp_path: Path) -> None:
    """On an image that is mounted where nobody else sees it, and goes with the program."""
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    for tool in ("mkfs.xfs", "mount", "unshare"):
        if shutil.which(tool, path=path) is None:
            pytest.skip(f"there is no {tool}")
    namespace = ["unshare", "--mount"]
    if subprocess.run([*namespace, "true"], capture_output=True).returncode != 0:
        pytest.skip("no mount namespace")
    directory, image = tmp_path / "full", tmp_path / "full.img"
    directory.mkdir()
    with open(image, "xb") as file:
        file.truncate(320 << 20)
    environment = {**os.environ, "PATH": path}
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", image], check=True, env=environment)
    script = Path(__file__).with_name("full_disk.py")
    done = subprocess.run(
        [*namespace, sys.executable, script, directory, image], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr

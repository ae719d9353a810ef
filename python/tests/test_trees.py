"""Any tree that xtent.shutil.copytree() copies is the tree that the standard copytree() makes of it."""

import errno
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import xtent.shutil
from place import Place
from tree import tree

MAX_NAME = 255  # bytes, on every filesystem here


@dataclass
class File:
    size: int
    pieces: list[tuple[int, bytes]]
    mode: int
    time: int
    attributes: dict[bytes, bytes] = field(default_factory=dict)


@dataclass
class Link:
    target: bytes


Node = File | Link | dict[bytes, "Node"]

some_bytes = st.binary(min_size=1, max_size=12)
names = st.one_of(
    some_bytes,
    st.sampled_from([b"\n", b" ", b"-rf", b"\xff\xfe", b"\xed\xb2\x80", b"*", b"\x01\x7f", b"...", b"\xc3\xa9"]),
    some_bytes.map(lambda name: (name * MAX_NAME)[:MAX_NAME]),
).filter(lambda name: not set(name) & {0, ord("/")} and name not in (b".", b".."))
files = st.builds(
    File,
    size=st.integers(0, 400_000),
    pieces=st.lists(st.tuples(st.integers(0, 300_000), st.binary(max_size=5_000)), max_size=3),
    mode=st.integers(0o400, 0o777),
    time=st.integers(0, 1_400_000_000 * 10**9),
    attributes=st.dictionaries(some_bytes.filter(lambda n: 0 not in n), st.binary(max_size=99), max_size=2),
)
links = st.builds(Link, target=st.one_of(names, st.just(b"/nowhere"), st.just(b"../" * 9)))
trees = st.dictionaries(
    names, st.recursive(files | links, lambda node: st.dictionaries(names, node, max_size=4)), max_size=6
)


def build(top: bytes, nodes: dict[bytes, Node]) -> None:
    os.mkdir(top)
    for name, node in nodes.items():
        path = os.path.join(top, name)
        match node:
            case Link(target):
                os.symlink(target, path)
            case File():
                with open(path, "wb") as file:
                    for offset, data in node.pieces:
                        file.seek(offset)
                        file.write(data)
                    file.truncate(max(node.size, file.tell()))
                label(path, node.attributes)
                os.chmod(path, node.mode)
                os.utime(path, ns=(node.time, node.time))
            case dict():
                build(path, node)


def label(path: bytes, attributes: dict[bytes, bytes]) -> None:
    for name, value in attributes.items():
        try:
            os.setxattr(path, b"user." + name, value)
        except OSError as error:
            assert error.errno == errno.EOPNOTSUPP


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nodes=trees)
def test_trees(place: Place, nodes: dict[bytes, Node]) -> None:
    with tempfile.TemporaryDirectory(dir=place.path) as directory:
        top = Path(directory)
        build(os.fsencode(top / "src"), nodes)
        shutil.copytree(top / "src", top / "standard", symlinks=True)
        xtent.shutil.copytree(top / "src", top / "xtent", symlinks=True)
        assert tree(top / "xtent") == tree(top / "standard")

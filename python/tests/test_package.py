"""The stubs, the documentation and the examples."""

import ast
import doctest
import importlib.util
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import xtent
from place import BLOCK, Place, noise

PROJECT = Path(__file__).parents[1]
STUB = Path(xtent.__file__).with_name("_xtent.pyi")

# The package of PyPI fetches the program itself when it is first called, which `run` has done.
PYRIGHT = importlib.util.find_spec("pyright") and os.environ.get("XTENT_PYRIGHT") == "yes"
needs_mypy = pytest.mark.skipif(not importlib.util.find_spec("mypy"), reason="mypy is not installed")


def run(directory: Path, *command: object) -> str:
    """What it printed; its output is the failure where it fails."""
    line = [sys.executable, *map(str, command)]
    done = subprocess.run(line, cwd=directory, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_mypy
def test_the_stub_is_that_of_the_module(tmp_path: Path) -> None:
    run(tmp_path, "-m", "mypy.stubtest", "xtent")


@needs_mypy
def test_types_of_the_examples(tmp_path: Path) -> None:
    run(tmp_path, "-m", "mypy", "--strict", *(PROJECT / "examples").glob("*.py"))


@pytest.mark.skipif(not PYRIGHT, reason="pyright is not installed, or not its node")
def test_pyright(tmp_path: Path) -> None:
    # Apart from this project, whose tests give wrong types on purpose.
    leave = shutil.ignore_patterns("*.so", "__pycache__")
    for sources, mode in ((STUB.parent, "strict"), (PROJECT / "examples", "standard")):
        apart = tmp_path / sources.name
        shutil.copytree(sources, apart, ignore=leave)
        (apart / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": mode}))
        run(tmp_path, "-m", "pyright", "--pythonpath", sys.executable, "--project", apart)


def test_typed() -> None:
    assert STUB.with_name("py.typed").is_file()


def test_all() -> None:
    public = {
        name for name, value in vars(xtent).items() if name[0] != "_" and not isinstance(value, ModuleType)
    }
    assert public | {"__version__"} == set(xtent.__all__)


def documented(
    body: list[ast.stmt], within: str = ""
) -> Iterator[tuple[str, ast.FunctionDef | ast.ClassDef]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield node.name, node
            yield from documented(node.body, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("__"):
            yield within + node.name, node


DOCUMENTED = dict(documented(ast.parse(STUB.read_text()).body))


@pytest.mark.parametrize("name", DOCUMENTED)
def test_docstrings_are_those_of_the_stub(name: str) -> None:
    thing: object = xtent
    for part in name.split("."):
        thing = getattr(thing, part)
    assert inspect.getdoc(thing) == ast.get_docstring(DOCUMENTED[name])


def test_reasons_are_those_of_the_stub() -> None:
    reason = DOCUMENTED["Reason"]
    members: dict[str, str] = {}
    for node, after in zip(reason.body, reason.body[1:]):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            assert isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            members[node.targets[0].id] = " ".join(str(after.value.value).split())
    assert members == {member.name: f"{member.text[0].upper()}{member.text[1:]}." for member in xtent.Reason}


def test_readme(sharing: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sharing.path)
    failed, tried = doctest.testfile(str(PROJECT / "README.md"), module_relative=False)
    assert tried > 5 and failed == 0


def test_lock_protocol(place: Place) -> None:
    example = PROJECT / "examples" / "lock_protocol.py"
    run(place.path, example, "write", "money", "0")
    # Changes for longer than it takes to make the copies.
    writer = subprocess.Popen([sys.executable, example, "write", "money", str(10**9)], cwd=place.path)
    try:
        said = run(place.path, example, "copy", "money", "copy", "10")
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.wait()
    assert said == "10 copies, each with all the money\n"


def test_readme_of_the_whole(place: Place, tmp_path: Path) -> None:
    text = (PROJECT.parent / "README.md").read_text()
    [program] = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    example = tmp_path / "example.py"
    example.write_text(program)
    data = noise(5 * BLOCK)
    place.file("src", data)
    said = run(place.path, example, "src", "dst")
    assert (place.path / "dst").read_bytes() == data
    if place.can_share:
        assert said == f"{len(data)} bytes share the original's blocks\n"
    else:
        assert re.fullmatch(f"not cloned: .*\n{len(data)} bytes copied\n", said)

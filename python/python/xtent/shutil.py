"""copyfile(), copy(), copy2(), copytree() and move() of the standard shutil, sharing blocks where they can be.

They take the same arguments, return the same, raise the same errors and leave the same files: the
destination is written in place, so that its hard links, its mode and a symlink that leads to it stay. Only
the bytes go another way, through xtent.clone_or_copy_range(): cloned where the filesystem can, else copied,
and holes stay holes. An OSError from there also has the attributes reason and report.

install() makes the standard shutil go through them, and with it every program that uses it; uninstall()
takes that back. A program that cannot be changed has it called by a sitecustomize module.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable
from typing import IO, TYPE_CHECKING, Any, TypeVar, overload

import xtent

if TYPE_CHECKING:
    from _typeshed import BytesPath, StrOrBytesPath, StrPath

__all__ = ["copy", "copy2", "copyfile", "copytree", "install", "move", "uninstall"]

# Ours pass on to them, also while they are replaced.
_standard_copytree = shutil.copytree
_standard_move = shutil.move

AnyPath = TypeVar("AnyPath", bound="StrOrBytesPath")
TextPath = TypeVar("TextPath", bound="StrPath")
BinaryPath = TypeVar("BinaryPath", bound="BytesPath")


def copyfile(src: StrOrBytesPath, dst: AnyPath, *, follow_symlinks: bool = True) -> AnyPath:
    """Copy the content of the file src to the file dst, which is overwritten in place, and return dst.

    With follow_symlinks=False a symlink is copied as one. Raises shutil.SameFileError when both are the
    same file, and shutil.SpecialFileError for a named pipe.
    """
    sys.audit("shutil.copyfile", src, dst)
    src_stat, dst_stat = _stat(src), _stat(dst)
    if src_stat and dst_stat and os.path.samestat(src_stat, dst_stat):
        raise shutil.SameFileError(f"{src!r} and {dst!r} are the same file")
    for path, found in ((src, src_stat), (dst, dst_stat)):
        # Opening it would wait for somebody at its other end.
        if found and stat.S_ISFIFO(found.st_mode):
            raise shutil.SpecialFileError(f"`{os.fsdecode(path)}` is a named pipe")

    if not follow_symlinks and os.path.islink(src):
        link: Any = src  # its type would have to be one, str or bytes
        os.symlink(os.readlink(link), dst)
        return dst
    with open(src, "rb") as src_file:
        try:
            with open(dst, "wb") as dst_file:
                _move_bytes(src_file, dst_file)
        except IsADirectoryError as error:
            # open(2) says so of a missing file whose name ends in a slash.
            if os.path.exists(dst):
                raise
            raise FileNotFoundError(f"Directory does not exist: {os.fsdecode(dst)}") from error
    return dst


@overload
def copy(src: StrPath, dst: TextPath, *, follow_symlinks: bool = True) -> TextPath | str: ...
@overload
def copy(src: BytesPath, dst: BinaryPath, *, follow_symlinks: bool = True) -> BinaryPath | bytes: ...
def copy(src: Any, dst: Any, *, follow_symlinks: bool = True) -> Any:
    """Copy content and mode of the file src to dst, a file or a directory, and return the new file's path."""
    dst = _inside(src, dst)
    copyfile(src, dst, follow_symlinks=follow_symlinks)
    shutil.copymode(src, dst, follow_symlinks=follow_symlinks)
    return dst


@overload
def copy2(src: StrPath, dst: TextPath, *, follow_symlinks: bool = True) -> TextPath | str: ...
@overload
def copy2(src: BytesPath, dst: BinaryPath, *, follow_symlinks: bool = True) -> BinaryPath | bytes: ...
def copy2(src: Any, dst: Any, *, follow_symlinks: bool = True) -> Any:
    """Do what copy() does, and keep times, flags and extended attributes too."""
    dst = _inside(src, dst)
    copyfile(src, dst, follow_symlinks=follow_symlinks)
    shutil.copystat(src, dst, follow_symlinks=follow_symlinks)
    return dst


def copytree(
    src: StrPath,
    dst: TextPath,
    symlinks: bool = False,
    ignore: Callable[[Any, list[str]], Iterable[str]] | None = None,
    copy_function: Callable[[str, str], object] = copy2,
    ignore_dangling_symlinks: bool = False,
    dirs_exist_ok: bool = False,
) -> TextPath:
    """Copy a directory and all that is in it with copy_function, as the standard copytree() does."""
    return _standard_copytree(
        src, dst, symlinks, ignore, copy_function, ignore_dangling_symlinks, dirs_exist_ok
    )


def move(
    src: StrPath, dst: TextPath, copy_function: Callable[[str, str], object] = copy2
) -> TextPath | str | Any:
    """Rename src to dst or into the directory dst, or copy and remove it, as the standard move() does."""
    return _standard_move(src, dst, copy_function)


def install() -> None:
    """Make the standard shutil use the functions of this module.

    Whoever imported the name copyfile from it before keeps the standard one. The other names need not be
    imported again: they look it up when they are called.
    """
    for name, ours in _OURS.items():
        setattr(shutil, name, ours)


def uninstall() -> None:
    """Make the standard shutil use its own functions again. What others replaced meanwhile is left."""
    for name, standard in _STANDARD.items():
        if getattr(shutil, name) is _OURS[name]:
            setattr(shutil, name, standard)


_OURS: dict[str, Callable[..., Any]] = {f.__name__: f for f in (copyfile, copy, copy2, copytree, move)}
_STANDARD: dict[str, Callable[..., Any]] = {name: getattr(shutil, name) for name in _OURS}


def _stat(path: StrOrBytesPath) -> os.stat_result | None:
    """What it is, unless it is not there or cannot be looked at: opening it tells why."""
    try:
        # An entry of scandir() may know already.
        return path.stat() if isinstance(path, os.DirEntry) else os.stat(path)
    except OSError:
        return None


def _inside(src: StrPath, dst: StrPath) -> StrPath:
    """A directory as destination stands for the file of the same name in it. They may be bytes too."""
    return os.path.join(dst, os.path.basename(src)) if os.path.isdir(dst) else dst


def _move_bytes(src: IO[bytes], dst: IO[bytes]) -> None:
    """All of them, to an empty file."""
    done = 0
    try:
        while True:
            report = xtent.clone_or_copy_range(src, dst, src_offset=done, dst_offset=done)
            if report.reason is None:
                return
            # It came back short. What stopped it is raised by the next call, or over by then.
            done += report.bytes
    except OSError as error:
        if getattr(error, "reason", None) is not xtent.Reason.NOT_A_REGULAR_FILE:
            raise
    # A device or a socket has no ranges.
    shutil.copyfileobj(src, dst)

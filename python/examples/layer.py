"""The local filesystem of fsspec, in which copies are clones where they can be, and tell their progress.

fsspec's own copies a file through shutil, so that xtent.shutil.install() alone makes it clone. This class does
it without touching shutil for the rest of the program, and feeds fsspec's callbacks while a file is copied.

usage: layer.py SOURCE DESTINATION      copies a file or a directory
"""

import os
import sys
from typing import Any

import xtent
from fsspec.callbacks import DEFAULT_CALLBACK, Callback  # type: ignore[import-untyped]
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]


class XtentFileSystem(LocalFileSystem):  # type: ignore[misc]
    protocol = ("xtent",)

    def cp_file(self, path1: str, path2: str, callback: Callback | None = None, **kwargs: Any) -> None:
        callback = callback or DEFAULT_CALLBACK
        src, dst = self._strip_protocol(path1), self._strip_protocol(path2)
        if self.auto_mkdir:
            self.makedirs(self._parent(dst), exist_ok=True)
        if os.path.isdir(src):
            self.mkdirs(dst, exist_ok=True)
            return

        with open(src, "rb") as source, open(dst, "wb") as destination:
            callback.set_size(os.fstat(source.fileno()).st_size)
            done = 0

            def progress(more: int, total: int | None) -> None:
                callback.absolute_update(done + more)

            while True:
                report = xtent.clone_or_copy_range(
                    source, destination, src_offset=done, dst_offset=done, progress=progress
                )
                done += report.bytes
                if report.reason is None:
                    return

    def get_file(
        self, path1: str, path2: Any, callback: Callback | None = None, **kwargs: Any
    ) -> None:
        if not isinstance(path2, (str, os.PathLike)):
            super().get_file(path1, path2, callback=callback, **kwargs)
        else:
            self.cp_file(path1, os.fspath(path2), callback=callback)

    def put_file(self, path1: str, path2: str, callback: Callback | None = None, **kwargs: Any) -> None:
        self.cp_file(path1, path2, callback=callback)


class Line(Callback):  # type: ignore[misc]
    def call(self, *arguments: Any, **options: Any) -> None:
        print(f"{self.value} of {self.size} bytes")


if __name__ == "__main__":
    source, destination = sys.argv[1:]
    files = XtentFileSystem(auto_mkdir=True)
    if files.isdir(source):
        files.copy(source, destination, recursive=True)
    else:
        files.get_file(source, destination, callback=Line())

"""Contents of the cache, and its cleaning: compiled designs, schedules and other files that can be made again.

It holds no results of builds: cleaning it costs seconds to minutes of compilation.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.sim.cache import FOLDER, cache_folder, is_left

DAY = 24 * 3600.0
# By suffix: what a file is to a user.
KINDS = {
    ".so": "compiled designs and Verilog",
    ".json": "schedules",
    ".ll": "kernels as LLVM IR",
    ".verilog": "Verilog of kernels",
    ".cells": "open synthesis",
}
_OURS = (*KINDS, ".sha256", ".lock")
_ROOMS = (FOLDER, "schedules", "")  # the last: where earlier releases had their libraries


@dataclass(frozen=True)
class Kept:
    """Files of one kind in the cache.

    Attributes:
        kind: kind of files.
        files: number of files.
        size: bytes of all.
        oldest: days since the oldest last use.
    """

    kind: str
    files: int
    size: int
    oldest: float


@dataclass(frozen=True)
class Cache:
    """Contents of the cache, or the removed contents."""

    folder: Path
    kept: tuple[Kept, ...]

    @property
    def size(self) -> int:
        """Bytes of all."""
        return sum(each.size for each in self.kept)


def look() -> Cache:
    """Contents of the cache, by kind; a missing cache is empty."""
    return _of(list(_entries()))


def clean(older_than: float = 0.0) -> Cache:
    """Removes files that were not used for some time, except for files that another process is making.

    Args:
        older_than: days.

    Raises:
        ConfigError: the number is negative, or a file cannot be removed.
    """
    if not older_than >= 0:
        raise ConfigError(f"--older-than is {older_than:g}", "give days, 0 or more")
    gone = [path for path in _entries() if _days(path) >= older_than]
    found = _of(gone)
    for path in gone:
        try:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigError(f"{error.filename or path} cannot be removed: {error.strerror}", "remove it") from error
    return found


def _entries() -> Iterator[Path]:
    """Files and folders of ours, and no others: a folder that somebody chose may hold more."""
    for room in _ROOMS:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for path in sorted((cache_folder() / room).iterdir()):
                partial = path.suffix == ".partial" and is_left(path)
                if path.suffix in _OURS or partial:
                    yield path


def _of(paths: list[Path]) -> Cache:
    kinds: dict[str, list[Path]] = {}
    for path in paths:
        kinds.setdefault(KINDS.get(path.suffix, "checksums, and what killed processes left"), []).append(path)
    rows = [
        Kept(kind, len(some), sum(map(_size, some)), max(map(_days, some), default=0.0)) for kind, some in kinds.items()
    ]
    return Cache(cache_folder(), tuple(sorted(rows, key=lambda row: -row.size)))


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            return sum(map(_size, path.iterdir()))
        return path.lstat().st_size
    return 0


def _days(path: Path) -> float:
    try:
        return max(0.0, time.time() - path.lstat().st_mtime) / DAY
    except OSError:
        return 0.0

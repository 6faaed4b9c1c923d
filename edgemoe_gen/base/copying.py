"""Copies the files of another machine or tool out of a folder: regular files, none of them from outside.

A link to a file in the same folder becomes that file. A link that leaves the folder could copy any file that the
user may read, and a link to a folder could lead in a circle. Both are refused, as are pipes and devices.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from edgemoe_gen.base.errors import OverlayError
from edgemoe_gen.base.reading import open_regular

_HINT = "put the file itself in its place, then try again"


def copy_file(source: Path, target: Path, inside: Path) -> None:
    """Copies one file with its times and permissions.

    Args:
        source: the file, or a link to one.
        target: the copy; an existing file is replaced.
        inside: the folder in which the file must lie after all links are followed.

    Raises:
        OverlayError: it is no regular file, lies outside, or can't be copied.
    """
    _check_inside(source, inside)
    try:
        with open_regular(source) as stream, target.open("wb") as written:
            shutil.copyfileobj(stream, written, 1 << 20)
        shutil.copystat(source, target)
    except OSError as error:
        raise OverlayError(f"{source} can't be copied: {error.strerror}", _HINT) from error


def copy_folder(source: Path, target: Path, inside: Path) -> None:
    """Copies a folder with all below it into `target`, which may be there already; as `copy_file`.

    Raises:
        OverlayError: something in it is no regular file, lies outside, or can't be copied.
    """
    _check_inside(source, inside)
    for folder, folders, files in os.walk(source):
        here = Path(folder)
        there = target / here.relative_to(source)
        there.mkdir(parents=True, exist_ok=True)
        for name in folders:
            if (here / name).is_symlink():
                raise OverlayError(f"{here / name} is a link to a folder, which is not followed", _HINT)
        copy_files((here / name for name in files), there, inside)


def copy_files(sources: Iterable[Path], folder: Path, inside: Path) -> int:
    """Copies files into a folder under their own names; returns how many."""
    count = 0
    for source in sources:
        copy_file(source, folder / source.name, inside)
        count += 1
    return count


def _check_inside(path: Path, inside: Path) -> None:
    try:
        found = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # the second is a circle of links, up to Python 3.12
        raise OverlayError(f"{path} can't be copied: it is a link to nowhere", _HINT) from error
    if not found.is_relative_to(inside.resolve()):
        raise OverlayError(f"{path} lies outside of {inside}: a link in it leads to {found}", _HINT)

"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

from edgemoe_gen.base.errors import ConfigError


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Lets `write` fill a temporary file beside `path`, and moves the file to `path`.

    Raises:
        ConfigError: the path can't be written to. A missing folder is made.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as stream:
            write(stream)
        partial.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}", "choose another place") from error
    finally:
        if partial.parent.is_dir():
            partial.unlink(missing_ok=True)


def write_text_whole(path: Path, text: str) -> None:
    """Writes a text as UTF-8: the whole file, or none."""
    write_whole(path, lambda stream: stream.write(text.encode()))


def check_writable(path: Path) -> None:
    """Refuses a path that could not be written, before any work is done for it; its folder need not exist yet.

    Raises:
        ConfigError: names the path and the obstacle.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a folder", "give the name of a file")
    check_folder(path.parent)


def absolute(path: Path) -> Path:
    """An absolute path without "..", by the names that the caller used: links stay links."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def check_folder(folder: Path) -> None:
    """Refuses a folder in which nothing could be written; the folder is made only with its first file.

    Raises:
        ConfigError: names what is in the way.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise ConfigError(f"{there} is a file, where a folder is needed", "choose another place")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"the folder {there} cannot be written to", "choose another place")

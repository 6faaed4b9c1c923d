"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

from edgemoe_gen.errors import ConfigError


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Lets `write` fill a temporary file beside `path` and moves it there.

    Raises:
        ConfigError: the folder is missing or can't be written to.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as stream:
            write(stream)
        partial.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}", "choose another place") from error
    finally:
        if partial.parent.is_dir():
            partial.unlink(missing_ok=True)


def write_text_whole(path: Path, text: str) -> None:
    """The same for a text, as UTF-8."""
    write_whole(path, lambda stream: stream.write(text.encode()))


def check_writable(path: Path) -> None:
    """Refuses a file that could not be written, before any work is done for it.

    Raises:
        ConfigError: names the path and what is in the way.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a folder", "give the name of a file")
    if not path.parent.is_dir():
        raise ConfigError(f"the folder {path.parent} does not exist", "make it first, or choose another place")
    if not os.access(path.parent, os.W_OK):
        raise ConfigError(f"the folder {path.parent} cannot be written to", "choose another place")


def absolute(path: Path) -> Path:
    """A path from the root on, without "..", by the names that the caller used: links stay links."""
    return Path(os.path.abspath(path))  # noqa: PTH100

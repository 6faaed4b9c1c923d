"""Results kept by content in the cache: output of the compiler, and whole schedules.

Each is a text whose name includes all its dependences. A damaged text is made again; texts with the oldest use are
removed. A cache that can't be written to only costs time.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import TypeVar

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.files import write_whole
from edgemoe_gen.sim.cache import cache_folder

FOLDER = "schedules"
T = TypeVar("T")


def kept(name: str, most: int, make: Callable[[], T], write: Callable[[T], str], read: Callable[[str], T]) -> T:
    """A result of the cache, made where there is no sound one.

    Args:
        name: of its file; results with the same suffix are of one kind.
        most: results of the kind that are kept.
        make: makes it.
        write: the text of a result.
        read: the result of a text; raises ValueError, KeyError or TypeError where that is damaged.
    """
    path = cache_folder() / FOLDER / name
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        found = read(path.read_text(encoding="utf-8"))
        os.utime(path)
        return found
    made = make()
    with contextlib.suppress(ConfigError):
        write_whole(path, lambda stream: stream.write(write(made).encode()))
        with contextlib.suppress(OSError):
            of_kind = sorted(path.parent.glob(f"*{path.suffix}"), key=lambda other: other.stat().st_mtime)
            for other in of_kind[:-most]:
                other.unlink(missing_ok=True)
    return made


__all__ = ["kept"]

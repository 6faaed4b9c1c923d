"""Schedules kept by content, since a build, a search and a simulation of one design ask for the same one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.files import write_whole
from edgemoe_gen.base.installed import PACKAGE
from edgemoe_gen.base.version import __version__
from edgemoe_gen.scheduling.compiler import FOLDER, compiler_version
from edgemoe_gen.scheduling.result import Schedule
from edgemoe_gen.sim.cache import cache_folder

KEPT = 500  # schedules, 30 kB each


def kept_schedule(sources: Mapping[str, str], part: str, clock_mhz: float, make: Callable[[], Schedule]) -> Schedule:
    """The schedule of rendered sources for a part and clock, made where the cache has none."""
    words = [_of_package(), part, repr(clock_mhz), *(f"{name}\0{sources[name]}" for name in sorted(sources))]
    path = cache_folder() / FOLDER / f"{hashlib.sha256(chr(0).join(words).encode()).hexdigest()}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # a damaged one is made again
        found = Schedule.from_document(json.loads(path.read_text(encoding="utf-8")))
        os.utime(path)
        return found
    schedule = make()
    text = json.dumps(schedule.document()).encode()
    with contextlib.suppress(ConfigError):  # the cache may be read-only: then it is made each time
        write_whole(path, lambda stream: stream.write(text))
        _forget(path.parent)
    return schedule


@cache
def _of_package() -> str:
    """A hash of what makes schedules: the compiler, this room and those it reads kernels with, and the delays."""
    files = [
        *sorted((PACKAGE / "scheduling").glob("*.py")),
        *sorted((PACKAGE / "kernels").glob("*.py")),
        *sorted((PACKAGE / "timing" / "families").glob("*.toml")),
    ]
    digest = hashlib.sha256(f"{__version__}\0{compiler_version()}".encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _forget(folder: Path) -> None:
    """Removes the schedules that were not used for longest."""
    with contextlib.suppress(OSError):
        for path in sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
            path.unlink(missing_ok=True)


__all__ = ["kept_schedule"]

"""One process at a time in a folder, or on a file: a lock that the kernel releases when its holder ends in any way.

The lock's file names the holder. Locks are those of POSIX, since the vendor's tools here run on Linux.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

from edgemoe_gen.base.errors import BusyError, ConfigError

STATE = ".edgemoe"  # in a folder that this program fills: what it keeps for itself
LOCK = "lock"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # a network's file system may know none: then none is held
_LONGEST = 200  # bytes that tell who holds a lock
_TEXT = re.compile(r"(\w+): (process \d+ on [\w.-]+)\n")


@contextlib.contextmanager
def folder_lock(folder: Path, what: str) -> Iterator[int]:
    """Keeps other processes out of a folder, which is made if missing; gives the lock's descriptor.

    A program that inherits the descriptor holds the lock too, even after this process.

    Args:
        folder: the folder that is written to.
        what: the work in it: "build", "search".

    Raises:
        ConfigError: the folder can't be written to.
        BusyError: another process holds the lock.
    """
    try:
        (folder / STATE).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    hint = "wait for it, or choose another folder with --output"
    with file_lock(folder / STATE / LOCK, f"in {folder}", what, hint) as lock:
        yield lock


@contextlib.contextmanager
def file_lock(path: Path, where: str, what: str, hint: str) -> Iterator[int]:
    """Keeps other processes out by a lock on a given file.

    Args:
        path: the lock's file, which is made if missing and stays.
        where: the guarded place, in words: "in tune", "on search.db".
        what: the work, in words.
        hint: hint for the refused process.
    """
    try:
        # Not through a link, and not waiting for the other end of a pipe that somebody put there.
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        raise _unwritable(path.parent if path.name == LOCK else path, error) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise _busy(lock, what, where, hint) from error
        with contextlib.suppress(OSError):  # a full disk: nobody is told who, but the lock is held
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{what}: process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield lock
    finally:
        os.close(lock)


def _busy(lock: int, what: str, where: str, hint: str) -> BusyError:
    """The error that names the holder of a lock, as far as its file tells."""
    found = None
    with contextlib.suppress(OSError):
        found = _TEXT.fullmatch(os.pread(lock, _LONGEST, 0).decode("utf-8", "replace"))
    other, process = found.groups() if found else (what, "")
    return BusyError(f"another {other} is at work {where}" + (f" ({process})" if process else ""), hint)


def _unwritable(folder: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"the output folder {folder} cannot be written to: {error.strerror}", "choose another with --output"
    )

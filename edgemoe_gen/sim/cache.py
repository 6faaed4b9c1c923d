"""The cache of compiled libraries: by content, checked before use, safe beside other processes and other users.

A library lies in `EDGEMOE_CACHE/libraries` (default: below the user's cache folder) beside a file with its SHA-256. A
library that differs from its SHA-256 is compiled again: a full disk, a killed compiler or a flipped bit costs seconds
and never a crash. The folder belongs to the user and is closed to others, since a writer could run code as the user.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from edgemoe_gen.base.errors import SurroundingsError

KEEP = 500  # libraries that are kept: about 200 MB
FOLDER = "libraries"
ANOTHER = "set EDGEMOE_CACHE to a folder of your own that can be written to and executed from"
_LOCKS = 256
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP)  # of file systems that have none


def cache_folder() -> Path:
    """The folder of the cache: `EDGEMOE_CACHE`, else a folder in the user's cache folder.

    Raises:
        SurroundingsError: the variable is not set, and there is no home folder.
    """
    chosen = os.environ.get("EDGEMOE_CACHE")
    if chosen:
        return Path(chosen)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgemoe-gen"
    except RuntimeError as error:
        raise SurroundingsError("there is no home folder to keep compiled libraries in", ANOTHER) from error


def find_library(name: str) -> Path | None:
    """The sound library of this name, or None."""
    folder = cache_folder() / FOLDER
    path = folder / f"{name}.so"
    return path if _is_own(folder) and _is_sound(path) else None


def keep_library(name: str, make: Callable[[Path], Path]) -> Path:
    """Path of the library of this name, made if there is no sound one. Only one of several processes makes it.

    Args:
        name: name that includes all dependences of the library.
        make: makes the library in the given empty folder, and returns its path.

    Raises:
        SurroundingsError: the cache cannot be written to or executed from, or is another user's; or `make` raises it.
    """
    found = find_library(name)
    if found is None:
        folder = _own_folder()
        with _whole_errors(folder), _lock(folder, name, wait=True):
            found = find_library(name) or _make(folder, name, make)
        _forget(folder)
    with contextlib.suppress(OSError):  # the cache may be read-only
        found.touch()
    return found


def load_library(path: Path) -> ctypes.CDLL:
    """Loads a library of the cache.

    Raises:
        SurroundingsError: the system refuses the library.
    """
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise SurroundingsError(f"the compiled design cannot be loaded: {error}", ANOTHER) from error


def _make(folder: Path, name: str, make: Callable[[Path], Path]) -> Path:
    for left in folder.glob(f"{name}.*.partial"):
        if is_left(left):
            shutil.rmtree(left, ignore_errors=True)
    partial = folder / f"{name}.{os.getpid()}.partial"
    partial.mkdir()
    try:
        made = make(partial)
        written = partial / "sha256"
        written.write_text(_digest(made), encoding="ascii")
        for file in (made, written):
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
        path = folder / f"{name}.so"
        if path.is_dir():  # nothing that was made here
            shutil.rmtree(path)
        made.replace(path)
        written.replace(_checksum(path))
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return path


def _own_folder() -> Path:
    """The folder of libraries, made if missing. A folder that was open to others is emptied and closed."""
    folder = cache_folder() / FOLDER
    with _whole_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.geteuid():
            raise SurroundingsError(f"the cache folder {folder} belongs to another user", ANOTHER)
        if not _is_own(folder):
            folder.chmod(0o700)
            for path in folder.iterdir():
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        if os.statvfs(folder).f_flag & os.ST_NOEXEC:
            raise SurroundingsError(f"the cache folder {folder} lies on a file system that is mounted noexec", ANOTHER)
    return folder


def _is_own(folder: Path) -> bool:
    try:
        status = folder.stat()
    except OSError:
        return False
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _is_sound(path: Path) -> bool:
    """Whether this is a file of this user's, with the content that was written when it was made."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return False
        return _checksum(path).read_text(encoding="ascii") == _digest(path)
    except (OSError, ValueError):
        return False


def _checksum(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextlib.contextmanager
def _whole_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place = error.filename or folder
        reason = error.strerror or error
        raise SurroundingsError(
            f"the cache of compiled libraries cannot be written, {place}: {reason}", ANOTHER
        ) from error


@contextlib.contextmanager
def _lock(folder: Path, name: str, wait: bool) -> Iterator[None]:
    """Holds the lock of a library. Some files serve all names, so that none need ever be removed; they are so many that
    long builds seldom wait for each other.

    Raises:
        BlockingIOError: another process holds it, and `wait` is False.
    """
    number = int(hashlib.sha256(name.encode()).hexdigest(), 16) % _LOCKS
    with (folder / f"lock.{number}").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        yield


def _forget(folder: Path) -> None:
    """Removes the libraries with the oldest use, and files of killed processes."""
    with contextlib.suppress(OSError):
        for partial in folder.glob("*.partial"):
            with contextlib.suppress(BlockingIOError), _lock(folder, partial.name.split(".")[0], wait=False):
                if is_left(partial):
                    shutil.rmtree(partial, ignore_errors=True)
        libraries = sorted(folder.glob("*.so"), key=lambda path: path.stat().st_mtime)
        for path in libraries[:-KEEP]:
            path.unlink(missing_ok=True)
            _checksum(path).unlink(missing_ok=True)


def is_left(partial: Path) -> bool:
    """Whether no process makes a library here any more. Another release may use another lock, so processes count."""
    maker = partial.name.split(".")[-2]
    if not maker.isdigit() or int(maker) == os.getpid():
        return True
    try:
        os.kill(int(maker), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False

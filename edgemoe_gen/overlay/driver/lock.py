"""One user of a board at a time: a lock that the kernel releases when its process ends in any way.

In: a device of PYNQ. Out: a lock, or an error that names the process that has the board.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import weakref
from typing import Any

from .errors import OverlayError

# Folders where everybody may write. Not the one of TMPDIR: every user could have another.
FOLDERS = ("/run/lock", "/var/lock", "/tmp")
MAX_PROCESS = 1 << 22  # Linux numbers none higher
_held: weakref.WeakSet[BoardLock] = weakref.WeakSet()


_private: weakref.WeakValueDictionary[int, PrivateLock] = weakref.WeakValueDictionary()  # by device


def lock_board(device: Any, what: str) -> BoardLock | PrivateLock:
    """The right to use a device.

    Args:
        device: PYNQ's device.
        what: the requesting overlay, for messages.

    Raises:
        OverlayError: another process, or another accelerator of this one, has the board; or no lock can be made.
    """
    name = lock_name(device)
    return BoardLock(name, what) if name else PrivateLock(device, what)


def lock_name(device: Any) -> str:
    """File name of a device's lock; "" for a device that no other process can reach, such as a simulated one.

    PYNQ's own device is the machine's only chip. Any other device may name its lock: `lock_name`.
    """
    said = getattr(device, "lock_name", None)
    if said is None:
        own = any(kind.__name__ == "EmbeddedDevice" for kind in type(device).__mro__)
        said = "board" if own else ""
    return re.sub(r"[^A-Za-z0-9._-]", "_", f"edgemoe-{said}.lock") if said else ""


class BoardLock:
    """The right to use a board that other processes can reach, until `release`, or until nobody holds this object."""

    def __init__(self, name: str, what: str) -> None:
        self._file: int | None = None
        self._file = _open(name)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._file, 32, 0).decode("ascii", "replace").strip()
            self.forget()
            known = holder.isdigit() and 0 < int(holder) <= MAX_PROCESS
            raise _refusal(what, int(holder) if known else None) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        _held.add(self)

    def release(self) -> None:
        """Lets others use the board."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self.forget()

    def forget(self) -> None:
        """Closes the file. A forked child does only this: the lock is its parent's."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def __del__(self) -> None:
        self.forget()


class PrivateLock:
    """The right to use a device that belongs to this process alone."""

    def __init__(self, device: Any, what: str) -> None:
        if id(device) in _private:
            raise _refusal(what, os.getpid())
        self._device = device
        _private[id(device)] = self

    def release(self) -> None:
        """Lets others use the device."""
        if _private.get(id(self._device)) is self:
            del _private[id(self._device)]


def _refusal(what: str, holder: int | None) -> OverlayError:
    who, hint = "another process", "close the accelerator there, or end that process"
    if holder == os.getpid():
        who, hint = f"this process ({holder})", "call close() of the accelerator that has it, or restart the notebook"
    elif holder is not None:
        who = f"process {holder}"
    return OverlayError(f"{what} can't be opened: the board is in use by {who}", hint)


def _open(name: str) -> int:
    """The lock's file, which belongs to its first user and which every user can lock."""
    problem: OSError | None = None
    for folder in FOLDERS:
        path = os.path.join(folder, name)  # noqa: PTH118
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            # First without O_CREAT: Linux refuses it for another's file in a folder of everybody, even to root.
            return _regular(os.open(path, flags), path)
        except FileNotFoundError:
            pass
        except OSError as error:
            problem = error
            continue
        try:
            file = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return _regular(os.open(path, flags), path)  # made by another process since
        except OSError as error:
            problem = error
            continue
        os.fchmod(file, 0o666)  # whatever the umask says
        return file
    raise OverlayError(f"no lock {name} can be made: {problem}", f"make one of {', '.join(FOLDERS)} writable")


def _regular(file: int, path: str) -> int:
    """The file, if it is regular, which a FIFO is not."""
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    raise OSError(errno.EINVAL, "it is no regular file", path)


def _after_fork() -> None:
    for lock in list(_held):
        lock.forget()


os.register_at_fork(after_in_child=_after_fork)

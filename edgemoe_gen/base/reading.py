"""Opens the user's files: only regular files of a bounded size, so that no reader waits or reads for ever.

An `OSError` with a `strerror` refuses a FIFO, a device, a sparse file and a file that is far larger than any of its
kind. Every reader makes its own error of it. `escaped` makes foreign text safe for a terminal.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO

TEXT_LIMIT = 64 << 20  # bytes of a text that people or tools write
DATA_LIMIT = 4 << 30  # bytes of a program, of weights or of a bitstream
ANY = 1 << 62

_KINDS = (
    (stat.S_ISDIR, "it is a folder"),
    (stat.S_ISFIFO, "it is a FIFO, not a regular file"),
    (stat.S_ISSOCK, "it is a socket, not a regular file"),
    (stat.S_ISCHR, "it is a device, not a regular file"),
    (stat.S_ISBLK, "it is a device, not a regular file"),
)
# A file this large of which the disk holds less than this part is a download that never came, or made to fill memory.
_SPARSE_SIZE, _SPARSE_PART = 256 << 20, 64


class UnfitFileError(OSError):
    """A file that exists but must not be read: not regular, too large, or mostly holes."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(errno.EINVAL, what, str(path))


def open_regular(path: Path, limit: int = DATA_LIMIT) -> IO[bytes]:
    """Opens a regular file of at most `limit` bytes for reading; never waits for another process.

    Raises:
        UnfitFileError: it is no regular file, larger, or mostly holes.
        OSError: it can't be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            what = next((what for test, what in _KINDS if test(facts.st_mode)), "it is no regular file")
            raise UnfitFileError(path, what)
        if facts.st_size > limit:
            raise UnfitFileError(path, f"it has {facts.st_size:,} bytes, more than the {limit:,} that are read")
        # Some file systems do not count blocks, and say 0.
        held = facts.st_blocks * 512
        if facts.st_size > _SPARSE_SIZE and 0 < held < facts.st_size // _SPARSE_PART:
            raise UnfitFileError(
                path, f"of its {facts.st_size:,} bytes only {held:,} are on the disk, so most of it was never written"
            )
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bytes(path: Path, limit: int = DATA_LIMIT) -> bytes:
    """Contents of a regular file of at most `limit` bytes.

    Raises:
        UnfitFileError: it is no regular file, larger, or mostly holes.
        OSError: it can't be read.
    """
    with open_regular(path, limit) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:  # it grew meanwhile, or is of a kind that does not tell its size
        raise UnfitFileError(path, f"it has more than the {limit:,} bytes that are read")
    return data


def read_text(path: Path, limit: int = TEXT_LIMIT) -> str:
    """Contents of such a file as UTF-8 text, with line ends as `Path.read_text` gives them.

    Raises:
        OSError: as `read_bytes`.
        UnicodeDecodeError: it is no UTF-8.
    """
    return read_bytes(path, limit).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def escaped(text: str, kept: str = "") -> str:
    """Text without control codes for a terminal: characters that can't be printed are escaped, except for `kept`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in kept else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")

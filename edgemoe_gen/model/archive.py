"""The zip archive of `torch.save`: the places of its pickle and its storages, in bytes; no values.

Every size that the file claims is compared with the file's own size. `StoredBytes.read` compares its bytes with the
archive's CRC-32.
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

import numpy as np
import numpy.typing as npt

from edgemoe_gen.base.names import shown

_DIRECTORY = 16 << 20  # bytes of a zip's directory, of 60 or more an entry
PICKLE_LIMIT = 256 << 20  # bytes of a pickle
_LOCAL_HEADER, _END = 30, 22
_CHUNK = 256 << 10
_ENCRYPTED = 0x1


class ArchiveError(Exception):
    """The container is truncated, damaged, or not of torch.save; the text continues the file's name in a sentence."""


@dataclass(frozen=True)
class StoredBytes:
    """Bytes of a file: their place, their number, and their CRC-32 where the file has one."""

    place: int
    size: int
    crc: int | None = None

    def read(self, file: int) -> npt.NDArray[np.uint8]:
        """The bytes of an open file, in memory of their own.

        Raises:
            ArchiveError: they are not the ones that were written.
        """
        data = np.empty(self.size, np.uint8)
        self._walk(file, data.data)
        return data

    def check(self, file: int) -> None:
        """The same check without keeping the bytes.

        Raises:
            ArchiveError: they are not the ones that were written.
        """
        self._walk(file, None)

    def _walk(self, file: int, target: memoryview | None) -> None:
        """Reads all bytes chunk by chunk, so that the checksum finds each chunk in the processor's cache."""
        kept = memoryview(bytearray(_CHUNK)) if target is None else target
        crc = 0
        for begin in range(0, self.size, _CHUNK):
            count = min(_CHUNK, self.size - begin)
            part = kept[:count] if target is None else target[begin : begin + count]
            if os.preadv(file, [part], self.place + begin) != count:
                raise ArchiveError("is truncated")
            if self.crc is not None:
                crc = zlib.crc32(part, crc)
        if self.crc is not None and crc != self.crc:
            raise ArchiveError("is damaged: a checksum in it does not match")


class _Bounded(io.RawIOBase):
    """A file that bounds the length of a zip's directory."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def read(self, size: int = -1) -> bytes:
        if size > _DIRECTORY or (size < 0 and self._left() > _DIRECTORY):
            raise ArchiveError(f"is damaged: its directory has more than {_DIRECTORY:,} bytes")
        return self._stream.read(size)

    def _left(self) -> int:
        place = self._stream.tell()
        end = self._stream.seek(0, io.SEEK_END)
        self._stream.seek(place)
        return end - place


class Archive:
    """A zip archive of `torch.save`.

    Args:
        stream: the file.
        size: its bytes.

    Attributes:
        little_endian: whether numbers in storages have their low byte first.
        checked: whether the file has checksums; torch.save can be told to leave them out.

    Raises:
        ArchiveError: no such archive.
    """

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream, self._size = stream, size
        self._named = _entries(stream)
        pickles = [name for name in self._named if name.endswith("/data.pkl") and name.count("/") == 1]
        if not pickles:
            raise ArchiveError("is a zip archive, but not one of torch.save")
        if len(pickles) > 1:
            raise ArchiveError(f"is a zip archive with {len(pickles)} checkpoints in it")
        self._root = pickles[0].removesuffix("data.pkl")
        if f"{self._root}constants.pkl" in self._named:
            raise ArchiveError("is a TorchScript program, not a checkpoint")
        self.checked = any(entry.CRC for entry in self._named.values())
        self.little_endian = self._order() == b"little"

    def pickle(self) -> StoredBytes:
        """Where the pickle lies."""
        place = self._place("data.pkl")
        if place.size > PICKLE_LIMIT:
            raise ArchiveError(f"is damaged: its pickle has more than {PICKLE_LIMIT:,} bytes")
        return place

    def storage(self, key: str) -> StoredBytes:
        """Where a storage lies."""
        return self._place(f"data/{key}")

    def _order(self) -> bytes:
        if f"{self._root}byteorder" not in self._named:
            return b"little"
        place = self._place("byteorder")
        order = place.read(self._stream.fileno()).tobytes() if place.size <= 8 else b""
        if order not in (b"little", b"big"):
            raise ArchiveError("is damaged: its byte order is neither little nor big")
        return order

    def _place(self, name: str) -> StoredBytes:
        """Where an entry's bytes are: behind its local header, whose lengths are its own."""
        entry = self._named.get(self._root + name)
        if entry is None:
            raise ArchiveError(f"is truncated or damaged: {shown(name)} is missing in it")
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise ArchiveError("is a compressed zip archive, which torch.save never writes")
        if entry.flag_bits & _ENCRYPTED:
            raise ArchiveError("is an encrypted zip archive, which torch.save never writes")
        self._stream.seek(entry.header_offset)
        header = self._stream.read(_LOCAL_HEADER)
        if len(header) != _LOCAL_HEADER or header[:4] != b"PK\3\4":
            raise ArchiveError("is truncated or damaged")
        lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        place = entry.header_offset + _LOCAL_HEADER + lengths
        if not 0 <= place <= place + entry.file_size <= self._size:
            raise ArchiveError("is truncated or damaged")
        return StoredBytes(place, entry.file_size, entry.CRC if self.checked else None)


def _entries(stream: IO[bytes]) -> Mapping[str, zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(_Bounded(stream)) as archive:
            entries: list[zipfile.ZipInfo] = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError, struct.error) as error:
        raise ArchiveError("is truncated or damaged") from error
    # Only a whole archive begins with its first entry and ends with its directory.
    stream.seek(-_END, io.SEEK_END)
    end = stream.read(_END)
    if end[:4] != b"PK\5\6" or end[-2:] != b"\0\0" or min((e.header_offset for e in entries), default=0) != 0:
        raise ArchiveError("is truncated or damaged, or has other data before or behind it")
    named = {entry.filename: entry for entry in entries}
    if len(named) != len(entries):
        raise ArchiveError("is damaged: a name in its directory comes twice")
    return named

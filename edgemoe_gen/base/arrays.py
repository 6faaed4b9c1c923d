"""Foreign NumPy files: one array, or an archive of arrays, of plain values and of the size that they claim.

The size in an array's header is compared with the bytes of the file before any memory is allocated.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Container
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.reading import UnfitFileError, open_regular

LIMIT = 1 << 30  # bytes of an array, or of all arrays of an archive
_FORMAT = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_SAID = 200  # characters of what NumPy says of a header, which it quotes


def read_array(path: Path, limit: int = LIMIT) -> NDArray[Any]:
    """The array in a .npy file.

    Raises:
        OSError: the file can't be read, is no regular file, or is too large.
        ValueError: the array is not of plain values, or is truncated.
    """
    with open_regular(path, limit) as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        if stream.read(2) == b"PK":
            raise ValueError("it is an archive of arrays, not one array")
        stream.seek(0)
        return _array(stream, size)


def read_arrays(path: Path, names: Container[str] | None = None, limit: int = LIMIT) -> dict[str, NDArray[Any]]:
    """Arrays of a .npz file by name; with `names` only those.

    Raises:
        OSError: it can't be read, or is no regular file, or too large.
        ValueError: it is no archive of plain arrays, or damaged.
    """
    with open_regular(path, limit) as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                wanted = [
                    entry
                    for entry in archive.infolist()
                    if entry.filename.endswith(".npy") and (names is None or entry.filename[:-4] in names)
                ]
                if sum(entry.file_size for entry in wanted) > limit:
                    raise UnfitFileError(path, f"its arrays have more than the {limit:,} bytes that are read")
                found = {}
                for entry in wanted:
                    with archive.open(entry) as member:
                        found[entry.filename[:-4]] = _array(member, entry.file_size)
                return found
        except (OSError, ValueError):
            raise
        except Exception as error:  # what zipfile raises on damaged files is of no one family
            raise ValueError(f"it is no whole archive ({type(error).__name__})") from error


def _array(stream: IO[bytes], size: int) -> NDArray[Any]:
    """The array in a stream of `size` bytes."""
    try:
        version = np.lib.format.read_magic(stream)
        if version not in _FORMAT:
            raise ValueError(f"it has version {version} of the format")
        shape, by_column, kind = _FORMAT[version](stream)
    except OSError:
        raise
    except ValueError as error:
        raise ValueError(str(error)[:_SAID]) from error
    except Exception as error:  # the header is a literal of Python, and may be any
        raise ValueError(f"its header is damaged ({type(error).__name__})") from error
    if kind.hasobject or kind.kind not in "biufcSU" or not kind.itemsize:
        raise ValueError("it holds objects, not plain numbers")
    count = math.prod(shape)
    left = size - stream.tell()
    if min(shape, default=0) < 0 or len(shape) > 32 or count * kind.itemsize != left or max(shape, default=0) > size:
        raise ValueError("its header tells of another size than it has")
    data = stream.read(left)
    if len(data) != left:
        raise ValueError("it is truncated")
    values = np.frombuffer(bytearray(data), kind)
    return values.reshape(shape, order="F" if by_column else "C")

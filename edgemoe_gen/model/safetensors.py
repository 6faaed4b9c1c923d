"""The header of a .safetensors file: the tensors of the file, their types, shapes and places.

The format: 8 bytes length of the header (little endian), the header as JSON, then the data (github.com/huggingface/
safetensors, "Format"): the tensors one behind another, without overlap or hole. There is no checksum in it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from edgemoe_gen.base.errors import CheckpointError
from edgemoe_gen.base.names import shown
from edgemoe_gen.model.archive import StoredBytes

_HEADER_LIMIT = 16 << 20  # bytes, of about 100 a tensor
_DIMENSIONS = 32  # of an array of NumPy 1
_DIGITS = 19
_FLOATS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U64": 64, "U32": 32}
_BITS |= {"U16": 16, "U8": 8, "BOOL": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "C64": 64}
_AGAIN = "Copy or export it again."


@dataclass(frozen=True)
class Entry:
    """A tensor: its type by the format's name, its shape, its bytes."""

    dtype: str
    shape: tuple[int, ...]
    bytes: StoredBytes

    def floats(self, path: Path, name: str) -> str:
        """Element type as PyTorch calls it.

        Raises:
            CheckpointError: the type is no float that NumPy can widen.
        """
        if self.dtype not in _FLOATS:
            raise CheckpointError(
                f"{path}: tensor {name} has the type {shown(self.dtype)}.", f"Export it as one of {', '.join(_FLOATS)}."
            )
        return _FLOATS[self.dtype]


def read_entries(path: Path, stream: IO[bytes]) -> dict[str, Entry]:
    """Tensors of a file by name, in the order of the header.

    Raises:
        CheckpointError: the header is truncated or damaged, or does not describe all data exactly once.
    """
    size = os.fstat(stream.fileno()).st_size
    head = stream.read(8)
    length = int.from_bytes(head, "little")
    if len(head) < 8 or length > size - 8:
        raise CheckpointError(f"{path} is truncated or not a safetensors file.", _AGAIN)
    if length > _HEADER_LIMIT:
        raise CheckpointError(
            f"{path} has a header of {length:,} bytes, more than the {_HEADER_LIMIT:,} that are read.", _AGAIN
        )
    try:
        header = json.loads(
            stream.read(length).decode("utf-8"), object_pairs_hook=_once, parse_int=_number, parse_constant=_no_number
        )
        if not isinstance(header, dict):
            raise ValueError
    except _DoubledError as error:
        raise CheckpointError(f"{path} is damaged: its header has {shown(error)} twice.", _AGAIN) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not a safetensors file: its header is not JSON.", _AGAIN) from error
    entries = {
        name: _entry(path, name, said, 8 + length, size) for name, said in header.items() if name != "__metadata__"
    }
    _check_cover(path, entries, 8 + length, size)
    return entries


class _DoubledError(ValueError):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise _DoubledError(name)
        made[name] = value
    return made


def _number(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError
    return int(text)


def _no_number(_: str) -> float:
    raise ValueError


def _entry(path: Path, name: str, said: object, start: int, size: int) -> Entry:
    if not isinstance(said, dict) or not isinstance(dtype := said.get("dtype"), str):
        raise _damaged(path, name)
    shape, place = _whole_numbers(said.get("shape")), _whole_numbers(said.get("data_offsets"))
    if shape is None or place is None or len(place) != 2 or len(shape) > _DIMENSIONS:
        raise _damaged(path, name)
    begin, end = place
    count = math.prod(shape)
    bits = _BITS.get(dtype)
    if not begin <= end <= size - start or (bits is not None and count * bits != 8 * (end - begin)):
        raise CheckpointError(f"{path} is truncated or damaged at tensor {shown(name)}.", _AGAIN)
    if math.prod(n for n in shape if n) > max(size, 1):  # NumPy multiplies the sizes that are not 0
        raise CheckpointError(f"{path} is truncated or damaged at tensor {shown(name)}.", _AGAIN)
    return Entry(dtype, shape, StoredBytes(start + begin, end - begin))


def _whole_numbers(values: object) -> tuple[int, ...] | None:
    if isinstance(values, list) and all(type(value) is int and value >= 0 for value in values):
        return tuple(values)
    return None


def _damaged(path: Path, name: str) -> CheckpointError:
    return CheckpointError(f"{path}: the header's entry for tensor {shown(name)} is damaged.", _AGAIN)


def _check_cover(path: Path, entries: Mapping[str, Entry], start: int, size: int) -> None:
    place = start
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].bytes.place, item[1].bytes.size)):
        if entry.bytes.place != place:
            what = "overlaps another one" if entry.bytes.place < place else "lies behind a hole"
            raise CheckpointError(f"{path} is truncated or damaged: tensor {shown(name)} {what}.", _AGAIN)
        place += entry.bytes.size
    if place != size:
        raise CheckpointError(f"{path} is damaged: {size - place:,} bytes at its end belong to no tensor.", _AGAIN)

"""Reads tensors out of files without ever running code from them.

`read_torch` (any file of `torch.save`, zip or legacy) and `read_safetensors` give tensors by name that become NumPy
float32 arrays when they are asked for. Neither needs PyTorch. Every failure is a `CheckpointError` of one sentence that
names the file.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from edgemoe_gen.base.errors import CheckpointError
from edgemoe_gen.base.names import shown
from edgemoe_gen.base.reading import ANY, open_regular
from edgemoe_gen.model.archive import PICKLE_LIMIT, Archive, ArchiveError, StoredBytes
from edgemoe_gen.model.harmless import FLOATS, Harmless, RefusedError, Storage, Tensor
from edgemoe_gen.model.pickled import Budget, CutPickleError, Ignored, PickleError, read_pickle
from edgemoe_gen.model.safetensors import Entry, read_entries

Array = npt.NDArray[np.float32]

_NUMPY = {"float64": "f8", "float32": "f4", "float16": "f2", "bfloat16": "u2"}
_LEGACY_MAGIC, _LEGACY_VERSION = 0x1950A86A20F9469CFC6C, 1001
_WINDOWS = (1 << 20, 32 << 20, PICKLE_LIMIT)  # bytes of a legacy file, within which its pickles must end
# Tied weights lie in a file once and are read twice; more than that is a small file that claims to be a large one.
_SHARED = 2
_DEPTH_LIMIT = 8  # dicts in dicts that are searched for tensors
_AGAIN = "Copy or export it again."


@dataclass(frozen=True)
class Stored:
    """A tensor in a file.

    Attributes:
        shape: of the tensor.
        read: makes a float32 copy; raises a CheckpointError where the tensor is damaged, not finite or no plain float.
    """

    shape: tuple[int, ...]
    read: Callable[[], Array]


@dataclass(frozen=True)
class Foreign:
    """A skipped object of a foreign class, in the place of a dict."""

    name: str


Tree = dict[str, "Stored | Foreign | Tree | None"]


def to_float32(values: npt.NDArray[Any], path: Path, name: str) -> Array:
    """A finite array as float32 in C order, without a copy where possible; refuses NaN, infinity and overflow."""
    with np.errstate(over="ignore"):
        result = np.ascontiguousarray(values, np.float32)
    # Both ends are NaN if any value is; to look at them takes no memory, as to look at each value would.
    if result.size and not (np.isfinite(result.max()) and np.isfinite(result.min())):
        if np.isfinite(values).all():
            worst = float(np.abs(values).max())
            raise CheckpointError(
                f"{path}: tensor {shown(name)} holds {worst:.4g}, which is out of the range of float32.",
                "Save the checkpoint in float32 to see which weights have diverged.",
            )
        count = int(values.size - np.isfinite(values).sum())
        raise CheckpointError(
            f"{path}: tensor {shown(name)} holds {count} NaN or infinite values.",
            "Use a checkpoint from before training diverged.",
        )
    return result.reshape(values.shape)  # a single number has become an array of one


def read_safetensors(path: Path) -> dict[str, Stored]:
    """Tensors of a .safetensors file by name.

    Raises:
        CheckpointError: the file is unreadable, truncated or damaged.
    """
    file = _File(path)
    with file.opened() as stream:
        entries = read_entries(path, stream)
    return {name: Stored(entry.shape, partial(_from_entry, file, name, entry)) for name, entry in entries.items()}


def read_torch(path: Path) -> Tree:
    """The dicts in a file of `torch.save`, in its own order and nesting, with the tensors in them by name.

    A value that is neither dict nor tensor becomes None, so that its key can be named. Only tensors and plain
    containers are made. Other objects of honest files are skipped, and any other call is refused by name.

    Raises:
        CheckpointError: the file is unreadable, truncated, foreign or unsafe, or holds no dict.
    """
    file = _File(path)
    with file.opened() as stream:
        loaded, place_of, little = (
            _zip(stream, file.size) if _looks_like_zip(path, stream) else _legacy(stream, file.size)
        )
    if isinstance(loaded, Ignored) and loaded.of:
        raise refusal(path, loaded.of)
    if not isinstance(loaded, dict):
        kind = "value" if isinstance(loaded, Ignored) else type(loaded).__name__
        raise CheckpointError(
            f"{path} holds a {kind} instead of a state dict.", "Save model.state_dict() with torch.save."
        )
    read = partial(_from_tensor, file, place_of, little)
    return _tree(path, loaded, read, {}, _DEPTH_LIMIT)


def refusal(path: Path, name: str) -> CheckpointError:
    """The error about a file that is no plain data."""
    return CheckpointError(
        f"{path} is refused: its pickle asks for {shown(name.removeprefix('builtins.'))}, which is neither a tensor "
        "nor plain data.",
        'Save only the tensors: torch.save({"state_dict": model.state_dict()}, path).',
    )


class _File:
    """One file, which is read piece by piece and must not change meanwhile.

    Attributes:
        path, size: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self.errors(), open_regular(path, ANY) as stream:
            self._file = os.dup(stream.fileno())
        weakref.finalize(self, os.close, self._file)  # it stays open as long as a tensor may still be read
        self._facts = _facts(self._file)
        self.size = self._facts[0]
        self._left = _SHARED * self.size
        self._checked: set[StoredBytes] = set()

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """The file, open at its start."""
        with self.errors(), os.fdopen(os.dup(self._file), "rb") as stream:
            stream.seek(0)
            yield stream

    @contextmanager
    def errors(self) -> Iterator[None]:
        """A context that turns errors of the file into a CheckpointError."""
        path = self.path
        try:
            yield
        except RefusedError as error:
            raise refusal(path, error.name) from error
        except PickleError as error:
            what = "" if str(error) in ("damaged", "truncated") else f": it has {error}"
            raise CheckpointError(f"{path} is truncated, damaged or not a file of torch.save{what}.", _AGAIN) from error
        except ArchiveError as error:
            raise CheckpointError(f"{path} {error}.", _AGAIN) from error
        except OSError as error:
            raise CheckpointError(
                f"{path} cannot be read: {error.strerror}.", "Check the path and its permissions."
            ) from error
        except MemoryError as error:
            raise CheckpointError(f"{path} does not fit the memory.", "Read it on a machine with more.") from error

    def part(self, place: StoredBytes, first: int, last: int) -> npt.NDArray[np.uint8]:
        """Bytes `first` to `last` of stored bytes, checked where the file has a checksum."""
        self._left -= last - first
        if self._left < 0:
            raise CheckpointError(
                f"{self.path} is damaged: its tensors are together larger than its {self.size:,} bytes.", _AGAIN
            )
        with self.errors():
            if _facts(self._file) != self._facts:
                raise CheckpointError(
                    f"{self.path} has changed while it was read.", "Wait until it is written, and try again."
                )
            if place.crc is not None and place not in self._checked:
                if (first, last) == (0, place.size):
                    data = place.read(self._file)
                    self._checked.add(place)
                    return data
                place.check(self._file)
                self._checked.add(place)
            return StoredBytes(place.place + first, last - first).read(self._file)


def _facts(file: int) -> tuple[int, int]:
    facts = os.fstat(file)
    return facts.st_size, facts.st_mtime_ns


_Loaded = tuple[Any, Callable[[Storage], StoredBytes], bool]


def _zip(stream: IO[bytes], size: int) -> _Loaded:
    archive = Archive(stream, size)
    budget = Budget()
    meaning = Harmless(budget)
    data = archive.pickle().read(stream.fileno())
    loaded, end = read_pickle(data.data, meaning, 0, budget)
    if end != len(data):
        raise PickleError("damaged")
    places = {key: archive.storage(key) for key in meaning.storages}
    for key, storage in meaning.storages.items():
        if places[key].size // storage.itemsize != storage.numel:
            raise ArchiveError(f"is damaged: storage {shown(key)} is of another size than its tensors say")
    return loaded, lambda storage: places[storage.key], archive.little_endian


def _legacy(stream: IO[bytes], size: int) -> _Loaded:
    """Five pickles, and after them each storage: its number of elements in 8 bytes, then the elements."""
    for window in _WINDOWS:
        stream.seek(0)
        head = memoryview(stream.read(window))
        try:
            loaded, storages, keys, little, place = _legacy_pickles(head)
            break
        except CutPickleError:
            if window >= size or window == _WINDOWS[-1]:
                raise
    places: dict[str, StoredBytes] = {}
    for key in keys:
        storage = storages.get(key) if isinstance(key, str) and key not in places else None
        stream.seek(place)
        count = int.from_bytes(stream.read(8), "little" if little else "big", signed=True)
        if storage is None or count != storage.numel or place + 8 + count * storage.itemsize > size:
            raise ArchiveError("is truncated or damaged")
        places[storage.key] = StoredBytes(place + 8, count * storage.itemsize)
        place += 8 + count * storage.itemsize
    if place != size or len(places) != len(storages):
        raise ArchiveError("is truncated or damaged")
    return loaded, lambda storage: places[storage.key], little


def _legacy_pickles(head: memoryview) -> tuple[Any, dict[str, Storage], list[Any], bool, int]:
    budget = Budget()
    meaning = Harmless(budget)
    values: list[Any] = []
    place = 0
    for expected in (_LEGACY_MAGIC, _LEGACY_VERSION, None, None, None):
        value, place = read_pickle(head, meaning, place, budget)
        if expected is not None and value != expected:
            raise ArchiveError("is truncated, damaged or not a file of torch.save")
        values.append(value)
    system, loaded, keys = values[2:]
    if not isinstance(system, dict) or not isinstance(keys, list):
        raise PickleError("damaged")
    return loaded, meaning.storages, keys, system.get("little_endian") is not False, place


def _tree(
    path: Path, mapping: Mapping[Any, Any], read: Callable[[str, Tensor], Array], known: dict[int, Tree], depth: int
) -> Tree:
    """`known`: trees by the identity of their dict, so that a dict in many places is walked once."""
    if id(mapping) in known:
        return known[id(mapping)]
    tree: Tree = {}
    known[id(mapping)] = tree
    for key, value in mapping.items():
        if not isinstance(key, str):
            continue
        if isinstance(value, Tensor):
            tree[key] = Stored(value.size, partial(read, key, value))
        elif isinstance(value, Ignored) and value.of:
            tree[key] = Foreign(value.of)
        elif isinstance(value, dict) and depth > 1:
            tree[key] = _tree(path, value, read, known, depth - 1)
        else:
            tree[key] = None
    return tree


def _from_entry(file: _File, name: str, entry: Entry) -> Array:
    kind = entry.floats(file.path, name)
    data = file.part(entry.bytes, 0, entry.bytes.size)
    return to_float32(_numbers(data, kind).reshape(entry.shape), file.path, name)


def _from_tensor(
    file: _File, place_of: Callable[[Storage], StoredBytes], little: bool, name: str, tensor: Tensor
) -> Array:
    """A tensor's values; the reader of the pickle has checked that the tensor lies inside its storage."""
    if tensor.storage is None or tensor.kind not in FLOATS:
        raise CheckpointError(
            f"{file.path}: tensor {shown(name)} is a {shown(tensor.kind)} tensor that is not plain floating point.",
            "Save it as float32.",
        )
    if not tensor.numel:
        return np.zeros(tensor.size, np.float32)
    first, last = (place * tensor.itemsize for place in tensor.span)
    numbers = _numbers(file.part(place_of(tensor.storage), first, last), tensor.kind, little)
    if tensor.is_plain:
        return to_float32(numbers.reshape(tensor.size), file.path, name)
    steps = tuple(step * numbers.itemsize for step in tensor.stride)
    return to_float32(np.lib.stride_tricks.as_strided(numbers, tensor.size, steps), file.path, name)


def _numbers(data: npt.NDArray[np.uint8], kind: str, little: bool = True) -> npt.NDArray[Any]:
    """Bytes as numbers. bfloat16 is the upper half of a float32."""
    numbers = data.view(np.dtype(_NUMPY[kind]).newbyteorder("<" if little else ">"))
    return (numbers.astype(np.uint32) << 16).view(np.float32) if kind == "bfloat16" else numbers


def _looks_like_zip(path: Path, stream: IO[bytes]) -> bool:
    magic = stream.read(4)
    if not magic:
        raise CheckpointError(f"{path} is empty.", _AGAIN)
    return magic[:2] == b"PK"

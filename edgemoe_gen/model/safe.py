"""Reads tensors out of files without ever running code from them.

`read_torch` (any file of `torch.save`, zip or legacy) and `read_safetensors` give tensors by name that become NumPy
float32 arrays when they are asked for. Every failure is a `CheckpointError` of one sentence that names the file.
"""

from __future__ import annotations

import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemoe_gen.errors import CheckpointError
from edgemoe_gen.model.harmless import allowed, placeholder, stands_in_for
from edgemoe_gen.names import shown

Array = npt.NDArray[np.float32]

_SAFETENSORS_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_SAFETENSORS_LIMIT = 100_000_000  # bytes of header that the format allows
_DEPTH_LIMIT = 8  # dicts in dicts that are searched for tensors
_CLASSES_LIMIT = 100  # different unknown classes in one file, each of which costs a reading of its pickle


def to_float32(values: npt.NDArray[Any], path: Path, name: str) -> Array:
    """A float32 copy of a finite float array; refuses NaN, infinity and what float32 cannot hold."""
    with np.errstate(over="ignore"):
        result = np.array(values, dtype=np.float32, order="C")
    if not np.isfinite(result).all():
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
    return result


@dataclass(frozen=True)
class Stored:
    """A tensor as a file holds it.

    Attributes:
        shape: of the tensor.
        read: makes a float32 copy; raises a CheckpointError where it is not finite, or no plain floating point.
    """

    shape: tuple[int, ...]
    read: Callable[[], Array]


@dataclass(frozen=True)
class Foreign:
    """An object of a class that was read over, where a dict could have stood."""

    name: str


def read_safetensors(path: Path) -> dict[str, Stored]:
    """Tensors of a .safetensors file by name; needs neither torch nor safetensors.

    The format: 8 bytes length of the header (little endian), the header as JSON, then the data (github.com/huggingface/
    safetensors, "Format"). bfloat16 is the upper half of a float32, so it is widened by a shift.
    """
    raw = _read_bytes(path)
    length = int.from_bytes(raw[:8], "little")
    if len(raw) < 8 or length > min(len(raw) - 8, _SAFETENSORS_LIMIT):
        raise CheckpointError(f"{path} is truncated or not a safetensors file.", "Copy or export it again.")
    try:
        header = json.loads(raw[8 : 8 + length])
        entries = {name: header[name] for name in header if name != "__metadata__"}
    except (ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is not a safetensors file: its header is not JSON.", "Copy or export it again."
        ) from error
    data = memoryview(raw)[8 + length :]
    return {name: _safetensors_entry(path, name, entry, data) for name, entry in entries.items()}


def _safetensors_entry(path: Path, name: str, entry: object, data: memoryview) -> Stored:
    shown_name = shown(name)
    try:
        assert isinstance(entry, dict)
        dtype, shape = str(entry["dtype"]), tuple(int(n) for n in entry["shape"])
        begin, end = (int(n) for n in entry["data_offsets"])
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: the header's entry for tensor {shown_name} is damaged.", "Copy or export it again."
        ) from error
    kind = np.dtype(_SAFETENSORS_DTYPES.get(dtype, "u1"))
    count = int(np.prod(shape, dtype=object)) if shape else 1
    whole = dtype not in _SAFETENSORS_DTYPES or end - begin == count * kind.itemsize
    if not 0 <= begin <= end <= len(data) or min(shape, default=1) < 0 or not whole:
        raise CheckpointError(f"{path} is truncated or damaged at tensor {shown_name}.", "Copy or export it again.")

    def read() -> Array:
        if dtype not in _SAFETENSORS_DTYPES:
            kinds = ", ".join(_SAFETENSORS_DTYPES)
            raise CheckpointError(
                f"{path}: tensor {shown_name} has the type {shown(dtype)}.", f"Export it as one of {kinds}."
            )
        values = np.frombuffer(data[begin:end], dtype=kind).reshape(shape)
        if dtype == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        return to_float32(values, path, name)

    return Stored(shape, read)


Tree = dict[str, "Stored | Foreign | Tree | None"]


def read_torch(path: Path) -> Tree:
    """The dicts in a file of `torch.save`, in its own order and nesting, with the tensors in them by name.

    A value that is neither dict nor tensor stands there as None, so that its key can be named. Only tensors, NumPy
    scalars and arrays, and plain containers are built; instances of other classes are read over, and a call of anything
    else is refused by name.

    Raises:
        CheckpointError: torch is missing; the file is unreadable, truncated, foreign or unsafe, or holds no dict.
    """
    loaded = _torch_load(path)
    if name := stands_in_for(loaded):
        raise refusal(path, name)
    if not isinstance(loaded, Mapping):
        raise CheckpointError(
            f"{path} holds a {type(loaded).__name__} instead of a state dict.",
            "Save model.state_dict() with torch.save.",
        )
    return _tree(path, loaded, {}, _DEPTH_LIMIT)


def _tree(path: Path, mapping: Mapping[Any, Any], known: dict[int, Tree], depth: int) -> Tree:
    """`known`: trees by the identity of their dict, so that a dict that stands in many places is walked once."""
    import torch

    if id(mapping) in known:
        return known[id(mapping)]
    tree: Tree = {}
    known[id(mapping)] = tree
    for key, value in mapping.items():
        if not isinstance(key, str):
            continue
        if name := stands_in_for(value):
            tree[key] = Foreign(name)
        elif isinstance(value, torch.Tensor):
            tree[key] = Stored(tuple(value.shape), partial(_from_tensor, value, path, key))
        elif isinstance(value, Mapping) and depth > 1:
            tree[key] = _tree(path, value, known, depth - 1)
        else:
            tree[key] = None
    return tree


def _from_tensor(value: Any, path: Path, name: str) -> Array:
    import torch

    if value.layout != torch.strided or not value.is_floating_point() or value.is_meta:
        kind = str(value.dtype).removeprefix("torch.")
        raise CheckpointError(
            f"{path}: tensor {shown(name)} is a {kind} tensor that is not plain floating point.", "Save it as float32."
        )
    wide = value.detach() if value.dtype in (torch.float32, torch.float64, torch.float16) else value.detach().float()
    try:
        return to_float32(wide.numpy(), path, name)
    except (RuntimeError, TypeError) as error:
        raise CheckpointError(
            f"{path}: tensor {shown(name)} cannot be read.", "Save it as a plain float32 tensor."
        ) from error


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error


def _torch_load(path: Path) -> object:
    try:
        import torch
    except ImportError as error:
        raise CheckpointError(
            f"{path} is a PyTorch file, and PyTorch is not installed.", 'Run: pip install "edgemoe-gen[torch]".'
        ) from error
    if not hasattr(torch.serialization, "safe_globals"):
        raise CheckpointError(
            f"{path} needs PyTorch 2.5 or later to be read safely, not {torch.__version__}.",
            'Run: pip install "torch>=2.5".',
        )
    zipped = _looks_like_zip(path)
    names, stood_in = allowed(), set[str]()
    while True:
        try:
            with warnings.catch_warnings(), torch.serialization.safe_globals(names):
                warnings.simplefilter("ignore")  # what matters in them is in our own messages
                return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
        except Exception as error:
            unknown = re.search(r"Unsupported global: GLOBAL (\S+)", str(error))
            name = unknown.group(1) if unknown and isinstance(error, pickle.UnpicklingError) else ""
            if not name or name in stood_in or len(stood_in) >= _CLASSES_LIMIT:
                raise _read_error(path, error) from error
            stood_in.add(name)
            names.append(placeholder(name if "." in name else f"builtins.{name}"))


def _read_error(path: Path, error: Exception) -> CheckpointError:
    """What went wrong in torch.load, whose restricted unpickler meets damage with whatever its opcodes raise."""
    if isinstance(error, OSError):
        return CheckpointError(f"{path} cannot be read: {error}.", "Check the path and its permissions.")
    if isinstance(error, MemoryError):
        return CheckpointError(f"{path} does not fit the memory, or is damaged.", "Copy or export it again.")
    if isinstance(error, pickle.UnpicklingError):
        refused = re.search(r"\bGLOBAL (\S+)|allowlisted via `add_safe_globals`, but got <class '([^']+)'>", str(error))
        if refused:
            return refusal(path, refused.group(1) or refused.group(2))
        opcode = re.search(r"Unsupported operand (\d+)", str(error))
        if opcode:
            return CheckpointError(
                f"{path} is damaged, or saved with a pickle_protocol other than 2 (opcode {opcode.group(1)}).",
                "Copy it again, or save it again with torch.save's own protocol.",
            )
    return CheckpointError(f"{path} is truncated, damaged or not a file of torch.save.", "Copy or export it again.")


def refusal(path: Path, name: str) -> CheckpointError:
    """The error about a file that is no plain data."""
    return CheckpointError(
        f"{path} is refused: its pickle asks for {name.removeprefix('builtins.')}, which is neither a tensor nor plain "
        "data.",
        'Save only the tensors: torch.save({"state_dict": model.state_dict()}, path).',
    )


def _looks_like_zip(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            magic = stream.read(4)
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error
    if not magic:
        raise CheckpointError(f"{path} is empty.", "Copy or export it again.")
    if magic[:2] != b"PK":
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CheckpointError(f"{path} is truncated or damaged.", "Copy or export it again.") from error
    if not any(name.endswith("/data.pkl") for name in names):
        raise CheckpointError(
            f"{path} is a zip archive, but not one of torch.save.", "Give the checkpoint file itself."
        )
    return True

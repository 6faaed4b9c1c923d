"""Meaning of the names and calls in a checkpoint's pickle: tensors, storages, plain containers, or nothing.

Nothing is imported and nothing is called. A call that builds a tensor becomes a `Tensor`, a description in numbers that
are checked against the storage. A call that is known to be harmless is skipped. Any other call is refused by its name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from edgemoe_gen.model.pickled import Budget, Global, Ignored, PickleError, put_all

# Element types by the name of their storage's class: what it is called, bytes a value.
_STORAGES = {
    "FloatStorage": ("float32", 4),
    "DoubleStorage": ("float64", 8),
    "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "LongStorage": ("int64", 8),
    "IntStorage": ("int32", 4),
    "ShortStorage": ("int16", 2),
    "CharStorage": ("int8", 1),
    "ByteStorage": ("uint8", 1),
    "BoolStorage": ("bool", 1),
    "ComplexFloatStorage": ("complex64", 8),
    "ComplexDoubleStorage": ("complex128", 16),
    "QInt8Storage": ("qint8", 1),
    "QUInt8Storage": ("quint8", 1),
    "QInt32Storage": ("qint32", 4),
    "UntypedStorage": ("uint8", 1),
}
_BYTES = dict(_STORAGES.values())
FLOATS = ("float64", "float32", "float16", "bfloat16")
_DIMENSIONS = 32  # of an array of NumPy 1

# Calls whose results are of no use here, though honest files hold them. A name that ends with "." stands for all below.
_IGNORED = (
    *(f"{module}.{kind}" for module in ("pathlib", "pathlib._local") for kind in ("Path", "PurePath", "PosixPath")),
    *(f"{module}.{kind}" for module in ("pathlib", "pathlib._local") for kind in ("PurePosixPath", "WindowsPath")),
    *(f"{module}.PureWindowsPath" for module in ("pathlib", "pathlib._local")),
    *(f"datetime.{kind}" for kind in ("datetime", "date", "time", "timedelta", "timezone")),
    *(
        f"{module}.{kind}"
        for module in ("builtins", "__builtin__")
        for kind in ("frozenset", "slice", "range", "xrange")
    ),
    *(f"{module}.{kind}" for module in ("builtins", "__builtin__") for kind in ("bytearray", "bytes", "set", "list")),
    *(f"{module}.{kind}" for module in ("builtins", "__builtin__") for kind in ("int", "float", "complex")),
    *(f"numpy.{core}.multiarray.{kind}" for core in ("core", "_core") for kind in ("scalar", "_reconstruct")),
    *(f"numpy.{core}.numeric._frombuffer" for core in ("core", "_core")),
    "numpy.dtype",
    "numpy.dtypes.",
    "numpy.ndarray",
    "numpy.random._pickle.",
    "numpy.random.bit_generator.",
    "_codecs.encode",
    "argparse.Namespace",
    "collections.deque",
    "collections.Counter",
    "copy_reg._reconstructor",
    "copyreg._reconstructor",
    "decimal.Decimal",
    "fractions.Fraction",
    "functools.partial",
    "torch.device",
    "torch.Size",
    "torch._C.Generator",
    "torch.serialization._get_layout",
    "types.SimpleNamespace",
)
_DICTS = ("collections.OrderedDict", "collections.defaultdict", "builtins.dict", "__builtin__.dict")
# Calls that give tensors which are no plain array of numbers, and what these are called.
_ODD = {
    "torch._utils._rebuild_qtensor": "quantized",
    "torch._utils._rebuild_sparse_tensor": "sparse",
    "torch._utils._rebuild_sparse_csr_tensor": "sparse",
    "torch._utils._rebuild_meta_tensor_no_storage": "meta",
    "torch._utils._rebuild_nested_tensor": "nested",
    "torch._utils._rebuild_device_tensor_from_numpy": "device",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": "device",
    "torch._utils._rebuild_wrapper_subclass": "wrapped",
}


class RefusedError(PickleError):
    """The pickle asks for a call that is not known to be harmless; `name` is the called name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True)
class Storage:
    """Numbers outside the pickle: `numel` of type `kind` under `key`."""

    key: str
    kind: str
    numel: int

    @property
    def itemsize(self) -> int:
        """Bytes a number."""
        return _BYTES[self.kind]


@dataclass(frozen=True)
class Tensor:
    """A tensor's place in its storage, in numbers of type `kind`; it lies inside and is no larger than the storage.

    Attributes:
        storage: its storage; None for a tensor that is no plain array.
        kind: element type, as PyTorch calls it.
        offset, size, stride: as in PyTorch.
    """

    storage: Storage | None
    kind: str
    offset: int = 0
    size: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()

    @property
    def numel(self) -> int:
        """Number of its elements."""
        return math.prod(self.size)

    @property
    def itemsize(self) -> int:
        """Bytes a number."""
        return _BYTES[self.kind]

    @property
    def is_plain(self) -> bool:
        """Whether its numbers are contiguous, row by row."""
        step = 1
        for n, stride in zip(reversed(self.size), reversed(self.stride), strict=True):
            if n != 1 and stride != step:
                return False
            step *= n
        return True

    @property
    def span(self) -> tuple[int, int]:
        """Its first number in the storage, and the number after its last; only for tensors with numbers."""
        return self.offset, self.offset + sum(
            (n - 1) * step for n, step in zip(self.size, self.stride, strict=True)
        ) + 1


class Harmless:
    """Gives the names and calls of one file their meaning.

    Attributes:
        storages: those that the pickle mentions, by key.
    """

    def __init__(self, budget: Budget) -> None:
        self.storages: dict[str, Storage] = {}
        self._budget = budget

    def call(self, function: object, arguments: object) -> object:
        """The result of a call.

        Raises:
            RefusedError: no honest file makes this call.
            PickleError: the call's arguments are damaged.
        """
        if not isinstance(function, Global):
            raise RefusedError(_name_of(function))
        if not isinstance(arguments, tuple):
            raise PickleError("damaged")
        name = function.name
        if name in _DICTS:
            return self._dict(name, arguments)
        if name in ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor"):
            return _tensor(arguments[:4], None, arguments[6:7])
        if name == "torch._utils._rebuild_tensor_v3":
            return _tensor(arguments[:4], arguments[6], arguments[7:8])
        if name in ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"):
            return arguments[0]
        if name == "torch._tensor._rebuild_from_type_v2":
            return self.call(arguments[0], arguments[2]) if _is_rebuild(arguments[0]) else self._refuse(arguments[0])
        if name in _ODD:
            return Tensor(None, _ODD[name])
        if name in _IGNORED or any(name.startswith(known) for known in _IGNORED if known.endswith(".")):
            return Ignored(name)
        return self._refuse(function)

    def instance(self, kind: object, arguments: object) -> object:  # noqa: ARG002
        """An instance of a foreign class is skipped, with all its contents."""
        if not isinstance(kind, Global):
            raise RefusedError(_name_of(kind))
        return {} if kind.name in _DICTS else Ignored(kind.name)

    def persistent(self, key: object) -> object:
        """A storage: ("storage", class, key, device, numel), and in legacy files a view, which today's files lack."""
        if not isinstance(key, tuple) or len(key) not in (5, 6) or key[0] != "storage" or key[5:] not in ((), (None,)):
            raise PickleError("damaged")
        _, kind, name, device, numel = key[:5]
        if not isinstance(kind, Global):
            raise PickleError("damaged")
        package, _, last = kind.name.rpartition(".")
        if package.partition(".")[0] != "torch" or last not in _STORAGES:
            raise RefusedError(kind.name)
        if not isinstance(name, str) or not _whole(numel) or device == "meta":
            raise PickleError("damaged")
        storage = Storage(name, _STORAGES[last][0], numel)
        if self.storages.setdefault(name, storage).numel * self.storages[name].itemsize != numel * storage.itemsize:
            raise PickleError("damaged")
        return storage

    def _dict(self, name: str, arguments: tuple[Any, ...]) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        pairs = arguments[0] if name == "collections.OrderedDict" and len(arguments) == 1 else ()
        if not isinstance(pairs, (list, tuple)) or not all(isinstance(p, (list, tuple)) and len(p) == 2 for p in pairs):
            return made
        self._budget.spend(2 * len(pairs))
        put_all(made, pairs)
        return made

    def _refuse(self, function: object) -> object:
        raise RefusedError(_name_of(function))


def _is_rebuild(function: object) -> bool:
    return isinstance(function, Global) and function.name.startswith("torch._utils._rebuild_")


def _name_of(value: object) -> str:
    if isinstance(value, Global):
        return value.name
    return value.of if isinstance(value, Ignored) and value.of else type(value).__name__


def _whole(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def _tensor(place: tuple[Any, ...], kind: object, metadata: tuple[Any, ...]) -> Tensor:
    """A tensor.

    Args:
        place: storage, offset, size, stride.
        kind: element type, or None for that of the storage.
        metadata: one value that says whether the numbers are to be conjugated or negated, or none.
    """
    storage, offset, size, stride = place
    if not isinstance(storage, Storage) or not isinstance(kind, (Global, type(None))):
        raise PickleError("damaged")
    name = storage.kind if kind is None else kind.name.removeprefix("torch.")
    if any(metadata) or name not in _BYTES:
        return Tensor(None, "conjugated" if any(metadata) else name)
    numel = storage.numel * storage.itemsize // _BYTES[name]
    if not (isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride) <= _DIMENSIONS):
        raise PickleError("damaged")
    if not isinstance(offset, int) or not all(map(_whole, (offset, *size, *stride))):
        raise PickleError("damaged")
    tensor = Tensor(storage, name, offset, size, stride)
    inside = not tensor.numel or (tensor.numel <= numel and tensor.span[1] <= numel)
    # Without numbers the sizes are bounded all the same: NumPy multiplies those that are not 0.
    if not inside or math.prod(n for n in size if n) > max(numel, 1 << 31):
        raise PickleError("a tensor larger than its storage")
    return tensor

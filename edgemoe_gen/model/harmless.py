"""What a checkpoint's pickle may ask for beyond tensors, and what it gets: never the real thing where that could act.

PyTorch's restricted unpickler builds only what is on its list. `allowed` adds NumPy values and containers, and
stand-ins for common honest values (paths, dates, random states) that training leaves beside the weights. `placeholder`
stands in for any other class: its instances are empty and nothing can be called.
"""

from __future__ import annotations

import argparse
import importlib
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

# Plain values that are of no use here, though honest files hold them: read as `Ignored`.
_IGNORED = (
    *(f"pathlib.{kind}" for kind in ("Path", "PurePath", "PosixPath", "PurePosixPath", "WindowsPath")),
    *(f"pathlib._local.{kind}" for kind in ("Path", "PurePath", "PosixPath", "PurePosixPath", "WindowsPath")),
    *(f"{module}.PureWindowsPath" for module in ("pathlib", "pathlib._local")),
    *(f"datetime.{kind}" for kind in ("datetime", "date", "time", "timedelta", "timezone")),
    *(f"builtins.{kind}" for kind in ("frozenset", "slice", "range", "bytearray")),
    *(f"numpy.random._pickle.{kind}" for kind in ("__randomstate_ctor", "__generator_ctor", "__bit_generator_ctor")),
    "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
    "decimal.Decimal",
    "fractions.Fraction",
    "functools.partial",
    "torch._C.Generator",
    "types.SimpleNamespace",
)
_DTYPES = "?bBhHiIlLqQefdSU"  # not O and V: their state could make numpy take bytes for addresses


class Ignored:
    """A value that was read over; takes and forgets any state."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


class _NotCallable(type):
    def __call__(cls, *_: object) -> Any:
        raise pickle.UnpicklingError(f"GLOBAL {cls.__module__}.{cls.__qualname__} is called")


def placeholder(name: str) -> type:
    """A class that passes for the global `name`: it can be mentioned and instantiated, but a call of it is refused.

    An instance is an empty OrderedDict, the only type that the restricted unpickler lets carry items and attributes.
    """
    module, _, kind = name.rpartition(".")

    def new(_: type, *__: object) -> OrderedDict[str, object]:
        instance: OrderedDict[str, object] = OrderedDict()
        vars(instance)[_MARK] = name
        return instance

    return _NotCallable(kind, (), {"__module__": module, "__qualname__": kind, "__new__": new})


_MARK = "_stands_in_for"


def stands_in_for(value: object) -> str | None:
    """Name of the class whose instance was read as this value; None for everything else."""
    name = getattr(value, "__dict__", {}).get(_MARK) if isinstance(value, OrderedDict) else None
    return name if isinstance(name, str) else None


def _called(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A function that passes for the global `name`: the allow-list goes by the name that a function itself gives."""

    def stand_in(*arguments: Any) -> Any:
        return function(*arguments)

    stand_in.__module__, _, stand_in.__qualname__ = name.rpartition(".")
    stand_in.__name__ = stand_in.__qualname__
    return stand_in


def allowed() -> list[Any]:
    """Harmless names beyond torch's own list."""
    try:
        multiarray: Any = importlib.import_module("numpy._core.multiarray")
    except ImportError:
        multiarray = importlib.import_module("numpy.core.multiarray")
    names: list[Any] = [np.ndarray, np.dtype, argparse.Namespace, Ignored]
    names += sorted({type(np.dtype(kind)) for kind in _DTYPES}, key=str)
    # The restricted unpickler fills plain dicts and lists only, so their relatives are read as these.
    names.append(_called(lambda *_: {}, "collections.defaultdict"))
    names.append(_called(lambda *_: [], "collections.deque"))
    names += [_called(kind, f"builtins.{kind.__name__}") for kind in (list, dict, int, float, set)]
    names += [_called(Ignored, name) for name in _IGNORED]
    for package in ("numpy.core", "numpy._core"):
        names.append(_called(multiarray.scalar, f"{package}.multiarray.scalar"))
        names.append(_called(multiarray._reconstruct, f"{package}.multiarray._reconstruct"))
    return names

"""`trace`: compares the tensors of two runs of a frame layer by layer, to show the first difference.

The tensors of the float reference have names as in the table of formats (`blocks.3.q`, `blocks.3.output`); a run of the
accelerator has every block's output. The other run is the C simulation, whose routes the reference then takes, or a
file from the user's own PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.arrays import read_arrays
from edgemoe_gen.base.brief import Brief
from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.files import write_whole
from edgemoe_gen.base.names import listed, near, shown
from edgemoe_gen.model import Model, Reference
from edgemoe_gen.pipeline.running import RunResult

Float32 = NDArray[np.float32]
_BY_EXPERT = ("hidden", "activated", "mlp")  # rows of these stand in the order of experts where a block has some


@dataclass(frozen=True)
class TraceRow:
    """A tensor of one run against the same tensor of another.

    Attributes:
        name: name of the tensor.
        shape: shape of the tensor.
        error: RMS of the difference as a share of the RMS of the first run's values; 0 where both are 0.
        largest: largest difference.
        where: index of that value.
        ours, theirs: the values there.
        routes: for blocks with experts, the share of tokens with the same set of experts in both; otherwise None.
    """

    name: str
    shape: tuple[int, ...]
    error: float
    largest: float
    where: tuple[int, ...]
    ours: float
    theirs: float
    routes: float | None = None


@dataclass(frozen=True, repr=False)
class TraceResult(Brief):
    """All tensors that both runs have, in the order of computation.

    Attributes:
        task: task of the runs.
        ours, theirs: both runs, in words.
        missing: names of the reference that the other run lacks.
        notes: notes for the user.
    """

    task: str
    ours: str
    theirs: str
    rows: tuple[TraceRow, ...]
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def worst(self) -> tuple[TraceRow, ...]:
        """The rows, largest error first."""
        return tuple(sorted(self.rows, key=lambda row: -row.error))


def reference_tensors(
    model: Model, image: Float32, task: str, routes: NDArray[np.int64] | None = None
) -> tuple[dict[str, Float32], NDArray[np.int64] | None]:
    """Tensors of the float reference by name, in the order of computation, and its routes.

    Args:
        model: the network.
        image: network input [3, height, width].
        task: name.
        routes: [moe_blocks, tokens, top_k] experts to take instead of its own.
    """
    found: dict[str, Float32] = {}
    by_expert = {f"blocks.{i}.{part}" for i in model.spec.moe_blocks for part in _BY_EXPERT}

    def observe(name: str, value: NDArray[np.float32]) -> None:
        if name not in by_expert:
            found[name] = value

    result = Reference(model).run(image, task, routes=routes, observe=observe)
    found["tokens"] = result.tokens
    if result.output is not None:
        found["output"] = result.output
    return found, None if result.routes is None else result.routes.experts


def accelerator_tensors(result: RunResult) -> dict[str, Float32]:
    """Tensors of a run in C simulation, by the reference's names."""
    found = {f"blocks.{i}.output": block for i, block in enumerate(result.blocks)}
    found["tokens"] = result.tokens
    if result.output is not None:
        found["output"] = result.output
    return found


def read_tensors(path: Path, known: Mapping[str, Float32]) -> dict[str, Float32]:
    """Tensors of a user's .npz by the reference's names; a leading axis of one frame is dropped.

    Args:
        path: the file.
        known: the reference's tensors.

    Raises:
        ConfigError: unreadable, or an array has a name or shape that the reference lacks.
    """
    try:
        arrays = read_arrays(path)
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no file {path}", "write one: numpy.savez(FILE, **{'blocks.0.output': ...})"
        ) from error
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise ConfigError(f"{path} is no .npz of plain arrays: {error}", "write one with numpy.savez") from error
    if not arrays:
        raise ConfigError(f"{path} holds no arrays", f"tensors that can be compared: {listed(known, 40)}")
    found = {}
    for name, array in arrays.items():
        if name not in known:
            hint = near(name, known, "tensors that can be compared")
            raise ConfigError(f"{path}: there is no tensor {shown(name)} in this network", hint)
        wanted = known[name].shape
        if array.shape == (1, *wanted):
            array = array[0]
        if array.shape != wanted:
            raise ConfigError(
                f"{path}: {name} has the shape {list(array.shape)}, here it has {list(wanted)}",
                "save it without a batch, its axes in this order",
            )
        if array.dtype.kind not in "fiu":
            raise ConfigError(f"{path}: {name} holds {array.dtype}, not numbers", "save it as float32")
        found[name] = array.astype(np.float32)
    return found


def write_tensors(tensors: Mapping[str, Float32], path: Path) -> None:
    """Writes tensors by name as .npz, whole or not at all."""
    arrays: dict[str, Any] = dict(tensors)
    write_whole(path, lambda stream: np.savez(stream, **arrays))


def compared(
    ours: Mapping[str, Float32], theirs: Mapping[str, Float32], routes: Mapping[str, float] | None = None
) -> tuple[TraceRow, ...]:
    """A row for each tensor of both, in the order of the first."""
    return tuple(
        _row(name, values, theirs[name], (routes or {}).get(name)) for name, values in ours.items() if name in theirs
    )


def same_sets(model: Model, ours: NDArray[Any], theirs: NDArray[Any]) -> dict[str, float]:
    """Share of the tokens that take the same experts, by the name of the block's output.

    Args:
        model: the network.
        ours, theirs: [moe_blocks, tokens, top_k] experts.
    """
    equal = (np.sort(ours, axis=-1) == np.sort(theirs, axis=-1)).all(axis=-1).mean(axis=-1)
    return {f"blocks.{block}.output": float(share) for block, share in zip(model.spec.moe_blocks, equal, strict=True)}


def _row(name: str, ours: Float32, theirs: Float32, routes: float | None) -> TraceRow:
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    difference = np.abs(a - b)
    # A value that is no number is the largest difference that there can be.
    difference = np.where(np.isfinite(difference), difference, np.inf)
    place = np.unravel_index(int(difference.argmax()), difference.shape) if difference.size else ()
    size = float(np.sqrt(np.mean(a**2))) if a.size else 0.0
    error = float(np.sqrt(np.mean(difference**2))) if a.size else 0.0
    relative = error / size if size else (np.inf if error else 0.0)
    at = tuple(int(i) for i in place)
    return TraceRow(
        name, ours.shape, float(relative), float(difference[at]) if a.size else 0.0, at,
        float(a[at]) if a.size else 0.0, float(b[at]) if a.size else 0.0, routes,
    )  # fmt: skip

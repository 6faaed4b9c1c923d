"""Parts of the kernel cases: one small program, its run, and the comparison of its results with a reference.

Every case loads integers into the activation memories, runs a few operations, stores the results and compares them with
float64 arithmetic, element by element, each element with its own error bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgemoe_gen.numerics.fixed import Format, Integers, dequantise, quantise
from edgemoe_gen.program.builder import Builder
from edgemoe_gen.program.compile import Program
from edgemoe_gen.program.maps import Map, unpack_pixels
from edgemoe_gen.program.pack import Bytes, pack_words
from edgemoe_gen.program.places import Place, Region, Rows
from edgemoe_gen.sim.engine import Engine, Run, stored_matrix, stored_routes

Values = NDArray[np.float64]
Inputs = Literal["random", "extreme", "recorded"]


@dataclass(frozen=True)
class CaseResult:
    """Outcome of one case.

    Attributes:
        kernel: name of the kernel.
        case: name of the case.
        inputs: source of the inputs; an exhaustive case counts as extreme.
        largest_error: absolute error of the result that comes closest to its bound, or exceeds it most; in the unit of
            the result (probabilities, activations; for token queues the number of wrong entries).
        bound: bound of that very result.
        seconds: time that the case took.
        skipped: the reason why it did not run, or None.
        where: this result, its value and its expected value; or the reason why the simulation failed.
    """

    kernel: str
    case: str
    inputs: Inputs
    largest_error: float
    bound: float
    seconds: float
    skipped: str | None = None
    where: str = ""

    @property
    def passed(self) -> bool:
        """Whether every result lay within its bound; True for a skipped case."""
        return self.skipped is not None or self.largest_error <= self.bound


@dataclass(frozen=True)
class Deviation:
    """The result that comes closest to its bound, or exceeds it most: error, bound and place."""

    error: float
    bound: float
    where: str

    @property
    def use(self) -> float:
        """Error as a share of its bound; more than 1 fails."""
        if self.error <= 0.0:
            return 0.0
        return self.error / self.bound if self.bound > 0.0 else float("inf")


Check = Callable[[Engine, np.random.Generator], list[Deviation]]


@dataclass(frozen=True)
class Case:
    """One case: its name, the source of its inputs, its run, and the reason if this design can't run it."""

    name: str
    inputs: Inputs
    check: Check
    skip: str | None = None


def compare(what: str, got: ArrayLike, wanted: ArrayLike, bound: ArrayLike) -> Deviation:
    """Compares arrays of one shape; `bound` broadcasts to it. An empty array deviates by nothing."""
    found, right = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    if not np.isfinite(right).all():
        raise ValueError(f"{what}: the reference is not finite")
    if found.shape != right.shape:
        raise ValueError(f"{what}: shapes {found.shape} and {right.shape} can't be compared")
    if found.size == 0:
        return Deviation(0.0, 0.0, what)
    limit = np.broadcast_to(np.asarray(bound, np.float64), found.shape)
    error = np.abs(found - right)
    with np.errstate(divide="ignore", invalid="ignore"):
        use = np.where(error > 0.0, error / limit, 0.0)
    worst = np.unravel_index(int(np.argmax(use)), use.shape)
    place = ", ".join(str(int(i)) for i in worst)
    where = f"{what}[{place}] is {found[worst]:.9g} instead of {right[worst]:.9g}"
    return Deviation(float(error[worst]), float(limit[worst]), where)


def compare_exactly(what: str, got: Integers, wanted: Integers) -> Deviation:
    """Compares integers that must be equal; the error is the number of those that are not."""
    if got.shape != wanted.shape:
        raise ValueError(f"{what}: shapes {got.shape} and {wanted.shape} can't be compared")
    wrong = np.argwhere(got != wanted)
    if wrong.size == 0:
        return Deviation(0.0, 0.0, what)
    first = tuple(int(i) for i in wrong[0])
    place = ", ".join(str(i) for i in first)
    where = f"{len(wrong)} of {got.size} are wrong, the first {what}[{place}]: {got[first]} instead of {wanted[first]}"
    return Deviation(float(len(wrong)), 0.0, where)


def worst(deviations: list[Deviation]) -> Deviation:
    """The one that uses most of its bound."""
    return max(deviations, key=lambda deviation: deviation.use)


class Bench:
    """One program under construction, and its results once it has run. `builder` takes the operations."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.design = engine.design
        self.builder = Builder(engine.design)
        self._image: list[Bytes] = []
        self._run: Run | None = None
        self._regions: dict[str, Region] = {}
        self._places: dict[str, Place] = {}

    def form(self, fraction: int) -> Format:
        """Format of an activation with so many fractional bits."""
        return Format(self.design.knobs.activation_bits, fraction)

    def cache_form(self, fraction: int) -> Format:
        """Format of keys or values with the range of an activation that has so many fractional bits."""
        bits = self.design.cache_bits
        return Format(bits, fraction - (self.design.knobs.activation_bits - bits))

    def place(self, memory: str, columns: int, fraction: int) -> Place:
        """A matrix that fills its memory from the start."""
        return self.builder.place(memory, columns, self.form(fraction))

    def load(self, place: Place, values: Integers, tail: int = 0) -> Values:
        """Loads integers [rows, columns] as 32-bit values; returns what they stand for.

        They are of the place's format, with `tail` more fractional bits where the place is the residual.
        """
        form = self.form(place.form.fraction + tail)
        self.builder.load_image(values.shape[0], place, form, wide=True)
        self._image.append(pack_words(self.design, values, 32))
        return dequantise(values, form)

    def load_narrow(self, place: Place, values: Integers, form: Format) -> Values:
        """Loads integers [rows, columns] of format `form`, as the 16-bit values of an image."""
        self.builder.load_image(values.shape[0], place, form)
        self._image.append(pack_words(self.design, values, 16))
        return dequantise(values, form)

    def store(self, name: str, place: Place, rows: int) -> None:
        """Stores a matrix under a name."""
        self._regions[name] = self.builder.store(name, place, rows)
        self._places[name] = place

    def store_resized(self, name: str, source: Map, row: int, classes: bool) -> None:
        """Stores a row of twice the width under a name: classes, or 16-bit values."""
        self._regions[name] = self.builder.store_resized(name, source, row, classes)

    def pixels(self, name: str, classes: bool) -> Integers:
        """Stored pixels of a row: classes [pixels], or values [pixels, channels]."""
        region = self._regions[name]
        return unpack_pixels(self._finished().result[region.first : region.first + region.beats], region, classes)

    def store_routes(self, name: str, tokens: int, top_k: int) -> None:
        """Stores the last routes under a name."""
        (self._regions[name],) = self.builder.store_routes(name, Rows(tokens), top_k)

    def run(self) -> None:
        """Runs the program.

        Raises:
            SimulationError: the engine fails.
        """
        b = self.builder
        image = np.concatenate([np.zeros((0, self.design.beat_bytes), np.uint8), *self._image])
        program = Program(
            self.design, tuple(b.operations), tuple(b.layers), b.contents.weights(), b.contents.constants(), (),
            self.form(0), b.image_beats, b.result_beats,
        )  # fmt: skip
        self._run = self.engine.run_program(program, image)

    def values(self, name: str) -> Values:
        """A stored matrix [rows, columns]."""
        return stored_matrix(self._finished(), self._regions[name])

    def integers(self, name: str) -> Integers:
        """The same as integers of the format of its place; not for the residual, whose values are finer."""
        return quantise(self.values(name), self._places[name].form)

    def routes(self, name: str) -> tuple[Integers, Values]:
        """Stored routes: experts and scores [tokens, top_k]."""
        return stored_routes(self._finished(), self._regions[name])

    def _finished(self) -> Run:
        if self._run is None:
            raise RuntimeError("the program has not run yet")
        return self._run

"""The space of a search: dimensions with the values that each may take.

A dimension is a knob, `fifo_depths.NAME`, or `frames` (frames that one run of the program computes). All other knobs
follow from network and board for every point, as in a build.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgemoe_gen.base.errors import KnobError
from edgemoe_gen.base.names import meant
from edgemoe_gen.design.knobs import NARROW_KNOBS, Knobs, knob_fields
from edgemoe_gen.hardware.boards import Board
from edgemoe_gen.numerics.widths import DECODERS, OWN_WIDTH, WEIGHT_KINDS
from edgemoe_gen.tuning.trial import Point, Value

FRAMES = "frames"
FIFO = "fifo_depths."
MOST_FRAMES, MOST_DEPTH = 64, 1 << 20

# What the default search turns: knobs that the design's defaults are not already the best of by construction. The
# defaults' own values are added to each. Clock: nothing before synthesis says that a faster one is met.
_DEFAULT: Mapping[str, tuple[Value, ...]] = {
    "tokens_parallel": (1, 2, 3, 4, 5, 6, 8, 10, 12),
    "out_parallel": (8, 16, 24, 32, 48),
    "in_parallel": (8, 16, 24, 32),
    "weight_bits": (8, 10, 12, 14, 16),
    **dict.fromkeys(NARROW_KNOBS, (0, 8)),
    "activation_bits": (12, 14, 16, 18, 20),
    "decoder_activation_bits": (0, 10, 12),
    "cache_bits": (0, 12, 16),
    "residual_tail_bits": (0, 3, 6),
    "exp_segments": (32, 64, 128, 256),
    "gelu_segments": (32, 64, 128),
    "reciprocal_segments": (64, 128, 256),
    "rsqrt_segments": (64, 128, 256),
    "weight_ports": (1, 2, 3, 4),
    "port_bits": (64, 128),
}
TURNED = tuple(_DEFAULT)
# What a search for these turns too: it takes memory and latency, which all others would pay for.
_SHARED: Mapping[str, tuple[Value, ...]] = {"frames_per_pass": (1, 2, 3, 4)}
SHARING = ("throughput", "energy", "ddr_bytes")

# The kind of weights whose width a knob is; and a width that matters only where there are weights of a kind.
_KINDS = {kind.knob: kind.name for kind in OWN_WIDTH}
_WITH_KIND = {**_KINDS, "decoder_activation_bits": DECODERS}


@dataclass(frozen=True)
class Dimension:
    """A name and the values to try, ascending."""

    name: str
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise KnobError(f"the knob '{self.name}' has no value to try", f"for example --knob {self.name}=2,4")
        for value in self.values:
            _check(self.name, value)
        object.__setattr__(self, "values", tuple(sorted(set(self.values))))


@dataclass(frozen=True)
class Space:
    """All dimensions of a search."""

    dimensions: tuple[Dimension, ...]

    def __post_init__(self) -> None:
        names = [dimension.name for dimension in self.dimensions]
        if not names:
            raise KnobError("the space is empty: no knob has values to try", "for example --knob tokens_parallel=2,4,6")
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise KnobError(f"the knob '{twice}' is given twice", "give all its values at once, separated by commas")

    @property
    def size(self) -> int:
        """Number of points."""
        return math.prod(len(dimension.values) for dimension in self.dimensions)

    def points(self) -> Iterator[Point]:
        """All points, the last dimension's values changing fastest."""
        names = [dimension.name for dimension in self.dimensions]
        for values in itertools.product(*(dimension.values for dimension in self.dimensions)):
            yield Point(tuple(zip(names, values, strict=True)))

    def point(self, values: Mapping[str, Value]) -> Point:
        """The point of these values, in the order of the dimensions."""
        return Point(tuple((dimension.name, values[dimension.name]) for dimension in self.dimensions))

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether a point of these values is in the space; values of other names do not matter."""
        return all(values.get(dimension.name) in dimension.values for dimension in self.dimensions)

    def as_dict(self) -> dict[str, list[Value]]:
        """Values by name."""
        return {dimension.name: list(dimension.values) for dimension in self.dimensions}


def is_knob(name: str) -> bool:
    """Whether a dimension is a knob, not frames or a FIFO's depth."""
    return name != FRAMES and not name.startswith(FIFO)


def _check(name: str, value: Value) -> None:
    most = MOST_FRAMES if name == FRAMES else MOST_DEPTH if name.startswith(FIFO) else None
    if most is None:
        known = [knob.name for knob in knob_fields()]
        if name not in known:
            raise KnobError(
                f"there is no knob '{name}'",
                f"{meant(name, (*known, FRAMES))}known: {', '.join((*known, FRAMES))} and {FIFO}NAME of a FIFO",
            )
        Knobs().turned({name: value})
    elif not isinstance(value, int) or not 1 <= value <= most:
        raise KnobError(f"'{name}' is {value}, outside its range of 1 to {most}")


def parse_dimension(text: str) -> Dimension:
    """`tokens_parallel=2,4,6,8` as given on the command line.

    Raises:
        KnobError: the text is not of this form, there is no such knob, or a value is out of its range.
    """
    name, equals, values = (part.strip() for part in text.partition("="))
    if not equals:
        raise KnobError(f"'{text}' is not of the form knob=value,value", "for example --knob tokens_parallel=2,4,6,8")
    number: type[int] | type[float] = float if name == "clock_mhz" else int
    try:
        return Dimension(name, tuple(number(value) for value in values.split(",") if value.strip()))
    except ValueError:
        raise KnobError(f"'{text}' holds a value that is not a number", "separate numbers by commas") from None


def default_space(
    defaults: Knobs,
    board: Board,
    chosen: Mapping[str, Value],
    given: Sequence[Dimension] = (),
    kinds: Container[str] = tuple(WEIGHT_KINDS),
    objective: str = "",
) -> Space:
    """The space of a search: the given dimensions, and others for the board.

    Args:
        defaults: knobs of a build; each dimension includes their value.
        board: the board, which bounds ports.
        chosen: knobs that the project fixes; they are no dimensions unless they are given as such.
        given: dimensions of the user, which replace those of the same name.
        kinds: kinds of weights that the engine uses (`numerics.widths`); widths of others are no dimensions.
        objective: first objective; frames may share a pass of the weights where it is one of `SHARING`.
    """
    named = {dimension.name for dimension in given}
    known = {knob.name for knob in knob_fields()}
    found = list(given)
    widest = _widest_weights(defaults, chosen, given)
    # Two narrow weights take the place of one: where no point's weights are wide enough for that, no width is narrow.
    bounds = {"weight_ports": board.ports, "port_bits": board.port_bits, **dict.fromkeys(_KINDS, widest // 2)}
    turned = {**_DEFAULT, **_SHARED} if objective in SHARING else _DEFAULT
    for name, values in turned.items():
        if name in named or name in chosen or name not in known:
            continue
        if name in _WITH_KIND and _WITH_KIND[name] not in kinds:
            continue
        most = bounds.get(name, math.inf)
        usable = tuple(value for value in values if value <= most)
        found.append(Dimension(name, (*usable, getattr(defaults, name))))
    return Space(tuple(found))


def _widest_weights(defaults: Knobs, chosen: Mapping[str, Value], given: Sequence[Dimension]) -> int:
    name = "weight_bits"
    tried = next((dimension.values for dimension in given if dimension.name == name), None)
    if tried is None:
        tried = (chosen[name],) if name in chosen else (*_DEFAULT[name], defaults.weight_bits)
    return int(max(tried))

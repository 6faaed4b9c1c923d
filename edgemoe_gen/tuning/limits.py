"""Limits of a search: a bound on a figure, beyond which a point is infeasible.

`dsp=0.8` is a share of the board, `dsp=900` a count; other figures have units: latency_ms, error, ddr_bytes, energy_mj.
`throughput_fps`, `sets_equal` and `fmax_mhz` are bounded from below, all others from above.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgemoe_gen.base.errors import KnobError
from edgemoe_gen.base.names import near
from edgemoe_gen.design.storage import ROOM
from edgemoe_gen.estimate import Resources
from edgemoe_gen.hardware.boards import Board
from edgemoe_gen.tuning.front import FIGURES, reasons
from edgemoe_gen.tuning.trial import Figure, Outcome

RESOURCES = ("dsp", "bram36", "uram", "lut", "ff")
ROOMY = ("dsp", "bram36", "uram", "lut")  # of which default designs leave a share free
_ALIASES = {"latency": "latency_ms", "throughput": "throughput_fps", "energy": "energy_mj", "bram": "bram36"}


@dataclass(frozen=True)
class Limit:
    """A bound on a figure; of a resource a share of the board's (up to 1), or a count (above 1).

    Attributes:
        name: of the figure.
        bound: as given.
        default: whether nobody asked for it (`with_room`); the same search either way.
    """

    name: str
    bound: float
    default: bool = field(default=False, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.name}={self.bound:g}"

    def allowed(self, board: Board) -> float:
        """The bound in the figure's unit."""
        if self.name in RESOURCES and self.bound <= 1:
            return self.bound * float(getattr(board, self.name))
        return self.bound

    def broken(self, figures: Mapping[str, Figure], board: Board) -> str:
        """A sentence if the figure is known and beyond the bound, else ""."""
        figure = figures.get(self.name)
        if figure is None:
            return ""
        allowed = self.allowed(board)
        least = FIGURES[self.name].higher_is_better
        if figure.value >= allowed if least else figure.value <= allowed:
            return ""
        return f"{self.name} is {figure.value:g} ({figure.tier}), the limit {allowed:g}{self.read_as()}"

    def read_as(self) -> str:
        """The reading of an ambiguous number, in brackets; else ""."""
        return " (a count, being above 1; a share is 0 to 1)" if self.name in RESOURCES and self.bound > 1 else ""


def parse_limit(text: str) -> Limit:
    """`dsp=0.8` as given on the command line.

    Raises:
        KnobError: the text is not of this form, there is no such figure, or the bound is not positive.
    """
    name, equals, bound = (part.strip() for part in text.partition("="))
    name = _ALIASES.get(name, name)
    if not equals:
        raise KnobError(f"'{text}' is not of the form figure=bound", "for example --limit dsp=0.8")
    if name not in FIGURES:
        raise KnobError(f"there is no figure '{name}' to limit", near(name, FIGURES, "known figures"))
    try:
        value = float(bound)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise KnobError(f"the limit '{text}' is not a positive number", f"for example --limit {name}=0.8")
    if (
        name in RESOURCES and value > 1 and value % (0.5 if name == "bram36" else 1)
    ):  # synthesis counts halves of a BRAM36
        raise KnobError(
            f"the limit '{text}' is read as a count (above 1), but is no whole number",
            f"a share of the board's is 0 to 1, for example --limit {name}=0.8",
        )
    return Limit(name, value)


def with_room(limits: Sequence[Limit], default: Resources, board: Board) -> tuple[Limit, ...]:
    """These limits, and for other resources the share that default designs keep to (`ROOM`).

    Placement and routing need the rest. Where the default design takes more already, its share is the limit.
    """
    named = {limit.name for limit in limits}
    found = list(limits)
    for name in ROOMY:
        there = getattr(board, name)
        if name not in named and there:
            share = min(getattr(default, name) / there, 1.0)
            found.append(Limit(name, max(ROOM, math.ceil(1000 * share) / 1000), default=True))
    return tuple(found)


def first_broken(limits: Sequence[Limit], figures: Mapping[str, Figure], board: Board) -> tuple[str, str]:
    """Reason and sentence of the first limit that is broken; ("", "") where all hold."""
    for limit in limits:
        sentence = limit.broken(figures, board)
        if sentence:
            return f"limit {limit}", sentence
    return "", ""


def nothing_feasible(outcomes: Sequence[Outcome], limits: Sequence[Limit], size: int) -> tuple[str, str]:
    """The message of a search without feasible points: how many each limit refused, how near they came, what to do.

    Args:
        outcomes: all tried points.
        limits: limits of the search.
        size: number of points in its space.
    """
    counts = list(reasons(outcomes).items())
    text = f"no point of the space is feasible: {len(outcomes):,} of {size:,} tried, "
    text += ", ".join(f"{reason} ({count})" for reason, count in counts[:4])
    nearest = []
    for limit in limits:
        found = [o.figures[limit.name].value for o in outcomes if limit.name in o.figures]
        if found and dict(counts).get(f"limit {limit}"):
            best = max(found) if FIGURES[limit.name].higher_is_better else min(found)
            nearest.append(f"the nearest to {limit}{limit.read_as()} has {best:g}")
    example = next((o.detail for o in outcomes if counts and o.reason == counts[0][0]), "")
    hint = nearest or ([f"for example {example}"] if example else [])
    return text, "; ".join([*hint, "widen the space with --knob" + (", or loosen --limit" if limits else "")])

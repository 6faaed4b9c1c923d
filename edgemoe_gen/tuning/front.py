"""The Pareto front: outcomes that no other outcome beats in every objective.

In: outcomes. Out: the front, ordered by its first objective.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgemoe_gen.base.errors import KnobError
from edgemoe_gen.base.names import near
from edgemoe_gen.tuning.trial import ESTIMATE, TIMED, Outcome, reached


@dataclass(frozen=True)
class FigureKind:
    """A figure: its title with unit, and whether more is better."""

    title: str
    higher_is_better: bool = False


# Every figure of an outcome, by name.
FIGURES: Mapping[str, FigureKind] = {
    "latency_ms": FigureKind("latency, ms"),
    "throughput_fps": FigureKind("frames a second", True),
    "error": FigureKind("error, MSE"),
    "relative_rms": FigureKind("error, relative RMS"),
    "map_rms": FigureKind("error of decoders' maps, relative RMS"),
    "sets_equal": FigureKind("equal sets of experts", True),
    "dsp": FigureKind("DSP"),
    "bram36": FigureKind("BRAM36"),
    "uram": FigureKind("URAM"),
    "memory_kib": FigureKind("on-chip memory, KiB"),
    "lut": FigureKind("LUT"),
    "ff": FigureKind("FF"),
    "ddr_bytes": FigureKind("DDR bytes a frame"),
    "energy_mj": FigureKind("energy, mJ"),
    "fmax_mhz": FigureKind("clock that the longest path allows, MHz", True),
}
MAPS_TOO = "MSE of tokens and maps"  # the error where the engine runs decoders: `map_rms` counts in it


def figure_title(name: str, known: Collection[str]) -> str:
    """Title of a figure with unit, where these figures are known."""
    return MAPS_TOO if name == "error" and "map_rms" in known else FIGURES[name].title


# What may be an objective, and the figure behind each.
OBJECTIVES: Mapping[str, str] = {
    "latency": "latency_ms",
    "throughput": "throughput_fps",
    "energy": "energy_mj",
    "error": "error",
    "dsp": "dsp",
    "memory": "memory_kib",
    "ddr_bytes": "ddr_bytes",
    "lut": "lut",
}
FRONT = ("latency", "error", "dsp", "memory", "ddr_bytes")


def check_objectives(names: Sequence[str]) -> tuple[str, ...]:
    """The objectives, each once.

    Raises:
        KnobError: one is unknown, or there is none.
    """
    for name in names:
        if name not in OBJECTIVES:
            raise KnobError(f"there is no objective '{name}'", near(name, OBJECTIVES, "known objectives"))
    if not names:
        raise KnobError("the front has no objective", f"name some of {', '.join(OBJECTIVES)}")
    return tuple(dict.fromkeys(names))


def costs(outcome: Outcome, objectives: Sequence[str]) -> tuple[float, ...] | None:
    """The objectives as numbers of which less is better; None where one is unknown."""
    found = []
    for name in objectives:
        figure = OBJECTIVES[name]
        value = outcome.value(figure)
        if value is None:
            return None
        found.append(-value if FIGURES[figure].higher_is_better else value)
    return tuple(found)


def front_of(outcomes: Iterable[Outcome], objectives: Sequence[str]) -> tuple[Outcome, ...]:
    """Feasible outcomes that none beats, by the first objective, then by the others; of equals the first by point."""
    rated = [
        (cost, outcome.point.key, outcome)
        for outcome in outcomes
        if outcome.feasible and (cost := costs(outcome, objectives)) is not None
    ]
    rated.sort(key=lambda entry: entry[:2])
    every = np.array([cost for cost, _, _ in rated])
    front: list[int] = []
    for place, cost in enumerate(every):
        # Whoever beats or equals it comes before it in this order, and whoever is beaten there is beaten on the front.
        if not front or not (every[front] <= cost).all(axis=1).any():
            front.append(place)
    return tuple(rated[place][2] for place in front)


def spread(front: Sequence[Outcome], objectives: Sequence[str]) -> list[Outcome]:
    """The best of each objective first, then the others in the order of the front."""
    rated = [(cost, outcome) for outcome in front if (cost := costs(outcome, objectives)) is not None]
    best = [min(rated, key=lambda entry: entry[0][i])[1] for i in range(len(objectives)) if rated]
    return list({outcome.point.key: outcome for outcome in (*best, *front)}.values())


def best_confirmed(
    front: Sequence[Outcome], default: Outcome | None, objectives: Sequence[str], tier: str
) -> tuple[Outcome | None, bool]:
    """The best point by the first objective that a search has confirmed, and whether it keeps the default's error.

    Points whose error is not above that of the default design go first; where neither knows its error, all count.

    Args:
        front: of the search.
        default: the design of a build.
        objectives: objectives of the front; the first one decides.
        tier: tier that confirms a point; estimates never do.
    """
    least = TIMED if tier == ESTIMATE else tier
    confirmed = [o for o in front if reached(o.tier, least) and costs(o, objectives[:1]) is not None]
    confirmed.sort(key=lambda o: costs(o, objectives[:1]) or ())
    own = None if default is None else default.value("error")
    for outcome in confirmed:
        error = outcome.value("error")
        if own is None or error is None or error <= own * (1 + 1e-9):
            return outcome, True
    return (confirmed[0], False) if confirmed else (None, False)


def reasons(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Number of infeasible outcomes by reason, most first."""
    counts: dict[str, int] = {}
    for outcome in outcomes:
        if not outcome.feasible:
            counts[outcome.reason] = counts.get(outcome.reason, 0) + 1
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))

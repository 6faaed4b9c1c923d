"""Arguments of `tune` beside the project, as in `arguments` for other verbs; its help lists the figures of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgemoe_gen.api.arguments import SearchedKeywords
from edgemoe_gen.base.arguments import argument
from edgemoe_gen.project.arguments import Names, PathText
from edgemoe_gen.tuning.front import FIGURES, FRONT, OBJECTIVES
from edgemoe_gen.tuning.space import SHARING, TURNED
from edgemoe_gen.tuning.trial import Value

Choices = Mapping[str, Value | Sequence[Value]]


@dataclass(frozen=True, kw_only=True)
class TuneArguments:
    """What `tune` searches, how far and how long; see `tune`."""

    knobs: Choices | None = argument(
        None,
        "choices",
        "Values to try of a knob, such as tokens_parallel=2,4,6; one value fixes the knob; repeatable. Without this "
        f"option the search varies: {', '.join(TURNED)}; and frames_per_pass for the objectives "
        f"{', '.join(SHARING)}. All other knobs follow from network and board.",
        option="--knob",
        metavar="NAME=A[,B...]",
    )
    objective: str = argument(
        FRONT[0], "str", f"Objective that orders the front: {', '.join(OBJECTIVES)}.", show_default=True
    )
    front: Sequence[str] = argument(
        FRONT, "commas", "All objectives of the front.", metavar="A,B,...", show_default=True
    )
    limit: Sequence[str] = argument(
        (),
        "names",
        "Refuse points beyond: dsp=0.8 (a share of the board), uram=80 (a count), latency_ms=3, error=1e-5; "
        f"repeatable. Figures: {', '.join(FIGURES)}. DSP, BRAM36, URAM and LUT keep 15% free unless named.",
        metavar="FIGURE=BOUND",
    )
    budget: str | None = argument(
        None,
        "str",
        "Wall time to aim at: 90s, 10m, 1h [default: 2m, without --trials]. The default design, 32 estimates, the "
        "front's first points and work in progress are always finished.",
        metavar="TIME",
    )
    trials: int | None = argument(
        None, "int", "Feasible points to estimate [default: 128, or as many as the budget allows]."
    )
    confirm: int = argument(8, "int", "Points of the front to simulate at most, best first.", show_default=True)
    tier: str = argument(
        "csim",
        "str",
        "How far these points climb: estimate, timed (timed simulation), csim (C simulation too).",
        show_default=True,
    )
    synthesise: int = argument(
        0,
        "int",
        "Then synthesise the first N confirmed points with the vendor's tools (Vitis), hours each, beyond the budget "
        "[default: 0].",
        metavar="N",
    )
    seed: int = argument(0, "int", "Seed of the sampler.", show_default=True)
    jobs: int = argument(1, "int", "Worker processes on this machine.", show_default=True)
    scheduler: str | None = argument(
        None,
        "str",
        "Run on the workers of this Dask scheduler; each needs edgemoe-gen, PyTorch and g++.",
        metavar="tcp://HOST:PORT",
    )
    output: PathText = argument("tune", "path", "Folder of results; a search in it continues.", show_default=True)
    storage: str | None = argument(
        None,
        "str",
        "Database instead of the folder's journal, such as sqlite:///search.db.",
        metavar="URL",
    )


class TuneKeywords(SearchedKeywords, total=False):
    """Keywords of `tune`."""

    knobs: Choices | None
    objective: str
    front: Names
    limit: Names
    budget: str | None
    trials: int | None
    confirm: int
    tier: str
    synthesise: int
    seed: int
    jobs: int
    scheduler: str | None
    output: PathText
    storage: str | None

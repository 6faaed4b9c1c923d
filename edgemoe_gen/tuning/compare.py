"""Two designs side by side: knobs that differ, cycles by layer, resources by part, figures.

A design is named by a project's file, a build's folder, knobs in a text, or "default".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from edgemoe_gen.base.brief import Brief
from edgemoe_gen.base.build_files import ACCELERATOR, DESIGN
from edgemoe_gen.base.errors import CapacityError, ConfigError, KnobError
from edgemoe_gen.design.knobs import knob_fields, parse_knob
from edgemoe_gen.estimate import estimate_resources
from edgemoe_gen.hardware.boards import Board, load_board
from edgemoe_gen.project.config import Config, read_config
from edgemoe_gen.project.opening import Progress
from edgemoe_gen.tuning.evaluate import Evaluator
from edgemoe_gen.tuning.front import FIGURES, figure_title
from edgemoe_gen.tuning.runner import Call, Runner
from edgemoe_gen.tuning.trial import ESTIMATE, TIMED, Outcome, Point, Value, reached

DESIGN_FILE = Path(ACCELERATOR) / DESIGN.name
DEFAULT = "default"


@dataclass(frozen=True)
class Side:
    """The name of one design: knobs, and a board if given."""

    name: str
    config: Config = field(default_factory=Config)
    board: Board | None = None


@dataclass(frozen=True)
class SideResult:
    """One design.

    Attributes:
        name: as the user named it.
        board: name of its board.
        outcome: its figures.
        layers: cycles of a frame by layer; for the estimate by kind of operation.
        parts: resources by part: dsp, bram36, uram, lut.
    """

    name: str
    board: str
    outcome: Outcome
    layers: Mapping[str, int]
    parts: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, repr=False)
class Comparison(Brief):
    """Two designs.

    Attributes:
        sides: both.
        layer_tier: tier of the cycles by layer.
    """

    sides: tuple[SideResult, SideResult]
    layer_tier: str
    notes: tuple[str, ...] = ()

    def knobs(self) -> list[tuple[str, Value, Value]]:
        """Knobs that differ, with both values."""
        a, b = (side.outcome.knobs for side in self.sides)
        return [(name, a[name], b[name]) for name in a if a[name] != b.get(name)]

    def layers(self) -> list[tuple[str, int, int]]:
        """Cycles by layer of both, in the order of the data path."""
        a, b = (side.layers for side in self.sides)
        return [(name, a.get(name, 0), b.get(name, 0)) for name in dict.fromkeys((*a, *b))]

    def figures(self) -> list[tuple[str, float, float, str]]:
        """Figures that both have, and the tier of the first's."""
        a, b = (side.outcome.figures for side in self.sides)
        return [(name, a[name].value, b[name].value, a[name].tier) for name in FIGURES if name in a and name in b]

    def parts(self) -> list[tuple[str, Mapping[str, int], Mapping[str, int]]]:
        """Resources by part of both."""
        a, b = (side.parts for side in self.sides)
        none = {"dsp": 0, "bram36": 0, "uram": 0, "lut": 0}
        return [(name, a.get(name, none), b.get(name, none)) for name in dict.fromkeys((*a, *b))]

    def title(self, name: str) -> str:
        """Title of a figure of these designs."""
        return figure_title(name, {n for side in self.sides for n in side.outcome.figures})

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "sides": [{**asdict(side), "outcome": side.outcome.as_dict()} for side in self.sides],
            "knobs": [{"name": name, "a": a, "b": b} for name, a, b in self.knobs()],
            "layers": {
                "tier": self.layer_tier,
                "rows": [{"layer": name, "a": a, "b": b} for name, a, b in self.layers()],
            },
            "figures": [{"name": n, "title": self.title(n), "a": a, "b": b, "tier": t}
                        for n, a, b, t in self.figures()],
            "parts": [{"part": name, "a": dict(a), "b": dict(b)} for name, a, b in self.parts()],
            "notes": list(self.notes),
        }  # fmt: skip


def read_side(text: str) -> Side:
    """The side that a text names.

    Raises:
        ConfigError: a file or folder is missing or of the wrong kind.
        KnobError: knobs are malformed or unknown.
    """
    path = Path(text)
    if text == DEFAULT:
        return Side(text)
    if path.is_dir():
        return _built(text, path)
    if path.suffix == ".toml":
        config = read_config(path)
        return Side(text, config, None if config.board is None else load_board(config.board))
    if "=" in text:
        return Side(text, Config(knobs=dict(parse_knob(part) for part in text.split(",") if part.strip())))
    raise ConfigError(
        f"'{text}' names no design: there is no such folder, it is no .toml file and no knob=value",
        'give a project file, the folder of a build, knobs such as "tokens_parallel=4,weight_bits=8", or "default"',
    )


def _built(text: str, folder: Path) -> Side:
    path = next((p for p in (folder / DESIGN_FILE, folder / DESIGN_FILE.name) if p.is_file()), None)
    if path is None:
        raise ConfigError(f"{folder} is no folder of a build: it has no {DESIGN_FILE}", "run edgemoe-gen build first")
    try:
        facts = DESIGN.read(path.parent)
        known = {knob.name for knob in knob_fields()}
        knobs = {name: row["value"] for name, row in facts["knobs"].items() if name in known}
        board = Board(**{**facts["board"], "memory_ports": tuple(facts["board"]["memory_ports"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is not as a build writes it: {error}", "build it anew") from error
    return Side(text, Config(knobs=knobs), board)


def compare_designs(
    evaluator: Evaluator, sides: Sequence[Side], tier: str, runner: Runner, progress: Progress
) -> Comparison:
    """Both designs on one network.

    Args:
        evaluator: evaluator of the network; a side's own settings win over its.
        sides: two.
        tier: tier to which both climb.
        runner: runner of the calls.
        progress: called with text, steps done and all.

    Raises:
        KnobError, CapacityError: a design is infeasible.
    """
    made = [
        replace(
            evaluator, board=side.board or evaluator.board,
            chosen={**evaluator.chosen, **side.config.knobs} if side.name != DEFAULT else {},
            fifo_depths={**evaluator.fifo_depths, **side.config.fifo_depths},
            pinned={**evaluator.pinned, **side.config.pinned},
            rounding=side.config.rounding or evaluator.rounding, _cache={},
        )
        for side in sides
    ]  # fmt: skip
    results: list[SideResult] = []
    for side, mine in zip(sides, made, strict=True):
        progress("comparing", len(results), len(sides))
        runner.replace(mine)
        calls = [Call("outcome_by_layer", (Point(()), tier), heavy=True)]
        (_, (outcome, layers)), *_ = runner.results(calls)
        if not outcome.feasible:
            kind = KnobError if outcome.reason.startswith("breaks a rule") else CapacityError
            raise kind(f"{side.name}: {outcome.detail}", "change its knobs")
        results.append(_result(side.name, mine, outcome, layers))
    return Comparison((results[0], results[1]), TIMED if reached(tier, TIMED) else ESTIMATE)


def _result(name: str, evaluator: Evaluator, outcome: Outcome, layers: Mapping[str, int]) -> SideResult:
    design = evaluator.design(Point(()))
    parts = {
        part.name: {"dsp": part.dsp, "bram36": part.bram36, "uram": part.uram, "lut": part.lut}
        for part in estimate_resources(design).rows()
    }
    each = {layer: round(cycles / outcome.frames) for layer, cycles in layers.items()}
    return SideResult(name, evaluator.board.name, outcome, each, parts)

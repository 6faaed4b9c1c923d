"""A search's or a sweep's result as JSON, for the page and for plots; see docs/tuning.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edgemoe_gen.base.errors import EdgeMoEError, ToolError
from edgemoe_gen.pipeline.synthesise import synthesis_folder
from edgemoe_gen.project.config import Config
from edgemoe_gen.tuning.asked import Asked, build_command
from edgemoe_gen.tuning.evaluate import Evaluator
from edgemoe_gen.tuning.front import FIGURES, OBJECTIVES, best_confirmed, figure_title
from edgemoe_gen.tuning.space import Space
from edgemoe_gen.tuning.state import Plan, State
from edgemoe_gen.tuning.trial import SYNTHESIS, TIERS, Outcome, Value

VERSION = 1


def tune_document(
    evaluator: Evaluator,
    space: Space,
    plan: Plan,
    state: State,
    asked: Asked,
    project: Config,
    synthesis: Path | None = None,
) -> dict[str, Any]:
    """All of a search.

    Args:
        evaluator: evaluator of the points.
        space, plan: space and plan of the search.
        state: state of the search.
        asked, project: arguments that named the project, and all of its arguments, for the commands that build a point.
        synthesis: folder with one folder for each synthesised design, if there is one.
    """
    front = [
        {
            "number": number,
            **outcome.as_dict(),
            "command": build_command(asked, project, evaluator.board.name, evaluator.chosen, outcome.point),
            "pins": evaluator.pins(outcome.point, _kept(project, space)),
            **_synthesised_in(evaluator, outcome, synthesis),
        }
        for number, outcome in enumerate(state.front, start=1)
    ]
    best, _ = best_confirmed(state.front, state.base, plan.objectives, plan.tier)
    return {
        **_setting(evaluator, space, [*state.outcomes.values(), *([state.base] if state.base else [])]),
        "project": {"file": None if asked.file is None else str(asked.file), "toml": asked.whole},
        "objectives": list(plan.objectives),
        "plan": asdict(plan),
        "stopped": state.stopped,
        "resumed": state.resumed,
        "tried": len(state.outcomes),
        "feasible": state.feasible,
        "rejected": state.rejected,
        "failed": [{"point": outcome.point.as_dict(), **_failure(error)} for outcome, error in state.failed],
        "default": None if state.base is None else state.base.as_dict(),
        "front": front,
        "best": None if best is None else state.front.index(best) + 1,
        "importance": importance(list(state.outcomes.values()), space, plan.objectives),
        "outcomes": [outcome.as_dict() for outcome in state.outcomes.values()],
    }


def _kept(project: Config, space: Space) -> dict[str, Value]:
    """Knobs of the project's file that no point varies."""
    turned = {dimension.name for dimension in space.dimensions}
    return {name: value for name, value in project.knobs.items() if name not in turned}


def _synthesised_in(evaluator: Evaluator, outcome: Outcome, parent: Path | None) -> dict[str, str]:
    """The folder of a point's synthesis, unless it lies on a worker."""
    if parent is None or outcome.tier != SYNTHESIS:
        return {}
    folder = synthesis_folder(evaluator.design(outcome.point), parent)
    return {"synthesis": str(folder)} if folder.is_dir() else {}


def _failure(error: EdgeMoEError) -> dict[str, Any]:
    log = error.log if isinstance(error, ToolError) else None
    return {"message": error.message, "hint": error.hint, "log": None if log is None else str(log)}


def sweep_document(evaluator: Evaluator, space: Space, tier: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """All of a sweep."""
    feasible = sum(outcome.feasible for outcome in outcomes)
    return {
        **_setting(evaluator, space, outcomes),
        "tier": tier,
        "points": space.size,
        "feasible": feasible,
        "outcomes": [outcome.as_dict() for outcome in outcomes],
    }


def _setting(evaluator: Evaluator, space: Space, outcomes: Iterable[Outcome]) -> dict[str, Any]:
    known = {name for outcome in outcomes for name in outcome.figures}
    board, spec = evaluator.board, evaluator.model.spec
    there = {name: getattr(board, name) for name in ("dsp", "bram36", "uram", "lut", "ff")}
    return {
        "version": VERSION,
        "checkpoint": str(evaluator.model.source),
        "network": {"tokens": spec.tokens, "dim": spec.dim, "depth": spec.depth, "image": asdict(spec.image)},
        "board": {"name": board.name, "title": board.title, **there},
        "tasks": list(evaluator.tasks),
        "pictures": len(evaluator.images),
        "tiers": list(TIERS),
        "figures": {name: {**asdict(kind), "title": figure_title(name, known)} for name, kind in FIGURES.items()},
        "space": space.as_dict(),
        "chosen": dict(evaluator.chosen),
        "limits": [
            {"name": limit.name, "bound": limit.bound, "allowed": limit.allowed(board), "default": limit.default}
            for limit in evaluator.limits
        ],
    }


def importance(
    outcomes: Sequence[Outcome], space: Space, objectives: Sequence[str]
) -> Mapping[str, Mapping[str, float]]:
    """Share of each objective's variance over feasible points that each knob explains alone (main effects, 0 to 1).

    The variance is that of the objective's logarithm, since its figures span decades.
    """
    found: dict[str, dict[str, float]] = {}
    for objective in objectives:
        figure = OBJECTIVES[objective]
        rows = [(o.point.as_dict(), o.value(figure)) for o in outcomes if o.feasible]
        kept = [(values, float(np.log(max(value, 1e-30)))) for values, value in rows if value is not None]
        numbers = np.array([value for _, value in kept])
        total = float(np.var(numbers)) if len(kept) else 0.0
        shares = {}
        for dimension in space.dimensions:
            groups: dict[float, list[float]] = {}
            for values, value in kept:
                groups.setdefault(values[dimension.name], []).append(value)
            between = sum(len(g) * (float(np.mean(g)) - float(numbers.mean())) ** 2 for g in groups.values())
            shares[dimension.name] = between / len(kept) / total if total > 0 else 0.0
        found[objective] = shares
    return found

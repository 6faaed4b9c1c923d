"""First half of the stage `csim`: every kernel of the design against float64, before any picture runs.

Out: `kernels.json`, one row a kernel. A broken bound ends the build, because no figure behind it could be trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.build_files import KERNELS as ROWS
from edgemoe_gen.base.documents import write_json
from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.model import Model
from edgemoe_gen.project.opening import Numerics, Progress
from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.sim.kernels import CaseResult, record_inputs, run_kernels


def check_kernels(
    engine: Engine,
    model: Model,
    numerics: Numerics,
    image: NDArray[np.float32],
    task: str,
    folder: Path,
    progress: Progress,
) -> str:
    """Runs all kernels on random, extreme and recorded inputs; writes `kernels.json`; returns a few words.

    Args:
        engine: the compiled design.
        model, numerics: the network and its binary points.
        image: network input [3, height, width] that inputs are recorded from.
        task: whose router and tokens are recorded.
        folder: where to; it is made.
        progress: called with text, cases done, cases done.

    Raises:
        SimulationError: a case broke its bound; names kernel, case, error and bound.
    """
    done = 0

    def step(_: CaseResult) -> None:
        nonlocal done
        done += 1
        progress("checking kernels", done, done)

    recorded = record_inputs(model, numerics.network, numerics.formats, image, task)
    cases = run_kernels(engine.design, (), recorded, engine, progress=step)
    refuse_broken(cases)
    folder.mkdir()
    write_json(folder / ROWS, kernel_rows(cases))
    return f"{sum(case.skipped is None for case in cases)} kernel cases"


def refuse_broken(cases: Sequence[CaseResult]) -> None:
    """Raises a `SimulationError` if a case broke its bound."""
    broken = [case for case in cases if not case.passed]
    if broken:
        first = broken[0]
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        raise SimulationError(
            f"kernel {first.kernel}, case '{first.case}' is off by {first.largest_error:.2g}, beyond its bound of "
            f"{first.bound:.2g}, at {first.where or 'an unknown place'}{more}",
            f"see all cases: edgemoe-gen csim --kernel {first.kernel}, with the same options",
        )


def kernel_rows(cases: Sequence[CaseResult]) -> list[dict[str, Any]]:
    """One row a kernel, in their order: how many cases ran, and the one that came closest to its bound."""
    rows = []
    for kernel in dict.fromkeys(case.kernel for case in cases):
        ran = [case for case in cases if case.kernel == kernel and case.skipped is None]
        worst = max(ran, key=_use, default=None)
        rows.append(
            {
                "kernel": kernel,
                "cases": len(ran),
                "recorded": sum(case.inputs == "recorded" for case in ran),
                "skipped": sum(case.kernel == kernel for case in cases) - len(ran),
                "largest_error": worst.largest_error if worst else None,
                "bound": worst.bound if worst else None,
                "share": _use(worst) if worst else None,
                "case": worst.case if worst else None,
                "seconds": sum(case.seconds for case in ran),
            }
        )
    return rows


def _use(case: CaseResult) -> float:
    """Error as a share of its bound; a case without any error uses nothing of it."""
    return case.largest_error / case.bound if case.bound > 0 else 0.0

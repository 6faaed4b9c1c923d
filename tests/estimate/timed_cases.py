"""What tests of the estimate share: random networks on small designs, timed, and the queues that their routers made.

A case is compiled once for all tests of a module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.estimate import CycleEstimate, estimate_cycles
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.program.compile import Program, compile_network, group_frames, pack_image
from edgemoe_gen.sim.engine import run_frames
from edgemoe_gen.timing.run import time_program
from edgemoe_gen.timing.table import Timing, load_timing
from tests.sim.engines import SMALL, Case, compiled, random_case

FRAMES = 3
Turned = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Compiled:
    """A network compiled for a design."""

    case: Case
    program: Program
    frames: int

    def timing(self, **said: Any) -> Timing:
        """The table's figures, some of them replaced."""
        return load_timing(self.program.design, render_sources(self.program.design), **said)

    def timed_cycles(self, timing: Timing) -> int:
        """Cycles of a timed run, which must have gone well."""
        image = pack_image(self.program, self.case.model.spec, self.case.images[: self.frames])
        result = time_program(self.program, image, timing, record=False)
        assert result.deadlock is None
        return result.cycles

    def estimate(self, timing: Timing) -> CycleEstimate:
        """The estimate for the queues of the same run."""
        return estimate_cycles(self.program, self.rows(), timing)

    def rows(self) -> list[list[int]]:
        """Tokens of every expert's queue, routing after routing, by C simulation."""
        spec, design = self.case.model.spec, self.program.design
        if not spec.moe_blocks:
            return []
        tasks = [frame.task for frame in self.program.frames]
        tapped = compile_network(
            design, self.case.model, self.case.network, self.case.formats(design), tasks, taps=True
        )
        frames, _ = run_frames(compiled(design), tapped, spec, self.case.images[: self.frames])
        rows = []
        done = 0
        for _, count in group_frames(tasks, design.knobs.frames_per_pass):
            experts = [frame.experts for frame in frames[done : done + count]]
            for place, block in enumerate(spec.moe_blocks):
                chosen = np.concatenate([one[place].ravel() for one in experts if one is not None])
                rows.append(np.bincount(chosen, minlength=spec.blocks[block].experts).tolist())
            done += count
        return rows


@cache
def compiled_case(frames: int = 1, turned: Turned = (), one_task: bool = False, **sizes: Any) -> Compiled:
    """A random network for the small design with knobs turned; of another image each frame, and of tasks in turn."""
    case = random_case(frames=FRAMES, seed=60, **sizes)
    design = make_design(Knobs(**(dict(SMALL) | dict(turned))), load_board("zcu104"))
    names = case.model.spec.task_names[: 1 if one_task else None]
    tasks = [names[i % len(names)] for i in range(frames)]
    program = compile_network(design, case.model, case.network, case.formats(design), tasks)
    return Compiled(case, program, frames)


def knobs(**turned: Any) -> Turned:
    """Knobs as a key."""
    return tuple(sorted(turned.items()))


def deviation(run: Compiled, said: Mapping[str, Any]) -> float:
    """The estimate over the timed run, less one."""
    timing = run.timing(**said)
    return run.estimate(timing).total / run.timed_cycles(timing) - 1

"""The stages that need no vendor's tool, in one table: what each depends on, what it writes, and what makes that.

A build runs them and a plan looks at them, so neither can say of a stage what the other does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgemoe_gen.flow.kit import refuse_results
from edgemoe_gen.pipeline.csim import EXPECTED
from edgemoe_gen.pipeline.simulate import FILE
from edgemoe_gen.pipeline.stages import Stages
from edgemoe_gen.pipeline.state import digest_text
from edgemoe_gen.pipeline.work import SIMULATED, Work
from edgemoe_gen.sim.compiler import Build, compiled


@dataclass(frozen=True)
class OwnStage:
    """One stage.

    Attributes:
        inputs: hash of everything that it depends on; asked for when the stages before it have run.
        outputs: files and folders below the output folder.
        make: writes them into an empty folder; returns a few words.
        ignoring: name of a file that a later stage adds to the outputs.
        guard: refuses to start; called only where the stage is not up to date.
        still: False if something outside of the output folder that the stage made has gone.
        needs: stages whose results `inputs` is a hash of.
    """

    name: str
    inputs: Callable[[], str]
    outputs: tuple[str, ...]
    make: Callable[[Path], str]
    ignoring: str = ""
    guard: Callable[[], None] = lambda: None
    still: Callable[[], bool] = lambda: True
    needs: tuple[str, ...] = ()

    def is_current(self, stages: Stages) -> bool:
        """Whether what it left in the output folder is up to date."""
        return stages.is_current(self.name, self.inputs(), self.outputs, self.ignoring)

    def run(self, stages: Stages, anew: bool = False) -> None:
        """Runs it, unless it is up to date and not wanted anew."""
        stages.run(
            self.name, self.inputs(), self.outputs, self.make, self.still(), self.ignoring, anew,
            guard=self.guard, needs=self.needs,
        )  # fmt: skip


def own_stages(work: Work, output: Path) -> Mapping[str, OwnStage]:
    """All of them by name, for a build in the folder `output`."""
    stages = (
        OwnStage(
            "render",
            lambda: work.render_inputs,
            ("accelerator",),
            work.render,
            ignoring=EXPECTED,
            guard=lambda: refuse_results(output / "accelerator"),
        ),
        OwnStage(
            "compile",
            lambda: digest_text(*work.sources.values(), *work.timed_sources.sources.values()),
            (),
            work.compile,
            still=lambda: (
                compiled(work.sources, Build()) is not None
                and compiled(work.timed_sources.sources, Build(timed=True)) is not None
            ),
        ),
        OwnStage("csim", lambda: work.simulation_inputs, SIMULATED, work.csim),
        OwnStage("simulate", lambda: work.timing_inputs, (FILE,), work.simulate),
        OwnStage("lint", lambda: work.lint_inputs, ("lint.json",), work.lint),
        OwnStage("preview", lambda: work.preview_inputs, ("preview",), work.preview),
        OwnStage("package", lambda: work.package_inputs(output), ("overlay",), work.package, needs=("bitstream",)),
        OwnStage(
            "report",
            lambda: work.report_inputs(output),
            ("report.json", "report.html"),
            work.report,
            needs=("csim", "simulate", "hls", "cosim", "bitstream"),
        ),
    )
    return {stage.name: stage for stage in stages}

"""`build`: project in; rendered, simulated, synthesised and packaged accelerator out.

Stages are those of `stages/table.py`, in its order. A build stops before the first stage that can't run here. All
errors of the inputs are found before the output folder is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from edgemoe_gen.base.build_files import OVERLAY
from edgemoe_gen.base.errors import ConfigError, EdgeMoEError, TimingError
from edgemoe_gen.flow.kit import KitFiles, read_kit
from edgemoe_gen.flow.rtl_source import VITIS
from edgemoe_gen.pipeline import fingerprint
from edgemoe_gen.pipeline.exchange import export_kit
from edgemoe_gen.pipeline.options import BuildOptions, BuildResult
from edgemoe_gen.pipeline.selection import Selection
from edgemoe_gen.pipeline.stages.compile import libraries
from edgemoe_gen.pipeline.stages.report import REPORT, report_document
from edgemoe_gen.pipeline.stages.table import NAMES, STAGES, position, replaced, stage_of, stages_of, with_needs
from edgemoe_gen.pipeline.support.context import Context, Standing, open_context
from edgemoe_gen.pipeline.support.folders import StageResult, Stages, open_stages
from edgemoe_gen.pipeline.support.stage import Stage
from edgemoe_gen.pipeline.support.vendor import StageUnavailableError, ToolStage, VendorStages, missing_tool
from edgemoe_gen.project.config import Config
from edgemoe_gen.project.opening import Progress, no_progress


def build(
    config: Config,
    options: BuildOptions | None = None,
    progress: Progress = no_progress,
    on_stage: Callable[[StageResult], None] = lambda _: None,
    on_note: Callable[[str], None] = lambda _: None,
) -> BuildResult:
    """Runs all requested stages that this machine can run.

    Args:
        config: the project.
        options: stages to run, and options of the run.
        progress: called with text, steps done and steps in all (0: unknown).
        on_stage: called after each stage.
        on_note: called with notes for the user, as soon as they are known.

    Raises:
        EdgeMoEError: of the inputs, before anything is written; or of a stage, whose outputs then stay as they were.
    """
    options = options or BuildOptions()
    options.selection.refuse_replaced(config.hls or VITIS)
    seen = fingerprint.look(config)  # before anything is read: what changes from here on is noticed next time
    context = open_context(config, progress)
    for text in context.project.notes:
        on_note(text)
    with open_stages(context.output, on_stage, options.force) as stages:
        run = Run(stages, context, options)
        result = run.result()
        facts = (context.project.design.knobs.clock_mhz, libraries(context), context.project.notes)
        for text in stages.notes:
            on_note(text)
        fingerprint.remember(seen, options, result, *facts)
        return result


class Run:
    """One run of the stages in an open folder. A plan is the same walk with stages that only pretend to run."""

    def __init__(self, stages: Stages, context: Context, options: BuildOptions) -> None:
        self.stages = stages
        self.context = context
        self.options = options
        self.selection = options.selection
        self.output = stages.folder
        self.hls = context.project.hls
        self.table = stages_of(self.hls)
        self._missing: dict[str, str] = {}  # stages that were left out, and why
        self.stopped: tuple[str, str] = ("", "")  # before which stage the walk has ended or would if it failed, and why
        self.vendor = VendorStages(
            stages,
            lambda stage, step: context.progress(f"{stage}: {step}", 0, 0),
            self._before_tool,
            context.clock_mhz,
            options.retry_clock,
            self._kit_files,
        )

    def walk(self) -> None:
        """Runs all requested stages that this machine can run, in their order."""
        passed: set[str] = set()
        try:
            for stage in self._way():
                if not self._pass(stage):
                    break
                passed.add(stage.name)
        except EdgeMoEError as error:
            # What was found so far is worth reading even if a later stage fails, a missed clock above all.
            if passed.issuperset(REPORT.needs):
                self._report(error)
            raise
        self._report()

    def result(self) -> BuildResult:
        """Walks, and returns the result."""
        self.walk()
        project = self.context.project
        overlay = self.output / OVERLAY / project.overlay_name
        document = report_document(self.context) if self._is_reportable() else {}
        return BuildResult(
            self.output,
            document.get("headline", "not simulated yet"),
            tuple(stages_once(self.stages.results)),
            *self.stopped,
            document,
            overlay if overlay.is_dir() and not self.stopped[0] else None,
            (*project.notes, *self.stages.notes),
        )

    def _way(self) -> Sequence[Stage | ToolStage]:
        """Stages to pass; for a report that is only written again, the stages that it needs."""
        if self.selection.first == REPORT.name:
            return with_needs(REPORT.needs)
        own = {stage.name: stage for stage in self.table}
        return [own.get(stage.name, stage) for stage in STAGES if not stage.always]

    def _pass(self, stage: Stage | ToolStage) -> bool:
        """Runs a requested stage; refuses to continue from a stage that is not up to date; False ends the build."""
        name = stage.name
        before, wanted = self.selection.is_before(name), self.selection.wants(name)
        if name in replaced(self.hls):
            return True
        lacks = next((need for need in stage.needs if need in self._missing), "")
        if lacks and wanted and isinstance(stage, ToolStage):
            self._stop(name, f"it needs stage {lacks}, which was left out: {self._missing[lacks]}")
            return False
        if isinstance(stage, ToolStage) and self.options.export:
            self._export(stage)
            return False
        if stage.on_request and not wanted:
            return True
        why = stage.left_out_why() if before or wanted else ""
        if why:
            if wanted:
                self._leave_out(name, why)
            return True
        if not before and not wanted:
            self.stopped = (name, "")
            return False
        if before and not self._is_current(stage):
            raise not_current(name, self.output, self.selection)
        self.stopped = ("", "") if before else (name, "")  # where it ends if the stage fails
        try:
            self._take(stage) if before else self._run(stage)
        except StageUnavailableError as stopped:
            self._stop(stopped.stage, stopped.why)
            return False
        except TimingError as error:
            error.stage = name
            self.stopped = (NAMES[position(name) + 1], "")  # the bitstream is a result, if not one to package
            raise
        self.stopped = ("", "")
        return True

    def _is_current(self, stage: Stage | ToolStage) -> bool:
        if isinstance(stage, ToolStage):
            return self.vendor.is_current(stage)
        return stage.is_current(self.context, self.stages)

    def _run(self, stage: Stage | ToolStage) -> None:
        anew = self.selection.anew(stage.name)
        if isinstance(stage, ToolStage):
            self.vendor.run(stage, anew)
            self.context = replace(self.context, clock_mhz=self.vendor.clock_mhz)
        else:
            stage.run(self.context, self.stages, anew)

    def _take(self, stage: Stage | ToolStage) -> None:
        """Continues from the results of an earlier build."""
        if isinstance(stage, ToolStage):
            self.vendor.take(stage)
            self.context = replace(self.context, clock_mhz=self.vendor.clock_mhz)

    def _leave_out(self, name: str, why: str) -> None:
        """Continues without a stage that no other stage needs, unless the user named it."""
        if self.selection.names(name):
            self._stop(name, why)
        self._missing[name] = why
        self.stages.leave_out(name, why)

    def _kit_files(self) -> KitFiles:
        return read_kit(self.context.accelerator)

    def _export(self, stage: ToolStage) -> None:
        """Exports the vendor's stages, of which this is the first, for another machine."""
        assert self.options.export is not None
        export_kit(self.output, self.options.export, self.context.project.design, self.hls)
        self.stopped = (stage.name, f"exported to {self.options.export}")

    def _before_tool(self, stage: str) -> None:
        """Writes the report before a tool starts, since tools take long."""
        self.stopped = (stage, "")
        self._report()

    def _stop(self, stage: str, why: str) -> None:
        """Ends the build before a stage that can't run here; an error if the user asked for a later stage."""
        if self.selection.insists(stage) or self.options.export:
            error = missing_tool(stage, why)
            error.stage = stage
            raise error
        self.stopped = (stage, why)

    def _is_reportable(self) -> bool:
        """Whether this design simulated the pictures: a report of another would show wrong figures."""
        return all(self._is_current(stage_of(name)) for name in REPORT.needs)

    def _report(self, failure: EdgeMoEError | None = None) -> None:
        if not self._is_reportable():
            return
        ran = {result.name for result in self.stages.results if not result.left_out}
        # What the report shows counts wherever it is up to date; of other stages, those that this build has passed.
        shown = [stage for stage in self.table if isinstance(stage, ToolStage) or stage.name in REPORT.hashes]
        done = {stage.name for stage in (*with_needs(REPORT.needs), *filter(self._is_current, shown))}
        done |= ran - {stage.name for stage in shown} - {REPORT.name}
        standing = Standing(tuple(name for name in NAMES if name in done), self.stopped[0], failure)
        self.context = replace(self.context, standing=standing)
        REPORT.run(self.context, self.stages)


def not_current(stage: str, output: Path, selection: Selection) -> ConfigError:
    """The error for a stage before the first requested one that is not up to date."""
    option = "--only" if selection.only else "--from"
    error = ConfigError(
        f"stage '{stage}' is not up to date in {output}, but it comes before {option} {selection.first}",
        f"leave {option} out once: what has not changed is skipped",
    )
    error.stage = stage
    return error


def stages_once(results: Sequence[StageResult]) -> list[StageResult]:
    """Each stage once, in the order of work; what was written several times took all their seconds."""
    once: dict[str, StageResult] = {}
    for result in results:
        before = once.get(result.name)
        if before is not None:
            result = replace(result, seconds=before.seconds + result.seconds, skipped=before.skipped and result.skipped)
        once[result.name] = result
    return sorted(once.values(), key=lambda result: position(result.name))

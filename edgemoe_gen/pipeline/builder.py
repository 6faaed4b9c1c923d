"""`build`: project in; rendered, simulated, synthesised and packaged accelerator out.

Stages are those of `selection.STAGES`; from hls on they need the vendor's tools, and a build stops before the first one
that can't run here. Everything that can be wrong with the inputs is found before the output folder is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from edgemoe_gen.base.errors import EdgeMoEError, TimingError
from edgemoe_gen.flow.kit import KitFiles, read_kit
from edgemoe_gen.linting import libclang_missing
from edgemoe_gen.pipeline import fingerprint
from edgemoe_gen.pipeline.exchange import export_kit
from edgemoe_gen.pipeline.options import BuildOptions, BuildResult
from edgemoe_gen.pipeline.own import own_stages
from edgemoe_gen.pipeline.selection import STAGES, VENDOR
from edgemoe_gen.pipeline.stages import StageResult, Stages, open_stages
from edgemoe_gen.pipeline.vendor import StageUnavailableError, VendorStages, missing_tool, not_current
from edgemoe_gen.pipeline.work import Work
from edgemoe_gen.project.config import DEFAULT_OUTPUT, Config
from edgemoe_gen.project.opening import Progress, no_progress


def build(
    config: Config,
    options: BuildOptions | None = None,
    progress: Progress = no_progress,
    on_stage: Callable[[StageResult], None] = lambda _: None,
) -> BuildResult:
    """Runs all stages that are asked for and that this machine can run.

    Args:
        config: the project.
        options: which stages, and how.
        progress: called with text, steps done, steps in all; 0 in all where that is not known.
        on_stage: called after each stage.

    Raises:
        EdgeMoEError: of the inputs, before anything is written; or of a stage, whose outputs then stay as they were.
    """
    options = options or BuildOptions()
    seen = fingerprint.look(config)  # before anything is read: what changes from here on is noticed next time
    work = Work(config, progress)
    output = config.output or Path(DEFAULT_OUTPUT)
    with open_stages(output, on_stage, options.force) as stages:
        run = Run(stages, work, options)
        result = run.result()
        fingerprint.remember(seen, options, result, work.design.knobs.clock_mhz, work.libraries)
        return result


class Run:
    """One run of the stages in an open folder, of which a plan is the same walk with stages that only pretend."""

    def __init__(self, stages: Stages, work: Work, options: BuildOptions) -> None:
        self.stages = stages
        self.work = work
        self.options = options
        self.selection = options.selection
        self.output = stages.folder
        self.own = own_stages(work, self.output)
        self.stopped: tuple[str, str] = ("", "")
        self.vendor = VendorStages(
            stages,
            self.selection,
            lambda stage, step: work.progress(f"{stage}: {step}", 0, 0),
            self._before_tool,
            work.design.knobs.clock_mhz,
            options.retry_clock,
            self._kit_files,
        )
        work.accelerator, work.simulation = self.output / "accelerator", self.output / "csim"

    def walk(self) -> None:
        """All stages that are asked for and that this machine can run, in their order."""
        for name in ("render", "compile", "csim"):
            self._stage(name)
        try:
            if not self.selection.only_report and self._checked():
                self._export() if self.options.export else self._hardware()
        except EdgeMoEError as error:
            self.work.failed_stage = error.stage
            # What was found so far is worth reading even if a later stage fails, a missed clock above all.
            self._report()
            raise
        self._report()

    def result(self) -> BuildResult:
        """Walks, and says what came of it."""
        self.walk()
        work, output = self.work, self.output
        overlay = output / "overlay" / work.overlay_name
        document = work.document if self._is_simulated() else {}
        return BuildResult(
            output,
            document.get("headline", "not simulated yet"),
            tuple(stages_once(self.stages.results)),
            *self.stopped,
            document,
            overlay if overlay.is_dir() and not self.stopped[0] else None,
            tuple(self.stages.notes),
        )

    def _stage(self, name: str) -> bool:
        """Runs a stage that is asked for; refuses to go on from one that is not up to date; False ends the build."""
        stage = self.own[name]
        if self.selection.is_before(name):
            if not stage.is_current(self.stages):
                raise not_current(name, self.output, self.selection)
            return True
        if not self.selection.wants(name):
            self.stopped = self.stopped if self.stopped[0] else (name, "")
            return False
        before, self.stopped = self.stopped, (name, "")  # where it ends if the stage fails
        stage.run(self.stages, self.selection.anew(name))
        self.stopped = before
        return True

    def _checked(self) -> bool:
        return self._stage("simulate") and self._lint() and self._stage("preview")

    def _lint(self) -> bool:
        """Lint looks at what this tool itself has rendered: where it can't run, nothing waits for it."""
        why = libclang_missing()
        if why and self.selection.is_before("lint"):
            return True
        if not why or not self.selection.wants("lint"):
            return self._stage("lint")
        why = f'libclang is not there ({why}): pip install "edgemoe-gen[lint]"'
        if "lint" in (self.selection.first, self.selection.last):
            self._stop("lint", why)
        self.stages.leave_out("lint", why)
        return True

    def _kit_files(self) -> KitFiles:
        return read_kit(self.work.accelerator)

    def _export(self) -> None:
        assert self.options.export is not None
        export_kit(self.work.accelerator, self.options.export, self.work.design)
        self.stopped = ("hls", f"exported to {self.options.export}")

    def _hardware(self) -> None:
        for stage in VENDOR:
            if stage == "cosim" and not self.selection.wants(stage):
                continue
            try:
                if not self._vendor_stage(stage):
                    return
            except StageUnavailableError as stopped:
                self._stop(stopped.stage, stopped.why)
                return
        self.work.clock_mhz = self.vendor.clock_mhz
        self._stage("package")

    def _vendor_stage(self, stage: str) -> bool:
        before = self.selection.is_before(stage)
        if not before and not self.selection.wants(stage):
            self.stopped = (stage, "")
            return False
        self.stopped = ("", "") if before else (stage, "")  # where it ends if the stage fails
        try:
            self.vendor.require(stage) if before else self.vendor.run(stage)
        except TimingError as error:
            error.stage = stage
            self.stopped = ("package", "")  # the bitstream is a result, if not one to package
            raise
        self.stopped = ("", "")
        return True

    def _before_tool(self, stage: str) -> None:
        """Tools take long: what is known so far can be looked at meanwhile."""
        self.stopped = (stage, "")
        self._report()

    def _stop(self, stage: str, why: str) -> None:
        """Ends the build before a stage that can't run here; an error where the user asked for what lies behind it."""
        if self.selection.insists(stage) or self.options.export:
            error = missing_tool(stage, why)
            error.stage = stage
            raise error
        self.stopped = (stage, why)

    def _is_simulated(self) -> bool:
        """Whether the pictures were simulated by this very design: a report of others would show wrong figures."""
        return self.own["csim"].is_current(self.stages)

    def _report(self) -> None:
        if not self._is_simulated():
            return
        ran = {result.name for result in self.stages.results if not result.left_out}
        current = {stage for stage in VENDOR if self.vendor.is_current(stage)}
        self.work.stopped_before = self.stopped[0]
        if self.own["simulate"].is_current(self.stages):
            current.add("simulate")
        done = {"render", "compile", "csim"} | current | (ran - {*VENDOR, "simulate", "report"})
        self.work.done = [stage for stage in STAGES if stage in done]
        self.work.forget_document()
        self.own["report"].run(self.stages)


def stages_once(results: Sequence[StageResult]) -> list[StageResult]:
    """Each stage once, in the order of work; what was written several times took all their seconds."""
    once: dict[str, StageResult] = {}
    for result in results:
        before = once.get(result.name)
        if before is not None:
            result = replace(result, seconds=before.seconds + result.seconds, skipped=before.skipped and result.skipped)
        once[result.name] = result
    return sorted(once.values(), key=lambda result: STAGES.index(result.name))

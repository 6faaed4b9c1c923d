"""Stages that the vendor's tools run.

All such stages work in OUTPUT/vendor, the kit. Their results are copied to OUTPUT/<stage> when a stage has ended well.
When a stage fails, the kit stays as it is, so that an engineer can open its projects; the next run starts it anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from edgemoe_gen.base.build_files import ACCELERATOR
from edgemoe_gen.base.errors import ConfigError, TimingError, ToolError
from edgemoe_gen.base.locks import STATE
from edgemoe_gen.flow import kit as kits
from edgemoe_gen.flow.process import run_command
from edgemoe_gen.flow.reports import (
    achievable_clock_mhz,
    meets_timing,
    read_implementation,
    retry_clock_mhz,
    timing_sentence,
)
from edgemoe_gen.flow.reports.collect import TIMING
from edgemoe_gen.flow.tools import (
    Command,
    Toolset,
    find_tools,
    parallel_jobs,
    stage_commands,
    tool_environment,
    why_missing,
)
from edgemoe_gen.pipeline.support.clocks import MissedClock, read_missed, write_missed
from edgemoe_gen.pipeline.support.folders import StageResult, Stages
from edgemoe_gen.pipeline.support.stage import StageFacts
from edgemoe_gen.pipeline.support.state import digest_files, digest_of, digest_text

Step = Callable[[str, str], None]
FOLDER = "vendor"
LOGS = "logs"
MOST_CLOCKS = 4  # tried one after another; each is hours of implementation
_CLOCK = re.compile(r"^set clock_mhz \S+", re.MULTILINE)
_SYNTHESISED = "hls.inputs"


class StageUnavailableError(Exception):
    """A stage can't run on this machine: the stage and the reason."""

    def __init__(self, stage: str, why: str) -> None:
        super().__init__(why)
        self.stage = stage
        self.why = why


@dataclass(frozen=True, kw_only=True)
class ToolStage(StageFacts):
    """A stage that a vendor's tool runs in the kit. `VendorStages` runs it; these are the differences between stages.

    Attributes:
        step: key of the stage in the tables of `flow`, where it differs from the name.
        synthesises: it makes the project of C synthesis in the kit.
        reopens: the stage whose project it continues; a project that is missing from the kit is made again first.
        clocked: its result must meet the clock; a retry makes it again at a slower one.
        place: puts results of earlier stages into the kit; arguments: the build's folder, the kit.
        finish: puts the tool's results where `flow.kit.collect` looks for them; argument: the kit.
        failed: looks for the reason of a failure, and raises if it tells more than the tool; arguments: the kit, the
            log.
        check: raises if collected results do not show success; arguments: their folder, the log.
        verdict: timing of collected results, as the end of a sentence; argument: their folder.
    """

    step: str = ""
    synthesises: bool = False
    reopens: ToolStage | None = None
    clocked: bool = False
    place: Callable[[Path, Path], None] = lambda *_: None
    finish: Callable[[Path], None] = lambda _: None
    failed: Callable[[Path, Path], None] = lambda *_: None
    check: Callable[[Path, Path], None] = lambda *_: None
    verdict: Callable[[Path], str] = lambda _: ""

    @property
    def tool_step(self) -> str:
        """Key of the stage in the tables of `flow`."""
        return self.step or self.name

    def inputs_of(self, files: kits.KitFiles, output: Path, clock_mhz: float | None = None) -> str:
        """Hash of all inputs of the result.

        Args:
            files: files of the kit.
            output: the build's folder, for results of earlier stages.
            clock_mhz: clock of a retry; None takes the rendered one.
        """
        said = digest_files(kits.files_of(self.tool_step, files))
        if not self.hashes:
            return said
        options = [options_text(files, clock_mhz)] if self.clocked else []
        return digest_text(said, digest_of([output / name for name in self.hashes]), *options)


def options_text(files: kits.KitFiles, clock_mhz: float | None = None) -> str:
    """`flow/options.tcl`, for another clock if one is given; "" where the project has none."""
    content = files.get(kits.OPTIONS, "")
    text = content if isinstance(content, str) else content.decode()
    return text if clock_mhz is None else _CLOCK.sub(f"set clock_mhz {clock_mhz:g}", text)


class VendorStages:
    """Runs the stages in one build's folder.

    Args:
        stages: of the folder.
        on_step: called with a stage and a few words whenever its tool begins something.
        before_tool: called before a tool starts.
        clock_mhz: clock of the design.
        retry: implement again at a slower clock where this clock is missed.
        files: gives the kit's files; called with the first stage.
    """

    def __init__(
        self,
        stages: Stages,
        on_step: Step,
        before_tool: Callable[[str], None],
        clock_mhz: float,
        retry: bool,
        files: Callable[[], kits.KitFiles],
    ) -> None:
        self.output = stages.folder
        self.accelerator = self.output / ACCELERATOR
        self.kit = self.output / FOLDER
        self._stages = stages
        self._on_step = on_step
        self._before_tool = before_tool
        self._clock_mhz = clock_mhz
        self._retry = retry
        self._make_files = files
        self.clock_mhz = clock_mhz  # of the bitstream: after a retry a slower one

    @cached_property
    def _files(self) -> kits.KitFiles:
        return self._make_files()

    @cached_property
    def tools(self) -> Toolset:
        """Tools of this machine, searched at the first use, since install folders may lie on a slow disk."""
        return find_tools()

    def commands(self, stage: ToolStage) -> tuple[Command, ...]:
        """Commands of a stage on this machine."""
        return stage_commands(stage.tool_step, self.tools, kits.wants_tcl(self._files))

    def run(self, stage: ToolStage, anew: bool = False) -> None:
        """Runs one stage unless it is up to date and not requested anew.

        Raises:
            StageUnavailableError: the stage needs a tool that is missing here.
            ToolError: the tool failed.
            TimingError: the result misses its clock, or its reports do not say whether it does.
        """
        if stage.clocked:
            self._run_clocked(stage, anew)
        else:
            self._run(stage, self._inputs(stage), anew)

    def is_current(self, stage: ToolStage) -> bool:
        """Whether a stage's results are there and up to date; a bitstream may be of a slower clock, after a retry."""
        if stage.clocked:
            return self.built_clock(stage) is not None
        return self._is_made(stage, self._inputs(stage))

    def take(self, stage: ToolStage) -> None:
        """Continues from a stage that is up to date, but not from a bitstream that misses its clock.

        Raises:
            TimingError: says by how much the clock is missed, or why this is unknown.
        """
        if not stage.clocked:
            return
        clock = self.built_clock(stage)
        missed = read_missed(self.output / STATE, self._inputs(stage))
        if clock in missed:
            raise timing_error(missed[clock], True, self._retry, self.output / stage.name)
        self.clock_mhz = clock or self._clock_mhz
        self._refuse_unknown(stage, self.clock_mhz)

    def _inputs(self, stage: ToolStage, clock: float | None = None) -> str:
        return stage.inputs_of(self._files, self.output, None if clock == self._clock_mhz else clock)

    def _is_made(self, stage: ToolStage, inputs: str) -> bool:
        return self._stages.is_current(stage.name, inputs, stage.outputs)

    def _reopened(self, stage: ToolStage) -> None:
        """Makes the synthesised project again that the tools continue, if imported results or a removed kit lack it."""
        inputs = self._inputs(stage)
        marker = self.kit / _SYNTHESISED
        known = marker.read_text(encoding="utf-8") if marker.is_file() else ""
        if known != inputs or not kits.has_synthesis(self.kit):
            self._run(stage, inputs, anew=True)

    def _run(self, stage: ToolStage, inputs: str, anew: bool, replaced: dict[str, str] | None = None) -> StageResult:
        name = stage.name

        def prepare() -> None:
            why = why_missing(stage.tool_step, self.tools)
            if why:
                raise StageUnavailableError(name, why)
            parallel_jobs(os.environ)  # a wrong number is refused before the first tool, not when Vivado reads it
            if stage.reopens:
                self._reopened(stage.reopens)
            self._before_tool(name)

        def work(folder: Path) -> str:
            stage.place(self.output, self.kit)
            if stage.synthesises:
                (self.kit / _SYNTHESISED).unlink(missing_ok=True)
            kits.write_kit(self.accelerator, self.kit, replaced)
            kits.clear(stage.tool_step, self.kit)
            log = self.output / LOGS / f"{name}.log"
            log.parent.mkdir(exist_ok=True)
            log.unlink(missing_ok=True)
            try:
                for command in self.commands(stage):
                    environment = tool_environment(command.tool, os.environ, self.tools)
                    keep = () if self._stages.lock is None else (self._stages.lock,)
                    run_command(name, command, self.kit, log, lambda step: self._on_step(name, step), environment, keep)
            except ToolError:
                stage.failed(self.kit, log)
                raise
            stage.finish(self.kit)
            detail = kits.collect(name, self.kit, folder / name, log)
            stage.check(folder / name, log)
            detail += stage.verdict(folder / name)
            if stage.synthesises:
                (self.kit / _SYNTHESISED).write_text(inputs, encoding="utf-8")
            return detail

        return self._stages.run(name, inputs, stage.outputs, work, anew=anew, before=prepare, needs=stage.hashes)

    # A result that must meet its clock

    def _run_clocked(self, stage: ToolStage, anew: bool) -> None:
        """Runs at the requested clock; if it is missed and a retry is wanted, at the clock that would be met."""
        memory, inputs = self.output / STATE, self._inputs(stage)
        missed = {} if anew else read_missed(memory, inputs)
        clock, slower = self._clock_mhz, None
        for _ in range(MOST_CLOCKS):
            clock = slower or clock
            if clock not in missed:
                done = self._implement(stage, clock, anew)
                if self._stages.pretends and not done.skipped:
                    return
                self._refuse_unknown(stage, clock)
                miss = self._missed(stage, clock)
                if miss is None:
                    self.clock_mhz = clock
                    return
                missed[clock] = miss
                write_missed(memory, inputs, missed)
            slower = missed[clock].slower_mhz
            if not self._retry or slower is None:
                break
        built = self._is_made(stage, self._inputs(stage, clock))
        raise timing_error(missed[clock], built, self._retry, self.output / stage.name)

    def _implement(self, stage: ToolStage, clock: float, anew: bool) -> StageResult:
        other = None if clock == self._clock_mhz else clock
        options = {kits.OPTIONS: options_text(self._files, other)}
        return self._run(stage, self._inputs(stage, clock), anew, options)

    def _refuse_unknown(self, stage: ToolStage, clock: float) -> None:
        """Refuses timing that no report tells, which must not pass as met."""
        folder = self.output / stage.name
        facts = read_implementation(folder)
        if meets_timing(facts) is None:
            raise TimingError(
                f"{timing_sentence(facts, clock)}, so the bitstream is not packaged",
                f"see {folder / TIMING}; build it again with --from {stage.name}, or import the whole kit once more",
            )

    def _missed(self, stage: ToolStage, clock: float) -> MissedClock | None:
        facts = read_implementation(self.output / stage.name)
        if meets_timing(facts) is not False:
            return None
        reachable = achievable_clock_mhz(facts)
        slower = None if reachable is None else retry_clock_mhz(reachable)
        helps = slower is not None and slower < clock
        return MissedClock(clock, timing_sentence(facts, clock), slower if helps else None)

    def built_clock(self, stage: ToolStage) -> float | None:
        """Clock of the present bitstream, if it is up to date."""
        missed = read_missed(self.output / STATE, self._inputs(stage))
        clocks = [self._clock_mhz, *(miss.slower_mhz for miss in missed.values() if miss.slower_mhz)]
        return next((clock for clock in clocks if self._is_made(stage, self._inputs(stage, clock))), None)


def timing_error(miss: MissedClock, built: bool, retried: bool, folder: Path) -> TimingError:
    """The error for a clock that was missed.

    Args:
        miss: the clock.
        built: whether the bitstream that lies there is of this clock.
        retried: whether slower clocks were asked for already.
        folder: of the bitstream.
    """
    hints = []
    if miss.slower_mhz is not None and not retried:
        hints.append("build at the clock that would meet it with --retry-clock")
    if built:
        hints.append(f"the worst paths are in {folder / TIMING}")
    else:
        hints.append(f"the bitstream in {folder} is of a slower clock, from an earlier --retry-clock")
    return TimingError(miss.sentence, "; ".join(hints))


def missing_tool(stage: str, why: str) -> ConfigError:
    """The error for a stage that was asked for by name and can't run here."""
    return ConfigError(
        f"stage '{stage}' can't run here: {why}",
        "see `edgemoe-gen doctor`; or take the vendor's stages to another machine: --export FOLDER",
    )

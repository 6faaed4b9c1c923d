"""The stages that the vendor's tools run: hls, cosim, ip, bitstream.

All of them work in OUTPUT/vendor, the kit; what they make is copied to OUTPUT/<stage> when a stage has ended well. The
kit stays as it is when a stage fails, so that an engineer can open its projects; the stage then starts it anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from edgemoe_gen.base.errors import ConfigError, SimulationError, TimingError, ToolError
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
from edgemoe_gen.flow.reports.cosim import read_cosim
from edgemoe_gen.flow.tools import (
    Command,
    Toolset,
    find_tools,
    parallel_jobs,
    stage_commands,
    tool_environment,
    why_missing,
)
from edgemoe_gen.pipeline.clocks import MissedClock, read_missed, write_missed
from edgemoe_gen.pipeline.selection import Selection
from edgemoe_gen.pipeline.stages import StageResult, Stages
from edgemoe_gen.pipeline.state import digest_files, digest_of, digest_text

Step = Callable[[str, str], None]
FOLDER = "vendor"
LOGS = "logs"
MOST_CLOCKS = 4  # tried one after another; each is hours of implementation
_CLOCK = re.compile(r"^set clock_mhz \S+", re.MULTILINE)
_SYNTHESISED = "hls.inputs"


class StageUnavailableError(Exception):
    """A stage can't run on this machine: which, and why."""

    def __init__(self, stage: str, why: str) -> None:
        super().__init__(why)
        self.stage = stage
        self.why = why


def vendor_inputs(stage: str, files: kits.KitFiles, output: Path, clock_mhz: float | None = None) -> str:
    """Hash of all that a stage depends on.

    Args:
        stage: name.
        files: of the kit.
        output: the build's folder, for the IP that a bitstream is made of.
        clock_mhz: clock of a retry; None takes the rendered one.
    """
    said = digest_files(kits.files_of(stage, files))
    return (
        digest_text(said, digest_of([output / "ip"]), options_text(files, clock_mhz)) if stage == "bitstream" else said
    )


def options_text(files: kits.KitFiles, clock_mhz: float | None = None) -> str:
    """`flow/options.tcl`, for another clock if one is given; "" where the project has none."""
    content = files.get(kits.OPTIONS, "")
    text = content if isinstance(content, str) else content.decode()
    return text if clock_mhz is None else _CLOCK.sub(f"set clock_mhz {clock_mhz:g}", text)


class VendorStages:
    """Runs the stages in one build's folder.

    Args:
        stages: of the folder.
        selection: which of them are wanted, and which anew.
        on_step: called with a stage and a few words whenever its tool begins something.
        before_tool: called before a tool starts.
        clock_mhz: that the design asks for.
        retry: implement again at a slower clock where that one is missed.
        files: gives the kit's files; asked for when the first stage is.
    """

    def __init__(
        self,
        stages: Stages,
        selection: Selection,
        on_step: Step,
        before_tool: Callable[[str], None],
        clock_mhz: float,
        retry: bool,
        files: Callable[[], kits.KitFiles],
    ) -> None:
        self.output = stages.folder
        self.accelerator = self.output / "accelerator"
        self.kit = self.output / FOLDER
        self._stages = stages
        self._selection = selection
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
        """Those of this machine; looked for when they are needed, since install folders may lie on a slow disk."""
        return find_tools()

    def commands(self, stage: str) -> tuple[Command, ...]:
        """What a stage runs on this machine."""
        return stage_commands(stage, self.tools, kits.wants_tcl(self._files))

    def run(self, stage: str) -> None:
        """Runs one stage unless it is up to date.

        Raises:
            StageUnavailableError: it needs a tool that is not here.
            ToolError: the tool failed.
            TimingError: the bitstream misses its clock, or its reports do not say whether it does.
        """
        if stage == "bitstream":
            self._bitstream()
            return
        self._run(stage, vendor_inputs(stage, self._files, self.output), self._selection.anew(stage))

    def is_current(self, stage: str) -> bool:
        """Whether a stage's results are there and up to date; a bitstream may be of a slower clock, after a retry."""
        if stage == "bitstream":
            return self.built_clock() is not None
        return self._stages.is_current(stage, vendor_inputs(stage, self._files, self.output), [stage])

    def require(self, stage: str) -> None:
        """Refuses to go on from a stage that is not up to date, or from a bitstream that misses its clock.

        Raises:
            ConfigError: names the stage.
            TimingError: says what the clock is missed by, or why that is not known.
        """
        if not self.is_current(stage):
            raise not_current(stage, self.output, self._selection)
        if stage == "bitstream":
            clock = self.built_clock()
            missed = read_missed(self.output / STATE, self._bitstream_inputs())
            if clock in missed:
                raise timing_error(missed[clock], True, self._retry, self.output)
            self.clock_mhz = clock or self._clock_mhz
            self._refuse_unknown(self.clock_mhz)

    def _synthesised(self) -> None:
        """The tools go on from a synthesised project: imported results, or a removed kit, have none."""
        inputs = vendor_inputs("hls", self._files, self.output)
        marker = self.kit / _SYNTHESISED
        known = marker.read_text(encoding="utf-8") if marker.is_file() else ""
        if known != inputs or not kits.has_synthesis(self.kit):
            self._run("hls", inputs, anew=True)

    def _run(self, stage: str, inputs: str, anew: bool, replaced: dict[str, str] | None = None) -> StageResult:
        def prepare() -> None:
            why = why_missing(stage, self.tools)
            if why:
                raise StageUnavailableError(stage, why)
            parallel_jobs(os.environ)  # a wrong number is refused before the first tool, not when Vivado reads it
            if stage in ("cosim", "ip"):
                self._synthesised()
            self._before_tool(stage)

        def work(folder: Path) -> str:
            if stage == "bitstream":
                # The block design takes the IP from the kit; it may have come from another machine.
                kits.place_collected_ip(self.output / "ip", self.kit)
            if stage == "hls":
                (self.kit / _SYNTHESISED).unlink(missing_ok=True)
            kits.write_kit(self.accelerator, self.kit, replaced)
            kits.clear(stage, self.kit)
            log = self.output / LOGS / f"{stage}.log"
            log.parent.mkdir(exist_ok=True)
            log.unlink(missing_ok=True)
            try:
                for command in self.commands(stage):
                    environment = tool_environment(command.tool, os.environ, self.tools)
                    keep = () if self._stages.lock is None else (self._stages.lock,)
                    run_command(
                        stage, command, self.kit, log, lambda step: self._on_step(stage, step), environment, keep
                    )
            except ToolError:
                # A mismatch ends some releases with an error. It is a check that failed, not a tool.
                if stage == "cosim":
                    _refuse_mismatch(kits.cosim_reports(self.kit), log, unknown=False)
                raise
            if stage == "ip":
                kits.place_ip(self.kit)
            detail = kits.collect(stage, self.kit, folder / stage, log)
            refuse_failed(stage, folder / stage, log)
            detail += verdict(stage, folder / stage)
            if stage == "hls":
                (self.kit / _SYNTHESISED).write_text(inputs, encoding="utf-8")
            return detail

        needs = ("ip",) if stage == "bitstream" else ()
        return self._stages.run(stage, inputs, [stage], work, anew=anew, before=prepare, needs=needs)

    # Bitstream and its clock

    def _bitstream(self) -> None:
        """At the clock asked for; where it is missed and a retry is wanted, at the one that would be met."""
        anew = self._selection.anew("bitstream")
        memory, inputs = self.output / STATE, self._bitstream_inputs()
        missed = {} if anew else read_missed(memory, inputs)
        clock, slower = self._clock_mhz, None
        for _ in range(MOST_CLOCKS):
            clock = slower or clock
            if clock not in missed:
                done = self._implement(clock, anew)
                if self._stages.pretends and not done.skipped:
                    return
                self._refuse_unknown(clock)
                miss = self._missed(clock)
                if miss is None:
                    self.clock_mhz = clock
                    return
                missed[clock] = miss
                write_missed(memory, inputs, missed)
            slower = missed[clock].slower_mhz
            if not self._retry or slower is None:
                break
        raise timing_error(missed[clock], self._is_built(clock), self._retry, self.output)

    def _implement(self, clock: float, anew: bool) -> StageResult:
        other = None if clock == self._clock_mhz else clock
        return self._run(
            "bitstream", self._bitstream_inputs(clock), anew, {kits.OPTIONS: options_text(self._files, other)}
        )

    def _refuse_unknown(self, clock: float) -> None:
        """Timing that no report tells must not pass as met."""
        folder = self.output / "bitstream"
        facts = read_implementation(folder)
        if meets_timing(facts) is None:
            raise TimingError(
                f"{timing_sentence(facts, clock)}, so the bitstream is not packaged",
                f"see {folder / TIMING}; build it again with --from bitstream, or import the whole kit once more",
            )

    def _missed(self, clock: float) -> MissedClock | None:
        facts = read_implementation(self.output / "bitstream")
        if meets_timing(facts) is not False:
            return None
        reachable = achievable_clock_mhz(facts)
        slower = None if reachable is None else retry_clock_mhz(reachable)
        helps = slower is not None and slower < clock
        return MissedClock(clock, timing_sentence(facts, clock), slower if helps else None)

    def _bitstream_inputs(self, clock: float | None = None) -> str:
        other = None if clock == self._clock_mhz else clock
        return vendor_inputs("bitstream", self._files, self.output, other)

    def built_clock(self) -> float | None:
        """Clock of the bitstream that is there, if it is up to date."""
        missed = read_missed(self.output / STATE, self._bitstream_inputs())
        clocks = [self._clock_mhz, *(miss.slower_mhz for miss in missed.values() if miss.slower_mhz)]
        return next((clock for clock in clocks if self._is_built(clock)), None)

    def _is_built(self, clock: float) -> bool:
        return self._stages.is_current("bitstream", self._bitstream_inputs(clock), ["bitstream"])


def verdict(stage: str, folder: Path) -> str:
    """What a stage's collected results say of timing, as the end of a sentence; "" of a stage that has none."""
    if stage != "bitstream":
        return ""
    met = meets_timing(read_implementation(folder))
    return {True: ", timing met", False: ", timing missed", None: ", timing not known"}[met]


def refuse_failed(stage: str, folder: Path, log: Path) -> None:
    """Looks whether collected results say that the stage has done what it is for.

    Raises:
        SimulationError: co-simulation failed, or does not say that it passed.
    """
    if stage == "cosim":
        _refuse_mismatch(sorted(folder.glob("*_cosim.rpt")), log, unknown=True)


def _refuse_mismatch(reports: list[Path], log: Path, unknown: bool) -> None:
    """`unknown`: whether a report without a verdict is refused too."""
    for report in reports:
        passed = read_cosim(report).passed
        if passed is False:
            raise SimulationError(
                f"RTL co-simulation of the short program does not give what C simulation gives ({report.name})",
                f"the log is {log}: look for the testbench's FAIL",
            )
        if passed is None and unknown:
            raise SimulationError(
                f"RTL co-simulation left no verdict in {report.name}",
                f"the log is {log}; run it again with --from cosim",
            )


def timing_error(miss: MissedClock, built: bool, retried: bool, output: Path) -> TimingError:
    """The error for a clock that was missed.

    Args:
        miss: the clock.
        built: whether the bitstream that lies there is of this clock.
        retried: whether slower clocks were asked for already.
        output: the build's folder.
    """
    hints = []
    if miss.slower_mhz is not None and not retried:
        hints.append("build at the clock that would meet it with --retry-clock")
    if built:
        hints.append(f"the worst paths are in {output / 'bitstream' / 'timing_summary.rpt'}")
    else:
        hints.append(f"the bitstream in {output / 'bitstream'} is of a slower clock, from an earlier --retry-clock")
    return TimingError(miss.sentence, "; ".join(hints))


def missing_tool(stage: str, why: str) -> ConfigError:
    """The error for a stage that was asked for by name and can't run here."""
    return ConfigError(
        f"stage '{stage}' can't run here: {why}",
        "see `edgemoe-gen doctor`; or take the vendor's stages to another machine: --export FOLDER",
    )


def not_current(stage: str, output: Path, selection: Selection) -> ConfigError:
    """The error for a stage that comes before the first one asked for and is not up to date."""
    option = "--only" if selection.only else "--from"
    error = ConfigError(
        f"stage '{stage}' is not up to date in {output}, but it comes before {option} {selection.first}",
        f"leave {option} out once: what has not changed is skipped",
    )
    error.stage = stage
    return error

"""`build --dry-run`: the plan of each stage, with the exact commands of the vendor's tools. Changes nothing.

A plan is the walk of a build with stages that only pretend to run, so both decide by the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgemoe_gen.base.errors import EdgeMoEError
from edgemoe_gen.flow.kit import KitFiles
from edgemoe_gen.flow.rtl_source import VITIS
from edgemoe_gen.pipeline.builder import Run
from edgemoe_gen.pipeline.fingerprint import Known, recall
from edgemoe_gen.pipeline.options import BuildOptions
from edgemoe_gen.pipeline.stages.cosim import COSIM
from edgemoe_gen.pipeline.stages.render import rendered_kit
from edgemoe_gen.pipeline.stages.table import NAMES, replaced, stage_of
from edgemoe_gen.pipeline.support.context import open_context
from edgemoe_gen.pipeline.support.folders import StageResult, Stages
from edgemoe_gen.pipeline.support.vendor import FOLDER, ToolStage
from edgemoe_gen.project.config import DEFAULT_OUTPUT, Config
from edgemoe_gen.project.opening import no_progress

State = Literal["up to date", "would run", "may run", "left out", "not asked for", "can't run here"]


@dataclass(frozen=True)
class PlannedStage:
    """Plan of a stage: the reason why it can't run here ("" if it can), and its commands with their folder.

    A stage that "may run" depends on files that an earlier stage makes again from the same inputs: if these files come
    out unchanged, the stage is up to date.
    """

    name: str
    state: State
    why: str = ""
    folder: Path | None = None
    commands: tuple[str, ...] = ()


def plan(config: Config, options: BuildOptions | None = None) -> tuple[PlannedStage, ...]:
    """All stages in their order.

    Raises:
        EdgeMoEError: the errors of the inputs, as in `build`.
    """
    options = options or BuildOptions()
    options.selection.refuse_replaced(config.hls or VITIS)
    known = recall(config, options)
    if known is not None:
        return _unchanged(known, options, replaced(config.hls or VITIS))
    stages = _Pretended(config.output or Path(DEFAULT_OUTPUT), options.force)
    walk = _Walk(stages, open_context(config, no_progress), options)
    blocked = ""
    try:
        walk.walk()
        blocked = walk.stopped[1] and walk.stopped[0]
        why = walk.stopped[1]
    except EdgeMoEError as error:
        # A bitstream that misses its clock is there; what can't run is what comes behind it.
        blocked = walk.stopped[0] if error.stage in stages.states else error.stage or walk.stopped[0]
        why = error.message
    if options.export:
        blocked = ""  # the rest runs elsewhere
    planned = []
    own = {stage.name: stage for stage in walk.table}
    for name in NAMES:
        stage = own.get(name, stage_of(name))
        if name in replaced(walk.hls):
            planned.append(PlannedStage(name, "left out", replaced(walk.hls)[name]))
        elif name in stages.states:
            state = stages.states[name]
            commands: tuple[str, ...] = ()
            if state in ("would run", "may run") and isinstance(stage, ToolStage):
                commands = tuple(command.line() for command in walk.vendor.commands(stage))
            folder = stages.folder / FOLDER if commands else None
            planned.append(PlannedStage(name, state, stages.why.get(name, ""), folder, commands))
        elif name == blocked:
            planned.append(PlannedStage(name, "can't run here", why))
        elif blocked and options.selection.wants(name) and not stage.always:
            planned.append(PlannedStage(name, "can't run here", f"{blocked} comes first"))
        else:
            planned.append(PlannedStage(name, "not asked for"))
    return tuple(planned)


def _unchanged(known: Known, options: BuildOptions, elsewhere: Mapping[str, str]) -> tuple[PlannedStage, ...]:
    """Plan of a build that, by its fingerprint, has nothing to do.

    `elsewhere`: stages that this build does not have, with reasons.
    """
    result = known.result
    left_out = {stage.name: stage.detail.removeprefix("left out: ") for stage in result.stages if stage.left_out}
    planned, blocked = [], ""
    for name in NAMES:
        if name in elsewhere:
            planned.append(PlannedStage(name, "left out", elsewhere[name]))
        elif name in known.stages:
            planned.append(PlannedStage(name, "up to date"))
        elif name in left_out:
            planned.append(PlannedStage(name, "left out", left_out[name]))
        elif name == result.stopped_before and result.stopped_why:
            blocked = name
            planned.append(PlannedStage(name, "can't run here", result.stopped_why))
        elif blocked and options.selection.wants(name):
            planned.append(PlannedStage(name, "can't run here", f"{blocked} comes first"))
        else:
            planned.append(PlannedStage(name, "not asked for"))
    return tuple(planned)


class _Walk(Run):
    """A build's walk that writes no file."""

    def _before_tool(self, stage: str) -> None:
        self.stopped = (stage, "")

    def _export(self, stage: ToolStage) -> None:
        self.stopped = (stage.name, "")

    def _kit_files(self) -> KitFiles:
        return rendered_kit(self.context.project, COSIM.name in self.selection.also)


class _Pretended(Stages):
    """Stages that run nothing and note the work that would run."""

    pretends = True

    def __init__(self, folder: Path, force: bool) -> None:
        super().__init__(folder, lambda _: None, None, force)
        self.states: dict[str, State] = {}
        self.why: dict[str, str] = {}
        self._changed: set[str] = set()  # stages that would run with other inputs than before
        self._replaced: list[Path] = []

    def run(
        self,
        name: str,
        inputs: str,
        outputs: Sequence[str],
        work: Callable[[Path], str],  # noqa: ARG002
        still: bool = True,
        ignoring: str = "",
        anew: bool = False,
        before: Callable[[], None] = lambda: None,
        guard: Callable[[], None] = lambda: None,
        needs: Sequence[str] = (),
    ) -> StageResult:
        """Notes the work of `Stages.run`."""
        state = self._state(name, inputs, outputs, still, ignoring, anew, needs)
        if state == "would run" and self.states.get(name) != state:
            if not self.force:
                guard()
                self.refuse_foreign(name, outputs, ignoring)
            before()
            if not self.had_inputs(name, inputs) or self._changed & set(needs):
                self._changed.add(name)
            self._replaced += [self.folder / output for output in outputs]
        if self.states.get(name) != "would run":
            self.states[name] = state
        return self._keep(StageResult(name, 0.0, state == "up to date", state))

    def _state(
        self, name: str, inputs: str, outputs: Sequence[str], still: bool, ignoring: str, anew: bool,
        needs: Sequence[str],
    ) -> State:  # fmt: skip
        replaced = any((self.folder / output).is_relative_to(place) for output in outputs for place in self._replaced)
        if anew or not still or replaced or not self.has_outputs(name, outputs, ignoring) or self._changed & set(needs):
            return "would run"
        remade = [need for need in needs if self.states.get(need) in ("would run", "may run")]
        if remade:
            self.why[name] = f"if {' or '.join(remade)} makes something else than before"
            return "may run"
        return "up to date" if self.had_inputs(name, inputs) else "would run"

    def leave_out(self, name: str, why: str) -> None:
        """Notes a stage that is left out."""
        super().leave_out(name, why)
        self.states[name], self.why[name] = "left out", why

    def is_current(self, name: str, inputs: str, outputs: Sequence[str], ignoring: str = "") -> bool:
        """Whether a stage would be up to date by now."""
        if name in self.states:
            return self.states[name] != "left out"
        return super().is_current(name, inputs, outputs, ignoring)

"""`build --dry-run`: what each stage would do, and the exact commands of the vendor's tools. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgemoe_gen.config import DEFAULT_OUTPUT, Config
from edgemoe_gen.flow.tools import stage_commands, why_missing
from edgemoe_gen.linting import libclang_missing
from edgemoe_gen.pipeline.fingerprint import recall
from edgemoe_gen.pipeline.options import BuildOptions
from edgemoe_gen.pipeline.selection import STAGES, VENDOR, Selection
from edgemoe_gen.pipeline.stages import Stages
from edgemoe_gen.pipeline.vendor import FOLDER, VendorStages
from edgemoe_gen.project import no_progress

State = Literal["up to date", "would run", "not asked for", "can't run here"]


@dataclass(frozen=True)
class PlannedStage:
    """What a stage would do: why it can't run here ("" if it can), and commands with the folder that they run in."""

    name: str
    state: State
    why: str = ""
    folder: Path | None = None
    commands: tuple[str, ...] = ()


def plan(config: Config, options: BuildOptions | None = None) -> tuple[PlannedStage, ...]:
    """All stages in their order.

    Raises:
        EdgeMoEError: the same of the inputs as `build`.
    """
    options = options or BuildOptions()
    output = config.output or Path(DEFAULT_OUTPUT)
    stages = Stages(output, lambda _: None)
    known = recall(config, options)
    own: Callable[[str], bool]
    if known is not None:
        clock_mhz, own = known.clock_mhz, known.stages.__contains__
    else:
        clock_mhz, own = _looked_at(config, output, stages)
    vendor = VendorStages(stages, options.selection, lambda *_: None, lambda _: None, clock_mhz, False)

    def is_current(name: str) -> bool:
        # The report is written again where anything else is.
        return vendor.is_current(name) if name in VENDOR else name == "report" or own(name)

    planned: list[PlannedStage] = []
    selection, changed, blocked = options.selection, False, ""
    for name in STAGES:
        if not selection.wants(name) or (options.export and name in (*VENDOR, "package")):
            planned.append(PlannedStage(name, "not asked for"))
            continue
        # A stage behind one that runs runs too.
        if not changed and not selection.anew(name) and is_current(name):
            planned.append(PlannedStage(name, "up to date"))
            continue
        changed = changed or name not in ("compile", "simulate", "lint", "preview", "cosim")
        why = why_missing(name, vendor.tools) if name in VENDOR else libclang_missing() if name == "lint" else ""
        if (why or blocked) and name != "report":
            planned.append(PlannedStage(name, "can't run here", why or f"{blocked} comes first"))
            blocked = blocked or name
            continue
        commands = tuple(command.line() for command in stage_commands(name, vendor.tools)) if name in VENDOR else ()
        planned.append(PlannedStage(name, "would run", "", output / FOLDER if commands else None, commands))
    return tuple(planned)


def _looked_at(config: Config, output: Path, stages: Stages) -> tuple[float, Callable[[str], bool]]:
    """The clock that the design asks for; and which of the own stages are up to date, by hashes of all contents."""
    from edgemoe_gen.pipeline.own import own_stages
    from edgemoe_gen.pipeline.work import Work

    work = Work(config, no_progress)
    work.accelerator, work.simulation = output / "accelerator", output / "csim"
    asked = work.clock_mhz
    vendor = VendorStages(stages, Selection(), lambda *_: None, lambda _: None, asked, False)
    work.clock_mhz = vendor.built_clock() or asked
    own = own_stages(work, output)
    return asked, lambda name: own[name].still() and own[name].is_current(stages)

"""Tools and packages of this machine, needs of each stage and command, and remedies for missing ones."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgemoe_gen.base.brief import Brief
from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.base.extras import EXTRAS, Extra, installed, installing
from edgemoe_gen.base.version import __version__
from edgemoe_gen.flow.check import Check, Status
from edgemoe_gen.flow.tools import Toolset, find_tools, hls_generation, stage_commands, why_missing
from edgemoe_gen.flow.vendor_checks import named_releases, vendor_checks
from edgemoe_gen.hardware.boards import Board, board_names, load_board
from edgemoe_gen.linting import libclang_missing
from edgemoe_gen.pipeline.stages.table import STAGES, with_needs
from edgemoe_gen.pipeline.support.stage import StageFacts
from edgemoe_gen.pipeline.support.vendor import ToolStage
from edgemoe_gen.sim.cache import cache_folder
from edgemoe_gen.sim.compiler import ap_types_folder, compiler_version, find_compiler

_PACKAGES = ("click", "jinja2", "numpy", "pillow", "pyyaml", "rich")
VIVADO = "Vivado"  # as stages name it
LEAST_DISK_GB, LEAST_MEMORY_GB = 1.0, 2.0


@dataclass(frozen=True)
class Stage:
    """One stage of a build: whether it can run here, the tools that it would use, and the reason if it cannot."""

    ready: bool
    uses: str = ""
    missing: str = ""


@dataclass(frozen=True)
class ExtraFound:
    """One extra, and which of its packages are not installed."""

    extra: Extra
    lacks: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Diagnosis(Brief):
    """All checks, all extras, and the state of each stage of a build and of each other command."""

    checks: tuple[Check, ...]
    extras: tuple[ExtraFound, ...]
    stages: dict[str, Stage]
    commands: dict[str, Stage]

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def doctor(board: str | None = None) -> Diagnosis:
    """Looks at this machine; changes nothing.

    Args:
        board: name or file of the board to look at; by default all that ship.

    Raises:
        BoardError: there is no such board.
    """
    boards = [load_board(name) for name in ([board] if board else board_names())]
    tools = named_releases(find_tools())
    checks = [
        Check("Python", "ok" if sys.version_info >= (3, 10) else "missing", platform.python_version(), "everything"),
        Check("edgemoe-gen", "ok", __version__, "everything"),
        *(_package(name, "everything", "pip install edgemoe-gen") for name in _PACKAGES),
        _package("torch", "float reference", installing("torch")),
        _compiler(),
        _ap_types(),
        _libclang(),
        _cache(),
        _memory(),
        *vendor_checks(tools, boards),
    ]
    there = {check.name: check.status != "missing" for check in checks}
    extras = tuple(_extra(extra, there) for extra in EXTRAS)
    machine = _Machine(checks, extras, tools)
    return Diagnosis(tuple(checks), extras, _stages(machine, boards if board else []), _commands(machine))


def _extra(extra: Extra, there: dict[str, bool]) -> ExtraFound:
    return ExtraFound(extra, tuple(name for name in extra.packages if not there.get(name, installed(name))))


class _Machine:
    """Tools and extras of the machine, by the names in needs of stages and commands: checks, and "[extra]"."""

    def __init__(self, checks: Sequence[Check], extras: Sequence[ExtraFound], tools: Toolset) -> None:
        self.tools = tools
        self.checks = {check.name: check for check in checks}
        self._gap = {check.name: check.status == "missing" for check in checks}
        self._gap |= {f"[{found.extra.name}]": bool(found.lacks) for found in extras}

    def missing(self, names: Iterable[str]) -> str:
        """Which of these are not here; "" where all are."""
        lacks = [name for name in dict.fromkeys(names) if self._gap[name]]
        return f"not here: {', '.join(lacks)}" if lacks else ""

    def used(self, name: str) -> str:
        """What a stage would use: of a check, name and version."""
        check = self.checks.get(name)
        if check is None:
            return name
        version = check.found if check.status == "ok" else ""
        return f"{check.name} {version}".strip() if check.name != "C++ compiler" else version or check.name


def _commands(machine: _Machine) -> dict[str, Stage]:
    """Commands that are no stage of a build: those for overlays on the simulated board."""

    def needs(*names: str) -> Stage:
        missing = machine.missing(names)
        return Stage(not missing, ", ".join(names), missing)

    simulated = ("[pynq]", "C++ compiler")
    return {
        "evaluate": needs("[torch]", "C++ compiler"),
        "tune": needs("[tune]", "C++ compiler"),
        "sim-board": needs(*simulated),
        "selftest --simulated": needs(*simulated),
        "serve --simulated": needs("[serve]", *simulated),
    }


def _stages(machine: _Machine, boards: list[Board]) -> dict[str, Stage]:
    """The stages in their order, after the sources of a design alone."""
    alone = machine.missing(_PACKAGES)
    found = {"generate": Stage(not alone, "edgemoe-gen alone", alone)}
    found |= {stage.name: _stage(stage, machine) for stage in STAGES}
    if machine.tools.vivado:
        absent = [check for board in boards if (check := machine.checks.get(f"board files {board.name}"))]
        for check in (check for check in absent if check.status == "missing"):
            for stage in (stage for stage in STAGES if stage.tool == VIVADO and found[stage.name].ready):
                missing = f"{check.name}: {check.found}"
                found[stage.name] = replace(found[stage.name], ready=False, missing=missing)
    return found


def _stage(stage: StageFacts, machine: _Machine) -> Stage:
    """Missing needs of a stage and of the stages that it needs.

    Results of the vendor's tools may come from another machine: only the stages that these tools run lack them.
    """
    needed = with_needs([stage.name])
    missing = machine.missing([*_PACKAGES, *(name for one in needed for name in one.requirements)])
    if not isinstance(stage, ToolStage):
        return Stage(not missing, ", ".join(map(machine.used, stage.requirements)) or "edgemoe-gen alone", missing)
    tool = _tool_stage(stage, machine.tools)
    others = (_tool_stage(one, machine.tools).missing for one in reversed(needed) if isinstance(one, ToolStage))
    without = tool.missing or next(filter(None, others), "")
    missing = "; ".join(filter(None, (missing, without)))
    return replace(tool, ready=not missing, missing=missing)


def _tool_stage(stage: ToolStage, tools: Toolset) -> Stage:
    missing = why_missing(stage.name, tools)
    if missing:
        return Stage(False, "", missing)
    uses = " then ".join(command.tool.title for command in stage_commands(stage.name, tools))
    generation = f" ({hls_generation(tools)})" if stage.tool != VIVADO else ""
    return Stage(True, uses + generation)


def _package(name: str, purpose: str, advice: str) -> Check:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Check(name, "missing", "not installed", purpose, f"run: {advice}")
    return Check(name, "ok", version, purpose)


def _compiler() -> Check:
    try:
        path = find_compiler()
    except SimulationError as error:
        return Check("C++ compiler", "missing", "not on PATH", "compile, csim", error.hint)
    return Check("C++ compiler", "ok", compiler_version(path), "compile, csim")


def _ap_types() -> Check:
    purpose = "the proof that C simulation is bit-identical to ap_int"
    try:
        folder = ap_types_folder()
    except SimulationError as error:
        return Check("ap_types headers", "missing", "not installed", purpose, error.hint)
    if not (folder / "ap_int.h").is_file():
        return Check("ap_types headers", "missing", f"no ap_int.h in {folder}", purpose, "pip install --upgrade hls4ml")
    return Check("ap_types headers", "ok", str(folder), purpose)


def _libclang() -> Check:
    reason = libclang_missing()
    if reason:
        return Check(
            "libclang",
            "missing",
            reason,
            "lint, which a build leaves out without it",
            f"run: {installing('lint')}",
        )
    try:
        version = importlib.metadata.version("libclang")
    except importlib.metadata.PackageNotFoundError:
        version = "the system's"
    return Check("libclang", "ok", version, "lint")


def _cache() -> Check:
    folder = cache_folder()
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    free = shutil.disk_usage(there).free / 1e9
    found = f"{folder}, {free:,.1f} GB free"
    if not (there.is_dir() and os.access(there, os.W_OK)):
        return Check("cache folder", "missing", f"{folder} cannot be written to", "compile, csim", "set EDGEMOE_CACHE")
    if free < LEAST_DISK_GB:
        return Check("cache folder", "low", found, "compile, csim", "free some disk, or set EDGEMOE_CACHE to another")
    return Check("cache folder", "ok", found, "compile, csim")


def _memory() -> Check:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return Check("memory", "ok", "unknown", "render, csim")
    free = kilobytes * 1024 / 1e9
    status: Status = "ok" if free >= LEAST_MEMORY_GB else "low"
    advice = "" if status == "ok" else f"close something: a build of a small network takes about {LEAST_MEMORY_GB:g} GB"
    return Check("memory", status, f"{free:,.1f} GB available", "render, csim", advice)


__all__ = ["Check", "Diagnosis", "ExtraFound", "Stage", "doctor"]

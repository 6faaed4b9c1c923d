"""What this machine has, what each stage and command needs, and what to do about each gap."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.base.extras import EXTRAS, Extra, installed
from edgemoe_gen.base.version import __version__
from edgemoe_gen.flow.check import Check, Status
from edgemoe_gen.flow.tools import TOOL_STAGES, Toolset, find_tools, hls_generation, stage_commands, why_missing
from edgemoe_gen.flow.vendor_checks import named_releases, vendor_checks
from edgemoe_gen.hardware.boards import Board, board_names, load_board
from edgemoe_gen.linting import libclang_missing
from edgemoe_gen.sim.cache import cache_folder
from edgemoe_gen.sim.compiler import ap_types_folder, compiler_version, find_compiler

_PACKAGES = ("click", "jinja2", "numpy", "pillow", "pyyaml", "rich")
LEAST_DISK_GB, LEAST_MEMORY_GB = 1.0, 2.0


@dataclass(frozen=True)
class Stage:
    """One stage of a build: whether it can run here, what it would use, and why it cannot."""

    ready: bool
    uses: str = ""
    missing: str = ""


@dataclass(frozen=True)
class ExtraFound:
    """One extra, and which of its packages are not installed."""

    extra: Extra
    lacks: tuple[str, ...]


@dataclass(frozen=True)
class Diagnosis:
    """All checks, all extras, and what each stage of a build and each command beside it would run."""

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
        _package("torch", "float reference", 'pip install "edgemoe-gen[torch]"'),
        _compiler(),
        _ap_types(),
        _libclang(),
        _cache(),
        _memory(),
        *vendor_checks(tools, boards),
    ]
    there = {check.name: check.status != "missing" for check in checks}
    extras = tuple(_extra(extra, there) for extra in EXTRAS)
    stages = _stages(checks, tools, boards if board else [])
    return Diagnosis(tuple(checks), extras, stages, _commands(checks, extras))


def _extra(extra: Extra, there: dict[str, bool]) -> ExtraFound:
    return ExtraFound(extra, tuple(name for name in extra.packages if not there.get(name, installed(name))))


def _commands(checks: Sequence[Check], extras: Sequence[ExtraFound]) -> dict[str, Stage]:
    """The commands that are no stage of a build, on this machine: those of overlays on the simulated board."""
    gap = {check.name: check.status == "missing" for check in checks}
    gap |= {f"[{found.extra.name}]": bool(found.lacks) for found in extras}

    def needs(*names: str) -> Stage:
        lacks = [name for name in names if gap[name]]
        return Stage(not lacks, ", ".join(names), f"not here: {', '.join(lacks)}" if lacks else "")

    simulated = ("[pynq]", "C++ compiler")
    return {
        "evaluate": needs("[torch]", "C++ compiler"),
        "tune": needs("[tune]", "C++ compiler"),
        "sim-board": needs(*simulated),
        "selftest --simulated": needs(*simulated),
        "serve --simulated": needs("[serve]", *simulated),
    }


def _stages(checks: list[Check], tools: Toolset, boards: list[Board]) -> dict[str, Stage]:
    by_name = {check.name: check for check in checks}

    def needs(*names: str) -> Stage:
        gaps = [name for name in (*_PACKAGES, *names) if by_name[name].status == "missing"]
        uses = ", ".join(_used(by_name[name]) for name in names)
        return Stage(not gaps, uses or "edgemoe-gen alone", "" if not gaps else f"not here: {', '.join(gaps)}")

    stages = {
        "generate": needs(),
        "render": needs("torch"),
        "compile": needs("C++ compiler"),
        "csim": needs("torch", "C++ compiler"),
        "simulate": needs("torch", "C++ compiler"),
        "report": needs("torch", "C++ compiler"),
        "lint": needs("libclang"),
    }
    # A build comes to these only by way of the stages before them.
    before = needs("torch", "C++ compiler").missing
    for stage in TOOL_STAGES:
        stages[stage] = _after(_tool_stage(stage, tools), before)
    absent = [check for board in boards if (check := by_name.get(f"board files {board.name}")) and tools.vivado]
    if stages["bitstream"].ready and not stages["ip"].ready:
        stages["bitstream"] = _after(stages["bitstream"], stages["ip"].missing)
    for check in absent:
        if check.status == "missing" and stages["bitstream"].ready:
            stages["bitstream"] = replace(stages["bitstream"], ready=False, missing=f"{check.name}: {check.found}")
    return stages | {"package": replace(needs("torch"), ready=not before, missing=before)}


def _after(stage: Stage, missing: str) -> Stage:
    """A stage that is ready only where what the stages before it lack is there too."""
    return replace(stage, ready=stage.ready and not missing, missing="; ".join(filter(None, (missing, stage.missing))))


def _used(check: Check) -> str:
    version = check.found if check.status == "ok" else ""
    return f"{check.name} {version}".strip() if check.name != "C++ compiler" else version or check.name


def _tool_stage(stage: str, tools: Toolset) -> Stage:
    missing = why_missing(stage, tools)
    if missing:
        return Stage(False, "", missing)
    uses = " then ".join(command.tool.title for command in stage_commands(stage, tools))
    generation = f" ({hls_generation(tools)})" if stage != "bitstream" else ""
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
            'run: pip install "edgemoe-gen[lint]"',
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

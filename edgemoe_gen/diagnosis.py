"""What this machine has, what each stage needs, and what to do about each gap."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from edgemoe_gen import __version__
from edgemoe_gen.errors import SimulationError
from edgemoe_gen.sim.compiler import ap_types_folder, cache_folder, compiler_version, find_compiler

Status = Literal["ok", "missing", "low"]
_PACKAGES = ("click", "jinja2", "numpy", "pillow", "pyyaml", "rich")
_TORCH = ("torch", "safetensors")
_INSTALL_TORCH = 'pip install "edgemoe-gen[torch]"'
_VENDOR = {
    "vitis_hls": "synthesis with Vitis HLS up to 2024.2",
    "vitis-run": "synthesis with Vitis from 2023.1, the only way from 2025.1",
    "v++": "synthesis with the unified Vitis flow",
    "vivado": "bitstream",
}
LEAST_DISK_GB, LEAST_MEMORY_GB = 1.0, 2.0


@dataclass(frozen=True)
class Check:
    """One thing: whether it is there, what was found, what needs it, and what to do if it is not there."""

    name: str
    status: Status
    found: str
    needed_for: str
    advice: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All checks, and the stages that can run here."""

    checks: tuple[Check, ...]
    stages: dict[str, bool]

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def doctor() -> Diagnosis:
    """Looks at this machine; changes nothing."""
    checks = [
        Check("Python", "ok" if sys.version_info >= (3, 10) else "missing", platform.python_version(), "everything"),
        Check("edgemoe-gen", "ok", __version__, "everything"),
        *(_package(name, "everything", "pip install edgemoe-gen") for name in _PACKAGES),
        *(_package(name, "reading checkpoints, float reference", _INSTALL_TORCH) for name in _TORCH),
        _compiler(),
        _ap_types(),
        _cache(),
        _memory(),
        *(_tool(name, purpose) for name, purpose in _VENDOR.items()),
    ]
    have = {check.name: check.status == "ok" for check in checks}
    base = all(have[name] for name in _PACKAGES)
    vendor = have["vitis_hls"] or have["vitis-run"] or have["v++"]
    stages = {
        "generate": base,
        "render": base and have["torch"],
        "compile": base and have["C++ compiler"],
        "csim": base and have["torch"] and have["C++ compiler"],
        "report": base and have["torch"] and have["C++ compiler"],
        "hls": vendor,
        "bitstream": vendor and have["vivado"],
    }
    return Diagnosis(tuple(checks), stages)


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


def _tool(name: str, purpose: str) -> Check:
    path = shutil.which(name)
    if path:
        return Check(name, "ok", path, purpose)
    return Check(
        name, "missing", "not on PATH", purpose, "install AMD Vitis and source its settings64.sh; not needed up to csim"
    )


__all__ = ["Check", "Diagnosis", "doctor"]

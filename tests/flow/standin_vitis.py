"""Installs stand-ins for Vitis HLS: programs that look like AMD's, for tests of the scripts and of the flow.

`install_classic` writes `vitis_hls`, `install_unified` writes `v++` and `vitis-run`, into a folder such as
ROOT/Vitis_HLS/2022.1/bin. EDGEMOE_STANDIN_FAIL=STEP:KIND makes a step fail (hls, cosim or ip; licence, crash, disk,
source, nothing, mismatch, hang).
"""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

STANDINS = Path(__file__).parent / "standins"


def tclsh() -> str | None:
    """The plain Tcl shell that `vitis_hls` runs under, if there is one."""
    return shutil.which("tclsh")


def install_classic(folder: Path, release: str) -> Path:
    """Writes `vitis_hls` (2021.1 to 2024.2); returns its path. Needs tclsh."""
    return _write(folder / "vitis_hls", release, _tcl("vitis_hls"))


def install_unified(folder: Path, release: str) -> tuple[Path, Path]:
    """Writes `v++` and `vitis-run` (2023.2 and newer); returns their paths."""
    python = [sys.executable, "-B", str(STANDINS / "unified.py")]
    return (
        _write(folder / "v++", release, [*python, "v++"]),
        _write(
            folder / "vitis-run",
            release,
            [*python, "vitis-run"],
            {"EDGEMOE_STANDIN_TCL": shlex.join(_tcl("vitis-run"))},
        ),
    )


def _tcl(name: str) -> list[str]:
    return ["env", f"EDGEMOE_STANDIN_NAME={name}", tclsh() or "tclsh", str(STANDINS / "vitis_hls.tcl")]


def _write(path: Path, release: str, command: list[str], more: dict[str, str] | None = None) -> Path:
    names = {"EDGEMOE_STANDIN_RELEASE": release, "EDGEMOE_STANDIN_PYTHON": sys.executable} | (more or {})
    lines = ["#!/bin/sh", *(f"export {name}={shlex.quote(value)}" for name, value in names.items())]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, f'exec {shlex.join(command)} "$@"']) + "\n", encoding="utf-8")
    path.chmod(0o755)
    return path

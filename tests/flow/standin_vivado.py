"""Installs the stand-in of Vivado: an executable `vivado` in a folder, for tests that have no vendor tool.

The stand-in itself is Tcl run by `tclsh` (standins/vivado.tcl); this module only writes its launcher.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

STANDINS = Path(__file__).resolve().parent / "standins"
TCLSH = shutil.which("tclsh")


def install_vivado(folder: Path, release: str = "2023.2") -> Path:
    """Writes `folder/vivado` and returns it.

    Args:
        folder: any folder, for example ROOT/Vivado/2023.2/bin; made if it is missing.
        release: the release to play, for example "2021.1"; messages, reports and catalogue differ by it.

    The environment variable EDGEMOE_STANDIN_FAIL=vivado:<kind> makes it fail; kinds: licence, crash, disk, nobit,
    timing, board, hang; packaging hangs too, while an IP is packaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    launcher = folder / "vivado"
    lines = [
        "#!/bin/sh",
        f"EDGEMOE_STANDIN_RELEASE={shlex.quote(release)}",
        f"EDGEMOE_STANDIN_PYTHON={shlex.quote(sys.executable)}",
        "export EDGEMOE_STANDIN_RELEASE EDGEMOE_STANDIN_PYTHON",
        f'exec {shlex.quote(TCLSH or "tclsh")} {shlex.quote(str(STANDINS / "vivado.tcl"))} "$@"',
    ]
    launcher.write_text("\n".join(lines) + "\n", encoding="utf-8")
    launcher.chmod(0o755)
    return launcher

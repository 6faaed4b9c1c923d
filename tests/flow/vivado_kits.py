"""Kits for tests of the Vivado flow: rendered scripts and a packaged engine in a folder, run under the stand-in."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from tests.flow.packaged_engine import write_packaged_engine
from tests.flow.standin_vivado import install_vivado

SCRIPT = "flow/bitstream.tcl"
RUNS = "# ---------------------------------------------------------------- runs"
ARGUMENTS = ("-mode", "batch", "-nojournal", "-log", "vivado.log", "-source")


@lru_cache
def make(board: str = "zcu104", weight_ports: int = 4, **knobs: Any) -> Design:
    """A design on a board, at the board's own clock unless told otherwise."""
    facts = load_board(board)
    return make_design(Knobs(**({"weight_ports": weight_ports, "clock_mhz": facts.clock_mhz} | knobs)), facts)


@dataclass(frozen=True)
class Done:
    """A finished run: code, all that was said, and the kit's folder."""

    code: int
    text: str
    folder: Path

    @property
    def bitstream(self) -> Path:
        """Folder of the results."""
        return self.folder / "bitstream"

    def model(self) -> dict[str, Any]:
        """The block design as the stand-in saved it."""
        path = self.folder / "vivado_project/edgemoe.srcs/sources_1/bd/edgemoe/edgemoe.bd"
        loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return loaded

    def log(self, run: str) -> str:
        """What a run of the project wrote."""
        return (self.folder / f"vivado_project/edgemoe.runs/{run}/runme.log").read_text(encoding="utf-8")


@lru_cache
def rendered(design: Design) -> dict[str, str]:
    """Scripts of the flow, by path."""
    return {name: text for name, text in render_sources(design).items() if name.startswith("flow/")}


def write_kit(
    folder: Path, design: Design, clock_mhz: float | None = None, hooks: Mapping[str, str] | None = None
) -> Path:
    """Renders the scripts of the Vivado flow and packs an engine; returns the kit's folder."""
    scripts = rendered(design)
    if hooks:
        scripts = {name: text for name, text in render_sources(design, hooks).items() if name.startswith("flow/")}
    for name, text in scripts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    if clock_mhz is not None:
        options = rendered(make(design.board.name, design.knobs.weight_ports, clock_mhz=clock_mhz))
        (folder / "flow/options.tcl").write_text(options["flow/options.tcl"], encoding="utf-8")
    write_packaged_engine(folder / "ip", design)
    return folder


def block_design_only(folder: Path) -> None:
    """Ends the script after the block design is saved, for tests that look no further: the quicker part of it."""
    path = folder / SCRIPT
    text, runs, _ = path.read_text(encoding="utf-8").partition(RUNS)
    assert runs, "the script has no section for the runs"
    path.write_text(f"{text}exit 0\n", encoding="utf-8")


def run(folder: Path, release: str = "2023.2", fail: str = "", script: str = SCRIPT, **environment: str) -> Done:
    """Runs a script of the kit under the stand-in of a release."""
    vivado = install_vivado(folder.parent / "Vivado tools" / release / "bin", release)
    variables = os.environ | ({"EDGEMOE_STANDIN_FAIL": f"vivado:{fail}"} if fail else {}) | environment
    done = subprocess.run(
        [vivado, *ARGUMENTS, script],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Done(done.returncode, done.stdout + done.stderr, folder)


@lru_cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="vivado kits ")


@lru_cache
def built(board: str, release: str) -> Done:
    """A finished build of a board's default design, made once, for tests that only read its results."""
    done = run(write_kit(Path(_folder().name) / f"{board} {release}", make(board)), release)
    assert done.code == 0, done.text[-3000:]
    return done

"""Builds with stand-ins of the vendor's tools of an old and a new release: their installation, a build's arguments."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edgemoe_gen.pipeline.support.state import digest_of
from tests.flow.standin_vitis import install_classic, install_unified
from tests.flow.standin_vivado import install_vivado

if TYPE_CHECKING:
    from tests.cli.conftest import Project

GENERATIONS = {"classic": "2021.1", "unified": "2025.1"}
OPEN = "open"  # Vivado alone, which packages the RTL of edgemoe-gen
RESULTS = ("hls", "ip", "bitstream", "overlay")


def install(folder: Path, generation: str) -> Path:
    """Stand-ins of one generation, or of Vivado alone; returns the folder for PATH."""
    release = GENERATIONS.get(generation, GENERATIONS["unified"])
    if generation == "classic":
        install_classic(folder, release)
    elif generation == "unified":
        install_unified(folder, release)
    install_vivado(folder, release)
    return folder


def arguments(project: Project, output: Path, *more: object) -> list[str]:
    given = ["build", *project.network, "--image", project.images, *project.knobs, "--output", output, *more]
    return [str(part) for part in given]


def way(generation: str) -> list[str]:
    """What a build is told beside its project, to be made by these tools."""
    return ["--hls", OPEN] if generation == OPEN else []


def digests(output: Path) -> dict[str, str]:
    return {name: digest_of([output / name]) for name in RESULTS}


def in_process_of_its_own(
    project: Project, output: Path, tools: Path, fail: str = "", *more: object
) -> subprocess.Popen[str]:
    environment = os.environ | {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "EDGEMOE_STANDIN_FAIL": fail,
    }
    command = [sys.executable, "-m", "edgemoe_gen", *arguments(project, output, *more)]
    return subprocess.Popen(
        command, env=environment, cwd=output.parent, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )

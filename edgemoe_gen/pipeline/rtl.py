"""`rtl`: only the Verilog of a design, in the folder of a build."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgemoe_gen.base.build_files import RTL as FILE
from edgemoe_gen.base.build_files import RTL_FOLDER
from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.design import Design
from edgemoe_gen.pipeline.stages.rtl import RTL, rtl_inputs, write_rtl
from edgemoe_gen.pipeline.support.folders import open_stages
from edgemoe_gen.project.opening import Progress


def generate_rtl_folder(
    design: Design, sources: Mapping[str, str], output: Path, progress: Progress, force: bool = False
) -> tuple[dict[str, str], dict[str, Any], tuple[str, ...]]:
    """Writes OUTPUT/rtl and OUTPUT/rtl.json, unless they are up to date.

    Args:
        design, sources: the design and its rendered sources.
        output: folder of a build.
        progress: called with text, steps done, steps in all.
        force: move a folder aside that was changed by hand.

    Returns:
        The Verilog's texts by file name in the order of the file list, facts of the JSON file, notes for the user.

    Raises:
        ConfigError: the folder can't be written to, a build is at work in it, or files in it are not of our making.
        SimulationError: a kernel has no hardware; names file and line.
    """

    def work(folder: Path) -> str:
        return write_rtl(design, sources, folder, progress).headline

    with open_stages(output, lambda _: None, force) as stages:
        inputs = rtl_inputs(design, sources)
        stages.run(RTL.name, inputs, RTL.outputs, work)
        facts = FILE.read(output)
        if "not_generated" in facts:  # as a build leaves it, which goes on
            stages.run(RTL.name, inputs, RTL.outputs, work, anew=True)
            facts = FILE.read(output)
        return *read_sources(output), tuple(stages.notes)


def read_sources(output: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """The Verilog of a build's folder, by file name in the order of its file list, and the facts of its JSON file.

    Raises:
        ConfigError: the folder has no Verilog.
    """
    folder = output / RTL_FOLDER
    facts = FILE.read(output)
    if "not_generated" in facts:
        raise ConfigError(f"{folder} holds no Verilog: {facts['not_generated']}", "see edgemoe-gen rtl")
    names = (folder / facts["file_list"]).read_text(encoding="utf-8").split()
    return {name: (folder / name).read_text(encoding="utf-8") for name in names}, facts

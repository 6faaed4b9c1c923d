"""Renders a design's sources and scripts: the templates, and the headers that do not depend on the design.

Deterministic: the same design gives the same bytes. Nothing is written before all of it has been rendered.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.base.templating import templates_of
from edgemoe_gen.codegen.context import context
from edgemoe_gen.codegen.headers import headers
from edgemoe_gen.codegen.hooks import hook_files, hooks_context
from edgemoe_gen.codegen.operations import operations_context
from edgemoe_gen.codegen.packaging import packaging_context
from edgemoe_gen.codegen.synthesis import synthesis_context
from edgemoe_gen.codegen.wiring import wiring_context
from edgemoe_gen.design import Design
from edgemoe_gen.flow.kit import ARCHIVE, ARCHIVED, HLS_WORK, LEFT, RTL
from edgemoe_gen.flow.tools import HLS_COMMANDS, VIVADO_COMMANDS

# Template, and where its result stands in a rendered project.
TEMPLATES = {
    "config.h.j2": "src/config.h",
    "tables.h.j2": "src/tables.h",
    "operation.h.j2": "src/operation.h",
    "engine.h.j2": "src/engine.h",
    "engine.cpp.j2": "src/engine.cpp",
    "simulate.cpp.j2": "sim/simulate.cpp",
    "testbench.cpp.j2": "testbench/main.cpp",
    "README.md.j2": "README.md",
    "flow/options.tcl.j2": "flow/options.tcl",
    "flow/hls.tcl.j2": "flow/hls.tcl",
    "flow/cosim.tcl.j2": "flow/cosim.tcl",
    "flow/ip.tcl.j2": "flow/ip.tcl",
    "flow/rtl_ip.tcl.j2": "flow/rtl_ip.tcl",
    "flow/rtl_ip.v.j2": "flow/rtl_ip.v",
    "flow/rtl_ip_ooc.xdc.j2": "flow/rtl_ip_ooc.xdc",
    "flow/bitstream.tcl.j2": "flow/bitstream.tcl",
    "flow/hls.cfg.j2": "hls.cfg",
    "flow/run.sh.j2": "run.sh",
}
KIT_README = "flow/kit.md.j2"  # stands beside run.sh in an exported kit, and nowhere else
EXECUTABLE = ("run.sh",)


def render_sources(design: Design, hooks: Mapping[str, str] | None = None) -> dict[str, str]:
    """All source files of a rendered project: path inside the project to text.

    Args:
        design: the design to render.
        hooks: the user's own Tcl by name of the hook.
    """
    environment = templates_of(resource_folder("templates"), html=False)
    names = (
        context(design)
        | operations_context(design)
        | wiring_context(design)
        | synthesis_context(design)
        | packaging_context(design)
        | hooks_context(hooks or {})
        | _flow_context()
    )
    files = {target: environment.get_template(name).render(names) for name, target in TEMPLATES.items()}
    files |= hook_files(hooks or {}, environment, names)
    return files | {f"src/{name}": text for name, text in headers(design.parts).items()}


def render_kit_readme(design: Design) -> str:
    """README of an exported kit: commands, requirements, results."""
    names = context(design) | _flow_context()
    return templates_of(resource_folder("templates"), html=False).get_template(KIT_README).render(names)


def _flow_context() -> dict[str, object]:
    """What run.sh runs and clears, as the flow itself does."""
    return {
        "hls_commands": {
            how: {stage: " ".join(command) for stage, command in stages.items()} for how, stages in HLS_COMMANDS.items()
        },
        "vivado_commands": {stage: " ".join(command) for stage, command in VIVADO_COMMANDS.items()},
        "rtl_folder": RTL,
        "left": LEFT,
        "archive": ARCHIVE,
        "kit_parts": ARCHIVED,
        "classic_work": HLS_WORK[0],
        "unified_work": HLS_WORK[1],
    }


def write_sources(design: Design, folder: Path) -> list[Path]:
    """Renders into `folder`, as `write_files` does."""
    return write_files(render_sources(design), folder)


def write_files(files: Mapping[str, str], folder: Path) -> list[Path]:
    """Writes texts by their paths below `folder`, except for unchanged files; returns all paths."""
    paths = []
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            partial = path.with_name(path.name + ".partial")
            partial.write_text(text, encoding="utf-8")
            if name in EXECUTABLE:
                partial.chmod(0o755)
            partial.replace(path)
        paths.append(path)
    return paths

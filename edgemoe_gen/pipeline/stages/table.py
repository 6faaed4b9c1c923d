"""All stages of a build, in the order of work, for everything that lists stages.

A new stage is a module beside this one and a row below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edgemoe_gen.flow.rtl_source import OPEN
from edgemoe_gen.pipeline.stages.bitstream import BITSTREAM
from edgemoe_gen.pipeline.stages.compile import COMPILE
from edgemoe_gen.pipeline.stages.cosim import COSIM
from edgemoe_gen.pipeline.stages.csim import CSIM
from edgemoe_gen.pipeline.stages.hls import HLS
from edgemoe_gen.pipeline.stages.ip import IP, RTL_IP
from edgemoe_gen.pipeline.stages.lint import LINT
from edgemoe_gen.pipeline.stages.package import PACKAGE
from edgemoe_gen.pipeline.stages.preview import PREVIEW
from edgemoe_gen.pipeline.stages.render import RENDER
from edgemoe_gen.pipeline.stages.report import REPORT
from edgemoe_gen.pipeline.stages.rtl import RTL
from edgemoe_gen.pipeline.stages.rtlsim import RTLSIM
from edgemoe_gen.pipeline.stages.schedule import SCHEDULE
from edgemoe_gen.pipeline.stages.simulate import SIMULATE
from edgemoe_gen.pipeline.support.stage import Stage
from edgemoe_gen.pipeline.support.vendor import ToolStage

STAGES: tuple[Stage | ToolStage, ...] = (
    RENDER,
    COMPILE,
    CSIM,
    SCHEDULE,
    RTL,
    RTLSIM,
    SIMULATE,
    LINT,
    PREVIEW,
    HLS,
    COSIM,
    IP,
    BITSTREAM,
    PACKAGE,
    REPORT,  # written again whenever there is something new to say
)
NAMES = tuple(stage.name for stage in STAGES)
# Where edgemoe-gen makes the RTL: stages that are made otherwise, and those whose place another one takes.
_WITHOUT_HLS: Mapping[str, ToolStage] = {RTL_IP.name: RTL_IP}
_REPLACED = {
    HLS.name: "stage rtl takes its place",
    COSIM.name: "stage rtlsim takes its place (--rtlsim)",
}
_BY_NAME = {stage.name: stage for stage in STAGES}


def stage_of(name: str) -> Stage | ToolStage:
    """The stage of a known name."""
    return _BY_NAME[name]


def replaced(hls: str) -> Mapping[str, str]:
    """Stages that a build does not have, with reasons, by the maker of the RTL (`flow.rtl_source`)."""
    return _REPLACED if hls == OPEN else {}


def stages_of(hls: str) -> tuple[Stage | ToolStage, ...]:
    """The stages of a build in their order, by the maker of the RTL."""
    other = _WITHOUT_HLS if hls == OPEN else {}
    return tuple(other.get(stage.name, stage) for stage in STAGES if stage.name not in replaced(hls))


def tool_stages(hls: str) -> tuple[ToolStage, ...]:
    """Stages that a vendor's tool runs."""
    return tuple(stage for stage in stages_of(hls) if isinstance(stage, ToolStage))


def position(name: str) -> int:
    """Place of a stage in the order of work."""
    return NAMES.index(name)


def help_lines() -> list[str]:
    """A line for each stage: its name, its result, and the vendor's tool that it needs."""
    width = max(len(stage.summary) for stage in STAGES if stage.tool) + 2
    tools = [f"(needs {stage.tool})" if stage.tool else "" for stage in STAGES]
    return [
        f"{stage.name:<9}  {stage.summary:<{width}}{tool}".rstrip() for stage, tool in zip(STAGES, tools, strict=True)
    ]


def with_needs(names: Iterable[str]) -> tuple[Stage | ToolStage, ...]:
    """Stages and all that they need, directly or not, in the order of work."""
    found, left = set[str](), list(names)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += _BY_NAME[name].needs
    return tuple(stage for stage in STAGES if stage.name in found)

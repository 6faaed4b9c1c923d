"""A design's whole engine in RTL: the modules of its kernels, its buses, and the library's modules that they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.codegen.synthesis import budget_ns
from edgemoe_gen.design import Design
from edgemoe_gen.hardware.names import TOP
from edgemoe_gen.rtl.compile import Kernels, compile_kernels, compile_module
from edgemoe_gen.rtl.library import sources_for
from edgemoe_gen.rtl.process import Process
from edgemoe_gen.rtl.top import make_top


@dataclass(frozen=True)
class Engine:
    """An engine.

    Attributes:
        top: name of its top module.
        modules: modules made of the kernels, by function, without the top module.
        sources: texts of all modules by file name.
    """

    top: str
    modules: Mapping[str, Process]
    sources: Mapping[str, str]


def design_kernels(design: Design) -> Kernels:
    """A design's kernels, compiled for its device and clock."""
    return compile_kernels(render_sources(design), design.board.part, budget_ns(design.knobs.clock_mhz))


def make_engine(design: Design, kernels: Kernels | None = None, modules: dict[str, Process] | None = None) -> Engine:
    """The engine of a design.

    Args:
        kernels: its kernels, if they have been compiled already.
        modules: modules of them that have been made already, by function.

    Raises:
        ConfigError: the compiler is not installed.
        SimulationError: the kernels have a form without hardware; names file and line.
    """
    modules = {} if modules is None else modules
    top = make_top(compile_module(kernels or design_kernels(design), TOP, modules), design)
    made = {f"{module.name}.sv": module.text for module in [*modules.values(), top]}
    return Engine(top.name, modules, sources_for(made.values()) | made)


__all__ = ["Engine", "design_kernels", "make_engine"]

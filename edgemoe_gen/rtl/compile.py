"""Compiles rendered sources to modules: clang, regions, stages, SystemVerilog. One process at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

from edgemoe_gen.base.errors import ConfigError, SimulationError
from edgemoe_gen.hardware.names import TOP
from edgemoe_gen.rtl.caller import make_caller
from edgemoe_gen.rtl.depths import memory_depths
from edgemoe_gen.rtl.elaborate import Elaborated, elaborate
from edgemoe_gen.rtl.forms import set_ranges
from edgemoe_gen.rtl.objects import plain
from edgemoe_gen.rtl.plan import Plan, plan_region
from edgemoe_gen.rtl.process import Process, make_process
from edgemoe_gen.rtl.shapes import Shape, Shapes
from edgemoe_gen.rtl.structure import make_region, region_calls
from edgemoe_gen.scheduling.compiler import DESCRIBED, compile_ir
from edgemoe_gen.scheduling.delays import Delays, family_delays
from edgemoe_gen.scheduling.ir import Function, Module
from edgemoe_gen.scheduling.parse import parse_module
from edgemoe_gen.scheduling.places import Variables, bind
from edgemoe_gen.scheduling.sources import PipelinedLoop, Prepared, prepare
from edgemoe_gen.scheduling.symbols import plain_name

CORE = f"{TOP}_core"  # the region of the engine's function: its own name is that of the module with the buses
_DEEPEST = 20_000  # of recursion: conditions and logic nest as deep as a process has branches


@dataclass(frozen=True)
class Kernels:
    """Compiled sources.

    Attributes:
        bindings: memories that reach each pointer parameter.
        budget: nanoseconds of a cycle for operations.
    """

    prepared: Prepared
    module: Module
    shapes: Shapes
    bindings: Mapping[tuple[str, str], frozenset[str]]
    delays: Delays
    budget: float

    def function(self, name: str) -> Function:
        """A function by its name in the sources.

        Raises:
            ConfigError: there is no such function.
        """
        for function in self.module.functions.values():
            if function.name == name:
                return function
        names = ", ".join(sorted(function.name for function in self.module.functions.values()))
        raise ConfigError(f"there is no process '{name}'", f"there are {names}")

    def parameters(self, function: Function) -> dict[str, Shape]:
        """A function's parameters by their names in the IR, with the depths of the memories that reach them."""
        return {
            name: replace(shape, depth=self.depths.get((function.symbol, name), 0))
            if shape.kind == "memory" and not shape.depth
            else shape
            for name, shape in self.described(function).items()
        }

    def described(self, function: Function) -> dict[str, Shape]:
        """A function's parameters by its own description, without depths."""
        shapes = self.shapes.of(function.symbol)
        if len(shapes) != len(function.parameters):
            raise SimulationError(
                f"{function.name} has {len(shapes)} parameters, {len(function.parameters)} as compiled",
                "hand over structs by reference",
            )
        return {parameter.name: shape for parameter, shape in zip(function.parameters, shapes, strict=True)}

    @cached_property
    def depths(self) -> Mapping[tuple[str, str], int]:
        """Words of the memories that reach each parameter, by symbol and name."""
        return memory_depths(self.module, self.described)

    def depth(self, root: str) -> int:
        """Words of a static array, by its name; 0: there is no such array."""
        for symbol, text in self.module.globals.items():
            if plain_name(symbol) == root and " global [" in text:
                return self.module.layout.parse(text.partition(" global ")[2].rpartition(" zeroinitializer")[0]).count
        return 0


def compile_kernels(sources: Mapping[str, str], part: str, budget: float, unit: str = "src/engine.cpp") -> Kernels:
    """Reads and compiles rendered sources, by path.

    Args:
        part: part of the board, for the delays of its operators.
        budget: nanoseconds of a cycle that operations may use.
        unit: the source that includes all others.

    Raises:
        ConfigError: the compiler is not installed.
        SimulationError: it refuses the sources, or there is no table of delays for the part.
    """
    prepared = prepare(sources, whole=True)
    with ThreadPoolExecutor(1) as other:  # two runs of the compiler, side by side
        described = other.submit(compile_ir, prepared.texts, unit, DESCRIBED)
        module = parse_module(compile_ir(prepared.texts, unit))
        shapes = Shapes(described.result())
    return Kernels(prepared, module, shapes, bind(module), family_delays(part), budget)


def compile_process(
    kernels: Kernels, name: str, module: str = "", callees: Mapping[str, Mapping[str, Shape]] | None = None,
    handed: Mapping[str, Shape] | None = None,
) -> Process:  # fmt: skip
    """One process as a module.

    Args:
        name: name of the function.
        module: the module's name, if it differs.
        callees: parameters of the modules that it starts, by symbol.
        handed: static memories that it passes to them.

    Raises:
        ConfigError: there is no function of this name.
        SimulationError: an access, an order of accesses or an instruction without hardware; names file and line.
    """
    function = kernels.function(name)
    shapes = kernels.parameters(function)
    with _deep_recursion():
        variables = Variables(kernels.module, function, kernels.prepared, kernels.bindings)
        known = shapes | dict(handed or {})
        elaborated = elaborate(kernels.module, function, known, variables, callees)
        plans = plan_function(kernels, elaborated)
        values = {n.lstrip("%"): shape.bits for n, shape in shapes.items() if shape.kind == "value"}
        return make_process(module or name, elaborated, plans, values)


def compile_caller(kernels: Kernels, name: str, modules: dict[str, Process]) -> Process:
    """A function that starts modules one at a time, such as `execute`; `modules` as in `compile_region`."""
    function = kernels.function(name)
    instructions = [i for block in function.blocks.values() for i in block.instructions if i.opcode == "call"]
    called = dict.fromkeys(i.detail for i in instructions if i.detail in kernels.module.functions)
    callees = {symbol: kernels.parameters(kernels.module.functions[symbol]) for symbol in called}
    for symbol in called:
        compile_module(kernels, kernels.module.functions[symbol].name, modules)
    handed = _handed(kernels, function, callees)
    control = compile_process(kernels, name, f"{name}_control", callees, handed)
    modules[control.name] = control
    memories: dict[str, Shape] = {}
    for symbol, shape in handed.items():
        inner = {f"_{member}": found for member, found in (shape.members or {}).values()} or {"": shape}
        memories |= {f"{plain(symbol)}{suffix}": found for suffix, found in inner.items()}
    values = {
        kernels.module.functions[symbol].name: {
            parameter.lstrip("%"): shape.bits for parameter, shape in shapes.items() if shape.kind == "value"
        }
        for symbol, shapes in callees.items()
    }
    return make_caller(name, control, modules, values, memories, kernels.prepared)


def _handed(kernels: Kernels, function: Function, callees: Mapping[str, Mapping[str, Shape]]) -> dict[str, Shape]:
    """Static memories that a function hands over, as those that get them see them."""
    instructions = [i for block in function.blocks.values() for i in block.instructions]
    found: dict[str, Shape] = {}
    for i in instructions:
        for (_, shape), argument in zip(callees.get(i.detail, {}).items(), i.operands, strict=False):
            if i.opcode == "call" and argument.startswith("@") and shape.kind in ("memory", "memories"):
                depth = shape.depth if shape.kind == "memories" else kernels.depth(plain_name(argument[1:].strip('"')))
                if argument not in found or found[argument].kind == "memory":
                    found[argument] = replace(shape, depth=depth)
    return found


def compile_module(kernels: Kernels, name: str, modules: dict[str, Process]) -> Process:
    """A function of any kind as a module, and all that it starts; `modules` as in `compile_region`."""
    if name not in modules:
        function = kernels.function(name)
        calls = any(
            i.detail in kernels.module.functions
            for block in function.blocks.values()
            for i in block.instructions
            if i.opcode == "call"
        )
        if name in kernels.prepared.regions:
            modules[name] = compile_region(kernels, name, modules)
        else:
            modules[name] = compile_caller(kernels, name, modules) if calls else compile_process(kernels, name)
    return modules[name]


def compile_region(kernels: Kernels, name: str, modules: dict[str, Process]) -> Process:
    """A dataflow region and all that it starts.

    Args:
        modules: existing modules, by function; new ones are added.

    Raises:
        ConfigError: there is no function of this name.
        SimulationError: a process has no hardware; names file and line.
    """
    function = kernels.function(name)
    calls = region_calls(kernels.module, function, kernels.parameters)
    for call in calls:
        compile_module(kernels, call.callee, modules)
    module = CORE if name == TOP else name
    return make_region(function, calls, modules, kernels.parameters(function), kernels.prepared, module)


def plan_function(kernels: Kernels, elaborated: Elaborated) -> list[Plan]:
    """The stages of all regions."""
    names = [
        {node.name for node in trace.graph.nodes if node.op in ("input", "carried")} for trace in elaborated.traces
    ]
    given = set_ranges(elaborated.traces)
    return [
        plan_region(
            trace,
            _loop_of(kernels.prepared, trace.region.is_loop, str(trace.region.location)),
            kernels.delays,
            kernels.budget,
            {name for n, others in enumerate(names) if n != trace.region.number for name in others},
            given,
        )
        for trace in elaborated.traces
    ]


def _loop_of(prepared: Prepared, is_loop: bool, place: str) -> PipelinedLoop | None:
    """The pipelined loop of the sources at a line."""
    found = (loop for loop in prepared.loops if f"{loop.file}:{loop.line}" == place)
    return next(found, None) if is_loop else None


@contextmanager
def _deep_recursion() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _DEEPEST))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


__all__ = ["Kernels", "compile_kernels", "compile_module", "compile_process", "plan_function"]

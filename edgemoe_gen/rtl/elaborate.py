"""The instructions of a function's regions as graphs: branches become conditions, phis choices, accesses ports.

Values that cross from one region to another lie in registers between them: values of phis at a region's beginning, and
values that one region computes and a later region uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgemoe_gen.rtl.counters import counter_limits
from edgemoe_gen.rtl.objects import Objects, plain
from edgemoe_gen.rtl.pointers import Whole
from edgemoe_gen.rtl.regions import Region, Regions, find_regions
from edgemoe_gen.rtl.shapes import Shape
from edgemoe_gen.rtl.state import State
from edgemoe_gen.rtl.trace import Trace
from edgemoe_gen.rtl.walk import Walk
from edgemoe_gen.scheduling.ir import Function, Instruction, Module
from edgemoe_gen.scheduling.places import (
    Variables,
)


@dataclass(frozen=True)
class Elaborated:
    """A function: its regions in order. `objects` are the targets of its pointers."""

    function: Function
    regions: Regions
    traces: tuple[Trace, ...]
    objects: Objects


def elaborate(
    module: Module, function: Function, shapes: Mapping[str, Shape], variables: Variables,
    callees: Mapping[str, Mapping[str, Shape]] | None = None,
) -> Elaborated:  # fmt: skip
    """Elaborates a function. `callees` are parameters of the modules that it calls, by symbol.

    Raises:
        SimulationError: an instruction or access has an unknown form; names file and line.
    """
    objects = Objects(module, function, variables, shapes, callees or {})
    first = _Elaboration(module, function, objects, {})
    first.all()
    # Once more with what the first time told of counters, so that indices reach fewer places.
    limits = {region.number: counter_limits(trace, first.starts(region)) for region, trace in first.traces.items()}
    return _Elaboration(module, function, objects, limits).all()


class _Elaboration:
    def __init__(
        self, module: Module, function: Function, objects: Objects, limits: Mapping[int, Mapping[str, int]]
    ) -> None:
        self.module = module
        self.function = function
        self.objects = objects
        self.regions = find_regions(function, objects.callees)
        self.traces = {region: Trace(region) for region in self.regions.regions}
        self.states = {
            region: State(trace, objects, limits.get(region.number, {})) for region, trace in self.traces.items()
        }
        self.parameters = {parameter.name: parameter for parameter in function.parameters}
        self.defined: dict[str, tuple[Region, Instruction]] = {}
        for region in self.regions.regions:
            for block in region.blocks:
                for i in function.blocks[block].instructions:
                    if i.name:
                        self.defined[i.name] = (region, i)

    def all(self) -> Elaborated:
        """All regions, then what passes from one to the next."""
        whole = Whole(
            self.module, self.function, self.objects, self.regions, self.traces, self.parameters, self.defined
        )
        walks = {region: Walk(whole, region, self.states[region]) for region in self.regions.regions}
        for walk in walks.values():
            walk.run()
        for walk in walks.values():
            walk.leave()
        # A leaf that is not set before a write is one that the sources never set, so any value is as good; unless
        # another region sets it and leaves the write to this one.
        kept = {key for state in self.states.values() for key in state.pending}
        for state in self.states.values():
            for key, error in state.unknown.items():
                if key in kept:
                    raise error
        read = {key for state in self.states.values() for key in state.first}
        for region, state in self.states.items():
            self._keep(self.traces[region], state, read)
        for trace in self.traces.values():
            trace.close()
        return Elaborated(self.function, self.regions, tuple(self.traces.values()), self.objects)

    def starts(self, region: Region) -> dict[str, tuple[int | None, ...]]:
        """What carried values are before a loop: constants, or None."""
        found = {}
        for i in self.function.blocks[region.header].instructions:
            if i.opcode == "phi" and i.type.kind == "int":
                outside = [
                    text
                    for text, block in zip(i.operands, i.blocks, strict=True)
                    if self.regions.of.get(block) != region
                ]
                found[plain(i.name)] = tuple(int(text) if text.lstrip("-").isdigit() else None for text in outside)
        return found

    def _keep(self, trace: Trace, state: State, read: set[tuple[str, int]]) -> None:
        """Registers of arrays that a region leaves changed."""
        for key, node in state.registers.items():
            if key not in read or key in state.undefined or node == state.first.get(key):
                if trace.region.is_loop and key in state.first:
                    trace.carried[state.first[key]] = state.first[key]
                continue
            name, n = key
            if not trace.region.is_loop:
                trace.commits.append((f"{plain(name)}__{n}", node))
            else:
                if key not in state.first:
                    width = trace.graph.nodes[node].width
                    state.first[key] = trace.graph.add("carried", (), width, 0, f"{plain(name)}__{n}")
                trace.carried[state.first[key]] = node


__all__ = ["Elaborated", "elaborate"]

"""The ports of a module: the accesses that drive them, and the memories and tables inside the module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.rtl.elaborate import Elaborated
from edgemoe_gen.rtl.expressions import vector
from edgemoe_gen.rtl.library import library
from edgemoe_gen.rtl.pipeline import Pipeline
from edgemoe_gen.rtl.trace import Access, Port

STYLES = {"bram": "block", "uram": "ultra", "lutram": "distributed", "": "block"}


@dataclass(frozen=True)
class Signal:
    """A port of a module."""

    name: str
    is_input: bool
    bits: int


class Ports:
    """Ports of one module.

    Attributes:
        calls: by started module, the variables that each call passes for its pointer parameters.
    """

    def __init__(self, elaborated: Elaborated) -> None:
        self.elaborated = elaborated
        self.calls: dict[str, list[Mapping[str, str]]] = {}

    def _call(self, port: Port, accesses: Sequence[tuple[Pipeline, Access]], signals: list[Signal]) -> list[str]:
        """A module that is started: its values, and by which call, of those in the order of the sources."""
        name = port.name
        wanted = [pipeline.fires[access.node] for pipeline, access in accesses]
        data = [self._data(pipeline, access, 1) for pipeline, access in accesses]
        sites = [
            f"{fire} & {pipeline.value(node, 1, pipeline.plan.starts[access.node])}"
            for fire, (pipeline, access) in zip(wanted, accesses, strict=True)
            for node, _ in access.sites
        ]
        self.calls[name] = [targets for _, access in accesses for _, targets in access.sites]
        signals += [Signal(f"{name}_ap_start", False, 1), Signal(f"{name}_ap_done", True, 1)]
        signals += [Signal(f"{name}_values", False, port.bits), Signal(f"{name}_site", False, len(sites))]
        return [
            f"logic {name}_runs;",
            f"assign {name}_values = {_first(wanted, data)};",
            f"assign {name}_site = {{{', '.join(reversed(sites))}}};",
            f"assign {name}_ap_start = ({' | '.join(wanted)}) & ~{name}_runs;",
            "always_ff @(posedge ap_clk)",
            f"  {name}_runs <= ap_rst_n & ({name}_ap_start | ({name}_runs & ~{name}_ap_done));",
        ]

    def _fifo(self, port: Port, accesses: Sequence[tuple[Pipeline, Access]]) -> tuple[list[Signal], list[str]]:
        fires = [pipeline.fires[access.node] for pipeline, access in accesses]
        name = port.name
        if accesses[0][1].kind == "read":
            signals = [Signal(f"{name}_dout", True, port.bits), Signal(f"{name}_empty_n", True, 1)]
            return [*signals, Signal(f"{name}_read", False, 1)], [f"assign {name}_read = {' | '.join(fires)};"]
        signals = [Signal(f"{name}_din", False, port.bits), Signal(f"{name}_full_n", True, 1)]
        data = [self._data(pipeline, access, 1) for pipeline, access in accesses]
        lines = [f"assign {name}_write = {' | '.join(fires)};", f"assign {name}_din = {_first(fires, data)};"]
        return [*signals, Signal(f"{name}_write", False, 1)], lines

    def _data(self, pipeline: Pipeline, access: Access, first: int) -> str:
        """An element or word, its first leaf lowest."""
        plan = pipeline.plan
        args = plan.trace.graph.nodes[access.node].args[first : first + len(access.port.lanes)]
        stage = plan.starts[access.node]
        leaves = [pipeline.value(node, bits, stage) for node, bits in zip(args, access.port.lanes, strict=True)]
        return f"{{{', '.join(reversed(leaves))}}}"

    def _memory(
        self, port: Port, accesses: Sequence[tuple[Pipeline, Access]], kinds: frozenset[str]
    ) -> tuple[list[Signal], list[str]]:
        name = port.name
        bits = self._address_bits(port, accesses)
        signals, lines = [], []
        if "load" in kinds:
            loads = [(p, a) for p, a in accesses if a.kind == "load"]
            signals += [Signal(f"{name}_read_address", False, bits), Signal(f"{name}_read_enable", False, port.latency)]
            signals += [Signal(f"{name}_read_data", True, port.bits)]
            addresses = [self._address(p, a, bits) for p, a in loads]
            lines.append(f"assign {name}_read_address = {_first([p.fires[a.node] for p, a in loads], addresses)};")
            enables = [p.enables(p.plan.starts[a.node], port.latency) for p, a in loads]
            together = [" & ".join(sorted({found[k] for found in enables})) for k in range(port.latency)]
            lines.append(f"assign {name}_read_enable = {{{', '.join(reversed(together))}}};")
        if "store" in kinds:
            stores = [(p, a) for p, a in accesses if a.kind == "store"]
            fires = [p.fires[a.node] for p, a in stores]
            lanes = len(port.lanes) if any(a.mask for _, a in stores) else 1
            signals += [Signal(f"{name}_write_address", False, bits), Signal(f"{name}_write_enable", False, lanes)]
            signals += [Signal(f"{name}_write_data", False, port.bits)]
            lines.append(
                f"assign {name}_write_address = {_first(fires, [self._address(p, a, bits) for p, a in stores])};"
            )
            lines.append(f"assign {name}_write_data = {_first(fires, [self._data(p, a, 2) for p, a in stores])};")
            masks = [self._mask(p, a, lanes) for p, a in stores]
            parts = [f"({{{lanes}{{{fire}}}}} & {mask})" for fire, mask in zip(fires, masks, strict=True)]
            lines.append(f"assign {name}_write_enable = {' | '.join(parts)};")
        if port.local:
            lines += self._local(port, bits, kinds, accesses)
        return signals, lines

    @staticmethod
    def _address_bits(port: Port, accesses: Sequence[tuple[Pipeline, Access]]) -> int:
        """Of a memory whose depth nobody tells, such as a word of the caller's, as many as its fixed places need."""
        last = port.depth - 1
        if not port.depth:
            for pipeline, access in accesses:
                graph = pipeline.plan.trace.graph
                place = graph.signed(graph.nodes[access.node].args[1])
                if place is None or place < 0:
                    raise SimulationError(
                        f"{access.parts[0][3]}: {port.name} is accessed by an index, but nothing tells how long it is",
                        "hand over an array of a fixed size in every call",
                    )
                last = max(last, place)
        return max(1, last.bit_length())

    def _address(self, pipeline: Pipeline, access: Access, bits: int) -> str:
        plan = pipeline.plan
        return pipeline.value(plan.trace.graph.nodes[access.node].args[1], bits, plan.starts[access.node])

    def _mask(self, pipeline: Pipeline, access: Access, lanes: int) -> str:
        if not access.mask:
            return f"{{{lanes}{{1'b1}}}}"
        stage = pipeline.plan.starts[access.node]
        bits = [pipeline.value(bit, 1, stage) for bit in access.mask if bit is not None]
        return f"{{{', '.join(reversed(bits))}}}"

    def _local(
        self, port: Port, bits: int, kinds: frozenset[str], accesses: Sequence[tuple[Pipeline, Access]]
    ) -> list[str]:
        name = port.name
        lanes = len(port.lanes) if any(a.mask for _, a in accesses if a.kind == "store") else 1
        nets = {signal.name: f"{name}_{signal.name}" for signal in library()["memory"].ports}
        nets["ap_clk"] = "ap_clk"
        if "load" not in kinds:
            nets |= {"read_data": "", "read_address": f"{bits}'d0", "read_enable": "1'b0"}
        if "store" not in kinds:
            nets |= {"write_address": f"{bits}'d0", "write_enable": "1'b0", "write_data": f"{port.bits}'d0"}
        given: dict[str, object] = {"WIDTH": port.bits, "DEPTH": port.depth, "LANES": lanes, "LATENCY": port.latency}
        given |= {"STYLE": f'"{STYLES[port.implementation]}"'}
        return library()["memory"].instance(f"{name}_memory", given, nets).splitlines()

    def _table(self, port: Port, accesses: Sequence[tuple[Pipeline, Access]]) -> list[str]:
        table = self.elaborated.objects.tables[port.variable]
        bits = max(1, (port.depth - 1).bit_length())
        content, whole = 0, port.bits * port.depth
        for n, value in enumerate(table.values):
            content |= (value & ((1 << port.bits) - 1)) << (n * port.bits)
        lines = [f"localparam logic {vector(whole)} {port.name.upper()} = {whole}'h{content:x};"]
        for pipeline, access in accesses:
            name = f"{pipeline.prefix}_{port.name}_{access.node}"
            pipeline_enables = pipeline.enables(pipeline.plan.starts[access.node], port.latency)
            nets = {
                "ap_clk": "ap_clk",
                "read_enable": f"{{{', '.join(reversed(pipeline_enables))}}}",
                "read_address": self._address(pipeline, access, bits),
                "read_data": f"{name}_word",
            }
            given = {"WIDTH": port.bits, "DEPTH": port.depth, "LATENCY": port.latency, "CONTENT": port.name.upper()}
            lines += library()["rom"].instance(f"{name}_rom", given, nets).splitlines()
        return lines


def _first(conditions: Sequence[str], values: Sequence[str]) -> str:
    """The value of the condition that holds; the last one where none does."""
    text = values[-1]
    for condition, value in reversed(list(zip(conditions[:-1], values[:-1], strict=True))):
        text = f"{condition} ? {value} : {text}"
    return text


__all__ = ["STYLES", "Ports", "Signal"]

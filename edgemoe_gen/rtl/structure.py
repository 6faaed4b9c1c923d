"""A dataflow region as a module: its FIFOs, an instance for each process, one start and one done for all of them.

Ports that belong to a parameter of the region pass through. A region has ended when all its processes have; the next
start comes after that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.rtl.expressions import vector
from edgemoe_gen.rtl.library import library
from edgemoe_gen.rtl.objects import check_apart, plain, target_name
from edgemoe_gen.rtl.process import Process, Signal
from edgemoe_gen.rtl.shapes import Shape
from edgemoe_gen.rtl.trace import Port
from edgemoe_gen.scheduling.ir import Function, Location, Module
from edgemoe_gen.scheduling.places import fixed_offset, source_name
from edgemoe_gen.scheduling.sources import Prepared

CONTROL = ("ap_clk", "ap_rst_n", "ap_start", "ap_done", "ap_idle")
DEFAULT_DEPTH = 2  # of a FIFO without a pragma (UG1399, "Dataflow")
_SHIFTED = 64  # the deepest FIFO that lies in shift registers where no pragma says what it is made of
_STYLES = {"uram": "ultra", "bram": "block", "lutram": "distributed", "srl": "srl"}


@dataclass(frozen=True)
class Call:
    """A process that is started, and the line that does so.

    `targets` gives for each of its parameters the variable and the name of its ports here.
    """

    name: str
    callee: str
    targets: Mapping[str, tuple[str, str]]
    location: Location | None


def region_calls(module: Module, function: Function, shapes: Callable[[Function], Mapping[str, Shape]]) -> list[Call]:
    """The processes that a dataflow region starts, in its order. `shapes` gives a function's parameters."""
    instructions = [i for block in function.blocks.values() for i in block.instructions]
    pointers = {i.name: i for i in instructions if i.opcode == "getelementptr"}
    kinds = {i.name: i.element.kind for i in instructions if i.opcode == "alloca" and i.element is not None}
    own = shapes(function)
    arrays = {name for name, kind in kinds.items() if kind == "array"} | {n for n, s in own.items() if s.count > 1}
    calls: list[Call] = []
    for i in instructions:
        if i.opcode != "call" or i.detail not in module.functions:
            continue
        callee = module.functions[i.detail]
        targets = {}
        for (parameter, shape), argument in zip(shapes(callee).items(), i.operands, strict=True):
            name, offset = argument, 0
            while name in pointers:
                offset += fixed_offset(module, pointers[name])
                name = pointers[name].operands[0]
            targets[parameter] = (name, target_name(name, offset, own.get(name), shape, name in arrays))
        check_apart(callee.name, targets, shapes(callee), i.location)
        count = sum(call.callee == callee.name for call in calls)
        calls.append(Call(callee.name + (f"_{count}" if count else ""), callee.name, targets, i.location))
    return calls


def make_region(
    function: Function, calls: list[Call], processes: Mapping[str, Process], shapes: Mapping[str, Shape],
    prepared: Prepared, module: str = "",
) -> Process:  # fmt: skip
    """The module of a dataflow region.

    Args:
        module: its name, if it differs from the function's.
        processes: the modules of its calls, by function.
        shapes: shapes of the region's own parameters.

    Raises:
        SimulationError: two processes use one port of a memory, or a FIFO lacks a writer or reader.
    """
    return _Region(function, calls, processes, shapes, prepared).process(module or function.name)


class _Region:
    def __init__(
        self, function: Function, calls: list[Call], processes: Mapping[str, Process], shapes: Mapping[str, Shape],
        prepared: Prepared,
    ) -> None:  # fmt: skip
        self._function = function
        self._calls = calls
        self._processes = processes
        self._shapes = shapes
        self._prepared = prepared
        self._signals: dict[str, Signal] = {}
        self._ports: dict[Port, frozenset[str]] = {}
        self._parameters: dict[str, int] = {}
        self._inner: dict[str, tuple[str, int, set[str]]] = {}  # FIFOs: variable, bits, kinds of access
        self._lines: list[str] = []

    def process(self, module: str) -> Process:
        """Text and ports."""
        instances = [line for call in self._calls for line in self._instance(call)]
        body = [
            line
            for name, (variable, bits, kinds) in self._inner.items()
            for line in self._fifo(name, variable, bits, kinds)
        ]
        body += self._ends() + instances
        signals = [Signal(name, name not in ("ap_done", "ap_idle"), 1) for name in CONTROL]
        signals += [Signal(name, True, bits) for name, bits in self._parameters.items()] + list(self._signals.values())
        text = module_text(module, f"the dataflow region {self._function.name}", signals, body)
        return Process(module, text, tuple(signals), self._ports, self._parameters, ())

    def _instance(self, call: Call) -> list[str]:
        process = self._processes[call.callee]
        names = {"ap_clk": "ap_clk", "ap_rst_n": "ap_rst_n", "ap_start": "ap_start"}
        names |= {"ap_done": f"{call.name}_done", "ap_idle": f"{call.name}_idle"}
        for parameter, bits in process.parameters.items():
            target = call.targets[f"%{parameter}"][1]
            self._parameters[target] = bits
            names[parameter] = target
        for port, kinds in process.ports.items():
            self._connect(call, process, port, kinds, names)
        return instance(process, call.name, names)

    def _connect(self, call: Call, process: Process, port: Port, kinds: frozenset[str], names: dict[str, str]) -> None:
        variable, name = call.targets[port.variable]
        suffix = port.name[len(plain(port.variable)) :]
        shape = self._shapes.get(variable)
        # FIFOs of the region have a prefix, since a parameter may be called the same.
        target = name + suffix if shape is not None else f"fifo_{name}{suffix}"
        for signal in process.signals:
            if belongs(signal.name, port.name):
                names[signal.name] = target + signal.name[len(port.name) :]
        if shape is None:
            bits, known = port.bits, self._inner.get(target, (variable, port.bits, set()))[2]
            if known & kinds or bits != port.bits:
                raise self._refused(f"two processes use the same side of {target}", call)
            self._inner[target] = (variable, bits, known | kinds)
            return
        for signal in process.signals:
            if belongs(signal.name, port.name):
                renamed = names[signal.name]
                if renamed in self._signals:
                    raise self._refused(f"two processes use {renamed}", call)
                self._signals[renamed] = Signal(renamed, signal.is_input, signal.bits)
        moved = replace(port, name=target, variable=variable)
        self._ports[moved] = self._ports.get(moved, frozenset()) | kinds

    def _fifo(self, name: str, variable: str, bits: int, kinds: set[str]) -> list[str]:
        if kinds != {"read", "write"}:
            raise self._refused(f"the FIFO {name} is only {'read' if 'read' in kinds else 'written'}")
        depth, made = self._prepared.streams.get((self._function.name, source_name(variable)), (DEFAULT_DEPTH, ""))
        style = _STYLES.get(made, "srl" if depth <= _SHIFTED else "block")
        count = depth.bit_length()
        lines = ["", f"wire {vector(bits)} {name}_din, {name}_dout;", f"wire {name}_write, {name}_full_n;"]
        lines += [f"wire {name}_read, {name}_empty_n;", f"wire {vector(count)} {name}_occupancy;"]
        nets = {"ap_clk": "ap_clk", "ap_rst_n": "ap_rst_n"}
        nets |= {n: f"{name}_{n}" for n in ("din", "write", "full_n", "dout", "empty_n", "read", "occupancy")}
        given = {"WIDTH": bits, "DEPTH": depth, "STYLE": f'"{style}"'}
        return lines + library()["fifo"].instance(f"{name}_instance", given, nets).splitlines()

    def _ends(self) -> list[str]:
        names = [call.name for call in self._calls]
        lines = ["", "// Which processes have ended since the start; all of them end the region."]
        lines += [f"wire {name}_done, {name}_idle;" for name in names]
        done = ", ".join(f"{name}_done" for name in reversed(names))
        count = len(names)
        lines += [f"logic {vector(count)} ended;", f"wire {vector(count)} ends = ended | {{{done}}};", "logic running;"]
        lines += ["assign ap_idle = !running;", "always_ff @(posedge ap_clk) begin", "  ap_done <= running && &ends;"]
        lines += ["  ended <= ap_start || &ends ? '0 : ends;", "  if (ap_start) running <= 1'b1;"]
        lines += ["  else if (&ends) running <= 1'b0;", "  if (!ap_rst_n) begin", "    running <= 1'b0;"]
        return [*lines, "    ended <= '0;", "    ap_done <= 1'b0;", "  end", "end"]

    def _refused(self, why: str, call: Call | None = None) -> SimulationError:
        where = f"{call.location}: " if call is not None and call.location is not None else ""
        return SimulationError(f"{where}{self._function.name}: {why}", "give each process ports of its own")


def belongs(signal: str, port: str) -> bool:
    """Whether a signal is one of a port's."""
    return signal.startswith(f"{port}_") and re.fullmatch(
        r"_(din|dout|full_n|empty_n|write|read|(read|write)_(address|enable|data))", signal[len(port) :]
    ) is not None  # fmt: skip


def instance(process: Process, name: str, nets: Mapping[str, str]) -> list[str]:
    """An instance of a module with every port named."""
    connected = [f"    .{signal.name}({nets[signal.name]})" for signal in process.signals]
    return ["", f"{process.name} {name} (", *",\n".join(connected).split("\n"), ");"]


def module_text(name: str, what: str, signals: list[Signal], body: list[str]) -> str:
    """A module of instances."""
    declared = ",\n".join(
        f"    {'input wire' if s.is_input else 'output logic'}{f' {vector(s.bits)}' if s.bits > 1 else ''} {s.name}"
        for s in signals
    )
    inside = "\n".join(f"  {line}" if line else "" for line in body)
    return (
        f"// {name}: {what} of the kernels. Not to be edited.\n"
        "// verilator lint_off UNUSEDSIGNAL  // fills and idle signals are there to be looked at\n"
        "// verilator lint_off DECLFILENAME\n"
        f"`default_nettype none\nmodule {name} (\n{declared}\n);\n{inside}\nendmodule\n`default_nettype wire\n"
    )


__all__ = ["CONTROL", "Call", "belongs", "instance", "make_region", "module_text", "region_calls"]

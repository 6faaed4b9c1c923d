"""A function of the kernels as one SystemVerilog module: pipelines for its regions, and a state machine over them.

Ports are those of Vitis HLS: `ap_start`, `ap_done`, for each FIFO its data with `read` and `empty_n` or `write` and
`full_n`, for each memory an address and enables. Parameters by value must hold while the module runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgemoe_gen.rtl.elaborate import Elaborated
from edgemoe_gen.rtl.expressions import vector
from edgemoe_gen.rtl.library import library
from edgemoe_gen.rtl.pipeline import Pipeline
from edgemoe_gen.rtl.plan import Plan
from edgemoe_gen.rtl.trace import Access, Port
from edgemoe_gen.scheduling.places import source_name

STYLES = {"bram": "block", "uram": "ultra", "lutram": "distributed", "": "block"}
UNKNOWN_ADDRESS_BITS = 32
_HEAD = """\
// {name}: made from the function {function} of the kernels, {file}. Not to be edited.
// verilator lint_off UNUSEDSIGNAL  // of a struct, a process takes the fields that it needs
// verilator lint_off DECLFILENAME
`default_nettype none
"""


@dataclass(frozen=True)
class Signal:
    """A port of a module."""

    name: str
    is_input: bool
    bits: int


@dataclass(frozen=True)
class Stages:
    """One region of a process, in cycles.

    Attributes:
        name: of the loop; of a piece without loops by its number.
        is_loop: it takes an iteration a cycle; otherwise it is passed once.
        depth: stages.
        reads: first stage that reads a FIFO or port; None: none does.
        writes: last stage that writes each FIFO, by its variable in the process.
        calls: modules that its last stage starts.
        follow: numbers of the regions behind it; None: the process ends.
    """

    name: str
    is_loop: bool
    depth: int
    reads: int | None
    writes: Mapping[str, int]
    calls: tuple[str, ...]
    follow: tuple[int | None, ...]


@dataclass(frozen=True)
class Process:
    """A module.

    Attributes:
        signals: its ports in order, those of the clock and of starting among them.
        ports: the FIFOs ("read", "write") and memories ("load", "store") that it uses, with how.
        parameters: by-value ones that it takes, with their bits.
        stages: of every region, in their order.
        calls: of the modules that it starts, what each call hands over for their pointer parameters.
    """

    name: str
    text: str
    signals: tuple[Signal, ...]
    ports: Mapping[Port, frozenset[str]]
    parameters: Mapping[str, int]
    stages: Sequence[Stages]
    calls: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)


def make_process(name: str, elaborated: Elaborated, plans: Sequence[Plan], parameters: Mapping[str, int]) -> Process:
    """The module of a function. `parameters` are its by-value parameters with their bits."""
    return _Writer(name, elaborated, plans, parameters).process()


class _Writer:
    def __init__(self, name: str, elaborated: Elaborated, plans: Sequence[Plan], parameters: Mapping[str, int]) -> None:
        self.name = name
        self.elaborated = elaborated
        self.plans = plans
        self.used: dict[str, int] = {}
        self.calls: dict[str, list[Mapping[str, str]]] = {}
        self.registers = self._register_widths(set(parameters))
        self.parameters = parameters
        self.pipelines = [Pipeline(plan, self.registers, set(parameters)) for plan in plans]
        self.accesses: dict[Port, list[tuple[Pipeline, Access]]] = defaultdict(list)
        for pipeline in self.pipelines:
            for access in pipeline.plan.accesses:
                self.accesses[access.port].append((pipeline, access))

    def _register_widths(self, parameters: set[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for plan in self.plans:
            for number in sorted(plan.live):
                node = plan.trace.graph.nodes[number]
                if node.op in ("input", "carried"):
                    if node.name in parameters:
                        self.used[node.name] = 1
                    else:
                        found[node.name] = max(found.get(node.name, 1), plan.widths.bits(number))
        return found

    def process(self) -> Process:
        """Text and ports."""
        ends, body = self._transitions(), list[str]()
        signals = [Signal("ap_clk", True, 1), Signal("ap_rst_n", True, 1), Signal("ap_start", True, 1)]
        signals += [Signal("ap_done", False, 1), Signal("ap_idle", False, 1)]
        signals += [Signal(name, True, bits) for name, bits in self.parameters.items() if name in self.used]
        ports: dict[Port, frozenset[str]] = {}
        local: list[str] = []
        for port, accesses in self.accesses.items():
            kinds = frozenset(access.kind for _, access in accesses)
            if port.kind == "table":
                body += self._table(port, accesses)
                continue
            if port.kind == "call":
                body += self._call(port, accesses, signals)
                continue
            found, lines = self._fifo(port, accesses) if port.kind == "fifo" else self._memory(port, accesses, kinds)
            body += lines
            if port.local:
                local += [f"logic {vector(signal.bits)} {signal.name};" for signal in found]
            else:
                ports[port] = kinds
                signals += found
        pipelines = [line for pipeline in self.pipelines for line in pipeline.text(self._begins(pipeline))]
        body = [*self._control(), *pipelines, *body, *ends]
        function = self.elaborated.function
        location = next((i.location for b in function.blocks.values() for i in b.instructions if i.location), None)
        head = _HEAD.format(name=self.name, function=function.name, file=location.file if location else "")
        declared = ",\n".join(
            f"    {'input wire' if s.is_input else 'output logic'}{f' {vector(s.bits)}' if s.bits > 1 else ''} {s.name}"
            for s in signals
        )
        registers = [f"logic {vector(bits)} {name};" for name, bits in self.registers.items()]
        inside = "\n".join(f"  {line}" if line else "" for line in [*registers, *local, *body])
        text = f"{head}module {self.name} (\n{declared}\n);\n{inside}\nendmodule\n`default_nettype wire\n"
        stages = [_stages(self.elaborated, plan) for plan in self.plans]
        used = {n: b for n, b in self.parameters.items() if n in self.used}
        return Process(self.name, text, tuple(signals), ports, used, stages, self.calls)

    # The state machine.

    def _state(self, pipeline: Pipeline, then: str = "") -> str:
        return f"{pipeline.plan.name}{then}".upper()

    def _states(self) -> list[str]:
        found = ["IDLE"]
        for pipeline in self.pipelines:
            found.append(self._state(pipeline))
            if pipeline.plan.trace.region.is_loop or pipeline.plan.depth > 1:
                found.append(self._state(pipeline, "_ends"))
        return found

    def _begins(self, pipeline: Pipeline) -> str:
        running = f"state == {self._state(pipeline)}"
        return f"{running} && !{pipeline.prefix}_leaves" if pipeline.plan.trace.region.is_loop else running

    def _control(self) -> list[str]:
        states = self._states()
        bits = max(1, (len(states) - 1).bit_length())
        lines = ["", "// One region runs at a time; the next one begins when nothing of it is under way any more."]
        lines += [f"localparam logic {vector(bits)} {state} = {bits}'d{n};" for n, state in enumerate(states)]
        lines += [f"logic {vector(bits)} state;", "assign ap_idle = state == IDLE;"]
        for pipeline in self.pipelines:
            if pipeline.plan.trace.region.is_loop:
                ways = len(pipeline.plan.leaving)
                lines += [f"wire {pipeline.prefix}_leaves;", f"logic {vector(ways)} {pipeline.prefix}_way;"]
        return lines

    def _transitions(self) -> list[str]:
        first = self._state(self.pipelines[0])
        lines = ["", "always_ff @(posedge ap_clk) begin", "  ap_done <= 1'b0;"]
        for pipeline in self.pipelines:
            for stage, update in pipeline.updates:
                lines.append(f"  if ({pipeline.moved(stage)}) {update}")
            if not pipeline.plan.trace.region.is_loop:
                lines += self._live_outs(pipeline)
        lines += ["  case (state)", f"    IDLE: if (ap_start) state <= {first};"]
        for pipeline in self.pipelines:
            lines += self._loop_ends(pipeline) if pipeline.plan.trace.region.is_loop else self._piece_ends(pipeline)
        lines += ["    default: state <= IDLE;", "  endcase", "  if (!ap_rst_n) begin", "    state <= IDLE;"]
        return [*lines, "    ap_done <= 1'b0;", "  end", "end"]

    def _live_outs(self, pipeline: Pipeline) -> list[str]:
        lines = []
        for name, node in pipeline.plan.trace.live_outs.items():
            if name in self.registers:
                stage = 0 if node in pipeline.plan.stable else pipeline.plan.cycles[node]
                value = pipeline.value(node, self.registers[name], stage)
                lines.append(f"  if ({pipeline.moved(stage)}) {name} <= {value};")
        return lines

    def _loop_ends(self, pipeline: Pipeline) -> list[str]:
        prefix, plan = pipeline.prefix, pipeline.plan
        ways = [pipeline.value(node, 1, 0) for node in plan.leaving]
        pipeline.nets += [f"assign {prefix}_leaves = {' | '.join(ways)};"]
        lines = [
            f"    {self._state(pipeline)}: if ({prefix}_leaves) begin",
            f"      state <= {self._state(pipeline, '_ends')};",
            f"      {prefix}_way <= {{{', '.join(reversed(ways))}}};",
            "    end",
            f"    {self._state(pipeline, '_ends')}: if (~|{prefix}_valid) begin",
        ]
        for name, node in plan.trace.live_outs.items():
            if name in self.registers:
                lines.append(f"      {name} <= {pipeline.after(node, self.registers[name])};")
        for n, out in enumerate(plan.trace.exits):
            sets = [
                f"{name} <= {pipeline.after(node, self.registers[name])};"
                for name, node in out.sets
                if name in self.registers
            ]
            lines += self._way(f"{prefix}_way[{n}]", out.target, sets)
        return [*lines, "    end"]

    def _piece_ends(self, pipeline: Pipeline) -> list[str]:
        plan, last = pipeline.plan, pipeline.plan.depth - 1
        lines = []
        state = self._state(pipeline)
        if last > 0:
            ends = self._state(pipeline, "_ends")
            lines.append(f"    {state}: if ({pipeline.prefix}_go[0]) state <= {ends};")
            state = ends
        lines.append(f"    {state}: if ({pipeline.moved(last)}) begin")
        for name, node in plan.trace.commits:
            if name in self.registers:
                lines.append(f"      {name} <= {pipeline.value(node, self.registers[name], last)};")
        for condition, out in zip(plan.leaving, plan.trace.exits, strict=True):
            sets = [
                f"{name} <= {pipeline.value(node, self.registers[name], last)};"
                for name, node in out.sets
                if name in self.registers
            ]
            lines += self._way(pipeline.value(condition, 1, last), out.target, sets)
        return [*lines, "    end"]

    def _way(self, condition: str, target: str | None, sets: Sequence[str]) -> list[str]:
        if target is None:
            goes = ["state <= IDLE;", "ap_done <= 1'b1;"]
        else:
            region = self.elaborated.regions.of[target]
            goes = [f"state <= {self._state(self.pipelines[region.number])};"]
        return [f"      if ({condition}) begin", *(f"        {line}" for line in [*goes, *sets]), "      end"]

    # Ports.

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
        bits = max(1, (port.depth - 1).bit_length()) if port.depth else UNKNOWN_ADDRESS_BITS
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


def _stages(elaborated: Elaborated, plan: Plan) -> Stages:
    fifos = [access for access in plan.accesses if access.port.kind == "fifo"]
    writes: dict[str, int] = {}
    for access in fifos:
        if access.kind == "write":
            variable = source_name(access.port.variable)
            writes[variable] = max(writes.get(variable, 0), plan.starts[access.node])
    return Stages(
        plan.name,
        plan.trace.region.is_loop,
        plan.depth,
        min((plan.starts[access.node] for access in fifos if access.kind == "read"), default=None),
        writes,
        tuple(access.port.name for access in plan.accesses if access.kind == "call"),
        tuple(None if out.target is None else elaborated.regions.of[out.target].number for out in plan.trace.exits),
    )


def _first(conditions: Sequence[str], values: Sequence[str]) -> str:
    """The value of the condition that holds; the last one where none does."""
    text = values[-1]
    for condition, value in reversed(list(zip(conditions[:-1], values[:-1], strict=True))):
        text = f"{condition} ? {value} : {text}"
    return text


__all__ = ["UNKNOWN_ADDRESS_BITS", "Process", "Signal", "Stages", "make_process"]

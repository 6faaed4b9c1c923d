"""A function of the kernels as one SystemVerilog module: pipelines for its regions, and a state machine over them.

Ports are those of Vitis HLS: `ap_start`, `ap_done`, for each FIFO its data with `read` and `empty_n` or `write` and
`full_n`, for each memory an address and enables. Parameters by value must hold while the module runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from edgemoe_gen.rtl.elaborate import Elaborated
from edgemoe_gen.rtl.expressions import vector
from edgemoe_gen.rtl.layout import laid_out
from edgemoe_gen.rtl.pipeline import Pipeline
from edgemoe_gen.rtl.plan import Plan
from edgemoe_gen.rtl.ports import Ports, Signal
from edgemoe_gen.rtl.trace import Access, Port
from edgemoe_gen.scheduling.places import source_name

_HEAD = """\
// {name}: made from the function {function} of the kernels, {file}. Not to be edited.
//
// One region runs at a time, in the order of the sources:
{regions}
// In a region: _valid[s]: stage s holds an iteration; _blocked[s]: it waits for an element or for room; _go[s]: it may
// move, since neither it nor a stage behind it waits. x_s3: the value x in stage 3. x_m2: a stage within an operator.
// verilator lint_off UNUSEDSIGNAL  // of a struct, a process takes the fields that it needs
// verilator lint_off DECLFILENAME
`default_nettype none
"""


@dataclass(frozen=True)
class Stages:
    """One region of a process, in cycles.

    Attributes:
        name: name of the loop, or number of a piece without loops.
        is_loop: it takes an iteration a cycle; otherwise it is passed once.
        depth: number of stages.
        ns: period of the schedule.
        reads: first stage that reads a FIFO or port; None: none does.
        writes: last stage that writes each FIFO, by its variable in the process.
        calls: modules that its last stage starts.
        follow: numbers of the next regions; None: the process ends.
    """

    name: str
    is_loop: bool
    depth: int
    ns: float
    reads: int | None
    writes: Mapping[str, int]
    calls: tuple[str, ...]
    follow: tuple[int | None, ...]


@dataclass(frozen=True)
class Process:
    """A module.

    Attributes:
        signals: its ports in order, those of the clock and of starting among them.
        ports: the FIFOs and memories that it uses, and how: "read", "write"; "load", "store".
        parameters: by-value ones that it takes, with their bits.
        stages: of every region, in their order.
        calls: by started module, the variables that each call passes for its pointer parameters.
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


class _Writer(Ports):
    def __init__(self, name: str, elaborated: Elaborated, plans: Sequence[Plan], parameters: Mapping[str, int]) -> None:
        super().__init__(elaborated)
        self.name = name
        self.plans = plans
        self.used: dict[str, int] = {}
        self.registers = self._register_widths(set(parameters))
        self.parameters = parameters
        fields = {name: elaborated.objects.shapes[f"%{name}"].leaves for name in parameters}
        self.pipelines = [Pipeline(plan, self.registers, fields) for plan in plans]
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
        body = ["", "// FIFOs and memories.", *body] if body else []
        body = [*self._control(), *pipelines, *body, *ends]
        function = self.elaborated.function
        location = next((i.location for b in function.blocks.values() for i in b.instructions if i.location), None)
        file = location.file if location else ""
        head = _HEAD.format(name=self.name, function=function.name, file=file, regions=self._regions())
        declared = ",\n".join(
            f"    {'input wire' if s.is_input else 'output logic'}{f' {vector(s.bits)}' if s.bits > 1 else ''} {s.name}"
            for s in signals
        )
        registers = [f"logic {vector(bits)} {name};" for name, bits in self.registers.items()]
        if registers:
            registers.insert(0, "// What passes from iteration to iteration, or from region to region.")
        inside = "\n".join(f"  {line}" if line else "" for line in [*registers, *local, *body])
        text = laid_out(f"{head}module {self.name} (\n{declared}\n);\n{inside}\nendmodule\n`default_nettype wire\n")
        stages = [_stages(self.elaborated, plan) for plan in self.plans]
        used = {n: b for n, b in self.parameters.items() if n in self.used}
        return Process(self.name, text, tuple(signals), ports, used, stages, self.calls)

    def _regions(self) -> str:
        """A line of comment for each."""
        lines = []
        for plan in self.plans:
            loop = f"loop of {plan.loop.file}:{plan.loop.line}" if plan.loop is not None else "piece without loop"
            lines.append(f"//   {plan.name}: {loop}, {plan.depth} stage{'s' * (plan.depth != 1)}")
        return "\n".join(lines)

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
        return f"{running} && !{pipeline.label}_leaves" if pipeline.plan.trace.region.is_loop else running

    def _control(self) -> list[str]:
        states = self._states()
        bits = max(1, (len(states) - 1).bit_length())
        lines = ["", "// A region begins when nothing of the one before is under way any more."]
        lines += [f"localparam logic {vector(bits)} {state} = {bits}'d{n};" for n, state in enumerate(states)]
        lines += [f"logic {vector(bits)} state;", "assign ap_idle = state == IDLE;"]
        for pipeline in self.pipelines:
            if pipeline.plan.trace.region.is_loop:
                ways = len(pipeline.plan.leaving)
                lines += [f"wire {pipeline.label}_leaves;", f"logic {vector(ways)} {pipeline.label}_way;"]
        return lines

    def _transitions(self) -> list[str]:
        """Registers, then the state. Each register has one flat condition a value, so that it gets an enable."""
        first = self._state(self.pipelines[0])
        nets, sets, cases = list[str](), list[str](), list[str]()
        for pipeline in self.pipelines:
            for stage, update in pipeline.updates:
                sets.append(f"  if ({pipeline.moved(stage)}) {update}")
            if not pipeline.plan.trace.region.is_loop:
                sets += self._live_outs(pipeline)
        for pipeline in self.pipelines:
            ends = self._loop_ends if pipeline.plan.trace.region.is_loop else self._piece_ends
            for found, more in zip((nets, sets, cases), ends(pipeline), strict=True):
                found += more
        lines = ["", *nets, "", "always_ff @(posedge ap_clk) begin", *sets, "end"]
        lines += ["", "always_ff @(posedge ap_clk) begin", "  ap_done <= 1'b0;"]
        lines += ["  case (state)", f"    IDLE: if (ap_start) state <= {first};", *cases]
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

    def _loop_ends(self, pipeline: Pipeline) -> tuple[list[str], list[str], list[str]]:
        """Conditions, registers and states at the end of a loop."""
        label, plan = pipeline.label, pipeline.plan
        ways = [pipeline.value(node, 1, 0) for node in plan.leaving]
        pipeline.nets += [f"assign {label}_leaves = {' | '.join(ways)};"]
        ends = self._state(pipeline, "_ends")
        nets = [f"wire {label}_ended = state == {ends} && ~|{label}_valid;"]
        cases = [
            f"    {self._state(pipeline)}: if ({label}_leaves) begin",
            f"      state <= {ends};",
            f"      {label}_way <= {{{', '.join(reversed(ways))}}};",
            "    end",
            f"    {ends}: if ({label}_ended) begin",
        ]
        given = self._given(plan.trace.live_outs.items(), pipeline.after)
        sets = self._if(f"{label}_ended", given)
        for n, out in enumerate(plan.trace.exits):
            condition = f"{label}_way[{n}]"
            sets += self._if(f"{label}_ended & {condition}", self._given(out.sets, pipeline.after))
            cases += self._goes(condition, out.target)
        return nets, sets, [*cases, "    end"]

    def _piece_ends(self, pipeline: Pipeline) -> tuple[list[str], list[str], list[str]]:
        """The same behind a piece without loops."""
        plan, last, label = pipeline.plan, pipeline.plan.depth - 1, pipeline.label
        cases, state = [], self._state(pipeline)
        if last > 0:
            ends = self._state(pipeline, "_ends")
            cases.append(f"    {state}: if ({label}_go[0]) state <= {ends};")
            state = ends
        nets = [f"wire {label}_ended = state == {state} && {pipeline.moved(last)};"]
        cases.append(f"    {state}: if ({label}_ended) begin")

        def value(node: int, bits: int) -> str:
            return pipeline.value(node, bits, last)

        sets = self._if(f"{label}_ended", self._given(plan.trace.commits, value))
        for node, out in zip(plan.leaving, plan.trace.exits, strict=True):
            condition = value(node, 1)
            sets += self._if(f"{label}_ended & {condition}", self._given(out.sets, value))
            cases += self._goes(condition, out.target)
        return nets, sets, [*cases, "    end"]

    def _given(self, sets: Iterable[tuple[str, int]], value: Callable[[int, int], str]) -> list[str]:
        """Assignments of registers."""
        return [f"{name} <= {value(n, self.registers[name])};" for name, n in sets if name in self.registers]

    def _if(self, condition: str, given: Sequence[str]) -> list[str]:
        return [f"  if ({condition}) begin", *(f"    {line}" for line in given), "  end"] if given else []

    def _goes(self, condition: str, target: str | None) -> list[str]:
        if target is None:
            goes = ["state <= IDLE;", "ap_done <= 1'b1;"]
        else:
            goes = [f"state <= {self._state(self.pipelines[self.elaborated.regions.of[target].number])};"]
        return [f"      if ({condition}) begin", *(f"        {line}" for line in goes), "      end"]


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
        plan.ns,
        min((plan.starts[access.node] for access in fifos if access.kind == "read"), default=None),
        writes,
        tuple(access.port.name for access in plan.accesses if access.kind == "call"),
        tuple(None if out.target is None else elaborated.regions.of[out.target].number for out in plan.trace.exits),
    )


__all__ = ["Process", "Signal", "Stages", "make_process"]

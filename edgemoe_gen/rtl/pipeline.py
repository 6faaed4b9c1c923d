"""One region as SystemVerilog: its stages with their values, the registers between them, and their enables.

Stage s moves (`go`) unless it or a later stage waits for an element or for room. Stages before a waiting stage stop
with it; later stages go on, so that iterations in flight can leave. A stage without an iteration (`valid` not set)
never waits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from edgemoe_gen.rtl.dots import ADDEND_STAGE, OP, Chain, chain_of
from edgemoe_gen.rtl.expressions import Expressions, extended, vector
from edgemoe_gen.rtl.library import library
from edgemoe_gen.rtl.plan import Plan, sorted_nodes
from edgemoe_gen.rtl.shapes import Leaf
from edgemoe_gen.rtl.trace import Access
from edgemoe_gen.scheduling.ir import Location


class Pipeline:
    """A region's text. `prefix` begins the names of its values.

    Args:
        registers: of the module, with their widths.
        parameters: by-value ones with their fields.
    """

    def __init__(self, plan: Plan, registers: dict[str, int], parameters: Mapping[str, Sequence[Leaf]]) -> None:
        self.plan = plan
        self.prefix = f"r{plan.trace.region.number}"
        self.label = plan.name  # begins the signals of the stages, which are looked at in waveforms
        self.expressions = Expressions(plan.trace, plan.widths)
        self.nets: list[str] = []
        self.moves: dict[int, list[str]] = defaultdict(list)  # assignments by the stage that they lead into
        self.holds: dict[int, list[str]] = defaultdict(list)  # the same of what is held from a stage on
        self.updates: list[tuple[int, str]] = []  # of the module's registers, by the stage in which they take place
        self.fires: dict[int, str] = {}  # by node of an access
        self._registers = registers
        self._parameters = parameters
        self._nodes = plan.trace.graph.nodes
        self._names: dict[int, str] = {}
        self._later: set[str] = set()
        self._held: set[int] = set()
        self._declared: list[str] = []
        self._stage_nets: dict[int, list[str]] = defaultdict(list)
        self._behind: dict[int, str] = {}
        self._temporaries = 0
        self._build()

    # Names of values.

    def at(self, number: int, stage: int) -> str:
        """The identifier of a node's value in a stage."""
        base = self._names[number]
        made = self.plan.cycles[number]
        if number in self.plan.stable or stage == made:
            return base
        assert stage > made, (base, stage, made)
        if not self.plan.trace.region.is_loop:  # nothing follows what passes once, so one register serves all stages
            if number not in self._held:
                self._held.add(number)
                self._declared.append(f"logic {vector(self.expressions.bits(number))} {base}_held;")
                self.holds[made].append(f"{base}_held <= {base};")
            return f"{base}_held"
        for s in range(made + 1, stage + 1):
            name = f"{base}_s{s}"
            if name not in self._later:
                self._later.add(name)
                self._declared.append(f"logic {vector(self.expressions.bits(number))} {name};")
                self.moves[s].append(f"{name} <= {base if s == made + 1 else f'{base}_s{s - 1}'};")
        return f"{base}_s{stage}"

    def value(self, number: int, width: int, stage: int) -> str:
        """A node's value in a stage in a number of bits."""
        return self.expressions.fitted(number, width, lambda n: self.at(n, stage))

    def after(self, number: int, width: int) -> str:
        """A node's value when the loop has ended, which only registers have."""
        return self.expressions.fitted(number, width, self._computed_behind)

    def _computed_behind(self, number: int) -> str:
        if number not in self._behind:
            node = self._nodes[number]
            if node.op in ("input", "carried"):
                self._behind[number] = self._names.get(number) or self._source(number)
            else:
                name = f"{self.prefix}_after_{number}"
                text = self.expressions.of(node, self._computed_behind, self._holder(self.nets))
                self.nets.append(
                    f"wire {vector(self.expressions.bits(number))} {name} = {text};{_where(node.location)}"
                )
                self._behind[number] = name
        return self._behind[number]

    # The stages.

    def _build(self) -> None:
        plan = self.plan
        for number in self._timed():
            self._define(number)
        for carried, following in plan.trace.carried.items():
            if carried in plan.live and carried != following:
                stage = plan.cycles[carried]
                name = self._nodes[carried].name
                self.updates.append((stage, f"{name} <= {self.value(following, self._registers[name], stage)};"))
        self._flow()

    def _timed(self) -> list[int]:
        """Nodes that belong to a stage, and not only behind a loop, each behind its arguments."""
        plan, trace = self.plan, self.plan.trace
        changing = {n: following for n, following in trace.carried.items() if n != following and n in plan.live}
        found: set[int] = set()
        roots = [*plan.leaving, *(a.node for a in plan.accesses if a.kind != "load"), *changing]
        roots += [node for access in plan.accesses for node, _ in access.sites]
        if not trace.region.is_loop:
            roots += [node for _, node in trace.commits] + list(trace.live_outs.values())
            roots += [node for out in trace.exits for _, node in out.sets]
        while roots:
            number = roots.pop()
            if number not in found:
                found.add(number)
                roots += self._nodes[number].args
                if number in changing:
                    roots.append(changing[number])
        return sorted_nodes(trace, found)

    def _define(self, number: int) -> None:
        plan, node, width = self.plan, self._nodes[number], self.expressions.bits(number)
        if node.op == "const":
            return
        if node.op in ("input", "carried"):
            self._names[number] = self._source(number)
            return
        access = next((a for a in plan.accesses if a.node == number), None)
        stage = plan.cycles[number]
        if access is not None:
            if access.kind in ("read", "load"):
                self._names[number] = self._brought(access)
            return
        name = f"{self.prefix}_{plan.trace.names.get(number, node.op)}_{number}"
        self._names[number] = name
        nets = self._stage_nets[stage]
        begun = plan.starts[number]
        if node.op == OP:
            self._stage_nets[begun].append(_where(node.location).strip())
            self._chain(number, name, width, chain_of(int(node.detail)), begun)
            return
        text = self.expressions.of(node, lambda n: self.at(n, begun), self._holder(self._stage_nets[begun]))
        where = _where(node.location)
        if stage == begun:
            nets.append(f"wire {vector(width)} {name} = {text};{where}")
            return
        self._stage_nets[begun].append(f"wire {vector(width)} {name}_begun = {text};{where}")
        before = f"{name}_begun"
        for s in range(begun + 1, stage + 1):
            later = name if s == stage else f"{name}_m{s}"
            self._declared.append(f"logic {vector(width)} {later};")
            self.moves[s].append(f"{later} <= {before};")
            before = later

    def _chain(self, number: int, name: str, width: int, chain: Chain, begun: int) -> None:
        """The instances of a sum of products: `begun` is the stage of the chain's first factors."""
        expressions, args = self.expressions, self._nodes[number].args
        factors, count = args[: 2 * int(self._nodes[number].detail)], len(chain.products)
        sizes = [max(expressions.signed_bits(args[2 * n + place]) for n in chain.products) for place in (0, 1)]
        stages = [begun + max(0, place - 1) for place in range(count)]
        added = {0: (args[-1], begun + ADDEND_STAGE)} if chain.products[0] == 0 and len(args) > len(factors) else {}
        bits = [min(width, expressions.signed_bits(n)) for n, _ in added.values()]
        addends = {place: self.value(n, bits[0], stage) for place, (n, stage) in added.items()}
        for place, side in chain.takes:
            sum_ = f"{name}_c{place}"
            self._chain(number, sum_, width, side, begun + place - 1 - len(side.products))
            addends[place] = sum_
            bits.append(width)
        most = max(bits, default=1)

        def packed(values: Sequence[str]) -> str:
            return f"{{{', '.join(reversed(values))}}}"

        def signed(value: str, place: int) -> str:
            has = width if place else bits[0]
            return extended(value, has, most, True)

        nets = {"ap_clk": "ap_clk", "sum": name, "go": f"{self.label}_go[{begun + count + 2}:{begun + 1}]"}
        for place, port in enumerate("ab"):
            values = [
                self.value(args[2 * n + place], sizes[place], stage)
                for n, stage in zip(chain.products, stages, strict=True)
            ]
            nets[port] = packed(values)
        nets["c"] = packed([signed(addends[k], k) if k in addends else f"{most}'d0" for k in range(count)])
        mask = sum(1 << place for place in addends)
        given = {
            "PRODUCTS": count, "A_BITS": sizes[0], "B_BITS": sizes[1], "C_BITS": most, "BITS": width,
            "ADDENDS": f"{count}'h{mask:x}",
        }  # fmt: skip
        nets_of_stage = self._stage_nets[begun]
        nets_of_stage.append(f"wire {vector(width)} {name};")
        nets_of_stage += library()["dot"].instance(f"{name}_dot", given, nets).splitlines()

    def _brought(self, access: Access) -> str:
        """The net of what a FIFO or memory gives."""
        port, width = access.port, self.expressions.bits(access.node)
        name = f"{self.prefix}_{port.name}_{access.node}"
        if port.kind == "table":
            self._declared.append(f"wire {vector(port.bits)} {name}_word;")
        source = (
            f"{name}_word" if port.kind == "table" else f"{port.name}_{'dout' if port.kind == 'fifo' else 'read_data'}"
        )
        where = _where(access.parts[0][3])
        self._stage_nets[self.plan.cycles[access.node]].append(
            f"wire {vector(width)} {name} = {extended(source, port.bits, width, False)};{where}"
        )
        return name

    def _holder(self, nets: list[str]) -> Callable[[str, int], str]:
        def hold(text: str, width: int) -> str:
            self._temporaries += 1
            name = f"{self.prefix}_t{self._temporaries}"
            nets.append(f"wire {vector(width)} {name} = {text};")
            return name

        return hold

    def _source(self, number: int) -> str:
        """The net of an input or carried value."""
        node, width = self._nodes[number], self.expressions.bits(number)
        first = int(node.detail)
        name = f"{self.prefix}_{node.name}_{number}"
        if node.name in self._parameters:
            name = f"{self.prefix}_{node.name}{_field(self._parameters[node.name], first)}_{number}"
            text = f"{node.name}[{first + width - 1}:{first}]"
        else:
            text = extended(node.name, self._registers[node.name], width, self.expressions.signed(number))
        self.nets.append(f"wire {vector(width)} {name} = {text};")
        return name

    # Flow.

    def _flow(self) -> None:
        plan, label = self.plan, self.label
        waits: dict[int, list[str]] = defaultdict(list)
        for access in plan.accesses:
            stage = plan.starts[access.node]
            condition = self.value(self._nodes[access.node].args[0], 1, stage)
            if access.kind == "call":
                waits[stage].append(f"({condition} & ~{access.port.name}_ap_done)")
            if access.kind in ("read", "write"):
                ready = "empty_n" if access.kind == "read" else "full_n"
                waits[stage].append(f"({condition} & ~{access.port.name}_{ready})")
            moving = f" & {label}_go[{stage}]" if access.kind not in ("load", "call") else ""
            self.fires[access.node] = f"({label}_valid[{stage}]{moving} & {condition})"
        depth = plan.depth
        self.blocked = [f"{label}_valid[{s}] & ({' | '.join(waits[s])})" if waits[s] else "1'b0" for s in range(depth)]

    def text(self, begins: str) -> list[str]:
        """Declarations, stages and registers. `begins`: an iteration begins in the first stage."""
        plan, label, depth = self.plan, self.label, self.plan.depth
        kind = "loop" if plan.trace.region.is_loop else "piece without loop"
        place = f", {plan.loop.file}:{plan.loop.line}" if plan.loop is not None else ""
        lines = ["", f"// {plan.name}: {kind} of {depth} stages, scheduled for {plan.ns:.2f} ns{place}."]
        lines += [f"wire [{depth - 1}:0] {label}_valid, {label}_go, {label}_blocked;"]
        late = [net for net in self.nets if net.startswith("assign ")]  # of values that are declared in their stages
        lines += self._declared + [net for net in self.nets if net not in late]
        for stage in sorted(self._stage_nets):
            if self._stage_nets[stage]:
                lines += [f"// {plan.name}, stage {stage}", *self._stage_nets[stage]]
        lines += late
        lines += [f"assign {label}_blocked[{s}] = {text};" for s, text in enumerate(self.blocked)]
        lines += [f"assign {label}_go[{s}] = ~|{label}_blocked[{depth - 1}:{s}];" for s in range(depth)]
        if depth == 1:
            lines.append(f"assign {label}_valid = {begins};")
        else:
            lines += [
                f"logic [{depth - 1}:1] {label}_filled;",
                f"assign {label}_valid = {{{label}_filled, {begins}}};",
            ]
            lines += [
                "always_ff @(posedge ap_clk) begin",
                "  if (!ap_rst_n) " + f"{label}_filled <= '0;",
                "  else begin",
            ]
            for s in range(1, depth):
                moved = f"{label}_valid[{s - 1}] & {label}_go[{s - 1}]"
                lines.append(f"    if ({label}_go[{s}]) {label}_filled[{s}] <= {moved};")
            lines += ["  end", "end"]
        for s in sorted(self.moves):
            lines += ["always_ff @(posedge ap_clk)", f"  if ({label}_go[{s}]) begin"]
            lines += [f"    {move}" for move in self.moves[s]] + ["  end"]
        for s in sorted(self.holds):
            lines += ["always_ff @(posedge ap_clk)", f"  if ({self.moved(s)}) begin"]
            lines += [f"    {move}" for move in self.holds[s]] + ["  end"]
        return lines

    def moved(self, stage: int) -> str:
        """The condition that an iteration leaves a stage."""
        return f"{self.label}_valid[{stage}] & {self.label}_go[{stage}]"

    def enables(self, stage: int, latency: int) -> list[str]:
        """Enables of the registers of a memory that is read in a stage, in their order."""
        return [
            f"{self.label}_go[{s}]" if s < self.plan.depth else "1'b1" for s in range(stage + 1, stage + 1 + latency)
        ]


def _field(leaves: Sequence[Leaf], first: int) -> str:
    """The name of the field of a struct that begins at a bit, behind an underscore."""
    for leaf in leaves:
        if first == 0:
            return f"_{leaf.name}" if leaf.name else ""
        first -= leaf.bits
    return ""


def _where(location: Location | None) -> str:
    return f"  // {location}" if location is not None else ""


__all__ = ["Pipeline"]

"""A function that starts modules one at a time: its control, the modules, and the memories that it passes on.

The control is a process like any other. The running call selects the connections of a module's ports; while no call
runs, the control's own accesses pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.rtl.expressions import extended, vector
from edgemoe_gen.rtl.library import library
from edgemoe_gen.rtl.objects import plain
from edgemoe_gen.rtl.ports import STYLES, Signal
from edgemoe_gen.rtl.process import Process
from edgemoe_gen.rtl.shapes import Shape
from edgemoe_gen.rtl.structure import CONTROL, belongs, instance, module_text
from edgemoe_gen.rtl.trace import Port
from edgemoe_gen.scheduling.sources import Prepared


@dataclass
class _User:
    """A port that is connected to a FIFO or memory while `when` holds; "" is the control's own."""

    when: str
    nets: str
    port: Port
    kinds: frozenset[str]
    bits: Mapping[str, int] = field(default_factory=dict)  # of its signals


def make_caller(
    name: str, control: Process, modules: Mapping[str, Process], values: Mapping[str, Mapping[str, int]],
    memories: Mapping[str, Shape], prepared: Prepared,
) -> Process:  # fmt: skip
    """The module of a function with calls.

    Args:
        control: its process, of the name `<name>_control`.
        modules: those that it starts, by function.
        values: by-value parameters of each in their order, with their bits.
        memories: static ones that lie here, by name; members of structs as `<struct>_<member>`.
    """
    return _Caller(name, control, modules, values, memories, prepared).process()


class _Caller:
    def __init__(
        self, name: str, control: Process, modules: Mapping[str, Process], values: Mapping[str, Mapping[str, int]],
        memories: Mapping[str, Shape], prepared: Prepared,
    ) -> None:  # fmt: skip
        self._name = name
        self._control = control
        self._modules = modules
        self._values = values
        self._memories = memories
        self._prepared = prepared
        self._users: dict[str, list[_User]] = {}
        self._lines: list[str] = []
        self._signals: list[Signal] = []
        self._ports: dict[Port, frozenset[str]] = {}
        self._back: dict[str, list[tuple[str, str]]] = {}  # of a module's input: by which call, what it gets

    def process(self) -> Process:
        """Text and ports."""
        nets = {name: name for name in CONTROL} | {name: name for name in self._control.parameters}
        for signal in self._control.signals:
            if signal.name not in nets:
                nets[signal.name] = f"control_{signal.name}"
                self._lines.append(f"wire {vector(signal.bits)} control_{signal.name};")
        for port, kinds in self._control.ports.items():
            self._use(port.name, _User("", f"control_{port.name}", port, kinds, self._bits(self._control, port)))
        lines = [line for callee in self._control.calls for line in self._module(callee)]
        lines += instance(self._control, "control", nets)
        for target, users in sorted(self._users.items()):
            lines += self._fifo(target, users) if users[0].port.kind == "fifo" else self._memory(target, users)
        for net, sources in self._back.items():
            text = sources[-1][1]
            for when, source in reversed(sources[:-1]):
                text = f"{when} ? {source} : {text}"
            lines.append(f"assign {net} = {text};")
        signals = [Signal(name, name not in ("ap_done", "ap_idle"), 1) for name in CONTROL]
        signals += [Signal(name, True, bits) for name, bits in self._control.parameters.items()] + self._signals
        text = module_text(self._name, f"the function {self._name}", signals, self._lines + lines)
        return Process(self._name, text, tuple(signals), self._ports, self._control.parameters, ())

    @staticmethod
    def _bits(process: Process, port: Port) -> dict[str, int]:
        return {s.name[len(port.name) + 1 :]: s.bits for s in process.signals if belongs(s.name, port.name)}

    def _use(self, target: str, user: _User) -> None:
        self._users.setdefault(target, []).append(user)

    def _module(self, callee: str) -> list[str]:
        module = self._modules[callee]
        nets = {"ap_clk": "ap_clk", "ap_rst_n": "ap_rst_n", "ap_start": f"control_{callee}_ap_start"}
        nets |= {"ap_done": f"control_{callee}_ap_done", "ap_idle": f"{callee}_idle"}
        self._lines.append(f"wire {callee}_idle;")
        at = 0
        for parameter, bits in self._values[callee].items():
            if parameter in module.parameters:
                nets[parameter] = f"control_{callee}_values[{at + bits - 1}:{at}]"
            at += bits
        for port, kinds in module.ports.items():
            for signal in module.signals:
                if belongs(signal.name, port.name):
                    nets[signal.name] = f"{callee}_{signal.name}"
                    self._lines.append(f"wire {vector(signal.bits)} {callee}_{signal.name};")
            suffix = port.name[len(plain(port.variable)) :]
            sites: dict[str, list[str]] = {}
            for n, targets in enumerate(self._control.calls[callee]):
                sites.setdefault(targets[port.variable] + suffix, []).append(f"control_{callee}_site[{n}]")
            for target, found in sites.items():
                when = f"({' | '.join(found)})"
                self._use(target, _User(when, f"{callee}_{port.name}", port, kinds, self._bits(module, port)))
        return instance(module, callee, nets)

    # Who gets at what.

    def _chosen(self, users: Sequence[_User], texts: Sequence[str]) -> str:
        """What the call that is under way says; where none is, the control."""
        order = sorted(range(len(users)), key=lambda n: users[n].when == "")
        text = texts[order[-1]]
        for n in reversed(order[:-1]):
            text = f"{users[n].when} ? {texts[n]} : {text}"
        return text

    def _asked(self, users: Sequence[_User], signal: str) -> str:
        return " | ".join(
            f"({user.when} & {user.nets}_{signal})" if user.when else f"{user.nets}_{signal}" for user in users
        )

    def _give(self, user: _User, signal: str, source: str) -> None:
        net = f"{user.nets}_{signal}"
        if user.when:
            self._back.setdefault(net, []).append((user.when, source))
        else:
            self._lines.append(f"assign {net} = {source};")

    def _fifo(self, target: str, users: list[_User]) -> list[str]:
        kinds = {kind for user in users for kind in user.kinds}
        port = users[0].port
        if len(kinds) != 1 or any(user.port.bits != port.bits for user in users):
            raise SimulationError(f"{self._name}: {target} is read and written", "use two FIFOs")
        here = Port(target, "fifo", "%" + self._variable(target), port.bits, port.lanes)
        self._ports[here] = frozenset(kinds)
        if kinds == {"read"}:
            self._signals += [Signal(f"{target}_dout", True, port.bits), Signal(f"{target}_empty_n", True, 1)]
            self._signals.append(Signal(f"{target}_read", False, 1))
            for user in users:
                self._give(user, "dout", f"{target}_dout")
                self._give(user, "empty_n", f"{target}_empty_n")
            return [f"assign {target}_read = {self._asked(users, 'read')};"]
        self._signals += [Signal(f"{target}_din", False, port.bits), Signal(f"{target}_full_n", True, 1)]
        self._signals.append(Signal(f"{target}_write", False, 1))
        for user in users:
            self._give(user, "full_n", f"{target}_full_n")
        data = self._chosen(users, [f"{user.nets}_din" for user in users])
        return [f"assign {target}_write = {self._asked(users, 'write')};", f"assign {target}_din = {data};"]

    def _variable(self, target: str) -> str:
        """The parameter that a FIFO belongs to."""
        own = [port for port in self._control.ports if port.name == target]
        if own:
            return plain(own[0].variable)
        head, _, last = target.rpartition("_")
        return head if last.isdigit() else target

    def _memory(self, target: str, users: list[_User]) -> list[str]:
        name, bank = target, 0
        if name not in self._memories:
            name, _, number = target.rpartition("_")
            bank = int(number) if number.isdigit() else 0
        shape = self._memories.get(name)
        if shape is None:
            return self._passed(target, users)
        reads = [user for user in users if "load" in user.kinds]
        writes = [user for user in users if "store" in user.kinds]
        latency = max((user.port.latency for user in reads), default=1)
        if any(user.port.latency != latency for user in reads):
            raise SimulationError(
                f"{self._name}: the memory {name} is read with several latencies",
                "state the same latency for all memories that one parameter is given",
            )
        depth, bits = shape.depth, shape.bits
        width = max(1, (depth - 1).bit_length())
        lanes = max((user.bits["write_enable"] for user in writes), default=1)
        lines = ["", f"wire {vector(width)} {target}_read_address, {target}_write_address;"]
        lines += [f"wire {vector(latency)} {target}_read_enable;", f"wire {vector(lanes)} {target}_write_enable;"]
        lines += [f"wire {vector(bits)} {target}_read_data, {target}_write_data; // bank {bank}"]
        lines += self._inputs(target, reads, "read", width, latency) + self._inputs(
            target, writes, "write", width, lanes
        )
        data = self._chosen(writes, [f"{user.nets}_write_data" for user in writes]) if writes else f"{bits}'d0"
        lines.append(f"assign {target}_write_data = {data};")
        for user in reads:
            self._give(user, "read_data", f"{target}_read_data")
        storage = self._prepared.storage_of(name)
        style = STYLES[storage.implementation if storage is not None else ""]
        given = {"WIDTH": bits, "DEPTH": depth, "LANES": lanes, "LATENCY": latency, "STYLE": f'"{style}"'}
        nets = {port.name: f"{target}_{port.name}" for port in library()["memory"].ports} | {"ap_clk": "ap_clk"}
        return lines + library()["memory"].instance(f"{target}_memory", given, nets).splitlines()

    def _inputs(self, target: str, users: list[_User], way: str, width: int, enables: int) -> list[str]:
        """Address and enables of one side of a memory."""
        if not users:
            return [f"assign {target}_{way}_address = {width}'d0;", f"assign {target}_{way}_enable = {enables}'d0;"]
        addresses = [
            extended(f"{user.nets}_{way}_address", user.bits[f"{way}_address"], width, False) for user in users
        ]
        parts = []
        for user in users:
            net = f"{user.nets}_{way}_enable"
            net = net if user.bits[f"{way}_enable"] == enables else f"{{{enables}{{{net}}}}}"
            parts.append(f"({{{enables}{{{user.when}}}}} & {net})" if user.when else net)
        lines = [f"assign {target}_{way}_address = {self._chosen(users, addresses)};"]
        if way == "read":  # nothing but power depends on it where nobody reads
            return [*lines, f"assign {target}_read_enable = {self._chosen(users, parts)};"]
        return [*lines, f"assign {target}_{way}_enable = {' | '.join(parts)};"]

    def _passed(self, target: str, users: list[_User]) -> list[str]:
        """A memory that is a parameter of this function."""
        if len(users) != 1 or users[0].when:
            raise SimulationError(f"{self._name}: {target} is handed on", "let one function alone use it")
        user = users[0]
        self._ports[user.port] = user.kinds
        lines = []
        for signal, bits in user.bits.items():
            given = signal == "read_data"
            self._signals.append(Signal(f"{target}_{signal}", given, bits))
            ends = (f"{user.nets}_{signal}", f"{target}_{signal}")
            lines.append(f"assign {ends[0]} = {ends[1]};" if given else f"assign {ends[1]} = {ends[0]};")
        return lines


__all__ = ["make_caller"]

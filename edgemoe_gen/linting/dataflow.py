"""Canonical dataflow regions: declarations, calls, and channels with one producer and one consumer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from edgemoe_gen.design.fifos import MOST_ELEMENT
from edgemoe_gen.linting.access import READ, Accesses, Place, place
from edgemoe_gen.linting.result import Finding
from edgemoe_gen.linting.rules import finding
from edgemoe_gen.linting.tree import Cursor, Node, bits, body, dimensions, element, is_stream, is_value, key
from edgemoe_gen.linting.unit import Function, Unit


@dataclass
class Channel:
    """A variable, or an element of an array of streams, and the processes (by position) that read and write it."""

    variable: Cursor
    name: str
    readers: list[int] = field(default_factory=list)
    writers: list[int] = field(default_factory=list)

    @property
    def users(self) -> set[int]:
        """All processes that use it."""
        return {*self.readers, *self.writers}


@dataclass(frozen=True)
class Region:
    """A dataflow region: its block, the function that it is in, and its processes in order."""

    function: Function
    block: Node
    line: int
    processes: tuple[Node, ...]

    def name(self, position: int) -> str:
        """Name of a process."""
        return self.processes[position].name


def check_dataflow(unit: Unit, accesses: Accesses) -> Iterator[Finding]:
    """Findings of every rule about dataflow regions, and about the depth and width of streams."""
    yield from _streams(unit)
    for function in unit.functions.values():
        for block in [function.body, *(inside for inside in map(body, function.nodes) if inside is not None)]:
            pragmas = unit.pragmas_in(block, "DATAFLOW")
            if pragmas:
                processes: list[Node] = []
                yield from _statements(unit, function, block, processes)
                region = Region(function, block, pragmas[0].pragma.line, tuple(processes))
                yield from _region(unit, accesses, region)


def _streams(unit: Unit) -> Iterator[Finding]:
    for function, node in unit.streams:
        depths = [placed.number("depth", 0) for placed in unit.pragmas_of(node.cursor, "STREAM")]
        if not any(depth is None or depth > 0 for depth in depths):
            message = f"the stream '{node.name}' of {function.name} has no STREAM pragma with a depth"
            yield finding("stream-depth", function.file, node.line, message)
        width = bits(element(node.cursor.type).get_template_argument_type(0))
        if width > MOST_ELEMENT:
            message = f"an element of the stream '{node.name}' of {function.name} has {width:,} bits"
            yield finding("stream-width", function.file, node.line, message)


def _statements(unit: Unit, function: Function, block: Node, processes: list[Node]) -> Iterator[Finding]:
    for statement in block.statements:
        inner = statement.core
        if statement.kind == "DECL_STMT":
            for child in statement.children:
                if child.kind == "VAR_DECL" and child.cursor.storage_class.name == "STATIC":
                    message = f"'{child.name}' is static in the region of {function.name}"
                    yield finding("dataflow-static", function.file, child.line, message)
                elif child.kind == "VAR_DECL" and _computes(unit, child):
                    message = f"'{child.name}' is computed in the region of {function.name}, outside of a process"
                    yield finding("dataflow-body", function.file, child.line, message)
        elif inner.kind == "CALL_EXPR" and unit.callee(inner) is not None:
            if inner.cursor.type.get_canonical().kind.name != "VOID":
                message = f"the process {inner.name} returns a value"
                yield finding("dataflow-body", function.file, inner.line, message)
            processes.append(inner)
        elif statement.kind != "NULL_STMT":
            what = statement.kind.removesuffix("_STMT").removesuffix("_EXPR").replace("_", " ").lower()
            message = f"the region of {function.name} has a statement ({what}) that is no call of a process"
            yield finding("dataflow-body", function.file, statement.line, message)


def _computes(unit: Unit, variable: Node) -> bool:
    """Whether a declaration's initial value calls a function or reads what is no constant."""
    if is_stream(variable.cursor.type):
        return False
    for child in variable.children:
        for node in child.walk():
            if node.kind == "CALL_EXPR" and unit.callee(node) is not None:
                return True
            if (
                node.kind in ("BINARY_OPERATOR", "CONDITIONAL_OPERATOR")
                and not variable.cursor.type.is_const_qualified()
            ):
                return True
    return False


def _region(unit: Unit, accesses: Accesses, region: Region) -> Iterator[Finding]:
    own = {key(parameter.cursor) for parameter in region.function.parameters}
    channels: dict[tuple[str, str], Channel] = {}
    for position, process in enumerate(region.processes):
        count = len(list(process.cursor.get_arguments()))
        for number, argument in enumerate(process.children[len(process.children) - count :] if count else []):
            found = place(unit, argument)
            if found is None:
                continue
            for index, kind in accesses.argument(process, number, argument):
                for channel in _channels(channels, found, index):
                    users = channel.readers if kind == READ else channel.writers
                    if position not in users:
                        users.append(position)
    for name in sorted(channels):
        channel = channels[name]
        if key(channel.variable) in own:
            yield from _argument(region, channel)
        else:
            yield from _local(region, channel)
    used = {name for name, _ in channels}
    for variable in [n for s in region.block.statements if s.kind == "DECL_STMT" for n in s.children]:
        stream = variable.kind == "VAR_DECL" and is_stream(variable.cursor.type)
        if stream and key(variable.cursor) not in used:
            message = f"nothing uses the stream '{variable.name}'"
            yield finding("dataflow-channel", region.function.file, variable.line, message)
    if region.function is unit.top:
        yield from _bundles(unit, region, channels)


def _channels(known: dict[tuple[str, str], Channel], found: Place, index: int | None) -> list[Channel]:
    """The channels that an access is to: all elements of an array of streams where it does not say which."""
    variable = found.variable
    sizes = dimensions(variable.type) if is_stream(variable.type) else ()
    index = found.index if found.index is not None else index
    if not sizes:
        elements: list[str] = [found.member]
    elif index is None:
        elements = [f"[{i}]" for i in range(sizes[0])]
    else:
        elements = [f"[{index}]"]
    made: list[Channel] = []
    for text in elements:
        made.append(known.setdefault((key(variable), text), Channel(variable, f"{variable.spelling}{text}")))
    return made


def _is_scalar(channel: Channel) -> bool:
    kind = channel.variable.type
    return not dimensions(kind) and not is_stream(kind)


def _local(region: Region, channel: Channel) -> Iterator[Finding]:
    line, file = int(channel.variable.location.line), region.function.file

    def say(rule: str, text: str) -> Finding:
        return finding(rule, file, line, f"'{channel.name}' in the region of {region.function.name} {text}")

    if _is_scalar(channel) and not channel.writers:
        return
    readers, writers = [[region.name(i) for i in users] for users in (channel.readers, channel.writers)]
    for position in sorted(set(channel.readers) & set(channel.writers)):
        yield say("dataflow-self", f"is both read and written by {region.name(position)}")
    if not writers:
        yield say("dataflow-channel", "has no producer")
    elif not readers:
        yield say("dataflow-channel", "has no consumer")
    elif len(writers) > 1:
        yield say("dataflow-channel", f"has more than one producer: {', '.join(writers)}")
    elif len(readers) > 1:
        yield say("dataflow-channel", f"has more than one consumer: {', '.join(readers)}")
    elif channel.readers[0] < channel.writers[0]:
        yield say("dataflow-feedback", f"is read by {readers[0]} before {writers[0]} writes it")
    elif not is_stream(channel.variable.type) and channel.readers[0] > channel.writers[0] + 1:
        yield say("dataflow-bypass", f"goes from {writers[0]} past other processes to {readers[0]}")


def _argument(region: Region, channel: Channel) -> Iterator[Finding]:
    kind = channel.variable.type
    if len(channel.users) < 2 or (_is_scalar(channel) and not channel.writers):
        return
    if is_value(kind) and not is_stream(kind):
        return
    names = ", ".join(region.name(i) for i in sorted(channel.users))
    message = f"the argument '{channel.name}' of {region.function.name} is used by more than one process: {names}"
    yield finding("dataflow-argument", region.function.file, region.line, message)


def _bundles(unit: Unit, region: Region, channels: dict[tuple[str, str], Channel]) -> Iterator[Finding]:
    users: dict[str, set[int]] = defaultdict(set)
    for channel in channels.values():
        for placed in unit.pragmas_of(channel.variable, "INTERFACE"):
            if placed.pragma.value("mode") == "m_axi":
                users[placed.pragma.options.get("bundle", "")] |= channel.users
    for bundle in sorted(users):
        if len(users[bundle]) > 1:
            names = ", ".join(region.name(i) for i in sorted(users[bundle]))
            message = f"the AXI port '{bundle}' is used by more than one process: {names}"
            yield finding("dataflow-bundle", region.function.file, region.line, message)

"""LLVM IR text to `ir.Module`: only what clang leaves of the kernels; anything else is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.scheduling.debug import Lines
from edgemoe_gen.scheduling.elements import Elements
from edgemoe_gen.scheduling.ir import Block, Function, Instruction, Module, Parameter
from edgemoe_gen.scheduling.layout import POINTER, VOID, Layout, Type
from edgemoe_gen.scheduling.symbols import plain_name

_VALUE = r'%"[^"]*"|@"[^"]*"|[%@][-\w.$]+|-?\d+|true|false|null|poison|undef|zeroinitializer'
_TYPED = re.compile(rf"^(?P<type>.+?) (?P<value>{_VALUE})$")
_NAMED = re.compile(r'^(%"[^"]*"|%[-\w.$]+) = (.*)$')
_DEBUG = re.compile(r", !dbg !(\d+)")
_LOOP = re.compile(r", !llvm\.loop !(\d+)")
_FLAGS = frozenset(
    (
        "nuw",
        "nsw",
        "exact",
        "disjoint",
        "nneg",
        "inbounds",
        "nusw",
        "samesign",
        "volatile",
        "tail",
        "musttail",
        "notail",
    )
)
BINARY = frozenset(("add", "sub", "mul", "shl", "lshr", "ashr", "and", "or", "xor", "udiv", "sdiv", "urem", "srem"))
CASTS = frozenset(("trunc", "zext", "sext", "freeze", "ptrtoint", "inttoptr", "bitcast"))
_ATTRIBUTE = re.compile(r"\b(?:(?:noundef|nonnull|signext|zeroext|align \d+|readonly|writeonly|noalias|nocapture|"
                        r"returned)\b|(?:dereferenceable|range|captures)\([^)]*\)) ?")  # fmt: skip
_VARIABLE = re.compile(r'@"[^"]+"|@[\w.$]+')
_DECLARED = re.compile(
    r"^ +#dbg_(?:declare\(ptr (?P<name>%[-\w.$]+), !(?P<variable>\d+),|"
    r"assign\(.*, !(?P<assigned>\d+), !DIExpression\(\), !\d+, ptr (?P<place>%[-\w.$]+), !DIExpression\(\))"
)
_BYTES = re.compile(r"\(i8, ptr [^,]+, i64 (\d+)\)")
_LABEL = re.compile(r'^("?)([-\w.$]+)\1:')
_CALLEE = re.compile(r'(@"[^"]+"|@[\w.$]+)\(')


def parse_module(text: str) -> Module:
    """Reads a module.

    Raises:
        SimulationError: an instruction that no kernel has had so far.
    """
    lines = text.split("\n")
    named: dict[str, str] = {}
    variables: dict[str, str] = {}
    bodies: list[list[str]] = []
    metadata: dict[int, str] = {}
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("%") and " = type " in line:
            name, _, definition = line.partition(" = type ")
            named[name[1:].strip('"')] = definition
        elif line.startswith("@"):
            name, _, definition = line.partition(" = ")
            variables[name[1:].strip('"')] = definition
        elif line.startswith("!") and line[1:2].isdigit():
            number, _, content = line.partition(" = ")
            metadata[int(number[1:])] = content
        elif line.startswith("define "):
            end = lines.index("}", at)
            bodies.append(lines[at:end])
            at = end
        at += 1
    reader = _Reader(Layout(named), Lines(metadata), Elements(metadata))
    functions = {function.symbol: function for function in map(reader.function, bodies)}
    return Module(functions, variables, reader.layout, reader.elements)


class _Reader:
    def __init__(self, layout: Layout, lines: Lines, elements: Elements) -> None:
        self.layout = layout
        self.elements = elements
        self._lines = lines

    def function(self, body: list[str]) -> Function:
        head = body[0]
        callee = _CALLEE.search(head)
        if callee is None:
            raise SimulationError(f"a function without a name: {head[:80]}", "this is a fault of the program")
        symbol = callee[1][1:].strip('"')
        parameters = tuple(self._parameter(text) for text in _arguments(head, callee.end()))
        blocks: dict[str, Block] = {}
        block = Block("")
        for line in _joined(body[1:]):
            label = _LABEL.match(line)
            if label is not None:
                block = blocks.setdefault("%" + label[2], Block("%" + label[2]))
                continue
            if not blocks:
                name = f"%{sum(p.name[1:].isdigit() for p in parameters)}"
                block = blocks.setdefault(name, Block(name))
            loop = _LOOP.search(line)
            if loop is not None:
                block.loop = self._lines.loop(int(loop[1]))
            block.instructions.append(self._instruction(line.strip()))
        return Function(symbol, plain_name(symbol), parameters, blocks, self._types(body, parameters))

    def _types(self, body: list[str], parameters: tuple[Parameter, ...]) -> dict[str, int]:
        """Types of parameters and of what is declared in a body, by name."""
        types: dict[str, int] = {}
        subprogram = re.search(r"!dbg !(\d+)", body[0])
        for place, parameter in enumerate(parameters, 1):
            type_ = self.elements.argument(int(subprogram[1]), place) if subprogram else None
            if type_ is not None:
                types[parameter.name] = type_
        for line in body:
            declared = _DECLARED.match(line)
            if declared is None:
                continue
            type_ = self.elements.variable(int(declared["variable"] or declared["assigned"]))
            if type_ is not None:
                types.setdefault(declared["name"] or declared["place"], type_)
        return types

    def _parameter(self, text: str) -> Parameter:
        by_value = None
        found = re.search(r"byval\(", text)
        if found is not None:
            by_value = self.layout.parse(_bracketed(text, found.end()))
        name = re.search(r"(%[-\w.$]+)$", text)
        return Parameter(name[1] if name else "", self._type(text.split(" ")[0]), by_value)

    def _type(self, text: str) -> Type:
        return self.layout.parse(text)

    def _instruction(self, line: str) -> Instruction:
        debug = _DEBUG.search(line)
        location = self._lines.location(int(debug[1])) if debug is not None else None
        text = line.partition(", !")[0] if ", !" in line else line
        name = ""
        found = _NAMED.match(text)
        if found is not None:
            name, text = found[1], found[2]
        words = text.split(" ")
        skipped = 0
        while words[skipped] in ("tail", "musttail", "notail"):
            skipped += 1
        opcode = words[skipped]
        skipped += 1
        while skipped < len(words) and words[skipped] in _FLAGS:
            skipped += 1
        rest = " ".join(words[skipped:])
        place = f"{location}: " if location is not None else ""
        try:
            made = self._made(opcode, name, rest)
        except SimulationError as error:
            raise SimulationError(f"{place}{error}", error.hint) from error
        except ValueError as error:
            raise SimulationError(f"{place}{error}: {line[:120]}", "write the kernel without it") from error
        if made is None:
            raise SimulationError(
                f"{place}the compiler made an instruction that a schedule does not know: {line[:120]}",
                "write the kernel without it, or add it to edgemoe_gen/scheduling",
            )
        made.location = location
        if any("+" in operand for operand in made.operands):  # places in variables, which `_place` has written so
            parts = [operand.partition("+") for operand in made.operands]
            made.operands = tuple(name for name, _, _ in parts)
            made.offsets = {n: int(offset) for n, (_, _, offset) in enumerate(parts) if offset}
        return made

    def _made(self, opcode: str, name: str, rest: str) -> Instruction | None:
        if opcode in BINARY:
            first, second = _parts(rest)[:2]
            type_, value = self._typed(first)
            return Instruction(opcode, name, type_, (value, second))
        if opcode in CASTS:
            before, _, target = rest.partition(" to ")
            type_, value = self._typed(before)
            return Instruction(opcode, name, self._type(target) if target else type_, (value,), element=type_)
        if opcode == "icmp":
            predicate, _, compared = rest.partition(" ")
            first, second = _parts(compared)[:2]
            type_, value = self._typed(first)
            return Instruction(opcode, name, type_, (value, second), detail=predicate)
        if opcode == "select":
            typed = [self._typed(part) for part in _parts(rest)[:3]]
            return Instruction(opcode, name, typed[1][0], tuple(value for _, value in typed))
        if opcode == "phi":
            incoming = re.findall(rf"\[ ({_VALUE}), (%[-\w.$]+) \]", rest)
            type_ = self._type(rest.partition(" [ ")[0])
            return Instruction(opcode, name, type_, tuple(v for v, _ in incoming), tuple(b for _, b in incoming))
        if opcode in ("load", "store", "getelementptr", "alloca"):
            return self._memory(opcode, name, rest)
        if opcode == "call":
            return self._call(name, rest)
        if opcode == "br":
            targets = tuple(re.findall(r"label (%[-\w.$]+)", rest))
            decided = re.match(rf"i1 ({_VALUE})", rest)
            return Instruction(opcode, name, VOID, (decided[1],) if decided else (), targets)
        if opcode == "switch":
            type_, value = self._typed(_parts(rest)[0])
            targets = tuple(re.findall(r"label (%[-\w.$]+)", rest))
            cases = tuple(int(case) for case in re.findall(r"i\d+ (-?\d+), label", rest))
            return Instruction(opcode, name, type_, (value,), targets, cases=cases)
        if opcode in ("ret", "unreachable"):
            return Instruction(opcode, name, VOID)
        return None

    def _memory(self, opcode: str, name: str, rest: str) -> Instruction:
        parts = _parts(rest)
        if opcode == "load":
            return Instruction(opcode, name, self._type(parts[0]), (self._typed(parts[1])[1],))
        if opcode == "store":
            type_, value = self._typed(parts[0])
            return Instruction(opcode, name, type_, (value, self._typed(parts[1])[1]))
        if opcode == "alloca":
            return Instruction(opcode, name, POINTER, element=self._type(parts[0]))
        operands = tuple(self._typed(part)[1] for part in parts[1:])
        return Instruction(opcode, name, POINTER, operands, element=self._type(parts[0]))

    def _call(self, name: str, rest: str) -> Instruction:
        callee = _CALLEE.search(rest)
        if callee is None:
            raise SimulationError(f"a call of no known function: {rest[:80]}", "write the kernel without it")
        returned = _ATTRIBUTE.sub("", rest[: callee.start()]).strip()
        arguments = tuple(self._argument(argument) for argument in _arguments(rest, callee.end()))
        return Instruction("call", name, self._type(returned), arguments, detail=callee[1][1:].strip('"'))

    @staticmethod
    def _argument(text: str) -> str:
        return _place(text) if text.endswith(")") else text.split(" ")[-1]

    def _typed(self, text: str) -> tuple[Type, str]:
        if text.startswith("ptr getelementptr "):
            return POINTER, _place(text)
        found = _TYPED.match(_ATTRIBUTE.sub("", text))
        if found is None:
            raise SimulationError(f"no value: {text[:80]}", "this is a fault of the program")
        return self._type(found["type"]), found["value"]


def _place(text: str) -> str:
    """A variable, and how many bytes behind its start."""
    variable, offset = _VARIABLE.search(text), _BYTES.search(text)
    return f"{variable[0] if variable else 'null'}{f'+{offset[1]}' if offset else ''}"


def _joined(lines: list[str]) -> Iterator[str]:
    """Lines of a body, those of a switch put together."""
    held = ""
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#dbg"):
            continue
        if held:
            held += " " + line.strip()
            if line.startswith("  ]"):
                yield held
                held = ""
        elif line.startswith("  switch ") and not line.rstrip().endswith("]"):
            held = line
        else:
            yield line


def _parts(text: str) -> list[str]:
    """Split at the commas that stand outside of all brackets."""
    if not any(bracket in text for bracket in '([{<"'):
        return text.split(", ")
    return list(_split(text, 0, ""))


def _arguments(text: str, start: int) -> list[str]:
    """What stands in the parentheses that opened before `start`."""
    return [part for part in _split(text, start, ")") if part]


def _split(text: str, start: int, end: str) -> Iterator[str]:
    depth, first, quoted = 0, start, False
    for at in range(start, len(text)):
        char = text[at]
        quoted ^= char == '"'
        if quoted:
            continue
        if depth == 0 and char == end:
            yield text[first:at].strip()
            return
        depth += (char in "([{<") - (char in ")]}>")
        if char == "," and depth == 0:
            yield text[first:at].strip()
            first = at + 1
    yield text[first:].strip()


def _bracketed(text: str, start: int) -> str:
    """Up to the bracket that closes the one before `start`."""
    return next(_split(text, start, ")"))


__all__ = ["BINARY", "CASTS", "parse_module"]

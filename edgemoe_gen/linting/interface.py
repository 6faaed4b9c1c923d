"""The top function's ports: one data interface for each argument, complete AXI masters, s_axilite control."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgemoe_gen.linting.result import Finding
from edgemoe_gen.linting.rules import finding
from edgemoe_gen.linting.tree import Node, Type, dimensions, element, key, plain
from edgemoe_gen.linting.unit import Function, Placed, Unit, file_of

CONTROL = "control"
PAGE_BYTES, LONGEST_BURST = 4096, 256
WIDTHS = tuple(1 << power for power in range(3, 11))
_BLOCK_MODES = ("ap_ctrl_none", "ap_ctrl_hs", "ap_ctrl_chain")


def check_interface(unit: Unit) -> Iterator[Finding]:
    """Findings of every rule about the interface of the top function."""
    top = unit.top
    assert top is not None
    pragmas = [placed for placed in unit.placed if placed.pragma.directive == "INTERFACE"]
    names = {key(parameter.cursor) for parameter in top.parameters}
    for placed in pragmas:
        if placed.pragma.subject == "return":
            continue
        if placed.variable is None or key(placed.variable) not in names:
            message = f"INTERFACE names '{placed.pragma.subject}', which is no argument of {top.name}"
            yield finding("interface-mode", placed.pragma.file, placed.pragma.line, message)
    for parameter in top.parameters:
        own = [p for p in pragmas if p.variable is not None and key(p.variable) == key(parameter.cursor)]
        yield from _argument(top, parameter, own)
    returns = [placed for placed in pragmas if placed.pragma.subject == "return"]
    if not any(_is_control(placed) for placed in returns):
        message = f"the return value of {top.name} is not on the s_axilite bundle {CONTROL}"
        yield finding("interface-control", top.file, top.node.line, message)
    if top.node.cursor.result_type.get_canonical().kind.name != "VOID":
        yield finding("interface-mode", top.file, top.node.line, f"{top.name} returns a value, not void")


def _is_control(placed: Placed) -> bool:
    return placed.pragma.value("mode") == "s_axilite" and placed.pragma.value("bundle") == CONTROL


def _argument(top: Function, parameter: Node, pragmas: list[Placed]) -> Iterator[Finding]:
    name, line = parameter.name, parameter.line
    modes = [p.pragma.value("mode") for p in pragmas]
    data = [mode for mode in modes if mode != "s_axilite" and mode not in _BLOCK_MODES]
    pointer = plain(parameter.cursor.type).kind.name in ("POINTER", "CONSTANTARRAY", "INCOMPLETEARRAY")
    if len(data) > 1:
        message = f"the argument '{name}' has more than one data interface: {', '.join(data)}"
        yield finding("interface-mode", top.file, line, message)
    if not modes:
        yield finding("interface-mode", top.file, line, f"the argument '{name}' has no INTERFACE pragma")
    if not any(map(_is_control, pragmas)):
        message = f"the argument '{name}' is not on the s_axilite bundle {CONTROL}"
        yield finding("interface-control", top.file, line, message)
    for placed in pragmas:
        if placed.pragma.value("mode") == "m_axi":
            if not pointer:
                yield finding("interface-mode", top.file, line, f"'{name}' is an AXI master, but no pointer or array")
            else:
                yield from _master(parameter, placed)


def _master(parameter: Node, placed: Placed) -> Iterator[Finding]:
    pragma = placed.pragma

    def say(rule: str, text: str) -> Finding:
        return finding(rule, pragma.file, pragma.line, f"the AXI master '{parameter.name}' {text}")

    constant = element(parameter.cursor.type).is_const_qualified()
    directions = ["read"] if constant else ["write"]
    for option in ("bundle", "offset", "depth", "latency", "max_widen_bitwidth"):
        if option not in pragma.options:
            yield say("interface-axi", f"does not say its {option}")
    if "offset" in pragma.options and pragma.value("offset") != "slave":
        yield say("interface-axi", f"has offset = {pragma.value('offset')}, so the host can't set its address")
    depth = placed.number("depth")
    if "depth" in pragma.options and depth is not None and depth <= 1:
        yield say("interface-axi", f"has depth = {depth}, so co-simulation copies one beat")
    for direction in directions:
        for option in (f"num_{direction}_outstanding", f"max_{direction}_burst_length"):
            if option not in pragma.options:
                yield say("interface-axi", f"does not say its {option}")
    bits = width(parameter)
    if bits not in WIDTHS:
        yield say("interface-width", f"is {bits} bits wide" if bits else "is of a type without a width")
        return
    widest = placed.number("max_widen_bitwidth", 0)
    if widest and widest > bits:
        yield say("interface-width", f"is {bits} bits wide, but may be widened to {widest}")
    for direction in ("read", "write"):
        beats = placed.number(f"max_{direction}_burst_length")
        if beats is not None and (beats > LONGEST_BURST or beats * bits // 8 > PAGE_BYTES):
            yield say("interface-burst", f"has {direction} bursts of {beats} beats of {bits // 8} bytes")


def width(parameter: Node) -> int:
    """Bits of one element that a pointer points to; 0 where they can't be known."""
    kind = element(parameter.cursor.type)
    exact = re.search(r"\bap_u?int<(\d+)>$", kind.spelling)
    if exact is not None:
        return int(exact[1])
    size = int(kind.get_size())
    return 8 * size if size > 0 and kind.kind.name != "RECORD" else _fields(kind)


def _fields(kind: Type) -> int:
    declaration = kind.get_declaration()
    if not file_of(declaration):
        return 0
    total = 0
    for child in Node(declaration, None).children:
        if child.kind == "FIELD_DECL":
            exact = re.search(r"\bap_u?int<(\d+)>$", element(child.cursor.type).spelling)
            bits = int(exact[1]) if exact is not None else 8 * int(element(child.cursor.type).get_size())
            for size in dimensions(child.cursor.type):
                bits *= size
            total += bits
    return total

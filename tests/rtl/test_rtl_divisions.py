"""Divisions by constants, as products: the quotient and remainder of C for every value, in whatever width."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.rtl.divisions import DIVISIONS, reciprocal, replace_divisions
from edgemoe_gen.rtl.regions import Region
from edgemoe_gen.rtl.trace import Trace
from edgemoe_gen.scheduling.graph import Graph
from edgemoe_gen.scheduling.ir import Location
from edgemoe_gen.scheduling.widths import measure

WIDTHS = (2, 3, 8, 13, 16, 32)


def divided(op: str, width: int, by: int, known: int) -> tuple[Trace, int, int]:
    """A region with x op by, where only `known` bits of x are unknown and the others zeros; the nodes of both."""
    trace = Trace(Region(0, "", (), False, None))
    graph = trace.graph
    x = graph.add("input", (), known, 0, "x")
    node = graph.add(op, (graph.zext(x, width), graph.const(by, width)), width)
    live = range(len(graph.nodes))
    assert replace_divisions(trace, live, lambda: measure(graph, {}, {}, [node]))
    assert not any(graph.nodes[n].op in DIVISIONS for n in reached(graph, node))
    return trace, x, node


def reached(graph: Graph, node: int) -> set[int]:
    found, waiting = set[int](), [node]
    while waiting:
        at = waiting.pop()
        if at not in found:
            found.add(at)
            waiting += graph.nodes[at].args
    return found


def value(graph: Graph, number: int, given: dict[int, int]) -> int:
    """The bits of a node, from those of the inputs."""
    if number not in given:
        node = graph.nodes[number]
        args = [value(graph, arg, given) for arg in node.args]
        widths = [graph.nodes[arg].width for arg in node.args]
        if node.op == "const":
            found = int(node.detail)
        elif node.op == "slice":
            found = args[0] >> int(node.detail)
        elif node.op == "concat":
            found = sum(part << sum(widths[:n]) for n, part in enumerate(args))
        elif node.op == "sext":
            found = signed(args[0], widths[0])
        elif node.op == "select":
            found = args[1] if args[0] else args[2]
        else:
            found = {"add": int.__add__, "sub": int.__sub__, "mul": int.__mul__}[node.op](*args)
        given[number] = found & ((1 << node.width) - 1)
    return given[number]


def signed(bits: int, width: int) -> int:
    return bits - (1 << width) if bits >> (width - 1) else bits


def of_c(op: str, x: int, by: int, width: int) -> int:
    if op[0] == "s":
        x, by = signed(x, width), signed(by, width)
    quotient = abs(x) // abs(by) * (1 if (x < 0) == (by < 0) else -1)
    return (quotient if op.endswith("div") else x - quotient * by) & ((1 << width) - 1)


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, int, int, int, list[int]]:
    width = draw(st.sampled_from(WIDTHS))
    known = draw(st.sampled_from((width, max(1, width // 2))))
    top = (1 << known) - 1
    by = draw(st.integers(1, (1 << width) - 1) | st.integers(0, width - 1).map(lambda n: 1 << n))
    near = st.sampled_from((0, 1, top, top >> 1, (top >> 1) + 1)) | st.integers(-1, 1).map(lambda n: (by + n) & top)
    xs = draw(st.lists(near | st.integers(0, top), min_size=1, max_size=30))
    return draw(st.sampled_from(sorted(DIVISIONS))), width, by, known, xs


@example(("srem", 2, 2, 2, [2]))  # the most negative number by itself
@given(cases())
def test_every_quotient_and_remainder_is_c_s(case: tuple[str, int, int, int, list[int]]) -> None:
    op, width, by, known, xs = case
    trace, x, node = divided(op, width, by, known)
    for bits in xs:
        whole = signed(bits, width) if known == width and op[0] == "s" else bits
        if whole == -(1 << (width - 1)) and signed(by, width) == -1:
            continue  # C does not define it
        assert value(trace.graph, node, {x: bits}) == of_c(op, bits, by, width)


@given(st.integers(3, 1 << 20).filter(lambda by: by & (by - 1)), st.integers(1, 1 << 40), st.data())
def test_a_reciprocal_is_exact_up_to_its_limit_and_no_wider_than_it_need_be(
    by: int, most: int, data: st.DataObject
) -> None:
    factor, shift = reciprocal(by, most)
    for x in {most, most // by * by, max(0, most // by * by - 1), data.draw(st.integers(0, most))}:
        assert x * factor >> shift == x // by
        assert (-x * factor >> shift) + (x > 0) == -(x // by)
    assert factor.bit_length() <= most.bit_length() + 1


def test_a_divisor_that_varies_is_refused_with_its_line() -> None:
    trace = Trace(Region(0, "", (), False, None))
    graph = trace.graph
    graph.location = Location("src/route.h", 7)
    x, y = (graph.add("input", (), 8, 0, name) for name in "xy")
    node = graph.add("sdiv", (x, y), 8)
    with pytest.raises(SimulationError, match=r"src/route.h:7: .* no constant"):
        replace_divisions(trace, range(len(graph.nodes)), lambda: measure(graph, {}, {}, [node]))

"""The graph of a loop keeps what it computes, and widths are never too few."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgemoe_gen.scheduling.graph import Graph
from edgemoe_gen.scheduling.widths import measure
from tests.scheduling.evaluation import binary, evaluate, signed

# A busy machine is no fault of what is tested.
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
WIDTHS = (1, 7, 8, 16, 32)
OPERATIONS = ("add", "sub", "mul", "and", "or", "xor")


@st.composite
def programs(draw: st.DrawFn) -> tuple[Graph, list[tuple[int, int]], dict[str, int]]:
    """A graph, pairs of node and the value that it must have, and the inputs."""
    graph = Graph()
    inputs = {f"x{i}": draw(st.integers(0, (1 << width) - 1)) for i, width in enumerate(WIDTHS)}
    made = [(graph.shared("input", (), width, name=f"x{i}"), inputs[f"x{i}"]) for i, width in enumerate(WIDTHS)]
    for _ in range(draw(st.integers(1, 14))):
        number, value = made[draw(st.integers(0, len(made) - 1))]
        width = graph.nodes[number].width
        kind = draw(st.sampled_from(("binary", "constant", "shift", "extend", "cut", "select", "pack")))
        if kind in ("binary", "select", "pack"):
            other, second = draw(st.sampled_from([pair for pair in made if graph.nodes[pair[0]].width == width]))
        if kind == "binary":
            op = draw(st.sampled_from(OPERATIONS))
            made.append((graph.binary(op, number, other), binary(op, value, second, width)))
        elif kind == "constant":
            op, by = draw(st.sampled_from(OPERATIONS)), draw(st.integers(0, (1 << width) - 1))
            made.append((graph.binary(op, number, graph.const(by, width)), binary(op, value, by, width)))
        elif kind == "shift":
            op, by = draw(st.sampled_from(("shl", "lshr", "ashr"))), draw(st.integers(0, width - 1))
            made.append((graph.binary(op, number, graph.const(by, width)), binary(op, value, by, width)))
        elif kind == "extend":
            wide = draw(st.sampled_from([w for w in WIDTHS if w >= width]))
            way = draw(st.sampled_from(("sext", "zext")))
            extended = value if way == "zext" else signed(value, width)
            made.append((getattr(graph, way)(number, wide), extended & ((1 << wide) - 1)))
        elif kind == "cut":
            first = draw(st.integers(0, width - 1))
            bits = draw(st.sampled_from([w for w in WIDTHS if w <= width - first]))
            made.append((graph.slice(number, first, bits), (value >> first) & ((1 << bits) - 1)))
        elif kind == "select":
            condition, chosen = draw(st.sampled_from([pair for pair in made if graph.nodes[pair[0]].width == 1]))
            made.append((graph.select(condition, number, other), value if chosen else second))
        elif kind == "pack" and width <= 16:  # as a struct of two members lies in one integer
            low = graph.zext(number, 32)
            high = graph.binary("shl", graph.zext(other, 32), graph.const(16, 32))
            made.append((graph.binary("or", low, high), value | second << 16))
    return graph, made, inputs


@CALM
@given(programs())
def test_nodes_are_worth_what_their_operations_say(
    program: tuple[Graph, list[tuple[int, int]], dict[str, int]],
) -> None:
    graph, made, inputs = program
    values = evaluate(graph, inputs)
    assert [values[number] for number, _ in made] == [value for _, value in made]


@CALM
@given(programs())
def test_values_lie_within_their_ranges(program: tuple[Graph, list[tuple[int, int]], dict[str, int]]) -> None:
    graph, made, inputs = program
    widths = measure(graph, {}, {}, [number for number, _ in made])
    for node, value in zip(graph.nodes, evaluate(graph, inputs), strict=True):
        low, high = widths.ranges[node.number]
        assert low <= (value if node.width == 1 else signed(value, node.width)) <= high, node


@CALM
@given(programs(), st.data())
def test_values_of_all_iterations_lie_within_their_ranges(
    program: tuple[Graph, list[tuple[int, int]], dict[str, int]], data: st.DataObject
) -> None:
    # Each input becomes a carried value, with a constant before the first iteration and some node's value after each.
    graph, made, inputs = program
    carried, initial = {}, {}
    for i, width in enumerate(WIDTHS):
        number = graph.shared("input", (), width, name=f"x{i}")
        same = [node for node, _ in made if graph.nodes[node].width == width]
        carried[number] = data.draw(st.sampled_from(same))
        initial[number] = graph.const(inputs[f"x{i}"], width)
    widths = measure(graph, carried, initial, [number for number, _ in made])
    now = dict(inputs)
    for _ in range(4):
        values = evaluate(graph, now)
        for node in graph.nodes:
            low, high = widths.ranges[node.number]
            value = values[node.number]
            assert low <= (value if node.width == 1 else signed(value, node.width)) <= high, node
        now = {f"x{i}": values[carried[graph.shared("input", (), w, name=f"x{i}")]] for i, w in enumerate(WIDTHS)}


@CALM
@given(programs())
def test_bits_that_nobody_asks_for_change_nothing(program: tuple[Graph, list[tuple[int, int]], dict[str, int]]) -> None:
    graph, made, inputs = program
    root = made[-1][0]
    widths = measure(graph, {}, {}, [root])
    before = evaluate(graph, inputs)[root]
    for i, width in enumerate(WIDTHS):
        number = graph.shared("input", (), width, name=f"x{i}")
        asked = widths.demanded[number]
        flipped = inputs | {f"x{i}": inputs[f"x{i}"] ^ (((1 << width) - 1) >> asked << asked)}
        assert evaluate(graph, flipped)[root] == before


def test_members_of_a_packed_integer_come_apart() -> None:
    graph = Graph()
    name, count = graph.shared("input", (), 8, name="name"), graph.shared("input", (), 16, name="count")
    packed = graph.binary("or", graph.zext(name, 32), graph.binary("shl", graph.zext(count, 32), graph.const(16, 32)))
    assert graph.slice(packed, 0, 8) == name
    assert graph.slice(graph.binary("lshr", packed, graph.const(16, 32)), 0, 16) == count


def test_members_come_apart_behind_a_choice() -> None:
    graph = Graph()
    condition = graph.shared("input", (), 1, name="condition")
    parts = [graph.shared("input", (), 16, name=name) for name in "abcd"]
    packed = [graph.concat(parts[:2]), graph.concat(parts[2:])]
    chosen = graph.select(condition, packed[0], packed[1])
    assert graph.slice(chosen, 16, 16) == graph.select(condition, parts[1], parts[3])


def test_a_sign_extension_by_shifts_is_a_sign_extension() -> None:
    graph = Graph()
    x = graph.shared("input", (), 16, name="x")
    up = graph.binary("shl", x, graph.const(5, 16))
    added = graph.binary("ashr", graph.binary("add", up, graph.const(32, 16)), graph.const(5, 16))
    node = graph.nodes[added]
    assert (node.op, graph.nodes[node.args[0]].op, graph.nodes[node.args[0]].width) == ("sext", "add", 11)

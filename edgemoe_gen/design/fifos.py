"""Every FIFO of the engine: its region, width and depth, and the least depth that can't stop a pipeline.

In: a design. Out: a row for each FIFO, and the rules that check the project's depths. Where one loop fills two FIFOs
and one consumer empties both together, the first must hold all elements written to it while a pipeline delays the
second one's element. Otherwise a pipeline that stalls as a whole would wait for itself (UG1399, pipeline style stp).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from edgemoe_gen.design.knobs import Knobs
from edgemoe_gen.design.rules import Rule
from edgemoe_gen.design.sizes import Sizes
from edgemoe_gen.hardware.descriptor import operation_bits
from edgemoe_gen.hardware.latency import most_cycles
from edgemoe_gen.numerics import tables

LEAST_FIFO, MOST_FIFO = 2, 1 << 16  # elements
MOST_ELEMENT = 4096  # bits: Vitis HLS refuses wider elements (Xilinx/Vitis-Tutorials#426)
OPERATIONS_AHEAD = 128  # that fetching weights knows of before they run
ORDER_DEPTH = 16
INPUT_DEPTH = 64
ENGINE, OPERATE, ROUTER = "edgemoe_engine", "operate", "route_tokens"  # the regions that FIFOs are in
EXPONENT_BITS = SHIFT_BITS = 8
TRANSFER_BITS = 3 * 32 + 2


@dataclass(frozen=True)
class Lag:
    """The reason why a FIFO is still filled while its consumer waits for another FIFO.

    Attributes:
        beside: the other FIFO; the same loop fills both.
        loop: the pipeline that delays the other FIFO's element, from the stage in which it writes this FIFO; from its
            first stage if it does not write this FIFO.
        elements: elements of this FIFO for one iteration of the other.
    """

    beside: str
    loop: str
    elements: int = 1


@dataclass(frozen=True)
class Fifo:
    """One FIFO, or several equal ones of one name.

    Attributes:
        name: name of the variable in the sources.
        region: dataflow function that declares it.
        width: bits of an element; `knobs` are the knobs on which it depends.
        depth: elements, by the design or the project.
        least: elements below which a pipeline could wait for itself.
        copies: number of equal FIFOs of this name.
        lag: the reason for `least`.
        knob: the knob that sets the depth; "" if the project's table [fifo_depths] may set it.
        held: it is a memory at any depth, with a row of its own in `storage.memories`.
    """

    name: str
    region: str
    width: int
    depth: int
    knobs: tuple[str, ...] = ()
    least: int = LEAST_FIFO
    copies: int = 1
    lag: Lag | None = None
    knob: str = ""
    held: bool = False


def fifos(sizes: Sizes, said: Mapping[str, int]) -> dict[str, Fifo]:
    """All FIFOs of a design by name, with the project's depths in place of the design's.

    Args:
        sizes: of the design.
        said: depths by name, as the project says them.
    """
    rows = (*_engine(sizes), *_operate(sizes), *(_router(sizes) if sizes.has_experts else ()))
    return {
        row.name: replace(row, depth=row.depth if row.knob else said.get(row.name, row.depth), least=_least(sizes, row))
        for row in rows
    }


def fifo_rules(knobs: Knobs, known: Mapping[str, Fifo], said: Mapping[str, int]) -> Iterator[Rule]:
    """Rules of FIFOs, in the form of `rules.rules`.

    Args:
        knobs: of the design.
        known: its FIFOs by name.
        said: depths by name, as the project says them.
    """
    for name in said:
        free = [fifo.name for fifo in known.values() if not fifo.knob]
        hint = f"there are: {', '.join(free)}"
        if name in known and known[name].knob:
            hint = f"set the knob {known[name].knob} instead"
        yield name not in free, f"fifo_depths names '{name}', which is no FIFO whose depth it can say", hint
    for fifo in known.values():
        setting = f"fifo_depths.{fifo.name}"
        yield (
            not fifo.knob and not LEAST_FIFO <= fifo.depth <= MOST_FIFO,
            f"{setting} is {fifo.depth}",
            f"give {LEAST_FIFO} to {MOST_FIFO}",
        )
        if fifo.lag is not None:
            lag = fifo.lag
            yield (
                fifo.depth < fifo.least,
                f"the FIFO {fifo.name} is {fifo.depth} deep ({setting}), but needs {fifo.least}: it takes "
                f"{lag.elements} and one more for each of {fifo.least - lag.elements} cycles of the pipeline "
                f"{lag.loop} before {lag.beside} brings what its consumer waits for, and a pipeline that stalls would "
                "never deliver it",
                f"set {setting} to {fifo.least} or more, or leave it out",
            )

        values = " and ".join(f"{knob} is {getattr(knobs, knob)}" for knob in fifo.knobs)
        yield (
            fifo.width > MOST_ELEMENT,
            f"{values}: an element of the FIFO {fifo.name} has {fifo.width:,} bits, but Vitis HLS takes streams of "
            f"at most {MOST_ELEMENT:,} bits",
            f"lower {' or '.join(fifo.knobs)}",
        )


def _least(sizes: Sizes, fifo: Fifo) -> int:
    if fifo.lag is None:
        return LEAST_FIFO
    named = tuple((name, int(getattr(sizes, name))) for name in ("variance_bits", "exp_sum_bits"))
    cycles = most_cycles(fifo.lag.loop, fifo.name, (("in_parallel", sizes.knobs.in_parallel), *named))
    return max(LEAST_FIFO, fifo.lag.elements + cycles)


def _engine(sizes: Sizes) -> tuple[Fifo, ...]:
    """FIFOs between the movers and `execute`; each operation comes with its transfers."""
    k = sizes.knobs
    order = Lag("orders", "program_beats")
    return (
        Fifo("weight_orders", ENGINE, TRANSFER_BITS, ORDER_DEPTH, copies=k.weight_ports, lag=order),
        Fifo("input_orders", ENGINE, TRANSFER_BITS, ORDER_DEPTH, lag=order),
        Fifo("orders", ENGINE, operation_bits(sizes.route_bits, sizes.parts), OPERATIONS_AHEAD, held=True),
        Fifo("output_orders", ENGINE, TRANSFER_BITS, ORDER_DEPTH, lag=order),
        Fifo(
            "weights", ENGINE, k.port_bits * k.fill_beats, sizes.fifo_elements, ("port_bits", "fill_beats"),
            copies=k.weight_ports, knob="weight_fifo_beats", held=True,
        ),
        Fifo("input", ENGINE, k.port_bits, INPUT_DEPTH),
        Fifo("output", ENGINE, k.port_bits, INPUT_DEPTH),
    )  # fmt: skip


def _operate(sizes: Sizes) -> tuple[Fifo, ...]:
    """FIFOs between the processes of an operation.

    32 elements cost no more than 2, since a look-up table is a shift register of this length (UG574). `measured` is in
    BRAM, where up to 512 are free: it has room for twice the pipeline's cycles by the timing table.
    """
    k = sizes.knobs
    inputs, outputs = ("in_parallel",), ("out_parallel",)
    fine = k.in_parallel * sizes.fine_bits
    operand_knobs = ("port_bits", "weight_ports", "fill_beats")
    moments = Lag("token_moments", "measure_words", sizes.dim_words)
    measured = Fifo("measured", OPERATE, fine, 0, inputs, lag=moments, held=True)
    room = 2 * _least(sizes, measured) - sizes.dim_words
    return (
        *(_of_experts(sizes) if sizes.has_experts else ()),
        Fifo(
            "operands", OPERATE, sizes.part_values * sizes.operand_bits, 16, operand_knobs,
            lag=Lag("new_biases", "weight_steps"),
        ),
        Fifo(
            "new_biases", OPERATE, k.out_parallel * sizes.bias_bits, 4, outputs,
            lag=Lag("operands", "weight_steps"),
        ),
        Fifo(
            "biases", OPERATE, k.out_parallel * sizes.bias_bits, 16, outputs,
            lag=Lag("sums", "multiply_steps"),
        ),
        Fifo("feature_shifts", OPERATE, k.in_parallel * SHIFT_BITS, 4, inputs),
        Fifo(
            "tiles", OPERATE, k.tokens_parallel * k.in_parallel * sizes.factor_bits, 16,
            ("tokens_parallel", "in_parallel"), lag=Lag("row_sums", "product_tiles"),
        ),
        Fifo(
            "row_sums", OPERATE, k.tokens_parallel * sizes.exp_sum_bits, 16, ("tokens_parallel",),
            lag=Lag("tiles", "multiply_steps"),
        ),
        Fifo("words", OPERATE, fine, 16, inputs),
        *([Fifo("pairs", OPERATE, 2 * k.in_parallel * k.activation_bits, 16, inputs)] if sizes.has_decoders else []),
        Fifo("sums", OPERATE, k.out_parallel * sizes.accumulator_bits, 4, outputs, copies=k.tokens_parallel),
        Fifo("results", OPERATE, k.out_parallel * sizes.fine_bits, 16, outputs),
        Fifo(
            "scores", OPERATE, k.score_rows * k.in_parallel * k.activation_bits, 16, ("score_rows", "in_parallel"),
        ),
        replace(measured, depth=1 << (room - 1).bit_length()),
        Fifo("token_moments", OPERATE, sizes.centred_bits + tables.MANTISSA_BITS + EXPONENT_BITS, 4),
        Fifo("copies", OPERATE, fine, 16, inputs),
    )  # fmt: skip


def _of_experts(sizes: Sizes) -> tuple[Fifo, ...]:
    """FIFOs of the destinations of an expert's rows and of the factor of each row."""
    return (
        Fifo("destinations", OPERATE, sizes.place_bits, 64, lag=Lag("scales", "round_steps")),
        Fifo("scales", OPERATE, tables.MANTISSA_BITS + EXPONENT_BITS, 64),
    )


def _router(sizes: Sizes) -> tuple[Fifo, ...]:
    """FIFOs of the router: a group's choices come in a burst, a token's total with its last power."""
    k = sizes.knobs
    choice = sizes.expert_bits + k.activation_bits
    route = sizes.place_bits + sizes.expert_bits
    powers = Lag("totals", "weigh_routes", k.max_top_k)
    return (
        Fifo(
            "choices", ROUTER, sizes.place_bits + k.max_top_k * choice + sizes.exp_sum_bits, sizes.choose_tokens,
            ("max_top_k",),
        ),
        Fifo("powers", ROUTER, route + tables.EXP_FRACTION + 2, 2 * k.max_top_k + 2, lag=powers),
        Fifo("totals", ROUTER, sizes.exp_sum_bits, 4),
        Fifo("routes", ROUTER, route + tables.MANTISSA_BITS, 4),
    )  # fmt: skip

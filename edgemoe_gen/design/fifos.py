"""Every FIFO of the engine: where it is, how wide and how deep, and the least depth that can't stop a pipeline.

In: a design. Out: a row a FIFO, and the rules that hold the project's depths against them. Where two FIFOs are filled
by one loop and emptied together, the first must hold all that is written to it while a pipeline keeps back what comes
by the second. A pipeline that stalls as a whole would otherwise wait for itself (UG1399, pipeline style stp).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgemoe_gen.design.storage import OPERATIONS_AHEAD, ORDER_BITS
from edgemoe_gen.hardware.latency import most_cycles
from edgemoe_gen.numerics import tables

if TYPE_CHECKING:
    from edgemoe_gen.design.design import Design

LEAST_FIFO, MOST_FIFO = 2, 1 << 16  # elements
MOST_ELEMENT = 4096  # bits: Vitis HLS refuses wider elements (Xilinx/Vitis-Tutorials#426)
ORDER_DEPTH = 16
INPUT_DEPTH = 64
ENGINE, OPERATE, ROUTER = "edgemoe_engine", "operate", "route_tokens"  # the regions that FIFOs are in
EXPONENT_BITS = LANE_BITS = SHIFT_BITS = 8
TRANSFER_BITS = 3 * 32 + 2


@dataclass(frozen=True)
class Lag:
    """Why a FIFO goes on being filled while its consumer waits for what another one brings.

    Attributes:
        beside: the other FIFO; the same loop fills both.
        loop: the pipeline that keeps back what comes by it.
        behind: operator of its chain whose result goes into this FIFO; "" if it waits for the whole pipeline.
        elements: of this FIFO that one iteration of the other needs.
    """

    beside: str
    loop: str
    behind: str
    elements: int = 1


@dataclass(frozen=True)
class Fifo:
    """One FIFO, or several equal ones of one name.

    Attributes:
        name: of the variable in the sources.
        region: dataflow function that declares it.
        width: bits of an element; `knobs` are those that it grows with.
        depth: elements, as the design says or the project.
        least: elements below which a pipeline could wait for itself.
        copies: equal FIFOs of the name.
        lag: what `least` follows from.
        knob: the knob that says the depth; "" if the project's table [fifo_depths] may.
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


def fifos(design: Design) -> dict[str, Fifo]:
    """All FIFOs of a design by name, with the project's depths in place of the design's."""
    rows = (*_engine(design), *_operate(design), *_router(design))
    said = design.fifo_depths
    return {
        row.name: replace(
            row, depth=row.depth if row.knob else said.get(row.name, row.depth), least=_least(design, row)
        )
        for row in rows
    }


def stream_depths(design: Design) -> dict[str, int]:
    """Depth of every FIFO whose depth no knob says, in elements."""
    return {name: fifo.depth for name, fifo in design.fifos.items() if not fifo.knob}


def fifo_rules(design: Design) -> Iterator[tuple[bool, str, str]]:
    """Rules of FIFOs, as `rules.rules` has them: whether one is broken, what to say, and a hint."""
    known = design.fifos
    for name in design.fifo_depths:
        free = [fifo.name for fifo in known.values() if not fifo.knob]
        hint = f"there are: {', '.join(free)}"
        if name in known and known[name].knob:
            hint = f"set the knob {known[name].knob} instead"
        yield name not in free, f"fifo_depths names '{name}', which is no FIFO whose depth it can say", hint
    for fifo in known.values():
        said = f"fifo_depths.{fifo.name}"
        yield (
            not fifo.knob and not LEAST_FIFO <= fifo.depth <= MOST_FIFO,
            f"{said} is {fifo.depth}",
            f"give {LEAST_FIFO} to {MOST_FIFO}",
        )
        if fifo.lag is not None:
            lag = fifo.lag
            yield (
                fifo.depth < fifo.least,
                f"the FIFO {fifo.name} is {fifo.depth} deep ({said}), but needs {fifo.least}: it takes {lag.elements} "
                f"and one more for each of {fifo.least - lag.elements} cycles of the pipeline {lag.loop} before "
                f"{lag.beside} brings what its consumer waits for, and a pipeline that stalls would never deliver it",
                f"set {said} to {fifo.least} or more, or leave it out",
            )

        values = " and ".join(f"{knob} is {getattr(design.knobs, knob)}" for knob in fifo.knobs)
        yield (
            fifo.width > MOST_ELEMENT,
            f"{values}: an element of the FIFO {fifo.name} has {fifo.width:,} bits, but Vitis HLS takes streams of "
            f"at most {MOST_ELEMENT:,} bits",
            f"lower {' or '.join(fifo.knobs)}",
        )


def _least(design: Design, fifo: Fifo) -> int:
    if fifo.lag is None:
        return LEAST_FIFO
    sizes = tuple((name, int(getattr(design, name))) for name in ("variance_bits", "exp_sum_bits"))
    cycles = most_cycles(fifo.lag.loop, fifo.lag.behind, (("in_parallel", design.knobs.in_parallel), *sizes))
    return max(LEAST_FIFO, fifo.lag.elements + cycles)


def _engine(design: Design) -> tuple[Fifo, ...]:
    """Between the movers and what executes; an operation's transfers are told with it."""
    k = design.knobs
    order = Lag("orders", "program_beats", "select")
    return (
        Fifo("weight_orders", ENGINE, TRANSFER_BITS, ORDER_DEPTH, copies=k.weight_ports, lag=order),
        Fifo("input_orders", ENGINE, TRANSFER_BITS, ORDER_DEPTH, lag=order),
        Fifo("orders", ENGINE, ORDER_BITS, OPERATIONS_AHEAD),
        Fifo("output_orders", ENGINE, TRANSFER_BITS, ORDER_DEPTH, lag=order),
        Fifo(
            "weights", ENGINE, k.port_bits * k.fill_beats, design.fifo_elements, ("port_bits", "fill_beats"),
            copies=k.weight_ports, knob="weight_fifo_beats",
        ),
        Fifo("input", ENGINE, k.port_bits, INPUT_DEPTH),
        Fifo("output", ENGINE, k.port_bits, INPUT_DEPTH),
    )  # fmt: skip


def _operate(design: Design) -> tuple[Fifo, ...]:
    """Between the processes of an operation.

    Up to 32 elements cost no more than 2, since a look-up table is a shift register as long (UG574). `measured` is in
    BRAM, where up to 512 are free: it has room for twice the cycles that the table says of the pipeline.
    """
    k = design.knobs
    inputs, outputs = ("in_parallel",), ("out_parallel",)
    fine = k.in_parallel * design.fine_bits
    operand_knobs = ("port_bits", "weight_ports", "fill_beats")
    moments = Lag("token_moments", "measure_words", "fifo_read", design.dim_words)
    measured = Fifo("measured", OPERATE, fine, 0, inputs, lag=moments)
    room = 2 * _least(design, measured) - design.dim_words
    return (
        Fifo("destinations", OPERATE, design.place_bits, 64, lag=Lag("scales", "round_steps", "")),
        Fifo("scales", OPERATE, tables.MANTISSA_BITS + EXPONENT_BITS, 64),
        Fifo(
            "operands", OPERATE, design.part_values * design.operand_bits, 16, operand_knobs,
            lag=Lag("new_biases", "weight_steps", "select"),
        ),
        Fifo(
            "new_biases", OPERATE, k.out_parallel * design.bias_bits, 4, outputs,
            lag=Lag("operands", "weight_steps", "select"),
        ),
        Fifo(
            "biases", OPERATE, k.out_parallel * design.bias_bits, 16, outputs,
            lag=Lag("sums", "multiply_steps", "counter"),
        ),
        Fifo("feature_shifts", OPERATE, k.in_parallel * SHIFT_BITS, 4, inputs),
        Fifo(
            "tiles", OPERATE, k.tokens_parallel * k.in_parallel * design.factor_bits, 16,
            ("tokens_parallel", "in_parallel"), lag=Lag("row_sums", "product_tiles", "exp2"),
        ),
        Fifo(
            "row_sums", OPERATE, k.tokens_parallel * design.exp_sum_bits, 16, ("tokens_parallel",),
            lag=Lag("tiles", "multiply_steps", ""),
        ),
        Fifo("words", OPERATE, fine, 16, inputs),
        Fifo("sums", OPERATE, k.out_parallel * design.accumulator_bits, 4, outputs, copies=k.tokens_parallel),
        Fifo("results", OPERATE, k.out_parallel * design.fine_bits, 16, outputs),
        Fifo(
            "scores", OPERATE, k.score_rows * k.in_parallel * k.activation_bits, 16, ("score_rows", "in_parallel"),
        ),
        replace(measured, depth=1 << (room - 1).bit_length()),
        Fifo("token_moments", OPERATE, design.centred_bits + tables.MANTISSA_BITS + EXPONENT_BITS, 4),
        Fifo("copies", OPERATE, fine, 16, inputs),
    )  # fmt: skip


def _router(design: Design) -> tuple[Fifo, ...]:
    """Between the processes of the router: a group's choices come in a burst, a token's total with its last power."""
    k = design.knobs
    choice = design.expert_bits + k.activation_bits
    route = design.place_bits + design.expert_bits
    powers = Lag("totals", "weigh_routes", "exp2", k.max_top_k)
    return (
        Fifo(
            "choices", ROUTER, design.place_bits + k.max_top_k * choice + design.exp_sum_bits, design.choose_tokens,
            ("max_top_k",),
        ),
        Fifo("powers", ROUTER, route + tables.EXP_FRACTION + 2, 2 * k.max_top_k + 2, lag=powers),
        Fifo("totals", ROUTER, design.exp_sum_bits, 4),
        Fifo("routes", ROUTER, route + tables.MANTISSA_BITS, 4),
    )  # fmt: skip

"""Two small designs whose processes are tested alone: between them they take most ways through the kernels."""

from __future__ import annotations

from functools import cache

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.codegen.synthesis import budget_ns
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.rtl.compile import Kernels, compile_kernels, compile_process
from edgemoe_gen.rtl.process import Process

SMALL, ODD = "2x8x8", "3x8x4"
SIZES = {
    SMALL: Knobs(tokens_parallel=2, out_parallel=8, in_parallel=8),
    # Several words an output tile, parts a tile and steps of biases; rows of scores together; narrow weights and keys;
    # no tails; one narrow port; memories of a few addresses; a longer clock, so other stages.
    ODD: Knobs(
        tokens_parallel=3, out_parallel=8, in_parallel=4, port_bits=64, weight_ports=1, fill_beats=1,
        activation_bits=17, weight_bits=14, expert_weight_bits=7, cache_bits=9, residual_tail_bits=0, score_rows=3,
        cache_lanes=2, max_tokens=33, max_dim=32, max_query=32, max_cache=48, max_hidden=64, max_experts=5, max_top_k=2,
        clock_mhz=200,
    ),
}  # fmt: skip
ALONE = (  # processes that call no others
    "apply_moments", "choose_experts", "dispatch", "fetch_input", "fetch_weights", "fill_queues", "gather_tokens",
    "load_operands", "load_tokens", "measure_tokens", "multiply", "read_program", "round_sums", "score_choices",
    "store_results", "weigh_choices", "write_result",
)  # fmt: skip


@cache
def design(size: str) -> Design:
    """One of the designs."""
    return make_design(SIZES[size], load_board("zcu104"))


@cache
def kernels(size: str) -> Kernels:
    """Its kernels, compiled."""
    made = design(size)
    return compile_kernels(render_sources(made), made.board.part, budget_ns(made.knobs.clock_mhz))


@cache
def process(size: str, name: str) -> Process:
    """One of its processes as a module."""
    return compile_process(kernels(size), name)

"""Sensible knobs for a network on a board: the largest network is this one, and memories are cut to what fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from edgemoe_gen.arithmetic import ceil_div
from edgemoe_gen.boards import Board
from edgemoe_gen.design.design import Design
from edgemoe_gen.design.knobs import Knobs
from edgemoe_gen.model import ModelSpec

# Share of the on-chip memory that defaults may take, so that placement and other logic keep some room; second choice.
ROOM, NO_ROOM = 0.85, 1.0
MIN_HEADS_CACHE = 1


def default_knobs(spec: ModelSpec, board: Board, turned: dict[str, Any] | None = None) -> Knobs:
    """Knobs that hold `spec` and fit `board`'s memories, if any do; otherwise the smallest that hold it.

    Args:
        spec: the largest network to run.
        board: the board.
        turned: knobs that the user has chosen; they stay as they are.
    """
    chosen = dict(turned or {})
    basis = Knobs(clock_mhz=board.clock_mhz, weight_ports=min(4, board.ports)).turned(
        {name: value for name, value in chosen.items() if not name.startswith("max_")}
    )
    basis = basis.turned(_unit(basis, board, chosen))
    head = ceil_div(spec.head_dim, basis.out_parallel) * basis.out_parallel
    query = max(spec.heads * head, spec.dim)
    experts = max((block.experts for block in spec.blocks), default=0)
    sizes: dict[str, Any] = {
        "max_tokens": spec.tokens,
        "max_dim": spec.dim,
        "max_query": query,
        "max_experts": max(64, experts),
        "max_top_k": max(4, spec.router.top_k),
    }
    last = basis
    for room in (ROOM, NO_ROOM):
        for memory in _memory_choices(spec, head, basis.out_parallel):
            last = replace(basis, **(sizes | memory)).turned(chosen)
            if _fits(Design(last, board), room):
                return last
    return last


def _unit(basis: Knobs, board: Board, chosen: dict[str, Any]) -> dict[str, Any]:
    """The largest compute unit of usual shape that leaves a third of the DSPs to everything else."""
    if {"tokens_parallel", "out_parallel", "in_parallel"} & set(chosen):
        return {}
    for tokens, out, inner in ((4, 16, 16), (2, 16, 16), (2, 16, 8), (1, 16, 8), (1, 8, 8)):
        if tokens * out * inner <= board.dsp * 2 / 3:
            return {"tokens_parallel": tokens, "out_parallel": out, "in_parallel": inner}
    return {"tokens_parallel": 1, "out_parallel": basis.in_parallel, "in_parallel": basis.in_parallel}


def _memory_choices(spec: ModelSpec, head: int, multiple: int) -> Iterator[dict[str, Any]]:
    """From the most to the least memory: what shrinks first costs the least time."""
    widest = max([spec.patch_inputs, *(block.hidden for block in spec.blocks)])
    least = max(64, *(block.experts for block in spec.blocks), multiple)
    hidden = [widest]
    while hidden[-1] > least:
        hidden.append(max(least, ceil_div(hidden[-1], 2 * multiple) * multiple))
    heads = [spec.heads]
    while heads[-1] > MIN_HEADS_CACHE:
        heads.append(heads[-1] // 2)
    # A deep FIFO lets fetching run ahead of computing; slices cost little, so memories shrink before it does. The
    # residual's finer bits go last: they cost accuracy.
    for tail in (Knobs.residual_tail_bits, 3, 0):
        for fifo in (32768, 16384, 8192, 4096, 2048, 1024, 512):
            for columns in hidden:
                for count in heads:
                    yield {
                        "residual_tail_bits": tail,
                        "weight_fifo_beats": fifo,
                        "max_hidden": columns,
                        "max_cache": 2 * count * head,
                    }


def _fits(design: Design, room: float) -> bool:
    plan = design.storage
    return plan.bram36 <= room * design.board.bram36 and plan.uram <= room * design.board.uram

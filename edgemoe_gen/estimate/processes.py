"""Processes of the engine and their parts of the estimate, for comparisons of resources by process."""

from __future__ import annotations

# Processes, in the order of the data path, and the parts of the estimate that they are.
GROUPS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("load_operands",), ("transposer",)),
    (("load_tokens",), ("probabilities",)),
    (("multiply",), ("compute unit",)),
    (("round_sums",), ("rounding", "scores")),
    (("measure_tokens", "apply_moments"), ("LayerNorm",)),
    (("store_results",), ("addition",)),
    (("choose_experts", "weigh_choices", "score_choices", "fill_queues"), ("router",)),
    (
        ("read_program", "fetch_weights", "fetch_input", "write_result", "dispatch", "gather_tokens"),
        ("control",),
    ),
)

__all__ = ["GROUPS"]

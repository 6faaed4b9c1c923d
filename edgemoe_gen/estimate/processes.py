"""Processes of the engine and their parts of the estimate, for comparisons of resources by process."""

from __future__ import annotations

from edgemoe_gen.design import Design

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

# Processes that only designs with experts have, and their pipelines.
ROUTING = ("choose_experts", "weigh_choices", "score_choices", "fill_queues", "dispatch", "gather_tokens")
ROUTING_LOOPS = (
    "choose_words", "weigh_routes", "score_routes", "count_routes", "place_queues", "sort_routes", "dispatch_rows",
    "gather_steps", "route_beats",
)  # fmt: skip


def groups_of(design: Design) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Rows of `GROUPS`, without processes that the design leaves out."""
    left_out = () if design.has_experts else ROUTING
    rows = ((tuple(name for name in processes if name not in left_out), parts) for processes, parts in GROUPS)
    return tuple(row for row in rows if row[0])


__all__ = ["GROUPS", "ROUTING_LOOPS", "groups_of"]

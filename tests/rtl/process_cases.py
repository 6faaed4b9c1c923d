"""Processes that are tested alone, with what their callers promise them."""

from __future__ import annotations

from tests.rtl.process_bench import Case

_NORMALISE = """
op.kind = between(0, 3) == 0 ? KIND_GATHER : between(0, 2) ? KIND_NORMALISE : KIND_LOAD;
op.kind = between(0, 5) == 0 ? KIND_STORE : op.kind;
op.tokens = between(0, 5);
op.in_words = between(1, 6);
op.features = op.in_words * IN_PARALLEL;
op.inverse_shift = 26 - MEAN_FRACTION;
op.inverse_features = ((1 << 26) + op.features / 2) / op.features;
op.eps_low = between(1, 1 << 30);
op.normal_fraction = between(4, 14);
op.out_shift = between(0, 10);
"""

_CASES = (
    Case("measure_tokens", "normalise.h", _NORMALISE),
    Case(
        "apply_moments",
        "normalise.h",
        _NORMALISE,
        elements={
            "token_moments": "e.mantissa = between(0, (1 << 17) - 1); e.shift = between(6, 40);",
            "feature_shifts": "for (auto &lane : e.lane) lane = between(0, 6);",
        },
    ),
    Case(
        "fill_queues",
        "route.h",
        "op.tokens = between(1, 60); op.top_k = between(1, 4); op.expert_end = between(1, 16);",
        elements={"routes": "e.expert = between(0, op.expert_end - 1);"},
    ),
    Case(
        "gather_tokens",
        "queue.h",
        "op.gather_rows = between(0, 30); op.gather_words = between(1, 6); op.gather_stride = between(6, 12);"
        "op.gather_first = between(0, 200);",
        memories={"places": "e.block = between(0, 60); e.lane = between(0, TOKENS_PARALLEL - 1);"},
    ),
    Case(
        "dispatch",
        "queue.h",
        "op.kind = between(0, 3) ? KIND_PRODUCT : KIND_STORE; op.flags = between(0, 3) ? FLAG_SCATTER : 0;"
        "op.blocks = between(0, 8); op.tokens = between(0, 16); op.out_tiles = between(0, 4);"
        "op.queue_first = between(0, 200);",
    ),
)
CASES = {case.name: case for case in _CASES}

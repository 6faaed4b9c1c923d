"""Facts that follow from a network's spec."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgemoe_gen.model import TaskSpec
from edgemoe_gen.model.spec import RouterSpec
from tests.design.specs import make_spec


@pytest.mark.parametrize(
    ("router", "shares"),
    [
        ({"kind": "none"}, True),
        ({"kind": "single", "top_k": 2}, True),
        ({"kind": "multi", "top_k": 2}, False),
        ({"kind": "task_conditioned", "top_k": 2, "task_features": 4, "task_inputs": 2}, False),
        # One gate, but each task has a window of experts of its own, unless that is all of them.
        ({"kind": "single", "top_k": 2, "experts_per_task": 4}, False),
        ({"kind": "single", "top_k": 2, "experts_per_task": 16}, True),
    ],
)
def test_tasks_share_the_backbone_where_no_gate_depends_on_them(router: dict[str, Any], shares: bool) -> None:
    spec = make_spec(64, 2, (32, 64))
    assert {block.experts for block in spec.blocks} == {0, 16}
    two = replace(spec, tasks=(TaskSpec("a"), TaskSpec("b")), router=RouterSpec(**router))
    assert two.shares_backbone is shares

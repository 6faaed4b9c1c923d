"""Networks of full width and image on the designs that the defaults make for them, two blocks deep."""

from __future__ import annotations

from typing import Any

import pytest

from edgemoe_gen.design import make_design
from edgemoe_gen.estimate import check_fits
from edgemoe_gen.fitting.defaults import default_knobs
from edgemoe_gen.hardware.boards import load_board
from tests.sim.engines import check_against_float, compiled, random_case, run_case

pytest.importorskip("torch")
pytestmark = [pytest.mark.nightly, pytest.mark.usefixtures("optimised")]

NETWORKS: dict[str, dict[str, Any]] = {
    "M3ViT-small for PASCAL, 512 x 512, top-4 of 16": {
        "dim": 384, "heads": 12, "depth": 2, "experts": 16, "expert_hidden": 384, "top_k": 4, "patch": 16,
        "image": (512, 512), "frames": 1,
    },
    "DeiT-tiny, 224 x 224, no experts": {
        "dim": 192, "heads": 3, "depth": 2, "router": "none", "head_classes": 1000, "patch": 16,
        "image": (224, 224), "frames": 1,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_defaults_fit_the_zcu104_and_run_right(name: str) -> None:
    case = random_case(seed=50, **NETWORKS[name])
    board = load_board("zcu104")
    design = make_design(default_knobs(case.model.spec, board), board)
    assert check_fits(design).fits(board)
    check_against_float(run_case(compiled(design), case, case.model.spec.task_names[-1:]))

"""The error of a point by C simulation is the one that a build reports: against float with the same experts chosen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.model import BlockSpec, Reference
from edgemoe_gen.model.random import random_model, random_picture
from edgemoe_gen.sim.comparison import compare
from edgemoe_gen.sim.engine import Engine, run_frames
from edgemoe_gen.tuning import make_evaluator
from edgemoe_gen.tuning.trial import CSIM, Point
from tests.tuning.small_searches import SPEC as SMALL

pytest.importorskip("torch")
SPEC = replace(SMALL, blocks=(BlockSpec(0, 16, 64), BlockSpec(1, 16, 64)))
# So coarse that some tokens choose other experts than in float.
COARSE = {"tokens_parallel": 2, "out_parallel": 16, "in_parallel": 8, "activation_bits": 11, "weight_bits": 6}


def test_a_token_that_chooses_another_expert_counts_in_the_sets_and_not_in_the_error() -> None:
    picture = random_picture(SPEC)
    evaluator = make_evaluator(random_model(SPEC), [picture], SPEC.task_names, load_board("zcu104"), chosen=COARSE)
    point = Point(())
    figures = evaluator._simulated(evaluator.design(point), 1)
    assert set(figures) == {"error", "relative_rms", "sets_equal"}
    assert all(figure.tier == CSIM for figure in figures.values())

    design = evaluator.design(point)
    program = evaluator.prepared.program(design, SPEC.task_names, taps=True)
    frame = run_frames(Engine.compile(design), program, SPEC, [picture])[0][0]
    wanted = compare(evaluator.model, Reference(evaluator.model), "picture", picture, frame).errors
    assert 0 < wanted.sets_equal < wanted.sets, "the case has equal sets and others"
    assert figures["sets_equal"].value == wanted.sets_equal / wanted.sets
    assert figures["error"].value == pytest.approx(wanted.mse_forced, rel=1e-6)
    assert figures["error"].value < wanted.mse_free
    power = float(np.mean(np.square(evaluator.truths[0].tokens, dtype=np.float64)))
    assert figures["relative_rms"].value == pytest.approx((wanted.mse_forced / power) ** 0.5, rel=1e-6)

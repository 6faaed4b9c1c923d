"""Networks of random weights: all that their specs name is there, and activations keep their size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgemoe_gen.model.layout import backbone_shapes, up_head_shapes
from edgemoe_gen.model.random import random_model, random_picture
from edgemoe_gen.model.spec import TaskSpec
from tests.design.specs import make_spec

SPEC = replace(
    make_spec(24, 3, (48, 80), experts=3, top_k=1),
    tasks=(TaskSpec("semseg", 5, map_channels=16), TaskSpec("depth", 1, map_channels=16), TaskSpec("tokens", 2)),
)


def test_tensors_are_those_of_the_spec_and_decoders_those_of_its_tasks() -> None:
    model = random_model(SPEC)
    assert {name: values.shape for name, values in model.backbone.items()} == backbone_shapes(SPEC)
    assert list(model.decoders) == ["semseg", "depth"]
    for task, outputs in (("semseg", 5), ("depth", 1)):
        found = {name: values.shape for name, values in model.decoders[task].items()}
        assert found == up_head_shapes(24, 16, outputs)
        assert (model.decoders[task]["syncbn_fc_0.running_var"] > 0).all()


def test_a_decoder_gives_a_map_of_the_picture_s_size_and_of_usual_values() -> None:
    pytest.importorskip("torch")
    from edgemoe_gen.model.reference import Reference

    output = Reference(random_model(SPEC)).run(random_picture(SPEC), "semseg").output
    assert output is not None and output.shape == (5, 48, 80)
    assert 0.05 < np.abs(output).mean() < 20

"""A build knows which of a file's weights it was made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgemoe_gen.model import SpecOptions
from edgemoe_gen.pipeline.work import Work
from edgemoe_gen.project.config import Config
from edgemoe_gen.project.opening import no_progress
from tests.factory import make_state, options

torch = pytest.importorskip("torch")


def test_other_weights_of_the_same_file_make_the_stages_anew(tmp_path: Path) -> None:
    content = {
        key: {name: torch.from_numpy(values) for name, values in make_state(dim=16, depth=2, seed=seed).items()}
        for seed, key in enumerate(("state_dict", "state_dict_ema"))
    }
    torch.save(content, tmp_path / "m.pth")
    np.save(tmp_path / "a.npy", np.zeros((32, 64, 3), np.uint8))

    def inputs(weights: str | None) -> str:
        said = SpecOptions(weights=weights).over(options())
        return Work(Config(tmp_path / "m.pth", images=(tmp_path / "a.npy",), model=said), no_progress).render_inputs

    assert inputs(None) == inputs("state_dict") != inputs("state_dict_ema")

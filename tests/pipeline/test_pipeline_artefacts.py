"""What a rendered folder holds is read back, or refused in one sentence where another version wrote it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.pipeline.artefacts import read_numerics
from tests.sim.engines import random_case

pytest.importorskip("torch")


@pytest.mark.parametrize(
    "text", ['[{"name": "a", "bits": 18}]', "{", '{"formats": []}', None], ids=["older", "cut", "another kind", "none"]
)
def test_formats_of_another_version_are_refused_by_a_sentence(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "formats.json").write_text(text)
    with pytest.raises(ConfigError, match="is damaged, or another version of edgemoe-gen rendered it") as caught:
        read_numerics(tmp_path, random_case(seed=1).model)
    assert str(tmp_path) in caught.value.message and "--from render" in caught.value.hint


def test_ranges_that_are_no_archive_are_refused_too(tmp_path: Path) -> None:
    (tmp_path / "formats.json").write_text(json.dumps([]))
    (tmp_path / "calibration.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(ConfigError, match="is damaged"):
        read_numerics(tmp_path, random_case(seed=1).model)
    np.savez(tmp_path / "calibration.npz", other=np.zeros(3))
    with pytest.raises(ConfigError, match="is damaged"):
        read_numerics(tmp_path, random_case(seed=1).model)

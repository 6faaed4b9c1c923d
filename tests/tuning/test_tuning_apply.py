"""A point in a project's file: its lines change, all others stay."""

from __future__ import annotations

from pathlib import Path

from edgemoe_gen.config import Config, read_config
from edgemoe_gen.tomltext import with_values
from edgemoe_gen.tuning import Point
from edgemoe_gen.tuning.apply import apply_point
from tests.tuning.small_searches import SPEC

TEXT = """board = "zcu104"

[knobs]

# Tokens at once.
# tokens_parallel = 4  # default for this network

# Width of weights.
weight_bits = 16

# Numerics: binary points.
[numerics]
calibration_images = 8
"""


def test_a_commented_line_and_a_set_one_are_replaced_and_a_new_one_is_added() -> None:
    text = with_values(TEXT, "knobs", {"tokens_parallel": 6, "weight_bits": 8, "port_bits": 64})
    assert "\ntokens_parallel = 6\n" in text
    assert "\nweight_bits = 8\nport_bits = 64\n" in text
    assert "# tokens_parallel" not in text
    kept = [line for line in TEXT.splitlines() if "parallel = " not in line and "weight_bits = " not in line]
    assert [line for line in text.splitlines() if line in kept] == kept


def test_a_table_that_is_not_there_is_added() -> None:
    assert with_values("a = 1\n", "fifo_depths", {"tiles": 8}) == "a = 1\n\n[fifo_depths]\ntiles = 8\n"


def test_a_point_is_read_back_as_it_was(tmp_path: Path) -> None:
    point = Point.of({"tokens_parallel": 3, "clock_mhz": 250.0, "fifo_depths.tiles": 8, "frames": 2})
    for path in (tmp_path / "new.toml", tmp_path / "new.toml"):  # written whole, then changed
        apply_point(point, path, Config(checkpoint=tmp_path / "checkpoint.pth"), SPEC)
        config = read_config(path)
        assert config.knobs == {"tokens_parallel": 3, "clock_mhz": 250.0}
        assert config.fifo_depths == {"tiles": 8}

"""A project's [fifo_depths] reach the rendered sources, and change no program."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemoe_gen.base.errors import ConfigError, KnobError
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.project.config import Config, config_to_toml, read_config
from edgemoe_gen.project.opening import open_design


def test_depth_of_the_project_replaces_the_designs(tmp_path: Path) -> None:
    path = tmp_path / "edgemoe.toml"
    path.write_text("[fifo_depths]\nscales = 37\n", encoding="utf-8")
    config = read_config(path)
    assert config.fifo_depths == {"scales": 37}
    design, plain = open_design(config, None), open_design(Config(), None)
    assert "variable = scales depth = 37\n" in render_sources(design)["src/engine.cpp"]
    assert "variable = scales depth = 37\n" not in render_sources(plain)["src/engine.cpp"]
    assert design.identity == plain.identity


def test_depths_survive_being_written(tmp_path: Path) -> None:
    path = tmp_path / "edgemoe.toml"
    path.write_text(config_to_toml(Config(fifo_depths={"scales": 37, "sums": 2}), tmp_path), encoding="utf-8")
    assert read_config(path).fifo_depths == {"scales": 37, "sums": 2}


def test_caller_wins_over_the_file_depth_by_depth() -> None:
    both = Config(fifo_depths={"sums": 8}).over(Config(fifo_depths={"sums": 2, "tiles": 5}))
    assert both.fifo_depths == {"sums": 8, "tiles": 5}


@pytest.mark.parametrize(
    ("depths", "message", "hint"),
    [
        ({"scale": 4}, "'scale', which is no FIFO", "scales"),
        ({"scales": 1}, "fifo_depths.scales is 1", "2 to 65536"),
        ({"weights": 512}, "'weights', which is no FIFO whose depth it can say", "weight_fifo_beats"),
    ],
)
def test_unknown_fifos_and_impossible_depths_are_refused(depths: dict[str, int], message: str, hint: str) -> None:
    with pytest.raises(KnobError, match=message) as refused:
        open_design(Config(fifo_depths=depths), None)
    assert hint in refused.value.hint


def test_a_depth_is_a_whole_number(tmp_path: Path) -> None:
    path = tmp_path / "edgemoe.toml"
    path.write_text('[fifo_depths]\nscales = "many"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"fifo_depths\.scales"):
        read_config(path)

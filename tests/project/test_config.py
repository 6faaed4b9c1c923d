"""`edgemoe.toml`: round trip, comments, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from edgemoe_gen.base.errors import ConfigError, EdgeMoEError, KnobError, SpecError
from edgemoe_gen.base.parsing import parse_toml
from edgemoe_gen.base.tomltext import toml_value
from edgemoe_gen.design import Knobs, knob_fields
from edgemoe_gen.model import SpecOptions, infer_spec, load_checkpoint
from edgemoe_gen.project.config import Config, read_config
from edgemoe_gen.project.writing import config_to_toml
from tests.factory import options, write_checkpoint

FULL = Config(
    checkpoint=Path("weights/checkpoint.pth.tar"),
    images=(Path("images"), Path("more/a b.png")),
    labels=Path("truth"),
    tasks=("depth",),
    class_names={"semseg": ("road", "sky"), "human parts": ("arm",)},
    output=Path("out"),
    board="kv260",
    knobs={"tokens_parallel": 2, "clock_mhz": 250.0},
    calibrate=(Path("calibration"),),
    calibration_images=3,
    rounding="nearest",
    augment=24,
    pinned={"blocks.0.query": 12, "embed": -2},
    hls="open",
)


def written(folder: Path, text: str) -> Path:
    path = folder / "edgemoe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def in_folder(config: Config, folder: Path) -> Config:
    """The same with the paths that a file in `folder` gives."""
    return replace(
        config,
        checkpoint=folder / config.checkpoint if config.checkpoint else None,
        images=tuple(folder / p for p in config.images or ()) or None,
        labels=folder / config.labels if config.labels else None,
        output=folder / config.output if config.output else None,
        calibrate=tuple(folder / p for p in config.calibrate or ()) or None,
    )


def test_everything_that_is_written_is_read_back(tmp_path: Path) -> None:
    wanted = in_folder(FULL, tmp_path)
    path = written(tmp_path, config_to_toml(wanted, tmp_path))
    found = read_config(path)
    assert replace(found, source=None) == wanted
    assert found.source == path


def test_knobs_that_are_not_chosen_stand_there_as_comments_that_are_valid_without_their_mark(tmp_path: Path) -> None:
    knobs = Knobs().turned({"tokens_parallel": 2, "max_hidden": 96})
    text = config_to_toml(Config(knobs={"tokens_parallel": 2}), tmp_path, None, knobs, "this network on the X")
    assert "\ntokens_parallel = 2\n" in text
    assert "\n# max_hidden = 96  # default for this network on the X\n" in text
    assert read_config(written(tmp_path, text)).knobs == {"tokens_parallel": 2}
    all_set = re.sub(r"^# (\w+ = \S+  # default)", r"\1", text, flags=re.MULTILINE)
    found = read_config(written(tmp_path, all_set)).knobs
    assert found == {knob.name: getattr(knobs, knob.name) for knob in knob_fields()}


def test_names_of_classes_are_written_once_beside_a_network(tmp_path: Path) -> None:
    names = {"semseg": ("a", "b", "c", "d", "e")}
    checkpoint = load_checkpoint(write_checkpoint(tmp_path / "c.pth"))
    spec = infer_spec(checkpoint, replace(options(), class_names=names))
    text = config_to_toml(Config(class_names=names), tmp_path, spec)
    assert text.count('semseg = ["a"') == 1
    config = read_config(written(tmp_path, text))
    assert infer_spec(checkpoint, config.model) == spec


def test_network_that_is_written_is_read_back(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(write_checkpoint(tmp_path / "c.pth"))
    spec = infer_spec(checkpoint, options())
    config = read_config(written(tmp_path, config_to_toml(Config(), tmp_path, spec)))
    assert infer_spec(checkpoint, config.model) == spec


def test_every_key_has_a_comment(tmp_path: Path) -> None:
    lines = config_to_toml(FULL, tmp_path).splitlines()
    # Names of the user's own, such as pinned tensors, stand under a commented table.
    keys = [i for i, line in enumerate(lines) if re.match(r"[a-z_]+ = ", line) and '"semseg' not in line]
    keys = [i for i in keys if lines[i].split(" = ")[0] not in ("semseg", "embed")]
    assert len(keys) >= 10
    for i in keys:
        assert lines[i - 1].startswith("# "), lines[i]


def test_every_knob_states_meaning_and_range(tmp_path: Path) -> None:
    text = config_to_toml(Config(), tmp_path)
    for knob in knob_fields():
        low, high = knob.metadata["low"], knob.metadata["high"]
        assert re.search(rf"Range {low} to {high}[^\n]*\.\n# {knob.name} = ", text), knob.name


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    path = written(tmp_path / "sub", '[project]\ncheckpoint = "../c.pth"\n')
    assert read_config(path).checkpoint == tmp_path / "c.pth"


def test_command_line_wins_over_file_key_by_key() -> None:
    said = Config(board="zcu102", knobs={"tokens_parallel": 8}, model=SpecOptions(heads=4))
    merged = said.over(replace(FULL, model=SpecOptions(heads=3, top_k=2)))
    assert merged.board == "zcu102"
    assert merged.knobs == {"tokens_parallel": 8, "clock_mhz": 250.0}
    assert (merged.model.heads, merged.model.top_k) == (4, 2)
    assert merged.images == FULL.images


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("nothing = 1", ConfigError, ("'nothing'", "board", "project")),
        ("[project]\nimage = []", ConfigError, ("'project.image'", "images")),
        ("[numerics]\nwidth = 3", ConfigError, ("'numerics.width'", "pinned")),
        ("[model]\nhead = 3", SpecError, ("head", "heads")),
        ("[model.image]\nsize = 3", SpecError, ("size", "height")),
        ("[knobs]\nspeed = 3", KnobError, ("'speed'", "tokens_parallel")),
        ("[knobs]\ntokens_parallel = 99", KnobError, ("99", "1 to 16")),
        ('[knobs]\ntokens_parallel = "4"', KnobError, ("'4'", "not a number")),
        ("board = 3", ConfigError, ("'board'", "3", "string")),
        ('[project]\nimages = "one.png"', ConfigError, ("'project.images'", "list of paths")),
        ("[numerics.pinned]\nembed = 1.5", ConfigError, ("numerics.pinned.embed", "1.5", "whole number")),
        ("[numerics]\ncalibration_images = -1", ConfigError, ("calibration_images", "-1")),
        ("[numerics]\naugment = -1", ConfigError, ("augment", "-1")),
        ('[numerics]\nrounding = "up"', ConfigError, ("rounding", "up", "gptq", "nearest")),
        ("project = 3", ConfigError, ("'project'", "table")),
        ("board = ", ConfigError, ("not TOML",)),
    ],
)
def test_mistakes_are_refused_by_name(
    tmp_path: Path, text: str, error: type[EdgeMoEError], words: tuple[str, ...]
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(error) as caught:
        read_config(path)
    said = caught.value.message + caught.value.hint
    for word in (str(path), *words):
        assert word in said


def test_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path / "edgemoe.toml")
    assert "init" in caught.value.hint


@pytest.mark.parametrize("text", ['a "b" \\ c', "tab\tnew\nline", "ünï", "\x7f"])
def test_any_string_survives_toml(text: str) -> None:
    assert parse_toml(f"key = {toml_value(text)}")["key"] == text

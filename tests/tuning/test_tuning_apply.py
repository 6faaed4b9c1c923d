"""A point in a project's file: its lines change, all others stay."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from edgemoe_gen.base.errors import ConfigError, KnobError
from edgemoe_gen.base.tomltext import with_values
from edgemoe_gen.cli import main
from edgemoe_gen.design import make_design
from edgemoe_gen.estimate import estimate_resources
from edgemoe_gen.fitting.defaults import default_knobs
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.project.config import Config, config_to_toml, read_config
from edgemoe_gen.tuning import Dimension, Point, Space
from edgemoe_gen.tuning.apply import apply_point
from edgemoe_gen.tuning.asked import Asked
from edgemoe_gen.tuning.document import tune_document
from edgemoe_gen.tuning.state import Plan, State
from edgemoe_gen.tuning.trial import ESTIMATE
from tests.tuning.small_searches import OBJECTIVES, SPACE, SPEC, small_evaluator

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
    assert "\ntokens_parallel = 6  # 4 is the default for this network\n" in text
    assert "\nweight_bits = 8\nport_bits = 64\n" in text
    assert "# tokens_parallel" not in text
    kept = [line for line in TEXT.splitlines() if "parallel = " not in line and "weight_bits = " not in line]
    assert [line for line in text.splitlines() if line in kept] == kept


def test_a_table_that_is_not_there_is_added() -> None:
    assert with_values("a = 1\n", "fifo_depths", {"tiles": 8}) == "a = 1\n\n[fifo_depths]\ntiles = 8\n"


def searched(folder: Path, **said: Any) -> Path:
    """The document of a small search in a folder, with points of knobs and of a FIFO's depth; its path."""
    outcomes = [
        replace(small_evaluator().outcome(Point.of(values), ESTIMATE), point=Point.of({**values, **more}))
        for values, more in (({"tokens_parallel": 3, "weight_bits": 8}, {}), ({"tokens_parallel": 2}, {"frames": 2}))
    ]
    point = Point.of({"tokens_parallel": 1, "clock_mhz": 250.0, "fifo_depths.tiles": 8})
    outcomes.append(replace(outcomes[0], point=point))
    state = State(OBJECTIVES, {o.point.key: o for o in outcomes}, base=small_evaluator().outcome(Point(()), ESTIMATE))
    config = Config(checkpoint=Path("checkpoint.pth"), **said)
    asked = Asked(config, file=said.get("source"), whole=config_to_toml(config, Path(), SPEC))
    space = Space((Dimension("tokens_parallel", (1, 2, 3)),))
    document = tune_document(small_evaluator(), space, Plan(OBJECTIVES), state, asked, config)
    document["front"] = [o.as_dict() for o in outcomes]
    folder.mkdir()
    (folder / "tune.json").write_text(json.dumps(document))
    return folder / "tune.json"


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("checkpoint.pth").touch()
    return searched(Path("tune"))


def test_a_new_file_has_the_project_and_the_point(document: Path) -> None:
    applied = apply_point(1, document)
    assert applied.new
    assert applied.path == Path("edgemoe.toml")
    config = read_config(applied.path)
    assert config.knobs == {"tokens_parallel": 3, "weight_bits": 8}
    assert config.checkpoint == Path("checkpoint.pth")
    assert config.model.image_height == SPEC.image.height
    before = small_evaluator().knobs(Point(()))
    assert applied.changes == (("tokens_parallel", before.tokens_parallel, 3), ("weight_bits", before.weight_bits, 8))


def test_a_file_that_is_there_keeps_its_lines_and_what_changed_is_told(document: Path) -> None:
    Path("edgemoe.toml").write_text(TEXT)
    applied = apply_point(1, document)
    assert not applied.new
    assert ("weight_bits", 16, 8) in applied.changes
    kept = [line for line in TEXT.splitlines() if "parallel = " not in line and "weight_bits = " not in line]
    assert [line for line in Path("edgemoe.toml").read_text().splitlines() if line in kept] == kept
    assert apply_point(1, document).changes == ()
    assert apply_point(3, document).changes[-1] == ("fifo_depths.tiles", None, 8)
    config = read_config(Path("edgemoe.toml"))
    assert config.knobs["clock_mhz"] == 250.0
    assert config.fifo_depths == {"tiles": 8}


@pytest.mark.usefixtures("document")
def test_the_command_applies_and_shows_what_changed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "--apply", "1"]) == 0
    shown = capsys.readouterr().out
    figure = small_evaluator().outcome(Point.of({"tokens_parallel": 3, "weight_bits": 8}), ESTIMATE).figures["dsp"]
    assert re.search(rf"DSP +{figure.value:g} +estimate", shown)
    assert "weight_bits: 16 -> 8" in shown
    assert "written: edgemoe.toml, point 1 of tune" in shown
    assert main(["tune", "--apply", "2", "--json", "--output", "tune"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["number"], found["file"], found["new"]) == (2, "edgemoe.toml", False)
    assert {"name": "tokens_parallel", "before": 3, "now": 2} in found["changes"]
    for option in (["--trials", "3"], ["--knob", "tokens_parallel=2"], ["--budget", "2m"], ["--heads", "3"]):
        assert main(["tune", "--apply", "1", *option]) == 2
        assert f"takes no {option[0]}" in capsys.readouterr().err


def test_what_makes_the_design_another_one_is_noted(document: Path) -> None:
    Path("edgemoe.toml").write_text("[knobs]\nweight_fifo_beats = 64\n")
    applied = apply_point(2, document)
    assert "edgemoe.toml also sets weight_fifo_beats = 64 (the search: " in applied.notes[0]
    assert "frames=2 is no knob" in applied.notes[1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('board = "kv260"\n', "edgemoe.toml is about the board kv260, the search in tune/tune.json about zcu104"),
        ('[project]\ncheckpoint = "other.pth"\n', "edgemoe.toml is about other.pth"),
        ("[model.image]\nheight = 128\nwidth = 64\n", "edgemoe.toml has image_height 128 in .model., the search"),
    ],
)
def test_a_file_about_something_else_is_refused_and_stays(document: Path, text: str, sentence: str) -> None:
    Path("edgemoe.toml").write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        apply_point(1, document)
    assert Path("edgemoe.toml").read_text() == text


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"version": 99}', '{"version": 1}', '{"version": 1, "project": 3}'])
def test_a_document_that_is_none_is_one_sentence(document: Path, text: str) -> None:
    document.write_text(text)
    with pytest.raises(ConfigError, match=r"^tune/tune\.json (cannot be read|is not|is damaged)"):
        apply_point(1, document)
    assert not Path("edgemoe.toml").exists()


def test_without_a_search_or_a_point_or_the_search_s_folder_a_sentence_says_so(document: Path) -> None:
    with pytest.raises(ConfigError, match=r"no search in none/ yet"):
        apply_point(1, Path("none/tune.json"))
    with pytest.raises(ConfigError, match="has no point 4"):
        apply_point(4, document)
    Path("elsewhere").mkdir()
    with pytest.raises(ConfigError, match="a new file belongs to where the search ran"):
        apply_point(1, document, Path("elsewhere/edgemoe.toml"))
    Path("checkpoint.pth").unlink()
    with pytest.raises(ConfigError, match="which is not there"):
        apply_point(1, document)


def test_the_file_of_the_search_is_taken_unless_another_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text("[knobs]\n")
    Path("other.toml").write_text("[knobs]\n")
    document = searched(Path("tune"), source=Path("mine.toml"))
    assert apply_point(1, document).path == Path("mine.toml")
    assert apply_point(1, document, Path("other.toml")).path == Path("other.toml")


def test_only_what_a_build_would_not_take_anyway_is_written_and_another_board_still_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("checkpoint.pth").touch()
    evaluator = small_evaluator()
    default = evaluator.knobs(Point(()))
    names = ("tokens_parallel", "out_parallel", "in_parallel", "activation_bits", "weight_bits")
    same = {name: getattr(default, name) for name in names}
    point = Point.of({**same, "weight_bits": 8})
    space = Space(tuple(Dimension(name, tuple({same[name], point.as_dict()[name]})) for name in names))
    found = evaluator.outcome(point, ESTIMATE)
    state = State(OBJECTIVES, {found.point.key: found}, base=evaluator.outcome(Point.of(same), ESTIMATE))
    config = Config(checkpoint=Path("checkpoint.pth"))
    asked = Asked(config, whole=config_to_toml(config, Path(), SPEC, default))
    document = tune_document(evaluator, space, Plan(OBJECTIVES), state, asked, config)
    Path("tune").mkdir()
    Path("tune/tune.json").write_text(json.dumps(document))
    applied = apply_point(1, Path("tune/tune.json"))
    assert {name: now for name, _, now in applied.changes} == read_config(applied.path).knobs
    knobs = read_config(applied.path).knobs
    assert default_knobs(SPEC, evaluator.board, dict(knobs)).turned(dict(knobs)) == evaluator.knobs(point)
    assert knobs["weight_bits"] == 8 and "activation_bits" not in knobs
    assert f"# {default.weight_bits} is the default for" in applied.path.read_text()
    small = load_board("kv260")
    assert not estimate_resources(make_design(default_knobs(SPEC, small, dict(knobs)), small)).over(small)


@pytest.mark.parametrize("seed", range(4))
def test_pins_are_a_part_of_a_point_that_builds_all_of_its_design(seed: int) -> None:
    random = Random(seed)
    evaluator = small_evaluator()
    for point in random.sample(list(SPACE.points()), 4):
        try:
            wanted = evaluator.knobs(point)
        except KnobError:
            continue
        kept = {"clock_mhz": wanted.clock_mhz} if random.random() < 0.5 else {}
        pins = evaluator.pins(point, kept)
        assert set(pins) <= set(point.as_dict())
        turned = {**kept, **pins}
        assert default_knobs(SPEC, evaluator.board, turned).turned(turned) == wanted

"""Reading and drawing of traces, and the count of toggles, on a trace that is written here."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import activity
import vcd
import waves

HEAD = """$timescale 1ps $end
$scope module TOP $end
$scope module edgemoe_engine $end
$var wire 1 # ap_clk $end
$scope module engine $end
$scope module operate $end
$var wire 4 % fifo_words_occupancy [3:0] $end
$scope module multiply $end
$var wire 2 & multiply_steps_valid [1:0] $end
$var wire 2 ' multiply_steps_go [1:0] $end
$scope module dot_0 $end
$var wire 8 ( a [7:0] $end
$var wire 8 ) b [7:0] $end
$var wire 4 % also_words [3:0] $end
$upscope $end
$upscope $end
$upscope $end
$upscope $end
$upscope $end
$upscope $end
$enddefinitions $end
"""


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Four cycles from cycle 3 on; the unit takes an iteration in the first three."""
    lines = ["#6000", "1#", "b0 %", "b1 &", "b1 '", "b0 (", "b101 )", "#7000", "0#"]
    lines += ["#8000", "1#", "b11 %", "b1111 (", "#9000", "0#"]
    lines += ["#10000", "1#", "b111 %", "b1110 (", "b1 )", "#11000", "0#"]
    lines += ["#12000", "1#", "b0 &", "#13000", "0#"]
    path = tmp_path / "trace.vcd"
    path.write_text(HEAD + "\n".join(lines) + "\n")
    return path


def test_values_are_those_of_every_cycle(trace: Path) -> None:
    found = vcd.sampled(trace, {"words": "operate.fifo_words_occupancy", "second": "dot_0.b"}, 2000)
    assert found == {"words": {3: 0, 4: 3, 5: 7, 6: 7}, "second": {3: 5, 4: 5, 5: 1, 6: 1}}
    with pytest.raises(ValueError, match="0 signals are called nothing"):
        vcd.sampled(trace, {"nothing": "nothing"}, 2000)
    assert vcd.sampled(trace, {"a": "a"}, 2000)["a"][4] == 15, "the end of a path, not of a name"


def test_a_bit_is_a_line_and_more_are_boxes() -> None:
    rows = [waves.Row("bit", "x"), waves.Row("many", "y")]
    values = {"bit": {3: 0, 4: 1, 5: 1}, "many": {3: 7, 4: 7, 5: 2}}
    picture = ElementTree.fromstring(waves.draw(rows, values, 3, 5, 4, "here"))
    kind = "{http://www.w3.org/2000/svg}"
    texts = [text.text for text in picture.iter(f"{kind}text")]
    assert {"bit", "many", "here", "7", "2"} <= set(texts)
    assert len(list(picture.iter(f"{kind}rect"))) == 1 + 2
    line = list(picture.iter(f"{kind}path"))[1].get("d") or ""
    assert line.count("V") == 2


def test_toggles_count_once_by_process_and_a_factor_an_iteration(trace: Path) -> None:
    found = activity.count(trace)
    assert found.cycles == 3 and found.works == 3  # the last cycle of a trace may be cut off
    assert found.toggles == {"FIFOs of the region": 3, "multiply": 6}
    assert found.widths == {"a": 8, "b": 8}
    assert found.factors == {"a": 5, "b": 1}
    assert found.rate("a") == pytest.approx(5 / 8 / 3)


@pytest.mark.parametrize("scene", [waves.DEADLOCK, waves.STARVED, waves.LATE])
def test_the_page_shows_every_picture(scene: waves.Scene) -> None:
    text = (waves.IMAGES.parent / "waves.md").read_text(encoding="utf-8")
    assert f"(images/{scene.name}.svg)" in text
    picture = ElementTree.parse(waves.IMAGES / f"{scene.name}.svg")
    shown = {element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert {row.label for row in scene.rows} <= shown and scene.mark in shown

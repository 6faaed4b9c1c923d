"""The HTML and JSON of a report, from a document made up here."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemoe_gen.model import ImageSpec
from edgemoe_gen.report.document import error_facts, headline, normalisation_facts
from edgemoe_gen.report.html import render_html, write_report

PORTS = ("program", "weights", "constants", "image", "result")
FORMAT = {
    "name": "embed", "kind": "activation", "bits": 18, "fraction": 3, "largest": 1.0, "holds": 2.0, "error": 0.0,
    "pinned": True,
}  # fmt: skip
KERNEL = {"kernel": "softmax", "cases": 12, "recorded": 4, "skipped": 0, "largest_error": 1e-5, "bound": 4e-5,
          "share": 0.25, "case": "rows of 7", "seconds": 0.1}  # fmt: skip
NASTY = "<script>alert(1)</script>"


def frame(sets: int = 4, equal: int = 3, **more: Any) -> dict[str, Any]:
    errors = {
        "image": "a", "task": "semseg", "mse_free": 4e-6, "mse_forced": 2e-6, "blocks_free": [1e-6, 4e-6],
        "blocks_forced": [1e-6, 2e-6], "power": [1.0, 2.0], "largest": 1e-3, "sets_equal": equal, "sets": sets,
        "score_error": 1e-4,
    }  # fmt: skip
    return {"errors": errors, **more}


def document(frames: list[dict[str, Any]]) -> dict[str, Any]:
    made = {
        "generator": "edgemoe-gen 0", "stages": [], "stopped_before": "hls", "identity": "0123",
        "board": {"name": "zcu104", "title": "AMD ZCU104", "part": "x"},
        "hls": {"choice": "vitis", "label": "RTL by Vitis HLS"},
        "network": {
            "tier": "count", "checkpoint": NASTY, "image": [2, 3], "resize": "error",
            "normalisation": normalisation_facts(ImageSpec.named(2, 3, "imagenet")), "patch": 1, "tokens": 6, "dim": 8,
            "class_token": False, "depth": 2, "heads": 1, "router": "multi", "gate_type": "noisy", "top_k": 2,
            "gate_input_ahead": False, "expert_prune": False, "experts_per_task": None, "moe_blocks": [1],
            "blocks": [{"index": 0, "experts": 0, "hidden": 8}, {"index": 1, "experts": 4, "hidden": 8}],
            "tasks": [{"name": "semseg", "classes": 3, "class_names": []}], "decoders": ["semseg"], "head": False,
            "notes": [NASTY],
        },
        "layers": {"tier": "count", "rows": [{"title": "experts", "macs": 10**6, "weights": 10}], "macs": 10**6,
                   "weights": 10},
        "errors": error_facts(frames),
        "quality": [], "frames": frames,
        "traffic": {"tier": "C simulation", "ports": dict.fromkeys(PORTS, 5),
                    "total": 25, "needed": {"weights": 8, "image": 5, "result": 5}, "needed_total": 18,
                    "ratio": 25 / 18, "decoders": 9000, "decoders_needed": 6000, "decoders_ratio": 1.5},
        "resources": {"tier": "estimate", "fits": True, "parts": [],
                      "against": [{"resource": "DSP", "used": 1211, "available": 1728},
                                  {"resource": "URAM", "used": 0, "available": 0}]},
        "cycles": {"tier": "estimate", "clock_mhz": 300.0, "cycles_per_frame": 10, "milliseconds_per_frame": 0.1,
                   "limit": "DDR", "utilisation": 0.5, "by_kind": {"load": 4}},
        "bounds": [{"function": "GELU", "of": "x", "bound": 1e-5, "target": 2e-5, "table_bits": 100}],
        "formats": {"calibration_pictures": 1, "rows": [FORMAT]},
        "kernels": {"tier": "C simulation", "rows": [KERNEL, {**KERNEL, "kernel": "moe", "case": None, "share": None}]},
        "knobs": [{"name": "tokens_parallel", "value": 4, "chosen": True, "meaning": "x"},
                  {"name": "max_dim", "value": 192, "chosen": False, "meaning": "x"}],
    }  # fmt: skip
    return {"headline": headline(made), **made}


class Balance(HTMLParser):
    """Checks that tags close in order."""

    VOID: tuple[str, ...] = ("meta", "img", "br", "line", "circle", "polyline")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open and self.open.pop() == tag, tag


@pytest.fixture
def simulation(tmp_path: Path) -> Path:
    labels = np.array([[0, 1, 2], [0, 1, 1]], np.uint8)
    picture = np.zeros((2, 3, 3), np.uint8)
    np.savez(tmp_path / "frame_0.npz", ours=labels, theirs=labels, picture=picture, truth=labels)
    return tmp_path


def viewed() -> dict[str, Any]:
    view = {"kind": "classes", "classes": 3, "file": "frame_0.npz"}
    metric = {"name": "mIoU", "better": "higher", "float_value": 1.0, "engine_value": 1.0}
    return frame(view=view, difference={"pixels_differing": 0.0}, metrics=[{**metric, "pixels": 6, "ignored": 0}])


def test_headline_says_what_matters_first() -> None:
    assert document([frame()])["headline"] == (
        "fits ZCU104 (estimate): 1,211 of 1,728 DSP · MSE 2.0e-06 of the final tokens · 3 of 4 top-2 sets equal"
    )
    assert "sets" not in document([frame(sets=0, equal=0)])["headline"]


def test_errors_are_means_over_frames_and_counts_are_sums() -> None:
    other = frame(sets=6, equal=6)
    other["errors"]["mse_forced"] = 4e-6
    facts = error_facts([frame(), other])
    assert facts["mse_forced"] == pytest.approx(3e-6)
    assert (facts["sets_equal"], facts["sets"]) == (9, 10)


def test_page_is_well_formed_and_self_contained(simulation: Path) -> None:
    page = render_html(document([viewed()]), simulation, {})
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    assert page.count("data:image/png;base64,") == 5  # input, float, accelerator, difference, ground truth
    assert not re.search(r"(?:src|href)=[\"'](?!data:)", page)


def test_every_picture_is_a_button_that_enlarges_it_without_a_library(simulation: Path) -> None:
    page = render_html(document([viewed()]), simulation, {})
    assert page.count('<button type="button" class="frame"') == 5 and page.count("<dialog") == 1
    assert page.count("<script>") == 1 and "large.showModal()" in page and "ArrowRight" in page
    assert "<script" not in render_html(document([frame()]), simulation, {})


def test_traffic_of_a_frame_is_that_of_backbone_and_decoders(simulation: Path) -> None:
    page = render_html(document([viewed()]), simulation, {})
    row = next(line for line in page.splitlines() if "<td>decoders (" in line)
    assert "(1.50 × the least)" in row and row.count('class="n"') == 2 and "–" not in row
    assert "DDR traffic a frame, of it decoders" in page


def test_names_of_the_user_are_text_not_markup(simulation: Path) -> None:
    page = render_html(document([viewed()]), simulation, {"semseg": [NASTY, "sky"]})
    assert NASTY not in page
    assert "&lt;script&gt;" in page and "sky" in page and "class 2" in page


def test_kernels_are_shown_with_their_use_of_the_bound(simulation: Path) -> None:
    page = render_html(document([frame()]), simulation, {})
    assert "rows of 7" in page and "25.0 %" in page and "none fits this design" in page


def test_narrow_tensors_are_shown_by_kind(simulation: Path) -> None:
    errors = {"nearest": {"error": 0.031, "sets_equal": None}, "gptq": {"error": 0.012, "sets_equal": 0.99}}
    facts = {
        "tier": "estimate",
        "pictures": {"seen": 12, "unseen": 4, "made": 0, "unseen_of_their_own": True},
        "few_tokens": [],
        "saturated": {"values": 3, "of": 1000, "tensors": {"blocks.0.hidden": 3}},
        "kinds": [{"kind": "attention", "bits": 8, "seen": errors, "unseen": {}}],
        "notes": [NASTY],
    }
    page = render_html({**document([frame()]), "narrow": facts}, simulation, {})
    parser = Balance()
    parser.feed(page)
    assert parser.open == [] and NASTY not in page
    assert "3.10 %" in page and "1.20 %" in page and "99.00 %" in page
    assert "3 of 1,000 values" in page and "blocks.0.hidden (3)" in page
    assert "Narrow tensors" not in render_html(document([frame()]), simulation, {})


def test_knobs_that_the_user_set_are_told_from_defaults(simulation: Path) -> None:
    page = render_html(document([frame()]), simulation, {})
    assert "<code>tokens_parallel = 4</code>" in page and "<code>max_dim = 192</code>" not in page


def test_equal_class_maps_say_that_no_pixel_differs(simulation: Path) -> None:
    page = render_html(document([viewed()]), simulation, {})
    assert '<span class="overlay">no pixel differs</span>' in page
    assert "no pixel differs from float" in page


def test_page_without_pictures_and_experts_is_well_formed(tmp_path: Path) -> None:
    made = document([frame(sets=0, equal=0)])
    made["network"]["moe_blocks"] = []
    parser = Balance()
    page = render_html(made, tmp_path, {})
    parser.feed(page)
    assert parser.open == [] and "<img" not in page


def test_figures_that_do_not_exist_are_null_in_json(tmp_path: Path) -> None:
    made = document([frame()])
    made["errors"]["score_error"] = float("nan")
    write_report(made, tmp_path, {}, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["errors"]["score_error"] is None

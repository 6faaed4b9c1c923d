"""Which overlay of a build's folder a script runs on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgemoe_gen.base.errors import OverlayError
from edgemoe_gen.pipeline.runnable import runnable_overlay
from edgemoe_gen.project.config import Config

OURS, OLD = "00000000000000aa", "00000000000000bb"


def write(path: Path, facts: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts))
    return path.parent


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """What a build leaves that ends before hls."""
    write(tmp_path / "accelerator/design.json", {"identity": OURS})
    write(tmp_path / "preview/m3vit_board/manifest.json", {"design": {"identity": OURS}})
    return tmp_path


def chosen(build: Path) -> str:
    return str(runnable_overlay(build, build / "scratch", Config()).relative_to(build.resolve()))


def test_a_build_without_a_bitstream_has_its_preview(build: Path) -> None:
    assert chosen(build) == "preview/m3vit_board"


def test_the_packaged_overlay_comes_before_the_preview(build: Path) -> None:
    write(build / "overlay/m3vit_board/manifest.json", {"design": {"identity": OURS}})
    assert chosen(build) == "overlay/m3vit_board"


@pytest.mark.parametrize("facts", [{"design": {"identity": OLD}}, {"design": None}, [], {}])
def test_an_overlay_that_was_packaged_from_another_design_leaves_the_preview(build: Path, facts: object) -> None:
    write(build / "overlay/m3vit_board/manifest.json", facts)
    assert chosen(build) == "preview/m3vit_board"


def test_an_overlay_is_taken_as_it_is(build: Path) -> None:
    overlay = write(build / "overlay/m3vit_board/manifest.json", {"design": {"identity": OLD}})
    assert runnable_overlay(overlay, build / "scratch", Config()) == overlay.resolve()


def test_several_of_one_kind_must_be_named(build: Path) -> None:
    write(build / "preview/another/manifest.json", {"design": {"identity": OURS}})
    with pytest.raises(OverlayError, match="several overlays: preview/another, preview/m3vit_board"):
        runnable_overlay(build, build / "scratch", Config())

"""All who list stages list those of the table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgemoe_gen.base.extras import EXTRAS, Extra
from edgemoe_gen.cli.build_command import command
from edgemoe_gen.pipeline.stages import table
from edgemoe_gen.pipeline.stages.lint import LINT
from edgemoe_gen.pipeline.stages.table import NAMES, STAGES, position, stage_of, with_needs
from edgemoe_gen.pipeline.support.stage import StageFacts

PAGE = Path(__file__).parents[2] / "docs/flow.md"
TITLES = {"torch": "PyTorch", "C++ compiler": "g++"}  # of doctor's checks, as the page calls them


def test_every_stage_is_a_module_of_its_name() -> None:
    modules = {path.stem for path in Path(table.__file__).parent.glob("*.py")}
    assert modules - {"__init__", "table"} == set(NAMES) and len(NAMES) == len(set(NAMES))


def test_a_stage_comes_behind_all_that_it_takes_something_from() -> None:
    for stage in STAGES:
        for other in (*stage.needs, *stage.hashes):
            assert position(other) < position(stage.name), (stage.name, other)


def test_no_stage_needs_one_that_may_be_left_out_or_must_be_asked_for() -> None:
    for stage in STAGES:
        for other in map(stage_of, stage.needs):
            left_out = other.optional_extra and other.optional_extra != stage.optional_extra
            assert not left_out and not other.on_request and not other.always, (stage.name, other.name)


def test_needs_are_followed_to_the_first_stage() -> None:
    assert [stage.name for stage in with_needs(["bitstream"])] == [
        "render", "compile", "csim", "hls", "ip", "bitstream",
    ]  # fmt: skip


def row(stage: StageFacts) -> str:
    needs = ", ".join([*(TITLES.get(name, name) for name in stage.requirements), *([stage.tool] if stage.tool else [])])
    outputs = ", ".join(f"`{name}`" if Path(name).suffix else f"`{name}/`" for name in stage.outputs)
    return f"| {stage.name} | {stage.summary} | {needs} | {outputs} |".replace("|  |", "| |")


def test_the_page_shows_the_table() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index("| stage | makes | needs | result in the build's folder |")
    assert lines[start + 2 : start + 2 + len(STAGES)] == [row(stage) for stage in STAGES]
    assert not lines[start + 2 + len(STAGES)].startswith("|")


def test_the_help_of_build_lists_all_stages_with_their_tool() -> None:
    lines = [line.strip() for line in str(command.help).splitlines()]
    start = next(i for i, line in enumerate(lines) if line.startswith(STAGES[0].name))
    for stage, line in zip(STAGES, lines[start:], strict=False):
        name, _, rest = line.partition(" ")
        assert name == stage.name and rest.strip().startswith(stage.summary)
        assert line.endswith(f"(needs {stage.tool})") == bool(stage.tool)
        assert len(line) <= 74


@pytest.mark.parametrize("extra", [extra for extra in EXTRAS if extra.name != "dev"], ids=lambda extra: extra.name)
def test_a_stage_whose_extra_is_missing_says_so_in_a_line(extra: Extra, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = replace(LINT, optional_extra=extra.name, absent=None)
    monkeypatch.setattr("edgemoe_gen.pipeline.support.stage.installed", lambda _: False)
    line = f"{', '.join(extra.packages)} is not there (not installed): {extra.install}"
    assert stage.left_out_why() == line
    monkeypatch.setattr("edgemoe_gen.pipeline.support.stage.installed", lambda _: True)
    assert stage.left_out_why() == ""
    # What is installed may still not load.
    assert "(it is broken)" in replace(stage, absent=lambda: "it is broken").left_out_why()


def test_a_stage_without_an_extra_of_its_own_is_never_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgemoe_gen.pipeline.support.stage.installed", lambda _: False)
    assert {stage.name for stage in STAGES if stage.optional_extra} == {"lint", "schedule", "rtl", "rtlsim"}
    assert not any(stage.left_out_why() for stage in STAGES if not stage.optional_extra)

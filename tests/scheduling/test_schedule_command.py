"""`edgemoe-gen schedule`: its table, its details, its JSON, and what it does without its compiler."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgemoe_gen.base.extras import installing
from edgemoe_gen.cli import main
from edgemoe_gen.cli.schedule_command import command
from edgemoe_gen.scheduling import missing

SMALL = [word for knob in ("tokens_parallel=2", "out_parallel=8", "in_parallel=8") for word in ("--knob", knob)]
needs_clang = pytest.mark.skipif(bool(missing()), reason="the compiler of [schedule] is not installed")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # no edgemoe.toml


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, [*SMALL, *arguments])


@needs_clang
def test_one_loop_shows_every_operation_and_stage() -> None:
    done = run("--loop", "memory_words")
    assert done.exit_code == 0, done.output
    assert "within the budget of 2.433 ns of xczu7ev-ffvc1156-2-e" in done.output
    assert "register word" in done.output and "src/tokens.h:" in done.output and "written" in done.output
    assert "schedule (open)" in done.output


@needs_clang
def test_json_has_what_later_stages_take() -> None:
    done = run("--loop", "output_beats", "--json")
    document = json.loads(done.stdout)
    assert (document["schema"], document["tier"], document["passed"]) == (1, "schedule (open)", True)
    (loop,) = document["loops"]
    assert loop["ii"] == 1
    assert loop["stages"]["words"]["read"] < loop["stages"]["output"]["write"] < loop["depth"]


@needs_clang
def test_a_loop_over_budget_fails_the_check() -> None:
    # At 450 MHz 1.62 ns are left, less than a 32-bit counter with its wrap takes.
    done = run("--knob", "clock_mhz=450", "--loop", "memory_words", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["failed"] == ["memory_words"]


@needs_clang
def test_an_unknown_loop_is_named_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schedule", *SMALL, "--loop", "memory_word"]) == 2
    assert "did you mean 'memory_words'?" in capsys.readouterr().err


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_without_the_compiler_nothing_passes(
    more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert main(["schedule", *SMALL, *more]) == 2
    said = capsys.readouterr()
    assert said.out == "" and "the package ziglang is not installed" in said.err
    assert installing("schedule") in said.err

"""What a command costs before its own work: imports, and the first moments in which Ctrl-C may come."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from edgemoe_gen.cli import main
from edgemoe_gen.cli.group import COMMANDS, group

ROOT = Path(__file__).parents[2]
HEAVY = ("numpy", "jinja2", "torch", "rich", "PIL", "yaml", "asyncio", "edgemoe_gen.design", "edgemoe_gen.api")


def python(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True)


def imported(*arguments: str, cwd: Path | None = None) -> tuple[int, set[str]]:
    """Exit code of a command, and the modules and packages that it imported."""
    done = python("-X", "importtime", "-m", "edgemoe_gen", *arguments, cwd=cwd)
    return done.returncode, set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], [], ["buidl"]], ids=["help", "version", "none", "typo"]
)
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    code, modules = imported(*arguments)
    assert code == (2 if arguments == ["buidl"] else 0)
    assert "click" in modules
    assert not modules & set(HEAVY)


def test_listing_the_boards_imports_no_arithmetic() -> None:
    code, modules = imported("boards")
    assert code == 0
    assert not modules & {
        "numpy",
        "jinja2",
        "torch",
        "PIL",
        "yaml",
        "edgemoe_gen.design",
        "edgemoe_gen.project.opening",
    }


def test_every_command_of_the_help_is_there_under_its_name() -> None:
    context = click.Context(group)
    for name, short in COMMANDS.items():
        command = group.get_command(context, name)
        assert command is not None and command.name == name
        assert short.endswith(".") and len(short) <= 80


STOP = """
import sys
class Stop:
    def find_spec(self, name, *_):
        if name == {module!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Stop())
from edgemoe_gen.cli import main
sys.exit(main({arguments!r}))
"""


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("click", ["--help"]),
        ("edgemoe_gen.cli.group", ["--help"]),
        ("edgemoe_gen.cli.boards_command", ["boards"]),
        ("numpy", ["build", "--help"]),
        ("edgemoe_gen.api.building", ["build"]),
    ],
)
def test_ctrl_c_within_imports_leaves_no_traceback(module: str, arguments: list[str]) -> None:
    done = python("-c", STOP.format(module=module, arguments=arguments))
    assert done.returncode == 130, done.stderr
    assert "interrupted" in done.stderr and "Traceback" not in done.stderr


def test_main_is_a_function_after_it_has_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    from edgemoe_gen.cli import main as again

    assert again is main
    assert "edgemoe-gen" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("inspect", ""),
        ("boards", ""),
        ("build", ": finished stages are kept"),
        ("generate", ": nothing is half-written"),
    ],
)
def test_what_ctrl_c_leaves_is_said_of_the_command(
    command: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"edgemoe_gen.api.{command}", stop)
    assert main([command, *(["x.pth"] if command == "inspect" else [])]) == 130
    said = capsys.readouterr().err.lstrip("\n")  # click ends the line of ^C
    assert said.startswith(f"interrupted{words}") and (words or said == "interrupted\n")


TOLD_TO_END = """
import os, signal, sys, time
from edgemoe_gen.cli import group

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whatever the tests were started by

def work(*_, **__):
    try:
        os.kill(os.getpid(), int(sys.argv[1]))
        time.sleep(20)
    finally:
        print("cleaned")

group.group.main = work
sys.exit(group.run(["rtl"]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_told_to_end_cleans_up_and_says_so_by_its_exit_code(number: int) -> None:
    done = python("-c", TOLD_TO_END, str(int(number)))
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "cleaned\n", "")

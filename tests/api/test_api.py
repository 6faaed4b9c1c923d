"""The Python API: the same verbs and options as the command line, and nothing heavy on import."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable

import click
import pytest

import edgemoe_gen
from edgemoe_gen import api
from edgemoe_gen.cli.group import COMMANDS, group

# Ways of saying it that only one side has: --spec's keys are one argument of the API, progress a table of the terminal,
# --dry-run and --apply functions of their own, --rules a constant; `watch` is what shows a search as it runs.
ONLY_CLI = {"apply", "as_json", "dry_run", "every", "rules"}
ONLY_API = {"options", "progress", "on_stage", "on_note", "watch", "engine"}
# These say some things otherwise in Python: a script is the body of a `with` statement.
ELSEWHERE = {"sim-board", "serve"}
VERBS = [name for name in COMMANDS if name not in ELSEWHERE]
EMPTY: tuple[object, ...] = (None, (), {})  # what is not said, by click and by the API


def verb(name: str) -> Callable[..., object]:
    function: Callable[..., object] = getattr(api, name.replace("-", "_"))
    return function


@pytest.mark.parametrize("name", VERBS)
def test_every_command_is_a_function_with_the_same_options_and_defaults(name: str) -> None:
    # The keywords that a verb unpacks are the same by their type; this holds for those that it lists itself as well.
    command = group.get_command(click.Context(group), name)
    assert command is not None
    read = command.make_context(name, [], resilient_parsing=True).params
    options = {_keyword(option): value for option, value in read.items() if not option.startswith("network_")}
    arguments = inspect.signature(verb(name)).parameters
    assert options.keys() - ONLY_CLI == arguments.keys() - ONLY_API
    for keyword in options.keys() - ONLY_CLI:
        default, wanted = options[keyword], arguments[keyword].default
        if isinstance(default, str) and isinstance(wanted, tuple):  # names in one text
            default = tuple(default.split(","))
        said = None if wanted is inspect.Parameter.empty else wanted
        assert str(default) == str(said) or (default in EMPTY and said in EMPTY), keyword


def _keyword(option: str) -> str:
    """How the API calls what a command calls so, whose module has an `output` of its own."""
    return "output" if option == "destination" else option


def test_package_offers_the_verbs() -> None:
    for name in {command.replace("-", "_") for command in COMMANDS} - {"rtl"}:  # which is a room
        assert getattr(edgemoe_gen, name) is getattr(api, name)
        assert name in dir(edgemoe_gen)  # what a notebook completes
    assert not {"annotations", "TYPE_CHECKING"} & {*dir(edgemoe_gen)}
    with pytest.raises(AttributeError):
        edgemoe_gen.nothing  # noqa: B018


def test_importing_the_package_and_its_api_does_not_import_torch() -> None:
    code = "import sys, edgemoe_gen; edgemoe_gen.build; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_generate_does_not_need_torch(tmp_path: object) -> None:
    code = f"import sys, edgemoe_gen; edgemoe_gen.generate(output={str(tmp_path)!r}); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=str(tmp_path), env=_environment())


def _environment() -> dict[str, str]:
    import os
    from pathlib import Path

    return {**os.environ, "PYTHONPATH": str(Path(edgemoe_gen.__file__).parents[1])}


def test_results_are_frozen() -> None:
    board = api.boards("zcu104")[0]
    with pytest.raises(AttributeError):
        board.dsp = 0  # type: ignore[misc]
    assert api.doctor().checks

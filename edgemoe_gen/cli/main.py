"""The entry point: the group of commands, and the exit code: 0, or what `failure` makes of an error."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

import click

from edgemoe_gen import __version__
from edgemoe_gen.cli import output
from edgemoe_gen.cli.failure import INTERRUPTED, Failure, failure_of

_COMMANDS = (
    "init",
    "inspect",
    "generate",
    "lint",
    "build",
    "import-results",
    "run",
    "csim",
    "simulate",
    "tune",
    "sweep",
    "compare",
    "evaluate",
    "sim-board",
    "selftest",
    "bench",
    "serve",
    "boards",
    "doctor",
)


class _Lazy(click.Group):
    """Commands in the order of work, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            near = difflib.get_close_matches(cmd_name, _COMMANDS, n=1)
            meant = f"did you mean '{near[0]}'?" if near else f"the commands are {', '.join(_COMMANDS)}"
            ctx.fail(f"there is no command '{cmd_name}': {meant}")
        command = importlib.import_module(f"edgemoe_gen.cli.{cmd_name.replace('-', '_')}_command").command
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    invoke_without_command=True,
)
@click.version_option(__version__, prog_name="edgemoe-gen")
@click.option("--debug", is_flag=True, help="Show tracebacks; also EDGEMOE_DEBUG=1.")
@click.pass_context
def group(context: click.Context, /, debug: bool) -> None:
    """Turn a trained M3ViT checkpoint into an FPGA accelerator.

    The way: `inspect` shows what a checkpoint holds, `init` writes edgemoe.toml, `build` renders, simulates,
    synthesises and packages. Every command works without edgemoe.toml too, by options.

    \b
    Example:
      edgemoe-gen build checkpoint.pth.tar --spec spec.toml --image images/ --board zcu104
    """
    if debug:
        os.environ["EDGEMOE_DEBUG"] = "1"
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # The option is understood in any place, because one adds it to the end of a line that has just failed.
    debug = "--debug" in given or os.environ.get("EDGEMOE_DEBUG", "") not in ("", "0")
    given = [argument for argument in given if argument != "--debug"]
    try:
        code = group.main(given, prog_name="edgemoe-gen", standalone_mode=False)
    except (output.ReaderLeftError, BrokenPipeError, SystemExit):  # click ends so where the reader has left
        return _leave_quietly()
    except (Exception, KeyboardInterrupt) as error:
        if debug and not isinstance(error, (click.ClickException, click.Abort, KeyboardInterrupt)):
            traceback.print_exc()
        return _fail(failure_of(error), as_json=given[:1] == ["build"] and "--json" in given)
    return code if isinstance(code, int) else 0


def _fail(failure: Failure, as_json: bool) -> int:
    try:
        if failure.exit_code == INTERRUPTED:
            click.echo(failure.message, err=True)
        else:
            output.failure(failure.message, failure.hint, failure.lines)
        if as_json:
            output.as_json({"error": failure.as_dict()})
    except (output.ReaderLeftError, BrokenPipeError):
        _leave_quietly()
    return failure.exit_code


def _leave_quietly() -> int:
    """The reader of our output has left; what remains in a buffer must not raise at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return 0

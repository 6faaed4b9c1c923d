"""The entry point: the group of commands, and what becomes of errors.

Exit codes: 0 done, 1 a check failed, 2 something that the user can mend, 3 a vendor's tool failed, 130 interrupted,
70 a fault of this program.
"""

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
from edgemoe_gen.errors import EdgeMoEError, ToolError

FAULT, INTERRUPTED = 70, 130
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
    except EdgeMoEError as error:
        if debug:
            traceback.print_exc()
        return _fail(error.message, error.hint, error.exit_code, error.lines if isinstance(error, ToolError) else ())
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "edgemoe-gen"
        return _fail(error.format_message(), f"see {command} --help", 2)
    except click.ClickException as error:
        return _fail(error.format_message(), "", error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted: finished stages are kept, nothing is half-written", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has left; what remains in the buffer must not raise at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            traceback.print_exc()
        hint = "this is a fault of edgemoe-gen: please report it with the output of the same command and --debug"
        return _fail(f"{type(error).__name__}: {error}", hint, FAULT)
    return code if isinstance(code, int) else 0


def _fail(message: str, hint: str, code: int, lines: Sequence[str] = ()) -> int:
    output.failure(message, hint, lines)
    return code

"""The group of commands, and the exit code: 0, or that of an error by `failure`."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence

import click

from edgemoe_gen.base.endings import Ended, endings_raise
from edgemoe_gen.base.invocation import set_command
from edgemoe_gen.base.names import meant
from edgemoe_gen.base.version import __version__
from edgemoe_gen.cli import output
from edgemoe_gen.cli.failure import INTERRUPTED, Failure, failure_of
from edgemoe_gen.cli.help import HelpContext

# In the order of work. The short texts stand here and not with the commands, so that --help imports none of them.
COMMANDS = {
    "init": "Write edgemoe.toml, every key explained.",
    "inspect": "Show the contents of a checkpoint, and missing facts.",
    "generate": "Render the C++ sources, and nothing more.",
    "lint": "Check the C++ against the rules of Vitis HLS.",
    "schedule": "Schedule the kernels' loops in cycles and ns, without Vitis.",
    "rtl": "Make, simulate and synthesise the kernels as Verilog.",
    "build": "Render, simulate, synthesise, package, report.",
    "import-results": "Take results of vendor tools from another machine.",
    "run": "Run one picture: float reference, C simulation or board.",
    "trace": "Compare a picture's layers: float, accelerator, your own.",
    "csim": "Check the kernels against float64: what CI runs.",
    "simulate": "Time a design: cycles, stalls and limits, without Vitis.",
    "tune": "Search designs: a front of latency, error, resources.",
    "sweep": "Evaluate a full grid of knobs, for plots.",
    "compare": "Compare two designs side by side.",
    "evaluate": "Measure accuracy over a folder: float against accelerator.",
    "sim-board": "Run a script of yours on a simulated board.",
    "selftest": "On the board: run an overlay's known pictures, compare the answers.",
    "bench": "On the board: measure latency, frames a second, task switches, power.",
    "serve": "Show camera, video or pictures live on the board.",
    "boards": "List the boards.",
    "cache": "Show or clean the cache of compiled designs.",
    "doctor": "Check this machine: tools and packages, and missing ones.",
}


_SPEECH = ("-q", "--quiet", "-v", "--verbose")
_GIVES_AWAY = "sim-board"  # whose arguments are those of somebody's script


class Lazy(click.Group):
    """Commands in the order of work, each imported at its first use."""

    context_class = HelpContext

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            hint = meant(cmd_name, COMMANDS).strip() or f"the commands are {', '.join(COMMANDS)}"
            ctx.fail(f"there is no command '{cmd_name}': {hint}")
        command = importlib.import_module(f"edgemoe_gen.cli.{cmd_name.replace('-', '_')}_command").command
        assert isinstance(command, click.Command)
        command.context_class = HelpContext
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    invoke_without_command=True,
)
@click.version_option(__version__, "-V", "--version", prog_name="edgemoe-gen")
@click.option("-q", "--quiet", is_flag=True, help="Show results and errors alone: no progress, no notes.")
@click.option("-v", "--verbose", is_flag=True, help="Show every step of long work, and every note.")
@click.option("--debug", is_flag=True, help="Show tracebacks; also EDGEMOE_DEBUG=1.")
@click.pass_context
def group(context: click.Context, /, quiet: bool, verbose: bool, debug: bool) -> None:
    """Turn a trained M3ViT checkpoint into an FPGA accelerator.

    The way: `inspect` shows what a checkpoint holds, `init` writes edgemoe.toml, `build` renders, simulates,
    synthesises and packages. Every command works without edgemoe.toml too, by options.

    \b
    Example:
      edgemoe-gen build checkpoint.pth.tar --spec spec.toml --image images/ --board zcu104
    """
    if quiet and verbose:
        raise click.UsageError("-q and -v contradict each other")
    if debug:
        os.environ["EDGEMOE_DEBUG"] = "1"
    output.speak(output.QUIET if quiet else output.VERBOSE if verbose else output.USUAL)
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # These are understood in any place, because one adds them to the end of a line that has just run.
    debug = "--debug" in given or os.environ.get("EDGEMOE_DEBUG", "") not in ("", "0")
    given = [argument for argument in given if argument != "--debug"]
    if _GIVES_AWAY not in given:
        given = [each for each in given if each in _SPEECH] + [each for each in given if each not in _SPEECH]
    set_command(["edgemoe-gen", *given])
    try:
        with endings_raise():
            code = group.main(given, prog_name="edgemoe-gen", standalone_mode=False)
    except Ended as ended:
        return int(str(ended.code))
    except (output.ReaderLeftError, BrokenPipeError, SystemExit):  # click ends so where the reader has left
        return _leave_quietly()
    except (Exception, KeyboardInterrupt) as error:
        if debug and not isinstance(error, (click.ClickException, click.Abort, KeyboardInterrupt)):
            traceback.print_exc()
        command = next((argument for argument in given if not argument.startswith("-")), "")
        return _fail(failure_of(error, command), as_json=command == "build" and "--json" in given)
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

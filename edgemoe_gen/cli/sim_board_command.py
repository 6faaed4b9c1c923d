"""`edgemoe-gen sim-board`."""

from __future__ import annotations

import runpy
import sys
import traceback
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import click

from edgemoe_gen import api
from edgemoe_gen.base.errors import ConfigError, OverlayError
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import PATH
from edgemoe_gen.cli.options import HelpfulCommand, chosen_engine, engine_option, project_option
from edgemoe_gen.report.numbers import counted
from edgemoe_gen.simulated.engine import CSIM


@click.command(
    "sim-board",
    cls=HelpfulCommand,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("script", required=False, type=PATH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("-c", "code", metavar="CODE", help="Run this text instead of a script.")
@click.option(
    "--overlay",
    "--output",
    "overlay",
    type=PATH,
    metavar="FOLDER",
    help="Overlay, or folder of a build [default: this project's build].",
)
@project_option("config")
@click.option("--ddr-mib", type=click.IntRange(1), default=2048, show_default=True, help="DDR of the board in MiB.")
@click.option("--latency-ms", type=click.FloatRange(0), default=0.0, show_default=True, help="Least time of a frame.")
@engine_option()
@click.pass_context
def command(
    context: click.Context,
    /,
    script: Path | None,
    arguments: tuple[str, ...],
    code: str | None,
    overlay: Path | None,
    config: Path | None,
    ddr_mib: int,
    latency_ms: float,
) -> None:
    """Run SCRIPT with a simulated board in PYNQ's place: host code without hardware.

    The board runs the C simulation of the overlay's own sources. So results have the same bits as on the chip, but
    times differ. A build needs no bitstream: its preview is taken, or a preview is made. Where there is no build, only
    installed overlays are found. The script finds the overlay by its name. ARGUMENTS are passed to the script.

    With --engine rtl the board runs the Verilog of the same sources: registers, interrupt and buses are the chip's too,
    and `pynq.Device.active_device.cycles` gives the cycles of the last run. The first compilation takes minutes. A
    frame of a small network takes seconds, a frame of M3ViT-tiny minutes.

    \b
    Examples:
      edgemoe-gen sim-board demo.py
      edgemoe-gen sim-board --overlay build demo.py --task depth
      edgemoe-gen sim-board --engine rtl demo.py
      edgemoe-gen sim-board -c "from tiny_zcu104 import Accelerator; print(Accelerator('tiny_zcu104').selftest())"
    """
    if code is not None:
        arguments = ((str(script),) if script else ()) + arguments
    elif script is None:
        raise ConfigError("no script is named", "edgemoe-gen sim-board SCRIPT, or -c CODE")
    elif not script.is_file():
        raise ConfigError(f"there is no script {script}", "give the path of a Python file")
    with ExitStack() as stack:
        with output.progress() as progress:  # gone before the script prints anything
            board = stack.enter_context(
                api.sim_board(
                    overlay,
                    config=config,
                    ddr_mib=ddr_mib,
                    latency_ms=latency_ms,
                    engine=chosen_engine() or CSIM,
                    say=output.note,
                    progress=progress,
                )
            )
        ended = _run(script, code, arguments, has_overlay=board.folder is not None)
        if board.speed:
            output.note(f"RTL simulation: {counted(board.runs, 'run')}, {board.speed}")
    context.exit(ended)


def _run(script: Path | None, code: str | None, arguments: tuple[str, ...], has_overlay: bool) -> int:
    """Runs the user's code as Python would; returns its exit code.

    Raises:
        OverlayError: there is no overlay, and the code imports what is not there.
    """
    name = "-c" if code is not None else str(script)
    before = sys.argv, list(sys.path)
    sys.argv = [name, *arguments]
    try:
        if code is not None:
            sys.path.insert(0, "")
            exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
        else:
            assert script is not None
            sys.path.insert(0, str(script.resolve().parent))
            runpy.run_path(name, run_name="__main__")
    except SystemExit as end:
        return _exit_code(end)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and not has_overlay:
            raise OverlayError(
                f"{name} imports '{error.name}', which is not installed, and there is no build here that could have it",
                "if it is an overlay, build it first (edgemoe-gen build --until preview), or name the folder of a "
                "build with --overlay",
            ) from error
        traceback.print_exception(type(error), error, _own_part(error.__traceback__, name, code is not None))
        return 1
    finally:
        sys.argv, sys.path[:] = before
    return 0


def _exit_code(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    click.echo(end.code, err=True)
    return 1


def _own_part(trace: TracebackType | None, name: str, is_text: bool) -> TracebackType | None:
    """A traceback from the user's own code on."""
    wanted = "<string>" if is_text else name
    place = trace
    while place is not None and place.tb_frame.f_code.co_filename != wanted:
        place = place.tb_next
    return place or trace

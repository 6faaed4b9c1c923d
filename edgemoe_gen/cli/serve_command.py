"""`edgemoe-gen serve`."""

from __future__ import annotations

from pathlib import Path

import click

from edgemoe_gen import api
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import PATH
from edgemoe_gen.cli.options import HelpfulCommand, chosen_engine, engine_option

_OVERLAY = "edgemoe_gen.serve.overlay"  # of the context's notes


def _named(context: click.Context, _: click.Parameter, overlay: Path | None) -> None:
    """Notes an overlay that --overlay names, as `run` has it."""
    context.meta[_OVERLAY] = overlay


@click.command("serve", cls=HelpfulCommand)
@click.argument("overlay", required=False, type=PATH)
@click.option("--overlay", "named", type=PATH, hidden=True, expose_value=False, callback=_named)
@click.option("--simulated", is_flag=True, help="Run on the simulated board; its times are those of this machine.")
@engine_option()
@click.option(
    "--source", "sources", multiple=True, metavar="camera:N|FILE|DIR", default=("camera:0",), show_default=True,
    help="Camera, video file or folder of pictures; repeatable: the page chooses among them.",
)  # fmt: skip
@click.option("--task", "tasks", multiple=True, help="Task that is on at the start; repeatable [default: all].")
@click.option(
    "--fps", type=click.FloatRange(0.1, 120), metavar="N",
    help="Upper limit of frames a second [default: the camera's or the video's own; 2 for a folder].",
)  # fmt: skip
@click.option(
    "--host", default="127.0.0.1", show_default=True,
    help="Address to listen on; 0.0.0.0: the whole network, whose viewers need a token.",
)  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port; 0: any free one.")
@click.option(
    "--token", envvar="EDGEMOE_TOKEN", show_envvar=True,
    help="Token that viewers must know [default: a new one where --host is not loopback, printed with the address].",
)  # fmt: skip
def command(
    overlay: Path | None,
    simulated: bool,
    sources: tuple[str, ...],
    tasks: tuple[str, ...],
    fps: float | None,
    host: str,
    port: int,
    token: str | None,
) -> None:
    """Show pictures of a camera, a video or a folder in the browser, with the accelerator's maps beside them.

    OVERLAY is the name of an installed overlay, its folder, or a build's folder. Sources and tasks are chosen on the
    page, for all viewers at once. Only this machine can open the page unless --host says otherwise. From another
    machine, forward the port (ssh -L 8080:localhost:8080 xilinx@pynq) or give --host 0.0.0.0. Ctrl-C ends it.

    \b
    Example:
      edgemoe-gen serve tiny_zcu104 --source camera:0 --source drive.mp4
      edgemoe-gen serve build --simulated --source images
      edgemoe-gen serve build --engine rtl --source images --fps 0.2
    """
    where: Path | None = overlay or click.get_current_context().meta[_OVERLAY]
    if where is None:
        raise click.UsageError("Missing argument 'OVERLAY'.", click.get_current_context())

    def ready(name: str, address: str) -> None:
        output.line(f"live view of {name} at {address}")
        output.note("Ctrl-C ends it")

    said: set[str] = set()

    def told(what: str, _done: int, _all: int) -> None:
        if what not in said:
            said.add(what)
            output.note(what)

    api.serve(
        where,
        source=sources,
        task=tasks,
        simulated=simulated,
        engine=chosen_engine(),
        fps=fps,
        host=host,
        port=port,
        token=token,
        ready=ready,
        say=output.note,
        progress=told,
    )
    output.line("stopped")

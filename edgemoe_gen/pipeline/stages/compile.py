"""The stage `compile`: the libraries of both simulations, in the user's cache."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from edgemoe_gen.pipeline.support.stage import Made, Stage
from edgemoe_gen.pipeline.support.state import digest_text
from edgemoe_gen.sim.cache import find_library
from edgemoe_gen.sim.compiler import Build, compile_library, compiled, library_name

if TYPE_CHECKING:
    from edgemoe_gen.pipeline.support.context import Context


def make(context: Context, _: Path) -> Made:
    """Compiles what the cache has not."""
    made: list[str] = []

    def on_compile(name: str) -> None:
        made.append(name)
        context.progress("compiling the engine", 0, 1)

    project = context.project
    with ThreadPoolExecutor() as pool:  # each waits for its compilers
        timed = pool.submit(
            compile_library, project.timed_sources.sources, Build(timed=True), lambda: on_compile("timed")
        )
        compile_library(project.sources, on_compile=lambda: on_compile("plain"))
        timed.result()
    if made:
        context.progress("compiling the engine", 1, 1)
    found = 2 - len(made)
    parts = (f"{len(made)} compiled" if made else "", f"{found} found in the cache" if found else "")
    return Made(f"simulation libraries: {', '.join(filter(None, parts))}")


def libraries(context: Context) -> tuple[str, ...]:
    """Names of these libraries, where they are compiled by now."""
    sources, timed = context.project.sources, context.project.timed_sources.sources
    names = library_name(sources, Build()), library_name(timed, Build(timed=True))
    return tuple(name for name in names if find_library(name))


def _is_there(context: Context) -> bool:
    sources, timed = context.project.sources, context.project.timed_sources.sources
    return compiled(sources, Build()) is not None and compiled(timed, Build(timed=True)) is not None


COMPILE = Stage(
    name="compile",
    summary="the C simulation",
    outputs=(),
    inputs=lambda context: digest_text(
        *context.project.sources.values(), *context.project.timed_sources.sources.values()
    ),
    make=make,
    uses=("C++ compiler",),
    still=_is_there,
)

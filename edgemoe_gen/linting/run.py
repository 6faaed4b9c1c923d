"""`lint` as a verb: for a design's sources before they are written, or for a folder of rendered sources."""

from __future__ import annotations

from pathlib import Path

from edgemoe_gen.base.build_files import ACCELERATOR
from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.reading import read_text
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design
from edgemoe_gen.linting import LintResult, lint
from edgemoe_gen.project.arguments import ProjectArguments
from edgemoe_gen.project.early import open_checked
from edgemoe_gen.project.opening import open_design, open_model

_SUFFIXES = (".cpp", ".h")


def lint_design(design: Design) -> LintResult:
    """Renders a design in memory and checks it.

    Raises:
        ConfigError: libclang is not installed.
    """
    return lint(render_sources(design))


def lint_project(arguments: ProjectArguments) -> LintResult:
    """Checks the sources that `generate` would render.

    Raises:
        BoardError, KnobError, ConfigError: as for `generate`; libclang is not installed.
    """
    config = open_checked(arguments).config
    return lint_design(open_design(config, None if config.checkpoint is None else open_model(config).spec))


def lint_folder(folder: Path) -> LintResult:
    """Checks the sources of a rendered project: `folder`/src, `folder`/accelerator/src, or `folder` as src itself.

    Raises:
        ConfigError: libclang is not installed, or there are no readable sources, or none defines the top
            function.
    """
    source = next(
        (place for place in (folder / "src", folder / ACCELERATOR / "src", folder) if (place / "engine.cpp").is_file()),
        None,
    )
    if source is None:
        raise ConfigError(
            f"{folder} holds no rendered sources: there is no src/engine.cpp",
            "name the output folder of `edgemoe-gen generate` or `build`, or leave it out to lint a design's own",
        )
    files = sorted(path for path in source.iterdir() if path.suffix in _SUFFIXES)
    return lint({f"src/{path.name}": _text(path) for path in files})


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read as text: {error}", "render the folder again") from error

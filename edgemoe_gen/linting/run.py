"""`lint` as a verb: of a design's sources before they are written, or of a folder that holds rendered sources."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.reading import read_text
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design
from edgemoe_gen.linting import LintResult, lint
from edgemoe_gen.project.config import Config
from edgemoe_gen.project.early import check_early
from edgemoe_gen.project.opening import open_design, open_model, open_project

_SUFFIXES = (".cpp", ".h")


def lint_design(design: Design) -> LintResult:
    """Renders a design in memory and checks it.

    Raises:
        ConfigError: libclang is not installed.
    """
    return lint(render_sources(design))


def lint_project(
    config: Path | None = None, board: str | None = None, knobs: Mapping[str, int | float] | None = None
) -> LintResult:
    """Checks what `generate` would render.

    Args:
        config: project file; None takes `edgemoe.toml` of the current folder where there is one.
        board: name or file of the board, over the project's.
        knobs: by name, over the project's.

    Raises:
        BoardError, KnobError, ConfigError: as for `generate`; libclang is not installed.
    """
    said = open_project(Config(board=board, knobs=dict(knobs or {})), None, config).config
    check_early(said)
    return lint_design(open_design(said, None if said.checkpoint is None else open_model(said).spec))


def lint_folder(folder: Path) -> LintResult:
    """Checks the sources of a rendered project: `folder`/src, `folder`/accelerator/src, or `folder` as src itself.

    Raises:
        ConfigError: libclang is not installed, or there are no readable sources, or none defines the top
            function.
    """
    source = next(
        (
            place
            for place in (folder / "src", folder / "accelerator" / "src", folder)
            if (place / "engine.cpp").is_file()
        ),
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

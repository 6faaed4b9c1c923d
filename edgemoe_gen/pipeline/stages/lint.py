"""The stage `lint`: the C++ against what Vitis HLS accepts.

It looks at what this tool itself has rendered, so nothing waits for it on a machine without libclang.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from edgemoe_gen import linting
from edgemoe_gen.base import build_files
from edgemoe_gen.base.documents import write_json
from edgemoe_gen.pipeline.support.stage import Made, Stage
from edgemoe_gen.pipeline.support.state import digest_text

if TYPE_CHECKING:
    from edgemoe_gen.pipeline.support.context import Context


def inputs(context: Context) -> str:
    """Hash of the sources, and of the rules in this package."""
    from edgemoe_gen.pipeline.support.context import package_digest

    return digest_text(package_digest(), *context.project.sources.values())


def make(context: Context, folder: Path) -> Made:
    """Runs all rules."""
    result = linting.lint(context.project.sources)
    linting.refuse_findings(result)
    write_json(folder / build_files.LINT, asdict(result))
    return Made(f"{result.rules} rules, {result.pragmas} pragmas: no findings")


LINT = Stage(
    name="lint",
    summary="the C++ against what Vitis HLS accepts",
    outputs=(build_files.LINT,),
    inputs=inputs,
    make=make,
    uses=("libclang",),
    optional_extra="lint",
    absent=lambda: linting.libclang_missing(),  # looked up when it is called
)

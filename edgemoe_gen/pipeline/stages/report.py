"""The stage `report`: one document and one page on whatever has run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemoe_gen.base.build_files import REPORT as DOCUMENT
from edgemoe_gen.base.build_files import REPORT_PAGE, RTL, RTL_SIMULATION, SCHEDULE, TIMING
from edgemoe_gen.base.invocation import command
from edgemoe_gen.pipeline.support.stage import Made, Stage
from edgemoe_gen.pipeline.support.state import digest_of, digest_text

if TYPE_CHECKING:
    from edgemoe_gen.pipeline.support.context import Context, Standing

# Folders of the vendor's stages that it shows.
_VENDOR = ("hls", "cosim", "bitstream")
# Files of other stages that it shows.
_FILES = {"schedule": SCHEDULE.name, "rtl": RTL.name, "rtlsim": RTL_SIMULATION.name}


@dataclass(frozen=True, eq=False)
class Reported:
    """The report of a build, and how far that had come."""

    standing: Standing
    document: dict[str, Any]


def inputs(context: Context) -> str:
    """Hash of all that is shown, with what earlier stages have left in the build's folder."""
    project, standing = context.project, context.standing
    done = standing.done
    return digest_text(
        project.pictures_digest,
        digest_of([context.simulation]),
        digest_of([context.output / TIMING.name]) if "simulate" in done else json.dumps(_failed_timing(context)),
        *(digest_of([context.output / stage]) for stage in _VENDOR if stage in done),
        *(digest_of([context.output / file]) for stage, file in _FILES.items() if stage in done),
        project.model.spec,
        project.model.spec.image.origin,
        sorted(project.config.knobs),
        project.model.source,
        list(done),
        project.hls,
        standing.stopped_before,
        _failed_stage(context) or "",
    )


def make(context: Context, folder: Path) -> Made:
    """Writes both files."""
    from edgemoe_gen.report.html import write_report

    made = Reported(context.standing, _document(context))
    write_report(made.document, context.simulation, context.project.model.spec.class_names, folder)
    return Made(f"{REPORT_PAGE}, {DOCUMENT.name}", (made,))


def report_document(context: Context) -> dict[str, Any]:
    """The document as it stands, whether it has just been written or was up to date."""
    found = context.results.get(Reported, lambda: Reported(context.standing, _document(context)))
    return found.document if found.standing == context.standing else _document(context)


def _document(context: Context) -> dict[str, Any]:
    from edgemoe_gen.pipeline.differences import find_differences
    from edgemoe_gen.report.document import make_document

    project, standing = context.project, context.standing
    differences = find_differences(context.output) if "hls" in standing.done else None
    return make_document(
        project.model,
        project.design,
        project.tasks,
        context.accelerator,
        context.simulation,
        len(project.calibration),
        project.config.knobs,
        results=context.output,
        stages=standing.done,
        stopped_before=standing.stopped_before,
        failed_stage=_failed_stage(context),
        timing=_failed_timing(context),
        hls=project.hls,
        command=command(),
        differences=None if differences is None else differences.facts(),
    )


def _failed_stage(context: Context) -> str | None:
    failure = context.standing.failure
    return (failure.stage or None) if failure else None


def _failed_timing(context: Context) -> dict[str, Any] | None:
    """Facts of a timed run that failed, which leaves no file."""
    from edgemoe_gen.pipeline.support.timed import FailedRunError

    failure = context.standing.failure
    return failure.facts if isinstance(failure, FailedRunError) else None


REPORT = Stage(
    name="report",
    summary=f"{REPORT_PAGE} and {DOCUMENT.name}, whatever has run",
    outputs=(DOCUMENT.name, REPORT_PAGE),
    inputs=inputs,
    make=make,
    needs=("csim",),
    hashes=("csim", "simulate", *_FILES, *_VENDOR),
    uses=("torch", "C++ compiler"),
    always=True,
)

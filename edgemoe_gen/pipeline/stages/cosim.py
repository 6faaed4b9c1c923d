"""The stage `cosim`: RTL co-simulation of the short program, of which the report must say that it passed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.flow.kit import cosim_reports
from edgemoe_gen.flow.reports.cosim import read_cosim
from edgemoe_gen.pipeline.stages.hls import HLS
from edgemoe_gen.pipeline.support.vendor import ToolStage


def check(folder: Path, log: Path) -> None:
    """Passes what a run has left if it says that co-simulation passed.

    Raises:
        SimulationError: it failed, or says nothing.
    """
    reports = sorted(folder.glob("*_cosim.rpt"))
    _refuse_mismatch(reports, log)
    for report in reports:
        if read_cosim(report).passed is None:
            raise SimulationError(
                f"RTL co-simulation left no verdict in {report.name}",
                f"the log is {log}; run it again with --from cosim",
            )


def _refuse_mismatch(reports: Iterable[Path], log: Path) -> None:
    for report in reports:
        if read_cosim(report).passed is False:
            raise SimulationError(
                f"RTL co-simulation of the short program does not give what C simulation gives ({report.name})",
                f"the log is {log}: look for the testbench's FAIL",
            )


COSIM = ToolStage(
    name="cosim",
    summary="RTL co-simulation, with --cosim",
    tool="Vitis",
    outputs=("cosim",),
    needs=("hls",),
    on_request=True,
    reopens=HLS,
    # A mismatch ends some releases with an error. It is a check that failed, not a tool.
    failed=lambda kit, log: _refuse_mismatch(cosim_reports(kit), log),
    check=check,
)

"""The verbs of the command line as functions, with the same names and options; each returns a frozen dataclass.

    from edgemoe_gen import build
    result = build("checkpoint.pth.tar", spec="spec.toml", image=["images"], board="zcu104")

Every function raises an `EdgeMoEError` for a mistake that the user can fix. As on the command line, an `edgemoe.toml`
in the current folder is used; `config` names another file. A module is imported when one of its names is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgemoe_gen.api.board import BenchResult, SelftestResult, TaskCheck, bench, selftest
    from edgemoe_gen.api.building import build, import_results, plan
    from edgemoe_gen.api.catalogue import boards, cache
    from edgemoe_gen.api.designs import SweepResult, compare, evaluate, sweep
    from edgemoe_gen.api.live import serve, sim_board
    from edgemoe_gen.api.prepare import GenerateResult, InitResult, generate, init, inspect, lint
    from edgemoe_gen.api.scheduling import ScheduleResult, schedule
    from edgemoe_gen.api.simulation import CsimResult, csim, run
    from edgemoe_gen.api.timing import SimulateResult, simulate
    from edgemoe_gen.api.tracing import trace
    from edgemoe_gen.api.tuning import TuneResult, apply_tuned, tune
    from edgemoe_gen.api.verilog import RtlResult, rtl
    from edgemoe_gen.linting import LintResult
    from edgemoe_gen.pipeline.diagnosis import Check, Diagnosis, doctor
    from edgemoe_gen.pipeline.differences import Differences
    from edgemoe_gen.pipeline.exchange import ImportResult
    from edgemoe_gen.pipeline.options import BuildResult
    from edgemoe_gen.pipeline.plan import PlannedStage
    from edgemoe_gen.pipeline.running import RunResult
    from edgemoe_gen.pipeline.support.folders import StageResult
    from edgemoe_gen.pipeline.tracing import TraceResult
    from edgemoe_gen.project.config import CALIBRATION_IMAGES
    from edgemoe_gen.project.inspection import BitsWorth, Inspection
    from edgemoe_gen.tuning.apply import Applied
    from edgemoe_gen.tuning.compare import Comparison
    from edgemoe_gen.tuning.dataset import DatasetResult

__all__ = [
    "CALIBRATION_IMAGES",
    "Applied",
    "BenchResult",
    "BitsWorth",
    "BuildResult",
    "Check",
    "Comparison",
    "CsimResult",
    "DatasetResult",
    "Diagnosis",
    "Differences",
    "GenerateResult",
    "ImportResult",
    "InitResult",
    "Inspection",
    "LintResult",
    "PlannedStage",
    "RtlResult",
    "RunResult",
    "ScheduleResult",
    "SelftestResult",
    "SimulateResult",
    "StageResult",
    "SweepResult",
    "TaskCheck",
    "TraceResult",
    "TuneResult",
    "apply_tuned",
    "bench",
    "boards",
    "build",
    "cache",
    "compare",
    "csim",
    "doctor",
    "evaluate",
    "generate",
    "import_results",
    "init",
    "inspect",
    "lint",
    "plan",
    "rtl",
    "run",
    "schedule",
    "selftest",
    "serve",
    "sim_board",
    "simulate",
    "sweep",
    "trace",
    "tune",
]

_PLACES = {
    "edgemoe_gen.api.board": ("BenchResult", "SelftestResult", "TaskCheck", "bench", "selftest"),
    "edgemoe_gen.api.building": ("build", "import_results", "plan"),
    "edgemoe_gen.api.catalogue": ("boards", "cache"),
    "edgemoe_gen.api.designs": ("SweepResult", "compare", "evaluate", "sweep"),
    "edgemoe_gen.api.live": ("serve", "sim_board"),
    "edgemoe_gen.api.prepare": ("GenerateResult", "InitResult", "generate", "init", "inspect", "lint"),
    "edgemoe_gen.api.scheduling": ("ScheduleResult", "schedule"),
    "edgemoe_gen.api.simulation": ("CsimResult", "csim", "run"),
    "edgemoe_gen.api.timing": ("SimulateResult", "simulate"),
    "edgemoe_gen.api.tracing": ("trace",),
    "edgemoe_gen.api.tuning": ("TuneResult", "apply_tuned", "tune"),
    "edgemoe_gen.api.verilog": ("RtlResult", "rtl"),
    "edgemoe_gen.project.config": ("CALIBRATION_IMAGES",),
    "edgemoe_gen.pipeline.diagnosis": ("Check", "Diagnosis", "doctor"),
    "edgemoe_gen.project.inspection": ("BitsWorth", "Inspection"),
    "edgemoe_gen.linting": ("LintResult",),
    "edgemoe_gen.pipeline.options": ("BuildResult",),
    "edgemoe_gen.pipeline.differences": ("Differences",),
    "edgemoe_gen.pipeline.exchange": ("ImportResult",),
    "edgemoe_gen.pipeline.plan": ("PlannedStage",),
    "edgemoe_gen.pipeline.support.folders": ("StageResult",),
    "edgemoe_gen.pipeline.running": ("RunResult",),
    "edgemoe_gen.pipeline.tracing": ("TraceResult",),
    "edgemoe_gen.tuning.apply": ("Applied",),
    "edgemoe_gen.tuning.compare": ("Comparison",),
    "edgemoe_gen.tuning.dataset": ("DatasetResult",),
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return list(__all__)

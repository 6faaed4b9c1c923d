"""The verbs of the command line as functions, with the same names and options; each returns a frozen dataclass.

    from edgemoe_gen import build
    result = build("checkpoint.pth.tar", spec="spec.toml", image=["images"], board="zcu104")

Every function raises an `EdgeMoEError` for what a user can mend. An `edgemoe.toml` of the current folder is taken as
the command line takes it; pass `config` for another.
"""

from edgemoe_gen.api.board import BenchResult, SelftestResult, TaskCheck, bench, selftest
from edgemoe_gen.api.building import build, import_results, plan
from edgemoe_gen.api.designs import SweepResult, compare, evaluate, sweep
from edgemoe_gen.api.prepare import GenerateResult, InitResult, boards, generate, init, inspect, lint
from edgemoe_gen.api.simulation import CsimResult, csim, run
from edgemoe_gen.api.timing import SimulateResult, simulate
from edgemoe_gen.api.tuning import TuneResult, apply_tuned, tune
from edgemoe_gen.config import CALIBRATION_IMAGES
from edgemoe_gen.diagnosis import Check, Diagnosis, doctor
from edgemoe_gen.inspection import BitsWorth, Inspection
from edgemoe_gen.linting import LintResult
from edgemoe_gen.pipeline import BuildResult, ImportResult, PlannedStage, StageResult
from edgemoe_gen.running import RunResult
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
    "GenerateResult",
    "ImportResult",
    "InitResult",
    "Inspection",
    "LintResult",
    "PlannedStage",
    "RunResult",
    "SelftestResult",
    "SimulateResult",
    "StageResult",
    "SweepResult",
    "TaskCheck",
    "TuneResult",
    "apply_tuned",
    "bench",
    "boards",
    "build",
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
    "run",
    "selftest",
    "simulate",
    "sweep",
    "tune",
]

"""The build: named stages from a project to a simulated, reported, synthesised and packaged accelerator.

Each is skipped when nothing changed, and an interrupted build goes on where it was.
"""

from edgemoe_gen.pipeline.builder import BuildOptions, BuildResult, build
from edgemoe_gen.pipeline.exchange import ImportResult, import_results
from edgemoe_gen.pipeline.plan import PlannedStage, plan
from edgemoe_gen.pipeline.selection import STAGES, Selection
from edgemoe_gen.pipeline.stages import StageResult

__all__ = [
    "STAGES",
    "BuildOptions",
    "BuildResult",
    "ImportResult",
    "PlannedStage",
    "Selection",
    "StageResult",
    "build",
    "import_results",
    "plan",
]

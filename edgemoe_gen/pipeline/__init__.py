"""The build: named stages from a project to a simulated, reported accelerator, each skipped when nothing changed."""

from edgemoe_gen.pipeline.builder import BuildResult, build
from edgemoe_gen.pipeline.stages import StageResult

__all__ = ["BuildResult", "StageResult", "build"]

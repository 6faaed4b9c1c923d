"""Stages of a build to run: all, from one on, up to one, or only one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.names import meant
from edgemoe_gen.pipeline.stages.table import NAMES, STAGES, position, replaced, stage_of


@dataclass(frozen=True)
class Selection:
    """The user's choice of stages.

    Attributes:
        first: run from this stage on, all of them anew; "" = from the start, and skip stages that are up to date.
        last: run up to this stage, included; "" = to the end.
        also: requested stages among those that take long and are otherwise left out.
        only: whether --only named the one stage.
    """

    first: str = ""
    last: str = ""
    also: tuple[str, ...] = ()
    only: bool = False

    @classmethod
    def of(cls, first: str = "", last: str = "", only: str = "", also: Sequence[str] = ()) -> Selection:
        """Checked.

        Raises:
            ConfigError: a stage is unknown, or the choice is empty or contradicts itself.
        """
        for stage in (first, last, only):
            if stage and stage not in NAMES:
                raise ConfigError(
                    f"there is no stage '{stage}'", f"{meant(stage, NAMES)}the stages are {', '.join(NAMES)}"
                )
        if only and (first or last):
            raise ConfigError(
                "--only is given together with --from or --until", "--only X is the same as --from X --until X"
            )
        if first and last and position(first) > position(last):
            raise ConfigError(
                f"--from {first} comes after --until {last}: nothing would run", f"the stages are {', '.join(NAMES)}"
            )
        first, last = first or only, last or only
        asked = (first, last, *also)
        requested = tuple(stage.name for stage in STAGES if stage.on_request and stage.name in asked)
        return cls(first, last, requested, bool(only))

    def refuse_replaced(self, hls: str) -> None:
        """Refuses a stage that was named, where a build does not have it.

        Args:
            hls: who makes the RTL.

        Raises:
            ConfigError: names the stage and what takes its place.
        """
        named = [stage for stage in (self.first, self.last, *self.also) if stage in replaced(hls)]
        if named:
            raise ConfigError(
                f"there is no stage '{named[0]}' with hls = \"{hls}\": {replaced(hls)[named[0]]}",
                'leave it out, or synthesise by Vitis HLS: --hls vitis, or hls = "vitis" under [flow] in edgemoe.toml',
            )

    def wants(self, stage: str) -> bool:
        """Whether a stage is to run."""
        if (stage_of(stage).on_request and stage not in self.also) or self.is_before(stage):
            return False
        return not self.last or stage_of(stage).always or position(stage) <= position(self.last)

    def is_before(self, stage: str) -> bool:
        """Whether a stage comes before all stages to run, so it must be up to date."""
        return bool(self.first) and position(stage) < position(self.first)

    def anew(self, stage: str) -> bool:
        """Whether a stage runs even if it is up to date."""
        return bool(self.first) and self.wants(stage) and not stage_of(stage).always

    def names(self, stage: str) -> bool:
        """Whether the user named a stage itself."""
        return stage in (self.first, self.last)

    def insists(self, stage: str) -> bool:
        """Whether the user named a stage that can't be reached without this one."""
        return any(named and position(named) >= position(stage) for named in (self.first, self.last))

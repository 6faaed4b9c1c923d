"""Which stages of a build run: all, from one on, up to one, or one alone."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from edgemoe_gen.base.errors import ConfigError

# In the order of work. The report is written again whenever there is something new to say.
STAGES = (
    "render", "compile", "csim", "simulate", "lint", "preview", "hls", "cosim", "ip", "bitstream", "package", "report",
)  # fmt: skip
VENDOR = ("hls", "cosim", "ip", "bitstream")  # run by the vendor's tools


@dataclass(frozen=True)
class Selection:
    """What the user asked for.

    Attributes:
        first: run from this stage on, and run all of them anew; "" = from the start, what is up to date is skipped.
        last: run up to this stage, included; "" = to the end.
        cosim: also run RTL co-simulation, which takes long and so is left out unless asked for.
        only: whether the one stage was asked for alone, by --only.
    """

    first: str = ""
    last: str = ""
    cosim: bool = False
    only: bool = False

    @classmethod
    def of(cls, first: str = "", last: str = "", only: str = "", cosim: bool = False) -> Selection:
        """Checked.

        Raises:
            ConfigError: a stage is unknown, or the choice is empty or contradicts itself.
        """
        for stage in (first, last, only):
            if stage and stage not in STAGES:
                near = difflib.get_close_matches(stage, STAGES, n=1)
                meant = f"did you mean '{near[0]}'? " if near else ""
                raise ConfigError(f"there is no stage '{stage}'", f"{meant}the stages are {', '.join(STAGES)}")
        if only and (first or last):
            raise ConfigError(
                "--only is given together with --from or --until", "--only X is the same as --from X --until X"
            )
        if first and last and STAGES.index(first) > STAGES.index(last):
            raise ConfigError(
                f"--from {first} comes after --until {last}: nothing would run", f"the stages are {', '.join(STAGES)}"
            )
        first, last = first or only, last or only
        return cls(first, last, cosim or "cosim" in (first, last), bool(only))

    def wants(self, stage: str) -> bool:
        """Whether a stage is to run."""
        if stage == "cosim" and not self.cosim:
            return False
        return not self.is_before(stage) and (
            not self.last or stage == "report" or STAGES.index(stage) <= STAGES.index(self.last)
        )

    def is_before(self, stage: str) -> bool:
        """Whether a stage comes before all that are to run, so that it must be up to date."""
        return bool(self.first) and STAGES.index(stage) < STAGES.index(self.first)

    def anew(self, stage: str) -> bool:
        """Whether a stage runs even if it is up to date."""
        return bool(self.first) and self.wants(stage) and stage != "report"

    @property
    def only_report(self) -> bool:
        """Whether the report alone is to be written again, from what is there."""
        return self.first == "report"

    def insists(self, stage: str) -> bool:
        """Whether the user named a stage that can't be reached without this one."""
        return any(named and STAGES.index(named) >= STAGES.index(stage) for named in (self.first, self.last))

"""Hooks: points of the flow at which its scripts source the user's own Tcl, named by [flow.hooks] of a project."""

from __future__ import annotations

from dataclasses import dataclass

FOLDER = "flow/hooks"  # in a rendered project


@dataclass(frozen=True)
class Hook:
    """One point of the flow.

    Attributes:
        name: key of [flow.hooks].
        stage: stage of the build whose result it can change.
        when: its time in the flow, for the user.
        run, step: Vivado's run, and its property that names a script (UG835, "Tcl hook scripts"); "" of Vitis HLS.
    """

    name: str
    stage: str
    when: str
    run: str = ""
    step: str = ""

    @property
    def file(self) -> str:
        """The file that the flow's scripts source."""
        return f"{FOLDER}/{self.name}.tcl"

    @property
    def own(self) -> str:
        """The user's text."""
        return f"{FOLDER}/{self.name}.user.tcl"


HOOKS = (
    Hook("before_csynth", "hls", "before C synthesis, when the project and its settings are there"),
    Hook(
        "before_synthesis", "bitstream", "before Vivado synthesises the block design", "synth_1", "SYNTH_DESIGN.TCL.PRE"
    ),
    Hook("after_synthesis", "bitstream", "after that, with the netlist open", "synth_1", "SYNTH_DESIGN.TCL.POST"),
    Hook("before_place", "bitstream", "before placing: Pblocks, constraints", "impl_1", "PLACE_DESIGN.TCL.PRE"),
    Hook("before_route", "bitstream", "before routing", "impl_1", "ROUTE_DESIGN.TCL.PRE"),
    Hook("after_route", "bitstream", "after routing: reports, debug probes", "impl_1", "ROUTE_DESIGN.TCL.POST"),
    Hook("before_bitstream", "bitstream", "before the bitstream is written", "impl_1", "WRITE_BITSTREAM.TCL.PRE"),
)
NAMES = tuple(hook.name for hook in HOOKS)


def files_of_hooks(stage: str) -> tuple[str, ...]:
    """Files of all hooks that can change a stage's result."""
    return tuple(file for hook in HOOKS if hook.stage == stage for file in (hook.file, hook.own))

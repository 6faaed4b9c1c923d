"""Arguments of each verb beside the project: dataclasses whose fields are options of the command line, and their types.

A field of `BuildArguments` has its type in `BuildKeywords`, which also has the keywords of the project; every verb has
such a pair. The module imports nothing that runs a verb. The arguments of `tune` are in `tuning_arguments`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from edgemoe_gen.base.arguments import argument
from edgemoe_gen.pipeline.options import BuildOptions
from edgemoe_gen.pipeline.selection import Selection
from edgemoe_gen.project.arguments import (
    DesignKeywords,
    Names,
    NetworkKeywords,
    Paths,
    PathText,
    PictureKeywords,
    ProjectKeywords,
)

SECONDS = 10.0  # that a measurement may take


class InspectKeywords(NetworkKeywords, PictureKeywords, total=False):
    """Keywords of `inspect`."""

    config: PathText | None


class GenerateKeywords(DesignKeywords, total=False):
    """Keywords of `generate`."""

    output: PathText | None


class EvaluateKeywords(DesignKeywords, total=False):
    """Keywords of `evaluate`."""

    calibrate: Paths
    augment: int | None
    labels: PathText | None
    task: Names


class SearchedKeywords(NetworkKeywords, PictureKeywords, total=False):
    """Keywords of the verbs that choose knobs themselves."""

    config: PathText | None
    board: str | None


@dataclass(frozen=True, kw_only=True)
class BuildArguments:
    """Which stages `build` runs, and how; see `build`."""

    first: str = argument("", "str", "Run from this stage on, all of them anew.", option="--from", metavar="STAGE")
    until: str = argument("", "str", "Run up to this stage, included.", metavar="STAGE")
    only: str = argument("", "str", "Run only this stage, anew.", metavar="STAGE")
    cosim: bool = argument(False, "flag", "Also run RTL co-simulation, of a short program.")
    rtlsim: bool = argument(
        False, "flag", "Also simulate the Verilog of the stage rtl, of a short program; minutes to compile."
    )
    retry_clock: bool = argument(False, "flag", "Where timing fails, build again at the clock that would meet it.")
    export: PathText | None = argument(
        None,
        "path",
        "Write the vendor's stages as a folder to run on another machine; see `edgemoe-gen import-results`.",
        metavar="FOLDER",
    )
    force: bool = argument(
        False,
        "flag",
        "Where files of a result were changed or added by hand, move it to NAME.edited-N and continue.",
    )

    @property
    def options(self) -> BuildOptions:
        """These arguments as the options of a build.

        Raises:
            ConfigError: a stage is unknown, or two of them contradict each other.
        """
        kit = None if self.export is None else Path(self.export)
        also = [name for name, asked in (("cosim", self.cosim), ("rtlsim", self.rtlsim)) if asked]
        selection = Selection.of(self.first, self.until, self.only, also)
        return BuildOptions(selection, self.retry_clock, kit, self.force)


class BuildKeywords(ProjectKeywords, total=False):
    """Keywords of `build` and `plan`."""

    first: str
    until: str
    only: str
    cosim: bool
    rtlsim: bool
    retry_clock: bool
    export: PathText | None
    force: bool


@dataclass(frozen=True, kw_only=True)
class RunArguments:
    """How `run` runs its picture; see `run`."""

    task: Sequence[str] = argument((), "names", "Task; repeatable; all: every task. Needed if the network has several.")
    backend: str = argument(
        "float",
        "str",
        "float: the reference; csim: the C simulation; board: an overlay on its board.",
        show_default=True,
    )
    routes: PathText | None = argument(None, "path", "float: take the experts of another run's dump.")
    dump: PathText | None = argument(None, "path", "Write tokens, blocks, routes, scores, output as .npz.")
    output: PathText | None = argument(
        None,
        "path",
        "Write the task's result: a picture (.png), its numbers (.npy), or all of a dump (.npz). Several tasks have a "
        "picture or numbers each, NAME_TASK.png.",
    )
    overlay: PathText | None = argument(None, "path", "board: an installed overlay, its folder, or a build's.")
    simulated: bool = argument(False, "flag", "board: take the simulated board.")


class RunKeywords(DesignKeywords, total=False):
    """Keywords of `run`."""

    calibrate: Paths
    task: Names
    backend: str
    routes: PathText | None
    dump: PathText | None
    output: PathText | None
    overlay: PathText | None
    simulated: bool


@dataclass(frozen=True, kw_only=True)
class TraceArguments:
    """What `trace` compares; see `trace`."""

    task: str | None = argument(None, "str", "Task; needed if the network has several.")
    against: PathText | None = argument(
        None, "path", "Compare with these tensors of your own run, instead of C simulation.", metavar="FILE.npz"
    )
    output: PathText | None = argument(
        None, "path", "Write the float reference's tensors, by name.", metavar="FILE.npz"
    )


class TraceKeywords(DesignKeywords, total=False):
    """Keywords of `trace`."""

    calibrate: Paths
    task: str | None
    against: PathText | None
    output: PathText | None


@dataclass(frozen=True, kw_only=True)
class CsimArguments:
    """What `csim` checks; see `csim`."""

    task: str | None = argument(None, "str", "Task whose inputs are recorded [default: the first].")
    junit: PathText | None = argument(None, "path", "Write JUnit XML, for CI.")
    seed: int = argument(0, "int", "Seed of the random inputs.", show_default=True)


class CsimKeywords(DesignKeywords, total=False):
    """Keywords of `csim`."""

    image: Paths
    task: str | None
    junit: PathText | None
    seed: int


@dataclass(frozen=True, kw_only=True)
class SimulateArguments:
    """What `simulate` times and writes; see `simulate`."""

    trace: PathText | None = argument(None, "path", "Write a trace for ui.perfetto.dev.", metavar="FILE.json")
    html: PathText | None = argument(None, "path", "Write a page: timeline, roofline, tables.", metavar="FILE.html")
    size_fifos: bool = argument(
        False,
        "flag",
        "Find the smallest depth of each FIFO that costs no cycle; write them to [fifo_depths] of edgemoe.toml.",
    )
    csynth: PathText | None = argument(
        None,
        "path",
        "Take II and depth of loops from C synthesis' csynth.xml, or its folder, and show where the table differs.",
        metavar="FILE.xml",
    )
    depths: str = argument(
        "schedule",
        "str",
        "Where depths of pipelines come from: schedule (needs the extra of that name, else the table), or table.",
        metavar="schedule|table",
        show_default=True,
    )
    pipelines: str = argument(
        "flush",
        "str",
        "While a pipeline waits for an input: flush (older iterations go on) or stall (the whole pipeline waits).",
        metavar="flush|stall",
        show_default=True,
    )
    ddr: float | None = argument(None, "float", "Rate of the memory [default: the board's].", metavar="GB/S")
    efficiency: float | None = argument(
        None, "float", "Share of this rate that bursts reach [default: the board's].", metavar="SHARE"
    )


class SimulateKeywords(DesignKeywords, PictureKeywords, total=False):
    """Keywords of `simulate`."""

    trace: PathText | None
    html: PathText | None
    size_fifos: bool
    csynth: PathText | None
    depths: str
    pipelines: str
    ddr: float | None
    efficiency: float | None


@dataclass(frozen=True, kw_only=True)
class RtlArguments:
    """What `rtl` does with its Verilog; see `rtl`."""

    force: bool = argument(
        False, "flag", "Where files of OUTPUT/rtl were changed or added by hand, move it to rtl.edited-N and continue."
    )
    simulate: bool = argument(
        False,
        "flag",
        "Simulate the Verilog with Verilator, and compare every byte with C simulation: the frames of --image, else "
        "a short program.",
    )
    latency: int | None = argument(
        None,
        "int",
        "Simulated memory: cycles from a request to its first beat [default: the timed simulation's].",
        metavar="CYCLES",
    )
    ready: int = argument(
        100, "int", "Simulated buses: share of the cycles in which a bus moves.", metavar="PERCENT", show_default=True
    )
    seed: int = argument(
        1, "int", "Seed of these cycles, and of registers without an initial value.", show_default=True
    )
    trace: PathText | None = argument(
        None, "path", "Write a trace of all signals, for GTKWave and Surfer.", metavar="FILE.vcd"
    )
    trace_cycles: str | None = argument(
        None, "str", "Trace these cycles of the run [default: the first 1,000].", metavar="FROM:TO"
    )
    synthesise: str | None = argument(
        None,
        "str",
        "Synthesise one process, or all, for UltraScale+ with Yosys, and show the counts.",
        metavar="[PROCESS]",
        unsaid="all",
    )


class RtlKeywords(DesignKeywords, PictureKeywords, total=False):
    """Keywords of `rtl`."""

    output: PathText | None
    force: bool
    simulate: bool
    latency: int | None
    ready: int
    seed: int
    trace: PathText | None
    trace_cycles: str | None
    synthesise: str | None


@dataclass(frozen=True, kw_only=True)
class SweepArguments:
    """How `sweep` evaluates its grid; see `sweep`."""

    limit: Sequence[str] = argument(
        (), "names", "Refuse points beyond a bound, such as dsp=0.8.", metavar="FIGURE=BOUND"
    )
    tier: str = argument(
        "estimate",
        "str",
        "How far every point climbs: estimate, timed (timed simulation), csim (C simulation too, for errors).",
        show_default=True,
    )
    jobs: int = argument(1, "int", "Worker processes on this machine.", show_default=True)
    scheduler: str | None = argument(
        None,
        "str",
        "Run on the workers of this Dask scheduler; each needs edgemoe-gen, PyTorch and g++.",
        metavar="tcp://HOST:PORT",
    )
    output: PathText | None = argument(None, "path", "Write all points, as .csv or .json.", metavar="FILE.csv")


class SweepKeywords(SearchedKeywords, total=False):
    """Keywords of `sweep`."""

    limit: Names
    tier: str
    jobs: int
    scheduler: str | None
    output: PathText | None


@dataclass(frozen=True, kw_only=True)
class BenchArguments:
    """What `bench` measures, and how long; see `bench`."""

    task: Sequence[str] = argument((), "names", "Task to measure; repeatable [default: all].")
    image: Sequence[PathText] = argument(
        (), "paths", "Picture or folder to run in turn; repeatable [default: the overlay's own picture]."
    )
    frames: int | None = argument(None, "int", "Frames of each measurement [default: 100; 5 if simulated].")
    seconds: float = argument(
        SECONDS,
        "float",
        "Longest time of a measurement; frames stream for this time while power is read.",
        show_default=True,
    )
    simulated: bool = argument(False, "flag", "Run on the simulated board, whose times are those of C simulation.")
    output: PathText | None = argument(None, "path", "Write the result as a page too (.html).")


class BenchKeywords(TypedDict, total=False):
    """Keywords of `bench`."""

    task: Names
    image: Paths
    frames: int | None
    seconds: float
    simulated: bool
    output: PathText | None


@dataclass(frozen=True, kw_only=True)
class ServeArguments:
    """What `serve` shows, and to whom; see `serve`."""

    source: Sequence[str] = argument(
        ("camera:0",), "names", "Camera, video file or folder of pictures; repeatable: the page chooses among them."
    )
    task: Sequence[str] = argument((), "names", "Task that is on at the start; repeatable [default: all].")
    simulated: bool = argument(False, "flag", "Run on the simulated board; its times are those of this machine.")
    engine: str | None = argument(None, "str", "Engine of the simulated board: csim or rtl.")
    fps: float | None = argument(None, "float", "Upper limit of frames a second [default: the source's own rate].")
    host: str = argument("127.0.0.1", "str", "Address to listen on.")
    port: int = argument(8080, "int", "Port; 0: any free one.")
    token: str | None = argument(
        None, "str", "Token that viewers must know [default: a new one where --host is not loopback]."
    )


class ServeKeywords(TypedDict, total=False):
    """Keywords of `serve`."""

    source: Names
    task: Names
    simulated: bool
    engine: str | None
    fps: float | None
    host: str
    port: int
    token: str | None

"""The whole Verilog of a design: modules from its kernels, those of the library that they use, a file list, a README.

In: a design and its rendered sources. Out: texts by file name; the same design gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

from edgemoe_gen.base.build_files import RTL
from edgemoe_gen.base.installed import PACKAGE, resource_folder
from edgemoe_gen.base.templating import templates_of
from edgemoe_gen.base.version import __version__
from edgemoe_gen.codegen.synthesis import budget_ns
from edgemoe_gen.design import Design
from edgemoe_gen.report.numbers import counted
from edgemoe_gen.rtl.compile import compile_kernels, compile_module
from edgemoe_gen.rtl.engine import make_engine
from edgemoe_gen.rtl.library import PREFIX
from edgemoe_gen.rtl.process import Process
from edgemoe_gen.scheduling.compiler import compiler_version, shims
from edgemoe_gen.scheduling.kept import kept

README = "README.md"
KEPT = 30  # designs in the cache, less than 1 MB each
Progress = Callable[[str, int, int], object]


@dataclass(frozen=True)
class RtlModule:
    """One module.

    Attributes:
        name: name of the module.
        kind: "process" (pipelines and a state machine), "structure" (other modules and the logic between), or
            "library".
        file: file of the module.
        lines: lines of that file.
        stages: stages of each pipeline, by its loop's label.
    """

    name: str
    kind: str
    file: str
    lines: int
    stages: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DesignRtl:
    """A design as SystemVerilog.

    Attributes:
        top: name of the top module.
        sources: texts by file name, in the order of the file list.
        modules: in the same order.
    """

    design: Design
    top: str
    sources: Mapping[str, str]
    modules: tuple[RtlModule, ...]

    @property
    def file_list(self) -> str:
        """Name of the file that lists the sources, for `-f` of simulators."""
        return f"{self.top}.f"

    @property
    def headline(self) -> str:
        """Size of the RTL, in a few words."""
        made = [module for module in self.modules if module.kind != "library"]
        lines = sum(module.lines for module in self.modules)
        return f"{counted(len(made), 'module')} from the kernels, {lines:,} lines of SystemVerilog, top {self.top}"

    def files(self) -> dict[str, str]:
        """All files, by name: the sources, the file list, the README."""
        listed = "".join(f"{name}\n" for name in self.sources)
        return {**self.sources, self.file_list: listed, README: _readme(self)}

    def document(self) -> dict[str, Any]:
        """For JSON."""
        design = self.design
        facts = {
            "design": f"{design.identity:016x}",
            "board": design.board.name,
            "part": design.board.part,
            "clock_mhz": design.knobs.clock_mhz,
            "compiler": compiler_version(),
            "top": self.top,
            "file_list": self.file_list,
            "headline": self.headline,
            "modules": [asdict(module) for module in self.modules],
        }
        return RTL.stamped(facts)


def _quiet(what: str, done: int, total: int) -> None:
    """Shows nothing."""


def generate_rtl(design: Design, sources: Mapping[str, str], progress: Progress = _quiet) -> DesignRtl:
    """Makes all modules of a design, or takes them from the cache.

    Args:
        design: gives part, clock and buses.
        sources: its rendered text by path.
        progress: called with text, steps done, steps in all.

    Raises:
        ConfigError: the compiler is not installed.
        SimulationError: there is no table of delays for the part, or a kernel has a form without hardware.
    """
    kernels = [f"{name}\0{text}" for name, text in sorted(sources.items()) if name.startswith("src/")]
    told = chr(0).join([_of_package(), repr(design.board), repr(design.knobs), *kernels])
    return kept(
        f"{hashlib.sha256(told.encode()).hexdigest()}.verilog",
        KEPT,
        lambda: _generate(design, sources, progress),
        _written,
        lambda text: _read(design, text),
    )


@cache
def _of_package() -> str:
    """A hash of all that makes Verilog: this package, the compiler, the library of modules, delays."""
    digest = hashlib.sha256(f"{__version__}\0{compiler_version()}\0{shims()}".encode())
    files = [*PACKAGE.rglob("*.py"), *(PACKAGE / "timing" / "families").glob("*.toml")]
    for file in sorted([*files, *(resource_folder("hls") / "rtl").glob("*.sv")]):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _written(rtl: DesignRtl) -> str:
    modules = [asdict(module) for module in rtl.modules]
    text = json.dumps({"top": rtl.top, "sources": dict(rtl.sources), "modules": modules})
    return base64.b85encode(zlib.compress(text.encode(), 1)).decode()


def _read(design: Design, text: str) -> DesignRtl:
    try:
        found = json.loads(zlib.decompress(base64.b85decode(text)))
    except zlib.error as error:
        raise ValueError("it is damaged") from error
    return DesignRtl(design, found["top"], found["sources"], tuple(RtlModule(**each) for each in found["modules"]))


def _generate(design: Design, sources: Mapping[str, str], progress: Progress) -> DesignRtl:
    progress("compiling the kernels", 0, 0)
    kernels = compile_kernels(sources, design.board.part, budget_ns(design.knobs.clock_mhz))
    modules: dict[str, Process] = {}
    functions = [function.name for function in kernels.module.functions.values()]
    for done, name in enumerate(functions):
        progress("making modules", done, len(functions))
        compile_module(kernels, name, modules)
    engine = make_engine(design, kernels, modules)
    progress("making modules", len(functions), len(functions))
    made = {f"{module.name}.sv": module for module in engine.modules.values()}
    facts = tuple(_facts(file, text, made.get(file), engine.top) for file, text in engine.sources.items())
    return DesignRtl(design, engine.top, engine.sources, facts)


def _facts(file: str, text: str, made: Process | None, top: str) -> RtlModule:
    stem, lines = file.removesuffix(".sv"), text.count("\n")
    if made is not None:
        return RtlModule(
            made.name, "process" if made.stages else "structure", file, lines, {s.name: s.depth for s in made.stages}
        )
    return RtlModule(top, "structure", file, lines) if stem == top else RtlModule(PREFIX + stem, "library", file, lines)


def _readme(rtl: DesignRtl) -> str:
    template = templates_of(resource_folder("templates") / "rtl", html=False).get_template(f"{README}.j2")
    return template.render(rtl=rtl, design=rtl.design, board=rtl.design.board)


__all__ = ["DesignRtl", "RtlModule", "generate_rtl"]

"""Compiles rendered sources into a shared library, once: the result is kept by content (`sim/cache.py`).

Builds of the same sources: `plain` (native integers, fast, counts DDR traffic), `ap` (the open ap_types headers, as
Vitis would compile them) and `timed` (plain, of instrumented sources: edgemoe_gen.timing). Sanitizers come as a variant
of the first two.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgemoe_gen.base.errors import SimulationError, SurroundingsError
from edgemoe_gen.sim.cache import find_library, keep_library

# Labels name loops in synthesis reports and pragmas are for Vitis; a C++ compiler needs neither.
WARNINGS = ("-Wall", "-Wextra", "-Wno-unknown-pragmas", "-Wno-unused-label")
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
FAILURES = (  # what compilers say of their surroundings, rather than of the sources: text, what it means, what to do
    ("Killed signal", "was killed, most likely since memory ran out", "close something, or add swap"),
    (
        "No space left on device",
        "had no disk left",
        "free some disk where TMPDIR (default: /tmp) and EDGEMOE_CACHE lie",
    ),
    ("cannot find crti.o", "has no C library to link with", "install it: apt install libc6-dev"),
    ("cannot execute", "is not whole", "install it anew: apt install --reinstall g++"),
)


class NoCompilerError(SurroundingsError):
    """There is no C++ compiler."""

    def __init__(self) -> None:
        super().__init__("there is no C++ compiler: neither g++ nor clang++ is on PATH", "install one: apt install g++")


@dataclass(frozen=True)
class Build:
    """Options of a compilation: number types, optimisation, sanitizers, clocks."""

    ap_types: bool = False
    sanitize: bool = False
    timed: bool = False

    @property
    def units(self) -> tuple[str, ...]:
        """Sources to compile, side by side. The timed entry, which Python calls, takes in the engine."""
        return ("sim/timed.cpp",) if self.timed else ("src/engine.cpp", "sim/simulate.cpp")

    @property
    def flags(self) -> tuple[str, ...]:
        """Compiler flags of this build."""
        flags: tuple[str, ...] = ("-std=c++14", *WARNINGS)
        flags += ("-O1", "-g") if self.sanitize else (f"-O{optimisation()}", "-march=native")
        flags += SANITIZE if self.sanitize else ()
        # GCC would share static variables of inline functions between all libraries of a process, whatever their sizes.
        flags += () if "clang" in compiler_version(find_compiler()) else ("-fno-gnu-unique",)
        # The headers of others are none of our warnings.
        flags += ("-isystem", str(ap_types_folder())) if self.ap_types else ("-DEDGEMOE_PLAIN_INTEGERS",)
        # Fibers change stacks, which a fortified longjmp takes for an attack.
        flags += ("-DEDGEMOE_TIMED", "-U_FORTIFY_SOURCE") if self.timed else ()
        return flags


def optimisation() -> str:
    """The compiler's optimisation level: `EDGEMOE_OPTIMISATION`, else 3. Many short runs are faster with level g.

    Raises:
        SimulationError: it is no level.
    """
    level = os.environ.get("EDGEMOE_OPTIMISATION", "3")
    if level not in ("0", "1", "2", "3", "g"):
        raise SurroundingsError(
            f"EDGEMOE_OPTIMISATION is {level!r}, no level of optimisation", "set it to 0, 1, 2, 3 or g"
        )
    return level


@cache
def find_compiler() -> str:
    """Path of a C++14 compiler: `CXX`, or g++ or clang++ on PATH.

    Raises:
        SimulationError: there is none.
    """
    for name in (os.environ.get("CXX", ""), "g++", "clang++"):
        path = shutil.which(name) if name else None
        if path:
            return path
    raise NoCompilerError


@cache
def compiler_version(path: str) -> str:
    """First line of the compiler's version."""
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[0] if done.stdout else "unknown"


@cache
def ap_types_folder() -> Path:
    """Folder of the open `ap_int.h` and `hls_stream.h`, which the package hls4ml carries.

    Raises:
        SimulationError: the package is not installed.
    """
    found = importlib.util.find_spec("hls4ml")
    if found is None or not found.submodule_search_locations:
        raise SurroundingsError(
            "the open ap_types headers are not installed", "they come with the package hls4ml: pip install hls4ml"
        )
    return Path(found.submodule_search_locations[0]) / "templates" / "vivado" / "ap_types"


def compiled(sources: Mapping[str, str], build: Build) -> Path | None:
    """The cached library of these sources, or None."""
    return find_library(library_name(sources, build))


def compile_library(
    sources: Mapping[str, str], build: Build | None = None, on_compile: Callable[[], object] = lambda: None
) -> Path:
    """Compiles sources (path to text, as `codegen.render_sources` gives them) unless that has been done before.

    Args:
        sources: what to compile.
        build: how.
        on_compile: called before the compiler, where it is needed.

    Returns:
        Path of the shared library.

    Raises:
        SimulationError: no compiler, or the sources do not compile; holds the compiler's first errors.
    """
    how = build or Build()

    def make(folder: Path) -> Path:
        on_compile()
        return _compile(sources, how, folder)

    return keep_library(library_name(sources, how), make)


def _compile(sources: Mapping[str, str], build: Build, folder: Path) -> Path:
    for name, text in sources.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    command = [find_compiler(), *build.flags, "-fPIC", "-Isrc"]
    objects = {unit: f"{number}.o" for number, unit in enumerate(build.units)}
    _run_all([[*command, "-c", unit, "-o", name] for unit, name in objects.items()], folder)
    _run_all([[*command, "-shared", *objects.values(), "-o", "library.so"]], folder)
    return folder / "library.so"


def _run_all(commands: Sequence[Sequence[str]], folder: Path) -> None:
    """Runs the compiler's commands side by side.

    Raises:
        SimulationError: one fails.
    """
    running = [
        subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", errors="replace"
        )
        for command in commands
    ]
    said = [process.communicate()[1] for process in running]
    for process, text in zip(running, said, strict=True):
        if process.returncode:
            raise _failure(Path(commands[0][0]).name, text)


def _failure(compiler: str, text: str) -> SimulationError:
    """A failed compiler's error as a sentence; faults of the machine are told apart from faults of the sources."""
    for words, reason, advice in FAILURES:
        if words in text:
            return SurroundingsError(f"the compiler {compiler} {reason}: {_errors(text)}", advice)
    return SimulationError(
        f"{compiler} does not compile the design:\n{_errors(text)}",
        "this is a fault of edgemoe-gen unless the sources were edited: please report it with edgemoe.toml",
    )


def toolchain(build: Build | None = None) -> str:
    """Dependences of a library beside its sources: compiler, flags, processor.

    Raises:
        SimulationError: there is no compiler.
    """
    compiler = find_compiler()
    return f"{compiler}\n{compiler_version(compiler)}\n{(build or Build()).flags}\n{_processor()}"


def library_name(sources: Mapping[str, str], build: Build) -> str:
    """Name of the library of these sources: the hash of all dependences of its code."""
    digest = hashlib.sha256(toolchain(build).encode())
    for name in sorted(sources):
        if name.startswith(("src/", "sim/")):
            digest.update(f"{name}\n{sources[name]}\n".encode())
    return f"engine-{digest.hexdigest()[:32]}"


@cache
def _processor() -> str:
    """The instruction sets that -march=native stands for: a cache may be shared between machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith("flags")), "")


def _errors(text: str) -> str:
    lines = [line for line in text.splitlines() if "error" in line] or text.splitlines()
    return "\n".join(line[:300] for line in lines[:8])

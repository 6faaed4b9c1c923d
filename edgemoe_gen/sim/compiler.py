"""Compiles rendered sources into a shared library, once: the result is cached by content.

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
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgemoe_gen.errors import SimulationError

# Labels name loops in synthesis reports and pragmas are for Vitis; a C++ compiler needs neither.
WARNINGS = ("-Wall", "-Wextra", "-Wno-unknown-pragmas", "-Wno-unused-label")
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
KEEP = 40  # compiled libraries kept in the cache


@dataclass(frozen=True)
class Build:
    """How to compile: number types, optimisation, sanitizers, clocks."""

    ap_types: bool = False
    sanitize: bool = False
    timed: bool = False

    @property
    def entry(self) -> str:
        """The source beside the engine's: what Python calls."""
        return "sim/timed.cpp" if self.timed else "sim/simulate.cpp"

    @property
    def flags(self) -> tuple[str, ...]:
        """Compiler flags of this build."""
        flags: tuple[str, ...] = ("-std=c++14", *WARNINGS)
        flags += ("-O1", "-g") if self.sanitize else ("-O3", "-march=native")
        flags += SANITIZE if self.sanitize else ()
        # GCC would share static variables of inline functions between all libraries of a process, whatever their sizes.
        flags += () if "clang" in compiler_version(find_compiler()) else ("-fno-gnu-unique",)
        # The headers of others are none of our warnings.
        flags += ("-isystem", str(ap_types_folder())) if self.ap_types else ("-DEDGEMOE_PLAIN_INTEGERS",)
        # Fibers change stacks, which a fortified longjmp takes for an attack.
        flags += ("-DEDGEMOE_TIMED", "-U_FORTIFY_SOURCE") if self.timed else ()
        return flags


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
    raise SimulationError(
        "there is no C++ compiler: neither g++ nor clang++ is on PATH", "install one: apt install g++"
    )


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
        raise SimulationError(
            "the open ap_types headers are not installed", 'install them: pip install "edgemoe-gen[dev]"'
        )
    return Path(found.submodule_search_locations[0]) / "templates" / "vivado" / "ap_types"


def cache_folder() -> Path:
    """Where compiled libraries are kept: `EDGEMOE_CACHE`, else below the user's cache folder."""
    chosen = os.environ.get("EDGEMOE_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgemoe-gen"


def compiled(sources: Mapping[str, str], build: Build) -> Path | None:
    """The cached library of these sources, or None."""
    path = _library(sources, build)
    return path if path.is_file() else None


def compile_library(sources: Mapping[str, str], build: Build | None = None) -> Path:
    """Compiles sources (path to text, as `codegen.render_sources` gives them) unless that has been done before.

    Returns:
        Path of the shared library.

    Raises:
        SimulationError: no compiler, or the sources do not compile; holds the compiler's first errors.
    """
    build = build or Build()
    library = _library(sources, build)
    if library.is_file():
        library.touch()
        return library
    library.parent.mkdir(parents=True, exist_ok=True)
    compiler = find_compiler()
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        root = Path(folder)
        for name, text in sources.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        partial = root / "library.so"
        command = [compiler, *build.flags, "-fPIC", "-Isrc"]
        files = {"src/engine.cpp": "engine.o", build.entry: "entry.o"}
        _run_all([[*command, "-c", file, "-o", name] for file, name in files.items()], root)
        _run_all([[*command, "-shared", *files.values(), "-o", str(partial)]], root)
        partial.replace(library)
    _forget_oldest(library.parent)
    return library


def _run_all(commands: Sequence[Sequence[str]], folder: Path) -> None:
    """Runs the compiler's commands side by side."""
    running = [
        subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for command in commands
    ]
    said = [process.communicate()[1] for process in running]
    for process, text in zip(running, said, strict=True):
        if process.returncode:
            raise SimulationError(
                f"{Path(commands[0][0]).name} does not compile the design:\n{_errors(text)}",
                "this is a fault of edgemoe-gen unless the sources were edited: please report it with edgemoe.toml",
            )


def _library(sources: Mapping[str, str], build: Build) -> Path:
    compiler = find_compiler()
    digest = hashlib.sha256(f"{compiler}\n{compiler_version(compiler)}\n{build.flags}\n{_processor()}".encode())
    for name in sorted(sources):
        if name.startswith(("src/", "sim/")):
            digest.update(f"{name}\n{sources[name]}\n".encode())
    return cache_folder() / f"engine-{digest.hexdigest()[:32]}.so"


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
    return "\n".join(lines[:8])


def _forget_oldest(folder: Path) -> None:
    libraries = sorted(folder.glob("engine-*.so"), key=lambda path: path.stat().st_mtime)
    for path in libraries[:-KEEP]:
        path.unlink(missing_ok=True)

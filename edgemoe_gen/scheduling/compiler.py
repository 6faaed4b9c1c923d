"""Compiles prepared sources to LLVM IR, with the clang of the package `ziglang`; the result is kept by content.

No vendor tool, no other compiler: the same package gives the same text on every machine. Lines of the headers and
types of variables go along as debug information.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgemoe_gen.base.errors import ConfigError, SimulationError
from edgemoe_gen.base.extras import installing
from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.scheduling.kept import kept
from edgemoe_gen.scheduling.sources import PORT

PACKAGE = "ziglang"
KEPT = 40  # results in the cache, 5 MB each
_LONGEST_S = 600
# What turns loops into something that no longer looks like their source is off; unrolling and inlining do all they can.
_FLAGS = (
    "-std=c++20", "-O2", "-g", "-target", "x86_64-linux-musl", "-mcpu=x86_64", "-fno-vectorize",
    "-fno-slp-vectorize", "-Wno-everything", "-fno-exceptions", "-fno-rtti", "-fno-sanitize=all",
    "-fno-stack-protector", "-fno-discard-value-names", "-mllvm", "-inline-threshold=100000000",
    "-mllvm", "-jump-threading-threshold=0", "-mllvm", "-enable-dfa-jump-thread=0", "-mllvm", "-disable-loop-idiom-all",
    "-mllvm", "-indvars-widen-indvars=false", "-mllvm", "-rotation-max-header-size=0", "-mllvm", "-enable-load-pre=0",
    "-mllvm", "-sink-common-insts=0",
)  # fmt: skip
DESCRIBED = (
    "-std=c++20", "-O0", "-g", "-fstandalone-debug", "-target", "x86_64-linux-musl", "-mcpu=x86_64", "-Wno-everything",
    "-fno-exceptions", "-fno-rtti", "-fno-sanitize=all", "-fno-stack-protector",
)  # fmt: skip


def ziglang_missing() -> str:
    """The reason why the compiler can't be used, or ""."""
    if importlib.util.find_spec(PACKAGE) is None:
        return f"the package {PACKAGE} is not installed"
    return ""


def need_compiler(what: str, extra: str) -> None:
    """Refuses work that needs the compiler if it can't be used.

    Args:
        what: begin of the sentence.
        extra: the extra that brings the compiler.

    Raises:
        ConfigError: the compiler can't be used.
    """
    reason = ziglang_missing()
    if reason:
        raise ConfigError(f"{what} needs clang, but {reason}", f"install it: {installing(extra)}")


def compiler_version() -> str:
    """Version of the package that brings the compiler; "" where it is not installed."""
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return ""


def shims() -> dict[str, str]:
    """Headers that stand in for the vendor's and for the port's, by path."""
    folder = resource_folder("hls") / "schedule"
    return {f"shim/{path.name}": path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.h"))}


def compile_ir(texts: Mapping[str, str], unit: str = "src/engine.cpp", flags: Sequence[str] = _FLAGS) -> str:
    """LLVM IR text of a design's kernels.

    Args:
        texts: prepared sources by path; all includes are among them.
        unit: the source that includes all others.
        flags: flags of the compiler; `DESCRIBED` gives unoptimised code that describes every type.

    Raises:
        ConfigError: the compiler is not installed.
        SimulationError: the compiler refuses the sources; gives its first error.
    """
    need_compiler("a schedule", "schedule")
    files = dict(texts) | shims()
    files[PORT] = '#pragma once\n#include "../shim/port.h"\n'
    digest = hashlib.sha256(
        "\0".join([compiler_version(), *flags, unit, *(f"{name}\0{files[name]}" for name in sorted(files))]).encode()
    ).hexdigest()
    end = f"; end of {digest}\n"  # last line of a result that was written whole

    def read(text: str) -> str:
        if not text.endswith(end):
            raise ValueError("it has no end")
        return text.removesuffix(end)

    return kept(f"{digest}.ll", KEPT, lambda: _compile(files, unit, flags), lambda text: text + end, read)


def _compile(files: Mapping[str, str], unit: str, flags: Sequence[str]) -> str:
    with tempfile.TemporaryDirectory(prefix="edgemoe-schedule-") as name:
        folder = Path(name)
        for path, text in files.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        command = [
            sys.executable, "-m", PACKAGE, "c++", *flags, "-fdebug-compilation-dir=.", "-Ishim", "-Isrc",
            "-S", "-emit-llvm", "-o", "out.ll", unit,
        ]  # fmt: skip
        # Of its own, so that nothing of the user's is written to.
        environment = os.environ | {
            "ZIG_GLOBAL_CACHE_DIR": str(folder / "zig"),
            "ZIG_LOCAL_CACHE_DIR": str(folder / "zig"),
        }
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_LONGEST_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SimulationError(
                f"the compiler of {PACKAGE} does not run: {error}", "install the package anew"
            ) from error
        if done.returncode or not (folder / "out.ll").is_file():
            said = next((line for line in done.stderr.splitlines() if "error:" in line), done.stderr.strip()[-300:])
            raise SimulationError(
                f"clang does not compile {unit} for a schedule: {said}", "this is a fault of the sources"
            )
        return (folder / "out.ll").read_text(encoding="utf-8")


__all__ = ["DESCRIBED", "PACKAGE", "compile_ir", "compiler_version", "shims", "ziglang_missing"]

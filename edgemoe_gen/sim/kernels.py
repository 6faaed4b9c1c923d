"""Checks every kernel of a rendered design against float64, in C simulation: `run_kernels`.

Each case is a small program (load, operations, store). It runs on the compiled engine of the design, at its sizes and
widths, on random, extreme and recorded inputs. Such a program could run on the board unchanged.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.base.names import near
from edgemoe_gen.design import Design
from edgemoe_gen.sim.cases_attention import attention_cases, softmax_cases
from edgemoe_gen.sim.cases_dense import gelu_cases, layer_norm_cases, linear_cases, patch_embed_cases
from edgemoe_gen.sim.cases_experts import OF_EXPERTS, expert_cases, router_cases
from edgemoe_gen.sim.cases_maps import OF_DECODERS, class_cases, convolution_cases, resize_cases
from edgemoe_gen.sim.checks import Case, CaseResult, worst
from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.sim.recorded import RECORDED, Recorded, record_inputs, recorded_cases

_CASES: Mapping[str, Callable[[Design], Iterator[Case]]] = {
    "softmax": softmax_cases,
    "gelu": gelu_cases,
    "layernorm": layer_norm_cases,
    "linear": linear_cases,
    "attention": attention_cases,
    "router": router_cases,
    "moe": expert_cases,
    "patch-embed": patch_embed_cases,
    "convolution": convolution_cases,
    "resize": resize_cases,
    "classes": class_cases,
}
KERNELS: tuple[str, ...] = tuple(_CASES)
NOTHING_RECORDED = "no checkpoint and picture were given to record inputs from"


def run_kernels(
    design: Design,
    kernels: Sequence[str] = (),
    recorded: Recorded | None = None,
    engine: Engine | None = None,
    seed: int = 0,
    progress: Callable[[CaseResult], None] | None = None,
    unrecorded: str = NOTHING_RECORDED,
) -> list[CaseResult]:
    """Runs the cases of some kernels.

    Args:
        design: the checked design.
        kernels: names out of `KERNELS`; empty = all kernels of the design.
        recorded: real inputs of a few layers; without them those cases are reported as skipped.
        engine: the compiled design; compiled here if not given.
        seed: seed of the random inputs; every case has its own stream, whatever other cases run.
        progress: called with every result as soon as it is there.
        unrecorded: the reason why nothing is recorded, for the cases that are skipped.

    Returns:
        One result for each case, in order; a case whose simulation fails has an infinite error.

    Raises:
        SimulationError: a name is not a kernel, or the design does not compile.
    """
    kernels = kernels or design_kernels(design)
    for name in kernels:
        if name not in _CASES:
            raise SimulationError(f"there is no kernel '{name}'", near(name, KERNELS, "known kernels"))
    engine = engine or Engine.compile(design)
    results = []
    for kernel in kernels:
        for result in _run(kernel, design, recorded, engine, seed, unrecorded):
            results.append(result)
            if progress is not None:
                progress(result)
    return results


def design_kernels(design: Design) -> tuple[str, ...]:
    """Names of the kernels that a design has."""
    return tuple(name for name in KERNELS if not _absent(design, name))


def _absent(design: Design, kernel: str) -> str:
    """Why a design does not have a kernel; "" if it does."""
    if kernel in OF_DECODERS and not design.has_decoders:
        return "the design has no decoders (max_map_width is 0)"
    if kernel in OF_EXPERTS and not design.has_experts:
        return "the design has no router (max_experts is 0)"
    return ""


def _run(
    kernel: str, design: Design, recorded: Recorded | None, engine: Engine, seed: int, unrecorded: str
) -> Iterator[CaseResult]:
    if absent := _absent(design, kernel):
        yield CaseResult(kernel, "all", "random", 0.0, 0.0, 0.0, skipped=absent)
        return
    for case in _CASES[kernel](design):
        yield run_case(kernel, case, engine, seed)
    if recorded is None and kernel in RECORDED:
        yield CaseResult(kernel, "recorded inputs", "recorded", 0.0, 0.0, 0.0, skipped=unrecorded)
    for case in recorded_cases(kernel, design, recorded) if recorded else ():
        yield run_case(kernel, case, engine, seed)


def run_case(kernel: str, case: Case, engine: Engine, seed: int = 0) -> CaseResult:
    """Runs one case."""
    if case.skip is not None:
        return CaseResult(kernel, case.name, case.inputs, 0.0, 0.0, 0.0, skipped=case.skip)
    rng = np.random.default_rng([seed, zlib.crc32(f"{kernel}/{case.name}".encode())])
    start = time.perf_counter()
    try:
        found = worst(case.check(engine, rng))
    except SimulationError as error:
        return CaseResult(
            kernel, case.name, case.inputs, float("inf"), 0.0, time.perf_counter() - start, where=error.message
        )
    seconds = time.perf_counter() - start
    return CaseResult(kernel, case.name, case.inputs, found.error, found.bound, seconds, where=found.where)


__all__ = ["KERNELS", "CaseResult", "Recorded", "design_kernels", "record_inputs", "run_case", "run_kernels"]

"""Files of a rendered project beside its sources: design, formats and estimate as JSON, program and weights.

In: design, program, formats. Out: files in one folder. `read_numerics` reads back what `write_network` wrote, so
that a later stage need not calibrate again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.arrays import read_arrays
from edgemoe_gen.base.build_files import CALIBRATION, DESIGN, ESTIMATE, FORMATS, NARROW
from edgemoe_gen.base.documents import json_text, write_json
from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.parsing import read_json
from edgemoe_gen.base.version import __version__
from edgemoe_gen.codegen import render_sources, write_files
from edgemoe_gen.design import Design, knob_fields
from edgemoe_gen.design.knobs import meaning
from edgemoe_gen.estimate import CycleEstimate, Resources, estimate_cycles, estimate_resources
from edgemoe_gen.model import Model, ModelSpec, macs, total
from edgemoe_gen.numerics.calibrate import restored, rounded_of
from edgemoe_gen.numerics.fixed import Format
from edgemoe_gen.numerics.formats import Formats, TensorFormat, evened
from edgemoe_gen.numerics.placing import doubles_last
from edgemoe_gen.pipeline.support.decoders import lowered_macs, without_decoders
from edgemoe_gen.program.compile import Program, pack_image
from edgemoe_gen.program.counts import decoder_traffic
from edgemoe_gen.program.file import program_bytes, weight_bytes
from edgemoe_gen.project.opening import Numerics
from edgemoe_gen.rtl.testbench import bench_files

TIER = "estimate"
ShortProgram = tuple[Program, ModelSpec, NDArray[np.float32]]  # what `compile_short` gives


def design_files(design: Design, hooks: Mapping[str, str] | None = None) -> dict[str, str]:
    """All that a design alone decides, path to text: sources, testbench of RTL, `design.json`, the resources of
    `estimate.json`.

    Args:
        design: what to render.
        hooks: the user's own Tcl by name of the hook.
    """
    estimate = {"resources": resource_facts(estimate_resources(design), design)}
    return (
        render_sources(design, hooks)
        | bench_files(design)
        | {
            DESIGN.name: json_text(DESIGN.stamped(design_facts(design))) + "\n",
            ESTIMATE.name: json_text(ESTIMATE.stamped(estimate)) + "\n",
        }
    )


def write_design(design: Design, folder: Path, hooks: Mapping[str, str] | None = None) -> None:
    """Writes `design_files`."""
    write_files(design_files(design, hooks), folder)


def write_network(
    program: Program,
    numerics: Numerics,
    spec: ModelSpec,
    image: NDArray[np.float32],
    folder: Path,
    notes: Sequence[str] = (),
    together: Program | None = None,
) -> None:
    """`data/`: program, weights and image (one picture for every frame); numerics, and the cycles' estimate.

    Args:
        notes: on decoders that are not on the engine, whose time is not among the cycles.
        together: all tasks of one picture in one program, where they share the backbone.
    """
    _write_data(program, spec, image, folder / "data")
    write_json(folder / FORMATS, format_facts(numerics.formats))
    np.savez(folder / CALIBRATION, **dict[str, Any]({**numerics.columns, **numerics.rounded}))
    if numerics.narrow is not None:
        write_json(folder / NARROW.name, NARROW.stamped(dict(numerics.narrow)))
    estimate = ESTIMATE.read(folder)
    products = sum(lowered_macs(numerics.network.decoders[f.task], spec) for f in program.frames if f.decoded)
    traffic = decoder_traffic(program, numerics.network)
    estimate["cycles"] = {
        **cycle_facts(estimate_cycles(program), program, spec, products), "decoders": list(notes),
        "decoder_traffic": None if traffic is None else traffic.per_frame(len(program.frames)),
        "together": None if together is None else together_facts(together),
    }  # fmt: skip
    write_json(folder / ESTIMATE.name, estimate)


def write_cosim(short: ShortProgram, folder: Path) -> None:
    """The short program for RTL co-simulation."""
    _write_data(*short, folder)


def data_files(program: Program, spec: ModelSpec, image: NDArray[np.float32]) -> dict[str, bytes]:
    """What the engine reads, name to content: program, weights and one picture for every frame."""
    return {
        "program.bin": program_bytes(program),
        "weights.bin": weight_bytes(program),
        "image.bin": pack_image(program, spec, [image] * len(program.frames)).tobytes(),
    }


def _write_data(program: Program, spec: ModelSpec, image: NDArray[np.float32], folder: Path) -> None:
    folder.mkdir()
    for name, data in data_files(program, spec, image).items():
        (folder / name).write_bytes(data)


def design_facts(design: Design) -> dict[str, Any]:
    """A design as JSON: identity, board, knobs with their meaning, derived sizes."""
    return {
        "generator": f"edgemoe-gen {__version__}",
        "identity": f"{design.identity:016x}",
        "board": asdict(design.board),
        "knobs": {
            knob.name: {"value": getattr(design.knobs, knob.name), "meaning": meaning(knob)} for knob in knob_fields()
        },
        "macs_per_cycle": design.macs_per_cycle,
        "operand_bits": design.operand_bits,
        "accumulator_bits": design.accumulator_bits,
        "memory_depths": design.memory_depths,
    }


def resource_facts(resources: Resources, design: Design) -> dict[str, Any]:
    """The estimate of resources as JSON."""
    return {
        "tier": TIER,
        "fits": resources.fits(design.board),
        "against": [{"resource": n, "used": u, "available": a} for n, u, a in resources.against(design.board)],
        "parts": [asdict(part) for part in resources.rows()],
    }


def cycle_facts(cycles: CycleEstimate, program: Program, spec: ModelSpec, decoder_products: int = 0) -> dict[str, Any]:
    """The estimate of cycles as JSON, a frame.

    `utilisation`: share of the unit's products that the network needs, `decoder_products` of all frames included.
    `by_stage`: the backbone's cycles, and what the decoders on the engine add to them.
    """
    frames = len(program.frames)
    backbone = estimate_cycles(without_decoders(program)).total
    clock = program.design.knobs.clock_mhz
    return {
        "tier": TIER,
        "frames": frames,
        "clock_mhz": clock,
        "cycles_per_frame": round(cycles.total / frames),
        "milliseconds_per_frame": cycles.milliseconds(clock) / frames,
        "limit": cycles.limit,
        "utilisation": (total(macs(spec)) * frames + decoder_products) / (program.design.macs_per_cycle * cycles.total),
        "by_stage": {
            "backbone": round(backbone / frames),
            "decoder": round((cycles.total - backbone) / frames),
        },
        "by_kind": {kind: round(value / frames) for kind, value in cycles.by_kind.items()},
    }


def together_facts(program: Program) -> dict[str, Any]:
    """The estimate of one picture for all tasks, which share the backbone, as JSON."""
    cycles = estimate_cycles(program)
    return {
        "tier": TIER,
        "tasks": [frame.task for frame in program.frames],
        "cycles": round(cycles.total),
        "milliseconds": cycles.milliseconds(program.design.knobs.clock_mhz),
    }


def format_facts(formats: Formats) -> list[dict[str, Any]]:
    """The table of formats as JSON, in the order of the data path."""
    return [
        {
            "name": row.name,
            "kind": row.kind,
            "bits": row.form.bits,
            "fraction": row.form.fraction,
            "largest": row.largest,
            "holds": row.form.largest,
            "error": row.error,
            "pinned": row.pinned,
        }
        for row in formats.rows()
    ]


def read_numerics(folder: Path, model: Model) -> Numerics:
    """What `write_network` wrote, exactly.

    Raises:
        ConfigError: it is not as this version writes it.
    """
    try:
        return _read_numerics(folder, model)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{folder} is damaged, or another version of edgemoe-gen rendered it: {type(error).__name__} {error}",
            "render it again: edgemoe-gen build --from render",
        ) from error


def _read_numerics(folder: Path, model: Model) -> Numerics:
    rows = read_json(folder / FORMATS)
    formats = Formats(
        {
            row["name"]: TensorFormat(
                row["name"],
                row["kind"],
                Format(row["bits"], row["fraction"]),
                row["largest"],
                row["error"],
                row["pinned"],
            )
            for row in rows
        }
    )
    arrays = read_arrays(folder / CALIBRATION)
    rounded = rounded_of(arrays)
    columns = {name: values for name, values in arrays.items() if name not in rounded}
    network = restored(evened(model, columns), rounded)
    return Numerics(network, formats, columns, {task: doubles_last(model, task) for task in network.decoders}, rounded)

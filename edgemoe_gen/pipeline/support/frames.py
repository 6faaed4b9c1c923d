"""Second half of the stage `csim`: every picture and task through the compiled engine, beside the float reference.

Out: a folder with `comparison.json` and one archive of small maps a frame, all that the report needs; and the result
that the rendered testbench compares with.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edgemoe_gen.base.build_files import ACCELERATOR, COMPARISON, COSIM_DATA, CSIM, EXPECTED
from edgemoe_gen.base.documents import write_json
from edgemoe_gen.design.sizes import BIAS_BITS
from edgemoe_gen.model import Model, Reference
from edgemoe_gen.numerics.lower import Linear, LoweredNetwork
from edgemoe_gen.numerics.widths import kind_of_part
from edgemoe_gen.overlay.outputs import task_output
from edgemoe_gen.pictures.found import Picture, pixels
from edgemoe_gen.pipeline.support.artefacts import ShortProgram
from edgemoe_gen.program.compile import Program, compile_network, pack_image
from edgemoe_gen.program.counts import decoder_bytes, decoder_traffic
from edgemoe_gen.project.opening import Numerics, Progress
from edgemoe_gen.report.views import Quality, difference, metrics, truth_of, view
from edgemoe_gen.sim.comparison import compare
from edgemoe_gen.sim.engine import Engine, run_frames

IMAGE_BYTES, RESULT_BYTES = 2, 4  # of one value in DDR


def simulate(
    engine: Engine,
    model: Model,
    numerics: Numerics,
    program: Program,
    pictures: Sequence[Picture],
    folder: Path,
    progress: Progress,
) -> str:
    """Runs everything; writes `csim` and `accelerator/data/expected.bin` into `folder`; returns a few words on it.

    Args:
        engine: the compiled design.
        model, numerics: the network and its binary points.
        program: of the network, one frame a task; it is timed and counted, while errors come from one with taps.
        pictures: each runs through every task.
        folder: where to.
        progress: called with text, frames done, frames in all.
    """
    reference = Reference(model)
    design, network, formats = engine.design, numerics.network, numerics.formats
    tasks = [frame.task for frame in program.frames]
    start = time.perf_counter()
    run = engine.run_program(program, pack_image(program, model.spec, [pictures[0].values] * len(tasks)))
    seconds = (time.perf_counter() - start) / len(tasks)
    traffic = run.traffic
    (folder / ACCELERATOR / "data" / EXPECTED).write_bytes(run.result.tobytes())
    folder = folder / CSIM
    folder.mkdir(exist_ok=True)
    tapped = compile_network(
        design, model, network, formats, tasks, taps=True, decoders=numerics.decoders, one_picture=True
    )
    frames: list[dict[str, Any]] = []
    quality: dict[str, Quality] = {}
    total = len(pictures) * len(tasks)
    for picture in pictures:
        results, _ = run_frames(engine, tapped, model.spec, [picture.values] * len(tasks))
        for place, result in enumerate(results):
            compared = compare(model, reference, picture.name, picture.values, result)
            row: dict[str, Any] = {"errors": asdict(compared.errors)}
            found = compared.engine_output
            if result.decoded is not None:
                found = task_output(model, tapped, place, result.tokens, result.decoded).shown
            if compared.float_output is not None and found is not None:
                ours = view(compared.float_output)
                theirs = view(found, ours.classes)
                truth = truth_of(result.task, ours, picture.truth)
                row["view"] = {"kind": ours.kind, "classes": ours.classes, "file": f"frame_{len(frames)}.npz"}
                row["difference"] = difference(ours, theirs)
                row["metrics"] = [] if truth is None else [asdict(m) for m in metrics(ours, theirs, truth)]
                arrays: dict[str, Any] = {"ours": ours.values, "theirs": theirs.values}
                arrays["picture"] = pixels(picture.values, model.spec.image)
                if truth is not None:
                    arrays["truth"] = truth
                    quality.setdefault(result.task, Quality(ours.kind, ours.classes)).add(ours, theirs, truth)
                np.savez_compressed(folder / row["view"]["file"], **arrays)
            frames.append(row)
            progress("simulating", len(frames), total)
    # Decoders' traffic is its own figure: their weights pass several times a frame.
    of_decoders = decoder_bytes(program)
    decoders = decoder_traffic(program, network)
    ports = {name: (value - of_decoders.get(name, 0)) / len(tasks) for name, value in asdict(traffic).items()}
    content = {
        "frames": frames,
        "quality": [
            {"task": task, **asdict(part.metric()), "pictures": part.pictures} for task, part in quality.items()
        ],
        "seconds_per_frame": seconds,
        "traffic": {
            "ports": ports,
            "total": sum(ports.values()),
            "decoders": sum(of_decoders.values()) / len(tasks),
            "decoders_needed": 0.0 if decoders is None else decoders.needed / len(tasks),
            "needed": needed_bytes(program, network),
        },
    }
    write_json(folder / COMPARISON, content)
    return f"{len(pictures)} picture{'s' * (len(pictures) > 1)} × {len(tasks)} task{'s' * (len(tasks) > 1)}"


def simulate_short(engine: Engine, short: ShortProgram, folder: Path) -> None:
    """Runs the short program; writes what RTL co-simulation must give, `accelerator/data/cosim/expected.bin`."""
    program, spec, image = short
    run = engine.run_program(program, pack_image(program, spec, [image] * len(program.frames)))
    (folder / ACCELERATOR / "data" / COSIM_DATA / EXPECTED).write_bytes(run.result.tobytes())


def needed_bytes(program: Program, network: LoweredNetwork) -> dict[str, float]:
    """The least that a frame can move: every weight and bias that its task may need, picture and result, once each."""
    spec = network.spec
    design = program.design
    fine_bits = design.knobs.activation_bits + design.knobs.residual_tail_bits
    weight_bits = biases = 0
    layers: list[tuple[str, Linear]] = [("patch", network.patch)]
    for block in network.blocks:
        layers += [(part, getattr(block, part)) for part in ("query", "key", "value", "projection")]
        layers += [("router", layer) for layer in block.routers[:1]]
        pair = ("experts", "experts") if block.routers else ("fc1", "fc2")
        layers += [row for both in block.mlp for row in zip(pair, both, strict=True)]
    for part, layer in layers:
        weight_bits += layer.weight.size * design.knobs.widths.of_kind(kind_of_part(part))
        biases += layer.bias.size if layer.bias is not None else 0
    return {
        "weights": weight_bits / 8 + biases * BIAS_BITS / 8 + network.position.size * fine_bits / 8,
        "image": 3 * spec.image.height * spec.image.width * IMAGE_BYTES,
        "result": spec.tokens * spec.dim * RESULT_BYTES,
    }

"""Writes an overlay's manifest: the counterpart of `driver/manifest.py`, which reads it on the board."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from edgemoe_gen.base.version import __version__
from edgemoe_gen.flow.rtl_source import OPEN, OWN
from edgemoe_gen.hardware.descriptor import OPERATION_WORDS, STATUSES, WEIGHT_HEADER_WORDS
from edgemoe_gen.model import ModelSpec
from edgemoe_gen.numerics.placing import ENGINE, HOST, LOGITS
from edgemoe_gen.overlay.decoders import ARCHIVE, decoder_kind
from edgemoe_gen.overlay.driver.accelerator import STREAM_BUFFERS
from edgemoe_gen.overlay.driver.hardware import CONTROL, IDENTITY_WORDS, STATUS, pointer_arguments
from edgemoe_gen.overlay.driver.layouts import MAP, TOKENS
from edgemoe_gen.overlay.driver.manifest import SCHEMA
from edgemoe_gen.overlay.facts import OverlayFacts
from edgemoe_gen.overlay.handoff import ENGINE as ENGINE_BLOCK
from edgemoe_gen.overlay.handoff import IDENTITY_BLOCK, Handoff
from edgemoe_gen.overlay.operations import operation_table, program_layout
from edgemoe_gen.overlay.programs import TaskProgram
from edgemoe_gen.overlay.results import map_table, result_layout
from edgemoe_gen.program.compile import Program

IMAGE_VALUE_BYTES = 2
NO_BITSTREAM = "none: for the simulated board only"


def make_manifest(
    name: str,
    version: str,
    facts: OverlayFacts,
    handoff: Handoff,
    tasks: Sequence[TaskProgram],
    passes: Sequence[TaskProgram],
    variants: Mapping[str, Mapping[str, TaskProgram]],
    files: Mapping[str, bytes],
    names: Mapping[str, str],
) -> dict[str, Any]:
    """The manifest of an overlay.

    Args:
        name, version: of the package.
        facts: design, network and what else the build knows.
        handoff: of its bitstream.
        tasks: a program a task, of one frame.
        passes: a program a task, of the frames that share a pass of the weights; empty where that is one.
        variants: of each task, by name, of one frame; {} where no decoder runs on the engine.
        files: contents by name; those of the tasks are `programs/<task>.bin`, `passes/<task>.bin`,
            `variants/<task>.<name>.bin` and `selftest/<task>.bin`.
        names: what a task is called in file names.
    """
    program, design, spec = tasks[0].program, facts.design, facts.spec
    shared = {part.task: part for part in passes}
    return {
        "schema": SCHEMA,
        "name": name,
        "version": version,
        "generator": f"edgemoe-gen {__version__}",
        "board": {
            "name": design.board.name,
            "title": design.board.title,
            "part": design.board.part,
            "pynq_image": design.board.pynq_image,
        },
        "design": {"identity": f"{design.identity:016x}", "knobs": asdict(design.knobs)},
        "clock_mhz": handoff.clock_mhz,
        **({} if facts.has_bitstream else {"bitstream": NO_BITSTREAM}),
        **({"rtl": OWN} if facts.hls == OPEN else {}),
        "hardware": {
            "bitstream": f"{name}.bit",
            "handoff": f"{name}.hwh",
            "engine": ENGINE_BLOCK,
            "identity_block": IDENTITY_BLOCK,
            "registers": {
                "control": CONTROL,
                "status": STATUS,
                "pointers": {p: [f"{p}_1", f"{p}_2"] for p in pointer_arguments(design.knobs.weight_ports)},
                "identity": list(IDENTITY_WORDS),
            },
        },
        "statuses": [[status, meaning] for status, meaning in STATUSES.items()],
        "network": {
            "tokens": spec.tokens,
            "dim": spec.dim,
            "depth": spec.depth,
            "heads": spec.heads,
            "class_token": spec.class_token,
            "extra_tokens": spec.extra_tokens,
            "grid": list(spec.grid),
            "shares_backbone": spec.shares_backbone,
        },
        "image": image_layout(program, spec),
        "weights": {
            "file": "weights.bin",
            "header_bytes": 4 * WEIGHT_HEADER_WORDS,
            "ports": design.knobs.weight_ports,
            "port_bytes": program.weights.shape[1] * design.beat_bytes,
            "constant_bytes": program.constants.shape[0] * design.beat_bytes,
        },
        "program": program_layout(design.beat_bytes),
        "decoders": {
            "file": ARCHIVE if ARCHIVE in files else None,
            "norm_eps": spec.norm_eps,
            "align_corners": spec.align_corners,
        },
        "selftest_image": "selftest/image.bin",
        "tasks": [
            _task(part, shared.get(part.task), variants.get(part.task, {}), facts, names[part.task]) for part in tasks
        ],
        **({} if facts.estimate is None else {"estimate": dict(facts.estimate)}),
        "buffers": buffer_sizes(tasks, variants, spec),
        "files": {path: hashlib.sha256(files[path]).hexdigest() for path in sorted(files)},
    }


def image_layout(program: Program, spec: ModelSpec) -> dict[str, Any]:
    """How one frame's picture lies in the image buffer of a program of one frame; offsets and sizes in bytes."""
    design, image = program.design, spec.image
    slices = []
    for part in program.frames[0].slices:
        row_bytes = design.words(part.stop - part.start) * design.knobs.in_parallel * IMAGE_VALUE_BYTES
        first = part.first * design.beat_bytes
        slices.append({"first": first, "row_bytes": row_bytes, "start": part.start, "stop": part.stop})
    return {
        "height": image.height,
        "width": image.width,
        "scale": image.scale,
        "mean": list(image.mean),
        "std": list(image.std),
        "resize": image.resize,
        "patch": spec.patch,
        "class_token": spec.class_token,
        "extra_tokens": spec.extra_tokens,
        "tokens": spec.tokens,
        "bits": program.image_form.bits,
        "fraction": program.image_form.fraction,
        "size": program.image_beats * design.beat_bytes,
        "slices": slices,
    }


def buffer_sizes(
    tasks: Sequence[TaskProgram], variants: Mapping[str, Mapping[str, TaskProgram]], spec: ModelSpec
) -> dict[str, int]:
    """Bytes of DDR that the driver asks for at its start, by buffer."""
    program = tasks[0].program
    design = program.design
    every = {f"program of {part.task}": part.program for part in tasks}
    for task, others in variants.items():
        every |= {f"program of {task}, {kind}": other.program for kind, other in others.items()}
    sizes = {what: 4 * OPERATION_WORDS * (1 + len(one.operations)) for what, one in every.items()}
    sizes.update(
        {f"weights_{i}": program.weights.shape[1] * design.beat_bytes for i in range(design.knobs.weight_ports)}
    )
    sizes["constants"] = program.constants.shape[0] * design.beat_bytes
    buffers = 1 + STREAM_BUFFERS  # of `run` and of streams
    sizes["images"] = buffers * program.image_beats * design.beat_bytes
    largest = max(one.result_beats for one in every.values())
    if spec.shares_backbone:  # all tasks' maps may lie behind the tokens
        largest = max(largest, *(_joint_beats(tasks, variants, kind) for kind in ("", TOKENS, MAP)))
    sizes["results"] = buffers * largest * design.beat_bytes
    return sizes


def _joint_beats(tasks: Sequence[TaskProgram], variants: Mapping[str, Mapping[str, TaskProgram]], kind: str) -> int:
    """Beats of the result of all tasks together, by their own programs or a variant."""
    tokens = tasks[0].tokens.beats
    chosen = [variants.get(part.task, {}).get(kind, part) for part in tasks]
    return tokens + sum(part.program.result_beats - tokens for part in chosen)


def _where(part: TaskProgram, decoder: str) -> str:
    """Where a task's decoder runs, "" without one."""
    if part.decoded is None:
        return HOST if decoder else ""
    return LOGITS if part.decoded.kind == LOGITS else ENGINE


def _task(
    part: TaskProgram,
    shared: TaskProgram | None,
    variants: Mapping[str, TaskProgram],
    facts: OverlayFacts,
    file: str,
) -> dict[str, Any]:
    spec = facts.spec
    task = spec.tasks[spec.task_index(part.task)]
    decoder, prefix = decoder_kind(part.task, spec.task_names, facts.host_decoders, facts.head)
    place = facts.places.get(part.task)
    return {
        "name": part.task,
        "classes": task.classes,
        "class_names": list(task.class_names),
        "program": f"programs/{file}.bin",
        "operations": operation_table(part.program, spec),
        "pass": None
        if shared is None
        else {"program": f"passes/{file}.bin", "operations": operation_table(shared.program, spec)},
        "decoder": decoder or None,
        "decoder_tensors": prefix,
        "expected": f"selftest/{file}.bin",
        "where": _where(part, decoder),
        "reason": "" if place is None else place.reason,
        "result": result_layout(part),
        "map": map_table(part),
        "variants": {
            kind: {
                "program": f"variants/{file}.{kind}.bin",
                "operations": operation_table(other.program, spec),
                "result": result_layout(other),
                "map": map_table(other),
            }
            for kind, other in variants.items()
        },
    }

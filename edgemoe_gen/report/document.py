"""The report as data: what `report.json` holds and `report.html` shows.

In: the network, the design and what the stages left. Out: one JSON document. Every group of figures names its tier:
"C simulation" (bit-exact), "estimate", "proof" (bounds by arithmetic), or "count" (follows from the checkpoint).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgemoe_gen import __version__
from edgemoe_gen.design import Design
from edgemoe_gen.design.knobs import knob_fields, meaning
from edgemoe_gen.model import Model, ModelSpec, macs, weights
from edgemoe_gen.numerics import tables
from edgemoe_gen.report import numbers
from edgemoe_gen.report.views import mean_of

CSIM, ESTIMATE, PROOF, COUNT = "C simulation", "estimate", "proof", "count"
TARGET = 2.0**-14  # of the largest absolute error of GELU and of a softmax probability
LAYER_TITLES = {
    "patch_embed": "patch embedding",
    "norms": "layer norms",
    "qkv": "query, key, value",
    "scores": "attention scores",
    "mix": "attention × values",
    "projection": "projection",
    "mlp": "dense MLP",
    "gates": "routers",
    "experts": "experts",
}


def make_document(
    model: Model,
    design: Design,
    tasks: Sequence[str],
    accelerator: Path,
    simulation: Path,
    calibrated: int,
    chosen: Collection[str] = (),
) -> dict[str, Any]:
    """The whole document.

    Args:
        model, design, tasks: what was built.
        accelerator: folder of the rendered project, for formats and estimates.
        simulation: folder of the stage csim.
        calibrated: pictures that binary points were chosen from.
        chosen: knobs that the user has set; the others are defaults for network and board.
    """
    estimate = _read(accelerator / "estimate.json")
    compared = _read(simulation / "comparison.json")
    errors = error_facts(compared["frames"])
    document = {
        "generator": f"edgemoe-gen {__version__}",
        "stages": ["render", "compile", "csim", "report"],
        "stopped_before": "hls",
        "board": {"name": design.board.name, "title": design.board.title, "part": design.board.part},
        "network": network_facts(model),
        "tasks": list(tasks),
        "layers": layer_facts(model.spec),
        "errors": errors,
        "quality": quality_facts(compared["quality"]),
        "frames": compared["frames"],
        "seconds_per_simulated_frame": compared["seconds_per_frame"],
        "traffic": traffic_facts(compared["traffic"]),
        "resources": estimate["resources"],
        "cycles": estimate["cycles"],
        "bounds": bound_facts(design),
        "kernels": {"tier": CSIM, "rows": _read(simulation / "kernels.json")},
        "formats": {"calibration_pictures": calibrated, "rows": _read(accelerator / "formats.json")},
        "knobs": [
            {
                "name": knob.name,
                "value": getattr(design.knobs, knob.name),
                "chosen": knob.name in chosen,
                "meaning": meaning(knob),
            }
            for knob in knob_fields()
        ],
        "identity": f"{design.identity:016x}",
    }
    return {"headline": headline(document), **document}


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def headline(document: Mapping[str, Any]) -> str:
    """The important thing in one line."""
    resources, errors = document["resources"], document["errors"]
    dsp = next(row for row in resources["against"] if row["resource"] == "DSP")
    board = document["board"]["title"].removeprefix("AMD ")
    fits = "fits" if resources["fits"] else "does not fit"
    parts = [
        f"{fits} {board} (estimate): {dsp['used']:,} of {dsp['available']:,} DSP",
        f"MSE {numbers.error(errors['mse_forced'])} of the final tokens",
    ]
    if errors["sets"]:
        parts.append(f"{errors['sets_equal']:,} of {errors['sets']:,} top-{document['network']['top_k']} sets equal")
    return " · ".join(parts)


def network_facts(model: Model) -> dict[str, Any]:
    """What was found in the checkpoint."""
    spec, router = model.spec, model.spec.router
    return {
        "tier": COUNT,
        "checkpoint": str(model.source),
        "image": [spec.image.height, spec.image.width],
        "resize": spec.image.resize,
        "patch": spec.patch,
        "tokens": spec.tokens,
        "class_token": spec.class_token,
        "dim": spec.dim,
        "depth": spec.depth,
        "heads": spec.heads,
        "router": router.kind,
        "gate_type": router.gate_type if spec.moe_blocks else None,
        "top_k": router.top_k,
        "gate_input_ahead": router.input_ahead,
        "expert_prune": router.expert_prune,
        "experts_per_task": router.experts_per_task,
        "blocks": [{"index": b.index, "experts": b.experts, "hidden": b.hidden} for b in spec.blocks],
        "moe_blocks": list(spec.moe_blocks),
        "tasks": [
            {"name": task.name, "classes": task.classes, "class_names": list(task.class_names)} for task in spec.tasks
        ],
        "decoders": list(model.decoders),
        "head": bool(model.head),
        "notes": list(model.notes),
    }


def layer_facts(spec: ModelSpec) -> dict[str, Any]:
    """MACs and weights of one frame by kind of layer, in the order of the data path."""
    work, held = macs(spec), weights(spec)
    rows = [
        {"kind": kind, "title": title, "macs": work.get(kind), "weights": held.get(kind)}
        for kind, title in LAYER_TITLES.items()
        if work.get(kind) or held.get(kind)
    ]
    return {"tier": COUNT, "rows": rows, "macs": sum(work.values()), "weights": sum(held.values())}


def error_facts(frames: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Errors over all frames, and by block; and how many sets of experts agree."""
    rows = [frame["errors"] for frame in frames]

    def by_block(key: str) -> list[float]:
        return [mean_of([row[key][i] for row in rows]) for i in range(len(rows[0][key]))]

    free, forced, power = by_block("blocks_free"), by_block("blocks_forced"), by_block("power")
    return {
        "tier": CSIM,
        "frames": len(rows),
        "mse_free": mean_of([row["mse_free"] for row in rows]),
        "mse_forced": mean_of([row["mse_forced"] for row in rows]),
        "largest": max(row["largest"] for row in rows),
        "score_error": max(row["score_error"] for row in rows),
        "sets_equal": sum(row["sets_equal"] for row in rows),
        "sets": sum(row["sets"] for row in rows),
        "blocks": [
            {"block": i, "mse_free": a, "mse_forced": b, "power": p}
            for i, (a, b, p) in enumerate(zip(free, forced, power, strict=True))
        ],
    }


def quality_facts(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Metrics against ground truth by task, over all pictures that have it."""
    return [
        {
            "tier": CSIM,
            "task": row["task"],
            "metric": row["name"],
            "better": row["better"],
            "pictures": row["pictures"],
            "float": row["float_value"],
            "accelerator": row["engine_value"],
        }
        for row in rows
    ]


def traffic_facts(traffic: Mapping[str, Any]) -> dict[str, Any]:
    """DDR bytes a frame as the simulation counted them, against the least that a frame needs."""
    needed = sum(traffic["needed"].values())
    return {"tier": CSIM, **traffic, "needed_total": needed, "ratio": traffic["total"] / needed}


def bound_facts(design: Design) -> list[dict[str, Any]]:
    """Proven error bounds of the tabulated functions, before their output is rounded."""
    softmax = tables.softmax_error_bound(design.exp2_table, design.reciprocal_table, design.knobs.max_tokens)
    rows = [
        ("softmax", f"one probability of a row of {design.knobs.max_tokens} scores", softmax, design.exp2_table.bits),
        ("GELU", "over its whole input range", tables.gelu_error_bound(design.gelu_table), design.gelu_table.bits),
    ]
    return [
        {"tier": PROOF, "function": name, "of": what, "bound": bound, "target": TARGET, "table_bits": bits}
        for name, what, bound, bits in rows
    ]

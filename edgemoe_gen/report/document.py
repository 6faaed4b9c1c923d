"""The report as data, for `report.json` and `report.html`.

In: the network, the design and results of the stages. Out: one JSON document. Every group of figures names its tier:
"C simulation" (bit-exact), "estimate", "proof" (bounds by arithmetic), "count" (follows from the checkpoint), or a
stage of the vendor's tools.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgemoe_gen.base.build_files import (
    COMPARISON,
    FORMATS,
    KERNELS,
    NARROW,
    REPORT,
    RTL,
    RTL_SIMULATION,
    SCHEDULE,
    TIMING,
)
from edgemoe_gen.base.build_files import ESTIMATE as ESTIMATE_FILE
from edgemoe_gen.base.parsing import read_json
from edgemoe_gen.base.version import __version__
from edgemoe_gen.design import Design
from edgemoe_gen.design.knobs import knob_fields, meaning
from edgemoe_gen.flow.rtl_source import LABELS, OPEN, OWN, VITIS
from edgemoe_gen.model import ImageSpec, Model, ModelSpec, macs, weights
from edgemoe_gen.model.normalisation import FORMULA, name_of
from edgemoe_gen.numerics import tables
from edgemoe_gen.report import numbers
from edgemoe_gen.report.implementation import SYNTHESIS, implementation_facts
from edgemoe_gen.report.made import made_facts
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
    *,
    results: Path | None = None,
    stages: Sequence[str],
    stopped_before: str | None = "hls",
    failed_stage: str | None = None,
    timing: Mapping[str, Any] | None = None,
    hls: str = VITIS,
    command: str | None = None,
    differences: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The whole document.

    Args:
        model, design, tasks: what was built.
        accelerator: folder of the rendered project, for formats and estimates.
        simulation: folder of the stage csim.
        calibrated: pictures that binary points were chosen from.
        chosen: knobs that the user has set; the others are defaults for network and board.
        results: output folder of the build, for the vendor's reports; None where no vendor's tool ran.
        stages: whose results are there and up to date; others' are not shown.
        stopped_before: the first stage that was not; None after the last.
        failed_stage: the one that ended in an error; None where none did.
        timing: facts of a timed run that failed; one that went well is read from the stage's file.
        hls: who makes the RTL of the engine (`flow.rtl_source`).
        command: that made the results.
        differences: facts of the vendor's reports that differ from the assumptions; None if there are no reports.
    """
    estimate = ESTIMATE_FILE.read(accelerator)
    compared = read_json(simulation / COMPARISON)
    errors = error_facts(compared["frames"])
    vendor = None if results is None else implementation_facts(accelerator, results, stages)
    document = {
        "generator": f"edgemoe-gen {__version__}",
        "made": made_facts(_dated(simulation, results), model.source, command),
        "stages": list(stages),
        "stopped_before": stopped_before,
        "failed_stage": failed_stage,
        "board": {"name": design.board.name, "title": design.board.title, "part": design.board.part},
        "hls": {"choice": hls, "label": LABELS[hls]},
        "network": network_facts(model),
        "tasks": list(tasks),
        "layers": layer_facts(model.spec),
        "errors": errors,
        "quality": quality_facts(compared["quality"]),
        "frames": compared["frames"],
        "seconds_per_simulated_frame": compared["seconds_per_frame"],
        "traffic": traffic_facts(compared["traffic"]),
        "resources": estimate["resources"],
        "cycles": at_built_clock(estimate["cycles"], vendor),
        "implementation": vendor,
        "differences": None if differences is None else {"tier": SYNTHESIS, **differences},
        "timing": timing_of(results) if results is not None and "simulate" in stages else timing,
        "schedule": schedule_of(results) if results is not None and "schedule" in stages else None,
        "rtl": None if results is None else rtl_of(results, stages),
        "bounds": bound_facts(design),
        "kernels": {"tier": CSIM, "rows": read_json(simulation / KERNELS)},
        "formats": {"calibration_pictures": calibrated, "rows": read_json(accelerator / FORMATS)},
        "narrow": narrow_of(accelerator),
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
    return REPORT.stamped({"headline": headline(document), **document})


def _dated(simulation: Path, results: Path | None) -> list[Path]:
    """Files that tell when the results were made: one of each stage that takes long."""
    folder = simulation if results is None else results
    later = [TIMING.name, "hls/reports/csynth.xml", "bitstream/timing_summary.rpt"]
    return [simulation / COMPARISON, *(folder / name for name in later)]


def narrow_of(accelerator: Path) -> dict[str, Any] | None:
    """Errors of narrow tensors (`project.narrow`); None where none is narrow."""
    if not (accelerator / NARROW.name).is_file():
        return None
    facts: dict[str, Any] = NARROW.read(accelerator)
    facts.pop("schema", None)  # it is the file's
    return facts


def timing_of(results: Path) -> dict[str, Any] | None:
    """Result of the timed simulation in the build's folder (`timing.facts`); None where there is no table."""
    facts: dict[str, Any] = TIMING.read(results)
    facts.pop("schema", None)  # it is the file's
    return None if "not_timed" in facts else facts


def schedule_of(results: Path) -> dict[str, Any] | None:
    """The schedule of the kernels' loops, in short; None where no delays of the device are known."""
    facts: dict[str, Any] = SCHEDULE.read(results)
    return {name: facts[name] for name in ("tier", "headline", "budget_ns", "failed")} if "tier" in facts else None


def rtl_of(results: Path, stages: Collection[str]) -> dict[str, Any] | None:
    """The Verilog of the kernels and its simulation; None without Verilog."""
    if "rtl" not in stages:
        return None
    facts: dict[str, Any] = RTL.read(results)
    if "not_generated" in facts:
        return {"headline": f"no Verilog: {facts['not_generated']}", "simulation": None}
    run: dict[str, Any] | None = RTL_SIMULATION.read(results) if "rtlsim" in stages else None
    shown = ("tier", "headline", "result_bytes", "differing_bytes", "cycles", "milliseconds")
    return {"headline": facts["headline"], "simulation": run and {name: run[name] for name in shown}}


def headline(document: Mapping[str, Any]) -> str:
    """The important result in one line: the vendor's figures where there are any, else the estimate."""
    errors, vendor = document["errors"], document.get("implementation")
    parts = _estimated(document) if vendor is None else _implemented(document, vendor)
    timing = document.get("timing")
    if timing is not None and timing["passed"] and timing["clock_mhz"] == document["cycles"]["clock_mhz"]:
        parts.append(f"{timing['milliseconds_per_frame']:.3f} ms a frame ({timing['tier']}){_decoders(document)}")
        if "pass" in timing:
            whole = timing["pass"]
            parts.append(f"{whole['frames']} frames of a pass in {whole['milliseconds']:.3f} ms ({whole['tier']})")
    parts.append(f"MSE {numbers.error(errors['mse_forced'])} of the final tokens")
    if errors["sets"]:
        parts.append(f"{errors['sets_equal']:,} of {errors['sets']:,} top-{document['network']['top_k']} sets equal")
    return " · ".join(parts)


def _decoders(document: Mapping[str, Any]) -> str:
    """The decoders' part of a timed frame."""
    if not document["network"]["decoders"]:
        return ""
    timing = document["timing"]
    cycles = timing["by_stage"]["decoder"]
    if not cycles:
        return ", decoders on the host not counted"
    return f", of it decoders {cycles / (timing['clock_mhz'] * 1e3):.3f} ms"


def _estimated(document: Mapping[str, Any]) -> list[str]:
    resources = document["resources"]
    dsp = next(row for row in resources["against"] if row["resource"] == "DSP")
    fits = "fits" if resources["fits"] else "does not fit"
    return [f"{fits} {_board(document)} (estimate): {dsp['used']:,} of {dsp['available']:,} DSP"]


def _implemented(document: Mapping[str, Any], vendor: Mapping[str, Any]) -> list[str]:
    dsp = next(row for row in vendor["resources"] if row["resource"] == "DSP")
    fits = {True: "fits", False: "does not fit", None: "not known whether it fits"}[vendor["fits"]]
    used = "DSP not known" if dsp["used"] is None else f"{numbers.amount(dsp['used'])} DSP"
    if dsp["used"] is not None and dsp["available"] is not None:
        used = f"{numbers.amount(dsp['used'])} of {numbers.amount(dsp['available'])} DSP"
    stage = "C synthesis" if vendor["tier"] == SYNTHESIS else vendor["tier"]
    whose = f" of {OWN}" if document["hls"]["choice"] == OPEN else ""
    parts = [f"{fits} {_board(document)} ({stage}{whose}): {used}"]
    timing, clock = vendor["timing"], vendor["clock"]
    if timing is not None:
        parts.append(_verdict(timing, clock["implementation"]["mhz"] or clock["asked_mhz"]))
    elif clock["synthesis"]["estimated_mhz"] is not None:
        parts.append(f"clock {clock['synthesis']['estimated_mhz']:.4g} MHz")
    return parts


def _verdict(timing: Mapping[str, Any], mhz: float | None) -> str:
    """Met or failed, at which clock, and the slack that decides: of setup, or of hold where only that is negative."""
    if timing["met"] is None:
        return "timing not known"
    setup, hold = timing["wns_ns"], timing["whs_ns"]
    kind, slack = ("hold ", hold) if hold is not None and hold < 0 <= (setup or 0.0) else ("", setup)
    at = "" if mhz is None else f" at {mhz:.4g} MHz"
    shown = "" if slack is None else f", {kind}{slack:+.3g} ns".replace("-", "−")
    return f"timing {'met' if timing['met'] else 'failed'}{at}{shown}"


def _board(document: Mapping[str, Any]) -> str:
    return str(document["board"]["title"]).removeprefix("AMD ")


def at_built_clock(cycles: Mapping[str, Any], vendor: Mapping[str, Any] | None) -> dict[str, Any]:
    """The estimate of cycles at the clock that the bitstream was built for, where there is one."""
    built = vendor["clock"]["implementation"]["mhz"] if vendor else None
    clock = cycles["clock_mhz"] if built is None else built
    return {**cycles, "clock_mhz": clock, "milliseconds_per_frame": cycles["cycles_per_frame"] / (clock * 1e3)}


def network_facts(model: Model) -> dict[str, Any]:
    """Facts of the checkpoint's network."""
    spec, router = model.spec, model.spec.router
    return {
        "tier": COUNT,
        "checkpoint": str(model.source),
        "image": [spec.image.height, spec.image.width],
        "resize": spec.image.resize,
        "normalisation": normalisation_facts(spec.image),
        "patch": spec.patch,
        "tokens": spec.tokens,
        "class_token": spec.class_token,
        "extra_tokens": spec.extra_tokens,
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
        "head": "head.weight" in model.head,
        "weights": {"taken": model.weights, "others": list(model.others)},
        "features": list(model.features),
        "notes": list(model.notes),
    }


def normalisation_facts(image: ImageSpec) -> dict[str, Any]:
    """Normalisation of pixels, its name ("" without one), and its source."""
    return {
        "formula": FORMULA,
        "scale": image.scale,
        "mean": list(image.mean),
        "std": list(image.std),
        "name": name_of(image.scale, image.mean, image.std),
        "from": image.origin,
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
    """Errors over all frames, and by block; and the number of equal sets of experts."""
    # A file holds null for what is no number.
    rows: list[dict[str, Any]] = [
        {key: math.nan if value is None else value for key, value in frame["errors"].items()} for frame in frames
    ]

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
            "pixels": row["pixels"],
            "ignored": row["ignored"],
            "float": row["float_value"],
            "accelerator": row["engine_value"],
        }
        for row in rows
    ]


def traffic_facts(traffic: Mapping[str, Any]) -> dict[str, Any]:
    """DDR bytes a frame as the simulation counted them, against the least that a frame needs; decoders beside that."""
    needed = sum(traffic["needed"].values())
    found = {"tier": CSIM, **traffic, "needed_total": needed, "ratio": traffic["total"] / needed}
    if traffic.get("decoders_needed"):
        found["decoders_ratio"] = traffic["decoders"] / traffic["decoders_needed"]
    return found


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

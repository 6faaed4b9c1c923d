"""`edgemoe-gen inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgemoe_gen import api
from edgemoe_gen.api.arguments import InspectKeywords
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import json_option
from edgemoe_gen.cli.options import HelpfulCommand, checkpoint_argument, keyword_options
from edgemoe_gen.model import option_name
from edgemoe_gen.model.normalisation import NORMALISATIONS, PARTS
from edgemoe_gen.report.narrow_view import narrow_view
from edgemoe_gen.report.numbers import error as short
from edgemoe_gen.report.numbers import millions, normalisation, percent

CONTRADICTED = 2
_SHORT = dict.fromkeys(PARTS, f", or --normalise {'|'.join(NORMALISATIONS)}")


@click.command("inspect", cls=HelpfulCommand)
@checkpoint_argument()
@click.option(
    "--narrow", type=int, multiple=True, metavar="BITS",
    help="Round the weights of each kind and block alone to BITS bits, and rank them by the worth of their bits; "
    "repeatable. Runs the float reference on the pictures.",
)  # fmt: skip
@keyword_options(
    InspectKeywords,
    texts={
        "image": "Picture or folder that --narrow runs; repeatable.",
        "calibrate": "Picture or folder that it runs instead; repeatable.",
        "task": "Task of --narrow [default: the first].",
    },
)
@json_option
@click.pass_context
def command(
    context: click.Context,
    /,
    keywords: InspectKeywords,
    checkpoint: Path | None,
    narrow: tuple[int, ...],
    as_json: bool,
) -> None:
    """Show the architecture found in a checkpoint: blocks, experts, router, tasks, sizes, MACs and weights by layer.

    Facts that the checkpoint does not tell are listed as missing, each with its option. A spec that contradicts the
    tensors is named with both values (exit code 2). Nothing of the file is executed.

    \b
    Examples:
      edgemoe-gen inspect checkpoint.pth.tar --heads 3 --image-height 128 --image-width 256 --top-k 2 \\
          --normalise imagenet
      edgemoe-gen inspect checkpoint.pth.tar --spec spec.toml --narrow 8 --image images/
    """
    with output.progress() as progress:
        found = api.inspect(checkpoint, narrow=narrow, progress=progress, **keywords)
    if as_json:
        output.as_json(found.as_dict())
    else:
        _show(found)
    if found.contradictions:
        for error in found.contradictions:
            output.failure(error.message, error.hint)
        context.exit(CONTRADICTED)


def _show(found: api.Inspection) -> None:
    network = found.network
    output.line(_headline(found))
    output.table("Network", ["what", "found"], _facts(network))
    rows = [
        (
            row["title"],
            millions(row["macs"]) if row["macs"] else "–",
            millions(row["weights"]) if row["weights"] else "–",
        )
        for row in found.layers["rows"]
    ]
    total = ("total", millions(found.layers["macs"]), millions(found.layers["weights"]))
    output.table("One frame of the backbone, by kind of layer", ["layer", ">MACs", ">weights"], rows, total)
    if found.worth is not None:
        _show_worth(found.worth)
    if found.missing:
        asked = [(key, option_name(key) + _SHORT.get(key, "")) for key in found.missing]
        output.table("Missing: not in the checkpoint", ["what", "say it with"], asked)
    for text in found.notes:
        output.note(text)


def _show_worth(worth: api.BitsWorth) -> None:
    rows = [
        (
            row.group,
            f"{row.full_bits} → {row.bits}",
            millions(row.weights),
            percent(row.error, 3),
            percent(row.free_error, 3),
            f"{row.sets_equal} of {row.sets}" if row.sets else "–",
            short(row.worth),
        )
        for row in worth.rows
    ]
    many = f"{worth.pictures} picture{'s' * (worth.pictures > 1)}"
    output.table(
        f"Which weights' bits to spend first: {worth.task}, {many} ({worth.tier})",
        ["weights", ">bits", ">how many", ">RMS error", ">experts chosen freely", ">equal sets", ">worth of a bit"],
        rows,
        fit=output.Fit(("experts chosen freely", "how many")),
    )
    for facts in worth.together:
        view = narrow_view(facts)
        title = f"All weights of {facts['bits']} bits, rounded to nearest and together: RMS error ({facts['tier']})"
        output.table(title, list(view["columns"]), [tuple(map(str, row)) for row in view["rows"]])
        for text in view["sentences"]:
            output.note(text)


def _headline(found: api.Inspection) -> str:
    kind = f"{len(found.network['moe_blocks'])} with experts" if found.network["moe_blocks"] else "none with experts"
    state = "complete"
    if found.contradictions:
        state = "contradicts what is said"
    elif found.missing:
        state = f"incomplete: {', '.join(found.missing)} missing"
    weights = millions(found.layers["weights"])
    return f"{found.path}: {found.network['depth']} blocks, {kind}, {weights} weights; {state}"


def _facts(network: dict[str, Any]) -> list[tuple[str, object]]:
    asked = "? (say it)"
    image = network["image"]
    experts = sorted({block["experts"] for block in network["blocks"] if block["experts"]})
    hidden = sorted({block["hidden"] for block in network["blocks"] if not block["experts"]})
    expert_hidden = sorted({block["hidden"] for block in network["blocks"] if block["experts"]})
    rows: list[tuple[str, object]] = [
        ("image, height × width", f"{image[0]} × {image[1]}" if image else asked),
        ("normalisation", normalisation(network["normalisation"]) if network["normalisation"] else asked),
        ("patch", network["patch"]),
        ("tokens", f"{network['tokens']}{_included(network)}"),
        ("features a token", network["dim"]),
        ("attention heads", network["heads"] or asked),
        ("blocks", network["depth"]),
    ]
    if hidden:
        rows.append(("hidden size of dense blocks", _list(hidden)))
    if experts:
        rows += [
            ("blocks with experts", _list(network["moe_blocks"])),
            ("experts a block", _list(experts)),
            ("hidden size of an expert", _list(expert_hidden)),
            ("router", network["router"].replace("_", "-")),
            ("gate type", network["gate_type"]),
            ("experts a token", network["top_k"] or asked),
        ]
        extras = {"gate_input_ahead": "reads the block's input", "expert_prune": "prunes experts of small scores"}
        rows += [("gate", text) for key, text in extras.items() if network[key]]
        if network["experts_per_task"]:
            rows.append(("experts a task", network["experts_per_task"]))
    tasks = network["tasks"]
    names = [
        f"{t['name']} ({t['classes']} channel{'s' * (t['classes'] > 1)})" if t["classes"] else t["name"]
        for t in tasks or ()
    ]
    rows.append(("tasks", ", ".join(names) if tasks else asked))
    rows += [(f"classes of {t['name']}", ", ".join(t["class_names"])) for t in tasks or () if t["class_names"]]
    head = "classification head" if network["head"] else "none"
    rows.append(("decoders", ", ".join(network["decoders"]) or head))
    weights = network["weights"]
    if weights["others"]:
        rows.append(("weights", f"{weights['taken']} (there are also {', '.join(weights['others'])})"))
    rows += [("feature", text) for text in network["features"]]
    return rows


def _included(network: dict[str, Any]) -> str:
    extra = network["extra_tokens"]
    parts = ["class token"] * network["class_token"] + [f"{extra} extra"] * bool(extra)
    return f", {' and '.join(parts)} included" if parts else ""


def _list(values: list[int]) -> str:
    return ", ".join(str(value) for value in values)

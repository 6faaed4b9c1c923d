"""What a build says of decoders that are not on the engine as a whole."""

from __future__ import annotations

from dataclasses import replace

from edgemoe_gen.design import Design, Knobs
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.model.macs import decoder_macs, total
from edgemoe_gen.numerics.decoder import lower_decoder
from edgemoe_gen.pipeline.support.decoders import HOST_MACS_PER_SECOND, decoder_notes, lowered_macs
from tests.numerics.decoded import decoded_case
from tests.overlay.decoder_networks import random_decoder


def design_of(**knobs: int) -> Design:
    return Design(Knobs(**knobs), load_board("zcu104"))


def test_notes_say_why_and_what_it_costs() -> None:
    model = decoded_case().model
    notes = decoder_notes(model, model.spec.task_names, design_of())
    assert len(notes) == 2 and notes[0].startswith("semseg: the design has max_map_width 0, so its decoder runs on the")
    seconds = total(decoder_macs(model.spec, "semseg")) / HOST_MACS_PER_SECOND
    assert f"about {seconds:.2g} s of a frame" in notes[0] and "assumed" in notes[0]
    assert decoder_notes(model, model.spec.task_names, design_of(max_map_width=32, max_map_channels=24)) == ()

    unchosen = decoder_notes(model, ("depth",), design_of(), chosen=False)
    assert len(unchosen) == 1 and unchosen[0].startswith("depth: the AMD ZCU104 has no room for decoders beside the ")
    aligned = replace(model, spec=replace(model.spec, align_corners=True))
    assert "align_corners is true" in decoder_notes(aligned, ("depth",), design_of(), chosen=False)[0]


def test_products_of_tiny_s_decoder_are_those_of_its_maps() -> None:
    """6.413 GMAC: 192 and 256 features on maps of 8 x 16 to 64 x 128 pixels, seven classes; and a word of ones more."""
    case = decoded_case().model
    image = replace(case.spec.image, height=128, width=256)
    tasks = (replace(case.spec.tasks[0], classes=7, map_channels=256),)
    spec = replace(case.spec, image=image, dim=192, tasks=tasks)
    model = replace(case, spec=spec, decoders={"semseg": random_decoder(192, 256, 7)})
    maps = [(8 << level) * (16 << level) for level in range(4)]
    wanted = 9 * (192 * 256 * maps[0] + 256 * 256 * sum(maps[1:])) + 256 * 7 * maps[3]
    assert total(decoder_macs(model.spec, "semseg")) == wanted and round(wanted / 1e9, 3) == 6.413
    ones = 9 * 256 * maps[0]
    assert lowered_macs(lower_decoder(model, "semseg"), spec) == wanted + ones

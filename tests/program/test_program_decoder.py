"""Decoders as programs: rows in rings, whatever the memories hold; what does not fit is refused with sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest

from edgemoe_gen.base.errors import CapacityError, ProgramError
from edgemoe_gen.design import Design
from edgemoe_gen.hardware.descriptor import OPERATION_WORDS
from edgemoe_gen.hardware.kinds import SHIFTED, facts_of, number
from edgemoe_gen.hardware.memories import PATHS
from edgemoe_gen.program import rings
from edgemoe_gen.program.compile import FrameGroup, Program, compile_groups, compile_network
from edgemoe_gen.program.counts import decoder_traffic
from edgemoe_gen.program.file import program_words
from edgemoe_gen.program.rings import Level, choose_rings
from edgemoe_gen.program.verify import verify_program
from tests.numerics.decoded import decoded_case, shared_case
from tests.program.row_checker import StaleRowError, check_rows
from tests.sim.engines import room_of, small_design

pytest.importorskip("torch")
MAPS = {"max_map_width": 32, "max_map_channels": 24, "source_words": 500, "result_words": 400}


def compiled_decoders(design: Design, doubles: bool = True, frames: int = 1) -> Program:
    """Both tasks of the small network with decoders."""
    case = decoded_case()
    tasks = [task for task in case.model.spec.task_names for _ in range(frames)]
    formats = case.formats(design.knobs.widths)
    return compile_network(
        design, case.model, case.network, formats, tasks, decoders=dict.fromkeys(case.model.spec.task_names, doubles)
    )


def shared_program(design: Design, doubles: bool = True, one_picture: bool = True) -> Program:
    """Three tasks with one gate for all, of one picture."""
    case = shared_case()
    tasks = case.model.spec.task_names
    formats = case.formats(design.knobs.widths)
    return compile_network(
        design, case.model, case.network, formats, tasks, decoders=dict.fromkeys(tasks, doubles),
        one_picture=one_picture,
    )  # fmt: skip


def rows_of(program: Program) -> list[int]:
    """Rows that the convolutions of the first decoder make at a time, level by level, at most."""
    most = [0] * 4
    for op, layer in zip(program.operations, program.layers, strict=True):
        if op.flags & SHIFTED and layer.startswith("decoders.semseg"):
            level = int(layer[-1])
            most[level] = max(most[level], op.blocks // op.row_blocks)
    return most


@pytest.mark.parametrize("lanes", [2, 3, 5, 11])
@pytest.mark.parametrize("words", [420, 900])
def test_no_row_is_read_that_is_not_there(lanes: int, words: int) -> None:
    design = small_design(tokens_parallel=lanes, **(MAPS | {"source_words": words, "result_words": words}))
    for doubles in (True, False):
        program = compiled_decoders(design, doubles)
        verify_program(program_words(program), design, room_of(program))
        check_rows(program)


@pytest.mark.parametrize("rows", [(1,), (2, 1), (3, 1), (4, 2, 1), (5, 1), (32, 16, 8, 4, 2)])
def test_no_row_is_stale_whatever_rows_are_made_at_a_time(
    monkeypatch: pytest.MonkeyPatch, rows: tuple[int, ...]
) -> None:
    monkeypatch.setattr(rings, "ROWS", rows)
    design = small_design(**(MAPS | {"source_words": 2000, "result_words": 2000}))
    program = compiled_decoders(design)
    check_rows(program)
    heights = [2, 4, 8, 16]
    assert rows_of(program) == [max(r for r in rows if r <= h) for h in heights]


def test_the_checker_finds_a_ring_that_is_a_row_too_short() -> None:
    design = small_design(**(MAPS | {"source_words": 900, "result_words": 900}))
    program = compiled_decoders(design)
    found = 0
    for at, op in enumerate(program.operations):
        if op.kind == number("RESIZE"):
            # A row lands where the one before it lies, which the next convolution still needs.
            wrong = replace(op, destination_word=program.operations[at - 1].destination_word)
            operations = (*program.operations[:at], wrong, *program.operations[at + 1 :])
            if program.operations[at - 1].kind == number("RESIZE") and wrong != op:
                with pytest.raises(StaleRowError):
                    check_rows(replace(program, operations=operations))
                found += 1
    assert found > 10


def test_deeper_memories_take_fewer_passes_of_the_weights() -> None:
    beats = []
    for words in (420, 700, 1500):
        design = small_design(**(MAPS | {"source_words": words, "result_words": words}))
        beats.append(compiled_decoders(design).weight_bytes_per_run)
    assert beats[0] > beats[1] > beats[2]


def test_frames_that_share_a_pass_have_each_its_own_result() -> None:
    design = small_design(frames_per_pass=2, **MAPS)
    program = compiled_decoders(design, frames=2)
    check_rows(program)
    firsts = [region.first for frame in program.frames for region in (frame.decoded.regions if frame.decoded else ())]
    assert len(program.frames) == 4
    assert len(set(firsts)) == len(firsts) == 4 * 32


@pytest.mark.parametrize("short", ["source_words", "result_words"])
def test_memories_that_are_too_small_are_refused_with_sizes(short: str) -> None:
    small = MAPS | {"max_tokens": 9, "max_hidden": 64, "max_dim": 32, "max_query": 32}
    design = small_design(**(small | {short: 0}))
    with pytest.raises(CapacityError, match=r"the decoder of semseg needs \d+ words of the query memory") as error:
        compiled_decoders(design)
    sources, results = (int(word) for word in error.value.hint.split() if word.isdigit())
    compiled_decoders(small_design(**(small | {"source_words": sources, "result_words": results})))


def test_rings_of_many_shapes_fit_their_memories_and_do_not_meet() -> None:
    for width, height, lanes, depth in product((7, 32), (5,), (2, 5), (300, 900, 3000)):
        knobs = MAPS | {"max_map_width": 8 * width, "source_words": depth, "result_words": depth}
        design = small_design(tokens_parallel=lanes, **knobs)
        levels = tuple(Level(height << i, width << i, 3, 3, 10 + i) for i in range(4))
        try:
            found = choose_rings(design, "depth", levels, 1, 50, True)
        except CapacityError:
            continue
        taken: dict[str, list[tuple[int, int]]] = {"residual": [(0, 50)]}
        for ring, level in zip((*found.sources, *found.results), (*levels, *levels), strict=True):
            size = ring.slots * -(-level.width // lanes) * 3
            taken.setdefault(ring.memory, []).append((ring.first, ring.first + size))
        size = found.logits.slots * -(-levels[3].width // lanes)
        taken.setdefault(found.logits.memory, []).append((found.logits.first, found.logits.first + size))
        for memory, pieces in taken.items():
            ordered = sorted(pieces)
            assert ordered[-1][1] <= design.memory_depths[memory]
            assert all(end <= begin for (_, end), (begin, _) in pairwise(ordered))
        for source, ring, rows, level in zip(found.sources, found.results, found.rows, levels, strict=True):
            assert ring.slots == level.height or ring.slots % rows == 0
            assert source.slots >= min(level.height, rows + 2)


def _refusal(program: Program, changes: Mapping[int, Mapping[str, int]]) -> str:
    """What is said of a program with some fields of some operations set."""
    operations = list(program.operations)
    for at, fields in changes.items():
        operations[at] = replace(operations[at], **fields)
    with pytest.raises(ProgramError) as error:
        verify_program(program_words(replace(program, operations=tuple(operations))), program.design, room_of(program))
    return error.value.message


def test_what_loads_a_feature_of_ones_is_held_to_it_and_begins_no_other_program() -> None:
    program = compiled_decoders(small_design(**MAPS))
    ones = [at for at, layer in enumerate(program.layers) if layer == "decoders.semseg.ones"]
    load = program.operations[ones[0]]
    assert f"operation {ones[0]} (LOAD) has in_words 2" in _refusal(
        program, {ones[0]: {"in_words": 2, "transfer_beats": 2 * load.transfer_beats}}
    )
    assert "has destination_block 1" in _refusal(program, {ones[0]: {"destination_block": 1}})
    beats = load.transfer_beats // load.tokens
    assert "ones fill whole blocks" in _refusal(
        program, {ones[0]: {"tokens": load.tokens - 1, "transfer_beats": load.transfer_beats - beats}}
    )
    # A decoder may be put behind another one, so its first product begins anywhere in the ring; the others may not.
    assert program.operations[ones[0] - 1].kind == number("STORE")
    of_decoder = [
        at for at, (op, layer) in enumerate(zip(program.operations, program.layers, strict=True))
        if layer.startswith("decoders.semseg") and op.kind == number("PRODUCT")
    ]  # fmt: skip
    ring = program.design.ring_words
    moved = {at: {"ring_word": (program.operations[at].ring_word + 1) % ring} for at in of_decoder[1:]}
    assert "behind the products before it" in _refusal(program, moved)


def test_only_rows_of_maps_begin_at_any_word() -> None:
    program = compiled_decoders(small_design(**MAPS))
    for kind, side in (("NORMALISE", "source"), ("LOAD", "destination"), ("PRODUCT", "source")):
        at = next(i for i, op in enumerate(program.operations) if op.kind == number(kind) and op.source_block == 0)
        stride = getattr(program.operations[at], f"{side}_stride")
        assert f"has {side}_word {stride}" in _refusal(program, {at: {f"{side}_word": stride}})


@pytest.mark.parametrize("doubles", [True, False])
def test_traffic_of_decoders_is_theirs_alone_against_the_least(doubles: bool) -> None:
    """Every weight, bias and pixel once; rings that hold more rows come nearer to that."""
    case, found = decoded_case(), []
    for words in (420, 2000):
        design = small_design(decoder_weight_bits=8, **(MAPS | {"source_words": words, "result_words": words}))
        program = compiled_decoders(design, doubles)
        traffic = decoder_traffic(program, case.network)
        assert traffic is not None
        height, width = (2 * case.model.spec.grid[0] << 3, 2 * case.model.spec.grid[1] << 3)
        least = 0
        for task in ("semseg", "depth"):
            decoder = case.network.decoders[task]
            least += sum(layer.weight.size for layer in decoder.layers[:-1]) + 2 * decoder.layers[-1].weight.size
            least += 4 * sum(len(layer.weight) for layer in decoder.layers)  # biases of 32 bits
            pixel = 1 if decoder.classes > 3 else 2 * decoder.classes
            least += height * width * pixel if doubles else height * width * decoder.classes
        assert traffic.needed == least
        operations = zip(program.operations, program.layers, strict=True)
        ours = [op for op, layer in operations if layer.startswith("decoders.")]
        beats = sum(op.weight_beats for op in ours) * design.knobs.weight_ports + sum(op.transfer_beats for op in ours)
        assert traffic.moved == beats * design.beat_bytes + len(ours) * OPERATION_WORDS * 4
        found.append(traffic.ratio)
    assert found[0] > found[1] > 1.0


def test_a_program_without_decoders_moves_nothing_for_them() -> None:
    case, design = decoded_case(), small_design(**MAPS)
    program = compile_network(design, case.model, case.network, case.formats(design.knobs.widths), ("semseg",))
    assert decoder_traffic(program, case.network) is None


def test_nothing_of_a_decoder_leaves_the_chip_but_its_map() -> None:
    """Stores between a decoder's first operation and its last are rows of its map, each once."""
    for doubles in (True, False):
        program = compiled_decoders(small_design(**MAPS), doubles)
        stored = {layer for op, layer in zip(program.operations, program.layers, strict=True)
                  if layer.startswith("decoders.") and facts_of(op.kind).stores}  # fmt: skip
        assert stored == {"decoders.semseg.result", "decoders.depth.result"}
        for frame in program.frames:
            decoded = frame.decoded
            assert decoded is not None
            rows = sum(region.tokens for region in decoded.regions) // decoded.row_pixels
            assert rows == decoded.height


@pytest.mark.parametrize("words", [420, 900])
@pytest.mark.parametrize("doubles", [True, False])
def test_decoders_of_one_picture_follow_one_backbone_and_find_its_tokens(words: int, doubles: bool) -> None:
    design = small_design(**(MAPS | {"source_words": words, "result_words": words}))
    shared, alone = shared_program(design, doubles), shared_program(design, doubles, one_picture=False)
    verify_program(program_words(shared), design, room_of(shared))
    check_rows(shared)
    assert (len(shared.pictures), len(alone.pictures), len(shared.frames)) == (1, 3, 3)
    assert shared.image_beats * 3 == alone.image_beats
    # The same weights, each stored once, and the operations of a backbone and of every decoder.
    assert np.array_equal(shared.weights, alone.weights) and np.array_equal(shared.constants, alone.constants)
    backbone = sum(not layer.startswith("decoders.") for layer in shared.layers)
    assert len(alone.operations) == len(shared.operations) + 2 * backbone
    beats = shared.frames[0].regions["tokens"].beats
    assert shared.result_beats == alone.result_beats - 2 * beats
    assert len({region.first for f in shared.frames if f.decoded for region in f.decoded.regions}) == sum(
        len(f.decoded.regions) for f in shared.frames if f.decoded
    )


def test_the_checker_finds_tokens_that_a_decoder_overwrites() -> None:
    design = small_design(**(MAPS | {"source_words": 900, "result_words": 900, "max_tokens": 200}))
    program = shared_program(design)
    mine = {"decoders.depth.logits": "destination_word", "decoders.depth.result": "source_word"}
    ring = [
        op.destination_word
        for op, layer in zip(program.operations, program.layers, strict=True)
        if layer == "decoders.depth.logits" and PATHS[op.path][1] == "residual"
    ]
    # The whole ring of its logits moves to where the tokens begin.
    operations = tuple(
        replace(op, **{mine[layer]: getattr(op, mine[layer]) - min(ring)}) if layer in mine else op
        for op, layer in zip(program.operations, program.layers, strict=True)
    )
    check_rows(program)
    with pytest.raises(StaleRowError, match=r"decoders\.normals\.norm.*tokens"):
        check_rows(replace(program, operations=operations))


def test_gates_of_a_task_keep_a_backbone_for_each() -> None:
    case, design = decoded_case(), small_design(**MAPS)
    assert not case.model.spec.shares_backbone
    tasks, decoders = case.model.spec.task_names, dict.fromkeys(case.model.spec.task_names, True)
    formats = case.formats(design.knobs.widths)
    asked = compile_network(
        design, case.model, case.network, formats, tasks, decoders=decoders, one_picture=True
    ).operations
    assert asked == compiled_decoders(design).operations
    with pytest.raises(ValueError, match="gates of semseg, depth differ"):
        compile_groups(design, case.model, case.network, formats, [FrameGroup(decoders)])

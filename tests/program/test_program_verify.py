"""A program is checked before it runs: what the compiler writes passes, any other value of any field does not."""

from __future__ import annotations

import time
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgemoe_gen.base.errors import ProgramError
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.hardware import descriptor as d
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.hardware.kinds import KINDS, OPERANDS, USES
from edgemoe_gen.program.columns import operation_columns
from edgemoe_gen.program.compile import Program, compile_network
from edgemoe_gen.program.file import program_in, program_words, read_program, read_weights, weight_bytes
from edgemoe_gen.program.short import compile_short
from edgemoe_gen.program.verify import Room, verify_program
from tests.program.mapped import mapped
from tests.sim.engines import random_case, room_of, small_design

pytest.importorskip("torch", reason="formats are chosen by the float reference")

# Fields of which several values are as good as the compiler's: another place that fits, another shift, a row
# more in the last block. Of these a range is held; of all others the one value.
SOURCE = {"source_block", "source_stride", "source_word"}
DESTINATION = {"destination_block", "destination_stride", "destination_word"}
FREE: dict[str, set[str]] = {
    "LOAD": {"path", "flags", "out_shift", "transfer_first", *DESTINATION},
    "STORE": {"path", *SOURCE},
    "NORMALISE": {"tokens", "weight_first", "eps_high", "eps_low", "normal_fraction", *SOURCE, *DESTINATION},
    "GATHER": {"gather_words", "gather_stride"},
    "WEIGHTS": {
        "path", "flags", "tokens", "weight_first", "bias_shift", "term_shift", "out_shift", "old_shift",
        "gather_words", "gather_stride", *SOURCE, *DESTINATION,
    },
    "KEYS": {"flags", "term_shift", "out_shift", "operand_block", "operand_stride", "operand_word", *SOURCE},
    "VALUES": {"flags", "term_shift", "out_shift", "operand_block", "operand_stride", "operand_word", *DESTINATION},
    "ROUTE": {
        "flags", "tokens", "score_shift", "score_threshold", "expert_first", "expert_end", "top_k", "source_stride",
        "source_word",
    },
    "STORE_ROUTES": set(),
    "RESIZE": {"path", "row_words", *SOURCE, *DESTINATION},
    "STORE_RESIZED": {"path", "flags", "features", "row_words", *SOURCE},
}  # fmt: skip
# Of decoders: a larger map, or a wider one of as many blocks, would be as good, and the ring may lie elsewhere.
FREE_OF_MAPS = {"WEIGHTS": {"height", "width"}, "NORMALISE": {"path", "source_lane"}}
# One word of an operation, whole, that once made the C simulation write outside its arrays: word and value.
CRASHES = [
    (14, 0x80000000), (10, 0x7FFF7FFF), (12, 0x10000), (12, 0xE0234C95), (9, 0xFFFFFFFF), (14, 0x10000006),
    (19, 0x158B1A38), (16, 0x7FFFFFFF), (18, 0x10000), (7, 0xD96733CB), (8, 0x840004),
]  # fmt: skip
PLACES = {place.name: place for place in d.field_places()}


@cache
def network() -> tuple[Program, Design]:
    """Experts, taps, two frames a pass and one alone, narrow weights of experts."""
    design = small_design(frames_per_pass=2, expert_weight_bits=8)
    case = random_case(seed=70)
    formats = case.formats(design)
    return compile_network(design, case.model, case.network, formats, ("semseg", "semseg", "depth"), taps=True), design


@cache
def short() -> tuple[Program, Design]:
    design = make_design(Knobs(), load_board("zcu104"))
    return compile_short(design)[0], design


PROGRAMS = {"network": network, "short": short, "maps": mapped}


def kinds(words: NDArray[np.uint32]) -> list[str]:
    """Kind of each operation, a product's by its operand."""
    f = operation_columns(words.reshape(-1, d.OPERATION_WORDS)[1:])
    names = [list(KINDS)[kind] for kind in f["kind"]]
    return [
        list(OPERANDS)[operand] if name == "PRODUCT" else name
        for name, operand in zip(names, f["operand"], strict=True)
    ]


def changed(words: NDArray[np.uint32], operation: int, field: str, value: int) -> NDArray[np.uint32]:
    """The program with one field of one operation set."""
    place = PLACES[field]
    mask = ((1 << place.bits) - 1) << place.low
    other = words.copy()
    at = d.OPERATION_WORDS * (1 + operation) + place.word
    other[at] = (int(other[at]) & ~mask & 0xFFFFFFFF) | (value << place.low & mask)
    return other


def refused(words: NDArray[np.uint32], design: Design, room: Room) -> bool:
    try:
        verify_program(words, design, room)
    except ProgramError:
        return True
    return False


def test_every_kind_is_in_one_of_the_programs() -> None:
    assert set(USES) == {kind for program in PROGRAMS.values() for kind in kinds(program_words(program()[0]))}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("kind", USES)
def test_a_wrong_value_of_any_field_of_any_kind_is_refused(name: str, kind: str) -> None:
    program, design = PROGRAMS[name]()
    words, room = program_words(program), room_of(program)
    of_kind = [i for i, found in enumerate(kinds(words)) if found == kind]
    if not of_kind:
        pytest.skip(f"{name} has no {kind}")
    free = FREE[kind] | (FREE_OF_MAPS.get(kind, set()) if name == "maps" else set())
    random = np.random.default_rng(zlib.crc32(f"{name} {kind}".encode()))
    f = operation_columns(words.reshape(-1, d.OPERATION_WORDS)[1:])
    taken = []
    for at in {of_kind[len(of_kind) // 2]}:
        for field, place in PLACES.items():
            top = (1 << place.bits - 1) - 1
            now = int(f[field][at])
            values = {-top - 1, top}
            if field not in free:
                values |= {-1, now - 1, now + 1, int(random.integers(-top, top))}
            if field == "eps_low" and field in USES[kind].fields:  # any 31 bits
                values = {-top - 1, -1}
            taken += [
                f"{field} {now} -> {value} of operation {at}"
                for value in sorted(values)
                if value != now
                and -top - 1 <= value <= top
                and not refused(changed(words, at, field, value), design, room)
            ]
    assert not taken


@pytest.mark.parametrize(("word", "value"), CRASHES)
def test_words_that_crashed_the_simulation_are_refused_in_every_operation(word: int, value: int) -> None:
    program, design = network()
    words = program_words(program)
    for operation in range(0, len(program.operations), 3):
        other = words.copy()
        at = d.OPERATION_WORDS * (1 + operation) + word
        if other[at] == value or (word == 18 and other[at] & 0xFFFF == 0):
            continue  # it says so already; or only the shift of an expert's biases is another one
        other[at] = value
        assert refused(other, design, room_of(program)), f"{kinds(words)[operation]} {operation}"


def test_what_the_compiler_writes_passes_within_its_buffers_and_not_in_smaller_ones() -> None:
    program, design = network()
    words, room = program_words(program), room_of(program)
    verify_program(words, design)
    verify_program(words, design, room)
    for name in ("weights", "constants", "image", "result"):
        smaller = Room(**(vars(room) | {name: getattr(room, name) - 1}))
        assert refused(words, design, smaller), name


def test_programs_one_behind_another_are_a_program() -> None:
    """So a driver makes a batch: each begins again where its first one did in the ring; results go on."""
    program, design = short()
    words = program_words(program)
    count = len(program.operations)
    twice = np.concatenate([words, words[d.OPERATION_WORDS :]])
    room = room_of(program)
    longer = Room(room.weights, room.constants, room.image, 2 * room.result)
    assert refused(twice, design, longer)  # both to the same place
    for at in (i for i, kind in enumerate(kinds(words)) if kind == "STORE"):
        first = int(operation_columns(words.reshape(-1, d.OPERATION_WORDS)[1:])["transfer_first"][at])
        twice = changed(twice, count + at, "transfer_first", first + room.result)
    verify_program(twice, design, longer)
    second = count + kinds(words).index("KEYS")
    assert refused(changed(twice, second, "ring_word", 0), design, longer)


def test_a_program_that_lost_an_operation_is_refused() -> None:
    """Places in the ring, rows of scores, gathered tokens and results follow from the operations before."""
    program, design = network()
    words = program_words(program).reshape(-1, d.OPERATION_WORDS)
    found = np.array(kinds(words))
    for kind in ("KEYS", "WEIGHTS", "GATHER", "STORE"):
        second = int(np.flatnonzero(found == kind)[1])
        assert refused(np.delete(words, 1 + second, axis=0), design, room_of(program)), kind
    routes = 1 + np.flatnonzero(found == "ROUTE")
    assert refused(np.delete(words, routes, axis=0), design, room_of(program))


def test_the_message_names_operation_kind_field_value_and_rule() -> None:
    program, design = network()
    words = program_words(program)
    at = kinds(words).index("KEYS")
    with pytest.raises(ProgramError, match=rf"operation {at} \(PRODUCT\) has keys 999, but .* between 1 and 33"):
        verify_program(changed(words, at, "keys", 999), design)


def test_files_are_refused_by_name(tmp_path: Path) -> None:
    program, design = network()
    words = program_words(program)
    at = kinds(words).index("NORMALISE")
    bad = changed(words, at, "tokens", 0x7000)
    bad[d.HEADER_CHECKSUM] = 0
    bad[d.HEADER_CHECKSUM] = zlib.crc32(bad.astype("<u4").tobytes())
    path = tmp_path / "program.bin"
    path.write_bytes(bad.astype("<u4").tobytes())
    with pytest.raises(ProgramError, match=rf"program\.bin .*operation {at} \(NORMALISE\) has tokens {0x7000}"):
        read_program(path, design)
    # What lies beyond the weights is known where both files are read.
    weights = tmp_path / "weights.bin"
    weights.write_bytes(weight_bytes(program))
    beyond = changed(words, at, "weight_first", program.weights.shape[1])
    with pytest.raises(ProgramError, match=r"weights\.bin .*has weight_first"):
        read_weights(weights, design, beyond)


def test_a_program_in_a_buffer_ends_where_its_header_says() -> None:
    program, design = network()
    words = program_words(program)
    buffer = np.concatenate([words, np.full(40, 7, np.uint32)]).view(np.uint8)
    found = program_in(buffer, design)
    assert found is not None and np.array_equal(found, words)
    other = words.copy()
    other[d.HEADER_DESIGN] ^= 1
    assert program_in(other.view(np.uint8), design) is None
    assert program_in(buffer[:64], design) is None
    with pytest.raises(ProgramError, match="does not fit its buffer"):
        program_in(buffer[: 4 * (words.size - 1)], design)


def test_thousands_of_operations_take_a_few_milliseconds() -> None:
    """The fastest of three, with room for a busy machine: a loop over fields would take a second."""
    case, design = random_case(seed=70), small_design()
    program = compile_network(design, case.model, case.network, case.formats(design), ("semseg", "depth") * 12)
    words = program_words(program)
    assert len(program.operations) > 1500
    took = []
    for image_beats in range(3):  # another room each time, so that none is known already
        begun = time.perf_counter()
        verify_program(words, design, Room(image=program.image_beats + image_beats))
        took.append(time.perf_counter() - begun)
    assert min(took) < 0.2


def test_a_design_without_decoders_refuses_their_operations() -> None:
    program, design = mapped()
    words = program_words(program)
    verify_program(words, design, room_of(program))
    other = small_design(source_words=design.memory_depths["hidden"])
    with pytest.raises(ProgramError, match="the design has no decoders"):
        verify_program(words, other, room_of(program))


@pytest.mark.parametrize("kind", ["ROUTE", "GATHER", "STORE_ROUTES", "WEIGHTS"])
def test_a_design_without_a_router_refuses_operations_of_experts(kind: str) -> None:
    """The first one of each kind that has to do with experts, alone."""
    program, design = network()
    rows = program_words(program).reshape(-1, d.OPERATION_WORDS)
    of_experts = operation_columns(rows)["expert"] >= 0
    first = next(
        i for i, found in enumerate(kinds(rows.ravel()), 1) if found == kind and (kind != "WEIGHTS" or of_experts[i])
    )
    plain = make_design(design.knobs.turned({"max_experts": 0, "max_top_k": 0}), design.board)
    with pytest.raises(ProgramError, match="the design has no router"):
        verify_program(rows[[0, first]].ravel(), plain, room_of(program))
    with pytest.raises(ProgramError, match="the design has no router"):
        verify_program(rows.ravel(), plain, room_of(program))


def test_a_convolution_whose_ring_lacks_a_row_is_refused() -> None:
    program, design = mapped()
    words = program_words(program)
    convolutions = np.flatnonzero(operation_columns(words.reshape(-1, d.OPERATION_WORDS)[1:])["tap_words"])
    row_words = program.operations[int(convolutions[1])].row_words
    shorter = changed(words, int(convolutions[1]), "ring_last", row_words)
    with pytest.raises(ProgramError, match=r"has ring_last \d+, but it lies between"):
        verify_program(shorter, design, room_of(program))
